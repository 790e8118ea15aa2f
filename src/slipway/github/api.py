"""The little of GitHub's API that the workflows need."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from slipway.errors import SlipwayError

if TYPE_CHECKING:
    import httpx

PAGE = 100

NO_CONTENT, NOT_FOUND = 204, 404

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
        import httpx

        self.repository = repository
        self.http = httpx.Client(
            base_url=f"{url}/repos/{repository}/",
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {token}",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            timeout=SECONDS,
        )

    def get(self, path: str, **query: str | int) -> Any:
        """Return what the API says of a path below the repository.

        Raises
        ------
        SlipwayError
            It cannot be reached, or it refuses; `NotThere` if it has no such thing.
        """
        return self._answer(self._send("GET", path, params=query))

    def find(self, path: str, **query: str | int) -> Any:
        """Return what the API says of a path, or None if there is no such thing."""
        try:
            return self.get(path, **query)
        except NotThere:
            return None

    def itself(self) -> Any:
        """Return what the API says of the repository."""
        return self.get(str(self.http.base_url).rstrip("/"))

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
        return self._answer(self._send("POST", path, json=body))

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        return self._answer(self._send("PATCH", path, json=body))

    def delete(self, path: str) -> None:
        self._answer(self._send("DELETE", path))

    def upload(self, url: str, content: bytes) -> Any:
        """Send a file to an address that GitHub gave for it."""
        kind = {"Content-Type": "application/octet-stream"}
        return self._answer(self._send("POST", url, content=content, headers=kind))

    def graphql(self, url: str, query: str, variables: dict[str, Any]) -> Any:
        """Return the data of a GraphQL call, which says *200 OK* when it fails as well."""
        body = {"query": query, "variables": variables}
        answer = self._answer(self._send("POST", url, json=body))
        if answer.get("errors"):
            raise SlipwayError(f"GitHub refused: {answer['errors'][0].get('message')}")
        return answer["data"]

    def download(self, path: str, limit: int) -> bytes:
        """Return the bytes that a path leads to, at most `limit` of them.

        The token stays with GitHub: httpx drops it when the answer leads to another host.

        Raises
        ------
        SlipwayError
            There are more bytes than that, or none to be had.
        """
        import httpx

        try:
            with self.http.stream("GET", path, follow_redirects=True) as response:
                if response.is_error:
                    raise SlipwayError(f"GET {path}: {response.status_code}")
                content = bytearray()
                for part in response.iter_raw():
                    content += part
                    if len(content) > limit:
                        raise SlipwayError(f"GET {path}: more than {limit:,} bytes")
                return bytes(content)
        except httpx.HTTPError as error:
            raise _unreachable(path, error) from None

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            return self.http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise _unreachable(path, error) from None

    def _answer(self, response: httpx.Response) -> Any:
        if not response.is_success:
            said = response.text[:200]
            kind = NotThere if response.status_code == NOT_FOUND else SlipwayError
            raise kind(
                f"{response.request.method} {response.request.url.path}: "
                f"{response.status_code} {said}",
                "see the permissions of this job in the workflow",
            )
        if response.status_code == NO_CONTENT:
            return None
        try:
            return response.json()
        except ValueError:
            raise SlipwayError(f"{response.request.url.path}: the answer is not JSON") from None


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
