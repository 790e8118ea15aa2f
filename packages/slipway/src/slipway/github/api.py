"""A client for the parts of GitHub's API that the workflows use.

Uses only the standard library: some steps run before anything is installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from slipway.errors import SlipwayError
from slipway.github.answers import Repository

PAGE = 100

NO_CONTENT, NOT_FOUND = 204, 404

REDIRECTS = (301, 302, 303, 307, 308)

MOST_REDIRECTS = 5

# No response of the API is larger; the limit protects the memory of the runner.
LARGEST = 50_000_000

SECONDS = 30.0


class NotFound(SlipwayError):
    """GitHub returned 404: it does not exist, or this token may not see it."""


class Api:
    """A client of the API for one repository.

    Parameters
    ----------
    url
        Address of the API, without a slash at the end.
    repository
        As ``owner/name``.
    token
        The token of the job; its permissions are in the workflow.
    """

    def __init__(self, url: str, repository: str, token: str) -> None:
        self.repository = repository
        self.url = url
        self.base = f"{url}/repos/{repository}/"
        self.headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "slipway",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def get(self, path: str, **query: str | int) -> object:
        """Return the response for a path below the repository: JSON, to be read as an `Answer`.

        Raises
        ------
        SlipwayError
            The API cannot be reached or returns an error; `NotFound` for 404.
        """
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def find(self, path: str, **query: str | int) -> object:
        """Return the response for a path, or None for 404."""
        try:
            return self.get(path, **query)
        except NotFound:
            return None

    def itself(self) -> Repository:
        """Return the description of the repository."""
        return Repository.of(self.get(self.base.rstrip("/")))

    def change_itself(self, **settings: object) -> object:
        """Change settings of the repository; those that are not named stay."""
        return self.patch(self.base.rstrip("/"), settings)

    def find_global(self, path: str) -> object:
        """Return the response for a path outside of the repository, or None for 404."""
        return self.find(f"{self.url}/{path}")

    def pages(self, path: str, **query: str | int) -> Iterator[object]:
        """Yield the entries of a list, page by page."""
        page = 1
        while True:
            entries = self.get(path, **query, per_page=PAGE, page=page)
            if not isinstance(entries, list):
                raise SlipwayError(f"{path}: the response is not a list")
            yield from entries
            if len(entries) < PAGE:
                return
            page += 1

    def post(self, path: str, body: Mapping[str, object]) -> object:
        return self._call("POST", path, json.dumps(body).encode())

    def patch(self, path: str, body: Mapping[str, object]) -> object:
        return self._call("PATCH", path, json.dumps(body).encode())

    def put(self, path: str, **body: object) -> object:
        return self._call("PUT", path, json.dumps(body).encode())

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def upload(self, url: str, content: bytes) -> object:
        """Upload a file to an address that GitHub returned for it."""
        return self._call("POST", url, content, "application/octet-stream")

    def download(self, path: str, limit: int, accept: str = "") -> bytes:
        """Return the bytes of a path, or of what it redirects to.

        Raises
        ------
        SlipwayError
            There are more than `limit` bytes, or the download fails.
        """
        url, headers = self._url(path), self.headers | ({"Accept": accept} if accept else {})
        for _ in range(MOST_REDIRECTS):
            with _open("GET", url, headers) as response:
                if response.status not in REDIRECTS:
                    return _content(response, path, limit)
                target = urljoin(url, response.headers.get("Location", ""))
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                # The token is for GitHub, not for the host that stores the file.
                headers = {"User-Agent": self.headers["User-Agent"]}
            url = target
        raise SlipwayError(f"GET {path}: more than {MOST_REDIRECTS} redirects")

    def file(self, path: str, commit: str, limit: int) -> bytes | None:
        """Return a file of a commit, or None if the commit does not have it.

        Raises
        ------
        SlipwayError
            It has more than `limit` bytes, or the download fails.
        """
        raw = {"Accept": "application/vnd.github.raw+json"}
        place = f"contents/{quote(path)}?{urlencode({'ref': commit})}"
        with _open("GET", self._url(place), self.headers | raw) as response:
            if response.status == NOT_FOUND:
                return None
            return _content(response, place, limit)

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
    ) -> object:
        sent = self.headers if body is None else self.headers | {"Content-Type": kind}
        url = self._url(path)
        with _open(method, url, sent, body) as response:
            place = urlsplit(url).path
            content = _content(response, place, LARGEST, method=method)
            if response.status == NO_CONTENT:
                return None
        try:
            return json.loads(content)
        except ValueError:
            raise SlipwayError(f"{place}: the response is not JSON") from None

    def _url(self, path: str) -> str:
        return urljoin(self.base, quote(path, safe="/?#%:@!$&'()*+,;=~[]"))


class _NoRedirects(HTTPRedirectHandler):
    """Returns a redirect as the response: urllib would send the token to its target."""

    def redirect_request(self, *_: object) -> None:
        return None


def _open(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> HTTPResponse | HTTPError:
    if urlsplit(url).scheme not in ("https", "http"):
        raise SlipwayError(f"{method} {url[:200]}: not a web address")
    request = Request(url, body, dict(headers), method=method)  # noqa: S310 -- checked above
    try:
        opened: HTTPResponse = build_opener(_NoRedirects).open(request, timeout=SECONDS)
    except HTTPError as response:
        return response
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error) from None
    return opened


def _content(
    response: HTTPResponse | HTTPError, path: str, limit: int, method: str = "GET"
) -> bytes:
    """Return the body of a successful response."""
    try:
        content: bytes = response.read(limit + 1)
    except (OSError, HTTPException) as error:
        raise _unreachable(path, error) from None
    if not 200 <= (response.status or 0) < 300:
        message = content[:200].decode("utf-8", "replace")
        kind = NotFound if response.status == NOT_FOUND else SlipwayError
        raise kind(
            f"{method} {path}: {response.status} {message}",
            "check the permissions of this job in the workflow",
        )
    if len(content) > limit:
        raise SlipwayError(f"{method} {path}: more than {limit:,} bytes")
    return content


def api_of_job() -> Api:
    """Return the API with the token of this job.

    Raises
    ------
    SlipwayError
        This is not a job of GitHub Actions, or the step has no token.
    """
    try:
        names = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
        url, repository, token = (os.environ[name] for name in names)
    except KeyError as missing:
        raise SlipwayError(
            f"{missing.args[0]} is not set", "run this command in a job of GitHub Actions"
        ) from None
    return Api(url, repository, token)


def _unreachable(path: str, error: Exception) -> SlipwayError:
    return SlipwayError(f"{path}: GitHub cannot be reached ({error})", "run the job again")
