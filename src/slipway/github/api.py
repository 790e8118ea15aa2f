"""The little of GitHub's API that the workflows need.

Uses nothing but the standard library: some jobs must speak before anything is installed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from slipway.errors import SlipwayError

PAGE = 100

NO_CONTENT, NOT_FOUND = 204, 404

REDIRECTS = (301, 302, 303, 307, 308)

MOST_REDIRECTS = 5

# No answer of the API is larger; one that is would fill the memory of the runner.
LARGEST = 50_000_000

SECONDS = 30.0


class NotThere(SlipwayError):
    """GitHub has no such thing, or does not show it to this token."""


class Api:
    """A connection to the API on behalf of one repository.

    Parameters
    ----------
    url
        Where the API is, without a slash at the end.
    repository
        As ``owner/name``.
    token
        Of the job; its permissions are in the workflow.
    """

    def __init__(self, url: str, repository: str, token: str) -> None:
        self.repository = repository
        self.base = f"{url}/repos/{repository}/"
        self.headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "slipway",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def get(self, path: str, **query: str | int) -> Any:
        """Return what the API says of a path below the repository.

        Raises
        ------
        SlipwayError
            It cannot be reached, or it refuses; `NotThere` if it has no such thing.
        """
        return self._call("GET", f"{path}?{urlencode(query)}" if query else path)

    def find(self, path: str, **query: str | int) -> Any:
        """Return what the API says of a path, or None if there is no such thing."""
        try:
            return self.get(path, **query)
        except NotThere:
            return None

    def itself(self) -> Any:
        """Return what the API says of the repository."""
        return self.get(self.base.rstrip("/"))

    def pages(self, path: str, **query: str | int) -> Iterator[Any]:
        """Yield the entries of a list, page by page."""
        page = 1
        while True:
            entries = self.get(path, **query, per_page=PAGE, page=page)
            yield from entries
            if len(entries) < PAGE:
                return
            page += 1

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("POST", path, json.dumps(body).encode())

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._call("PATCH", path, json.dumps(body).encode())

    def delete(self, path: str) -> None:
        self._call("DELETE", path)

    def upload(self, url: str, content: bytes) -> Any:
        """Send a file to an address that GitHub gave for it."""
        return self._call("POST", url, content, "application/octet-stream")

    def graphql(self, url: str, query: str, variables: dict[str, Any]) -> Any:
        """Return the data of a GraphQL call, which says *200 OK* when it fails as well."""
        body = {"query": query, "variables": variables}
        answer = self._call("POST", url, json.dumps(body).encode())
        if answer.get("errors"):
            raise SlipwayError(f"GitHub refused: {answer['errors'][0].get('message')}")
        return answer["data"]

    def download(self, path: str, limit: int) -> bytes:
        """Return the bytes that a path leads to, at most `limit` of them.

        Raises
        ------
        SlipwayError
            There are more bytes than that, or none to be had.
        """
        url, headers = self._url(path), self.headers
        for _ in range(MOST_REDIRECTS):
            with _open("GET", url, headers) as response:
                if response.status not in REDIRECTS:
                    return _content(response, path, limit)
                target = urljoin(url, response.headers.get("Location", ""))
            if urlsplit(target)[:2] != urlsplit(url)[:2]:
                # The token is for GitHub, not for the host that keeps the bytes.
                headers = {"User-Agent": self.headers["User-Agent"]}
            url = target
        raise SlipwayError(f"GET {path}: more than {MOST_REDIRECTS} redirects")

    def file(self, path: str, commit: str, limit: int) -> bytes | None:
        """Return a file of a commit, None if there is none.

        Raises
        ------
        SlipwayError
            It has more bytes than `limit`, or cannot be had.
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
    ) -> Any:
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
            raise SlipwayError(f"{place}: the answer is not JSON") from None

    def _url(self, path: str) -> str:
        return urljoin(self.base, quote(path, safe="/?#%:@!$&'()*+,;=~[]"))


class _NoRedirects(HTTPRedirectHandler):
    """Lets a redirect be an answer: urllib would send the token wherever it leads."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _open(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> HTTPResponse | HTTPError:
    if urlsplit(url).scheme not in ("https", "http"):
        raise SlipwayError(f"{method} {url[:200]}: not a web address")
    request = Request(url, body, dict(headers), method=method)  # noqa: S310 -- checked above
    try:
        response: HTTPResponse = build_opener(_NoRedirects).open(request, timeout=SECONDS)
    except HTTPError as answered:
        return answered
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error) from None
    return response


def _content(
    response: HTTPResponse | HTTPError, path: str, limit: int, method: str = "GET"
) -> bytes:
    """Return the body of an answer that is no error."""
    try:
        content: bytes = response.read(limit + 1)
    except (OSError, HTTPException) as error:
        raise _unreachable(path, error) from None
    if not 200 <= (response.status or 0) < 300:
        said = content[:200].decode("utf-8", "replace")
        kind = NotThere if response.status == NOT_FOUND else SlipwayError
        raise kind(
            f"{method} {path}: {response.status} {said}",
            "see the permissions of this job in the workflow",
        )
    if len(content) > limit:
        raise SlipwayError(f"{method} {path}: more than {limit:,} bytes")
    return content


def api_of_job() -> Api:
    """Return the API as the job that this runs in may use it.

    Raises
    ------
    SlipwayError
        This does not run in a job of GitHub Actions, or the job has no token.
    """
    try:
        names = ("GITHUB_API_URL", "GITHUB_REPOSITORY", "GITHUB_TOKEN")
        url, repository, token = (os.environ[name] for name in names)
    except KeyError as missing:
        raise SlipwayError(
            f"{missing.args[0]} is not set", "this verb is for a job of GitHub Actions"
        ) from None
    return Api(url, repository, token)


def _unreachable(path: str, error: Exception) -> SlipwayError:
    return SlipwayError(f"{path}: no answer from GitHub ({error})", "run the job again")
