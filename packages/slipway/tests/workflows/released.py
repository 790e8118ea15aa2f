"""What GitHub knows of releases: merged commits, deployments, and releases with their files."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Answer = tuple[int, Any]


def base(branch: str) -> dict[str, Any]:
    """Return what GitHub names of the branch that a pull request goes to."""
    return {"ref": branch, "sha": "0" * 40, "repo": {"id": 100, "default_branch": "main"}}


@dataclass
class Released:
    """The part of a repository on GitHub that a release sees.

    Attributes
    ----------
    merges
        The pull requests that GitHub links to a commit.
    assets
        The files of the releases, by release and name.
    """

    url: str = ""
    merges: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    assets: dict[tuple[int, str], bytes] = field(default_factory=dict)

    def merge(self, commit: str, number: int = 7, head: str = "a" * 40, **fields: Any) -> None:
        """Let a commit be the merge of a pull request."""
        self.merges.setdefault(commit, []).append(
            {
                "number": number,
                "html_url": f"https://github.com/team/flights/pull/{number}",
                "state": "closed",
                "title": "Change something",
                "merged_at": "2026-11-20T12:00:00Z",
                "merge_commit_sha": commit,
                "head": {"sha": head, "ref": "change"},
                "base": base("main"),
            }
            | fields
        )

    def deploy(self, commit: str, environment: str) -> int:
        """Add a deployment as a job with an environment makes it."""
        return int(self._deploy(None, {}, {"ref": commit, "environment": environment})[1]["id"])

    def routes(self) -> dict[str, Callable[..., Answer]]:
        return {
            r"GET commits/([0-9a-f]{40})/pulls": lambda at, *_: (200, self.merges.get(at[0], [])),
            "GET deployments": self._list_deployments,
            "POST deployments": self._deploy,
            r"GET deployments/(\d+)/statuses": lambda at, *_: (200, self.statuses[int(at[0])]),
            r"POST deployments/(\d+)/statuses": self._set_status,
            "GET releases": lambda _, query, __: (200, _page(self.releases, query)),
            "POST releases": self._release,
            r"PATCH releases/(\d+)": self._update,
            r"GET releases/(\d+)/assets": self._list_assets,
            r"POST releases/(\d+)/assets": self._upload,
            r"GET releases/assets/(\d+)": lambda at, *_: (200, self.assets[self._asset(at)]),
            r"DELETE releases/assets/(\d+)": self._delete,
        }

    def _list_deployments(self, _: Any, query: Mapping[str, str], __: Any) -> Answer:
        listed = [
            entry
            for entry in reversed(self.deployments)
            if query.get("environment", entry["environment"]) == entry["environment"]
        ]
        return 200, _page(listed, query)

    def _deploy(self, _: Any, __: Any, body: Any) -> Answer:
        if body.get("required_contexts", []) != []:
            return 409, {"message": "Conflict: Commit status checks failed"}
        entry = {**body, "id": 300 + len(self.deployments), "sha": body["ref"]}
        self.deployments.append(entry)
        self.statuses[entry["id"]] = []
        return 201, entry

    def _set_status(self, at: Any, _: Any, body: Any) -> Answer:
        if len(body.get("description", "")) > 140:
            return 422, {"message": "description is too long (maximum is 140 characters)"}
        self.statuses[int(at[0])].insert(0, body)
        return 201, body

    def _release(self, _: Any, __: Any, body: Any) -> Answer:
        if any(entry["tag_name"] == body["tag_name"] for entry in self.releases):
            return 422, {"message": "Validation Failed: already_exists"}
        if len(body["body"]) > 125_000:
            return 422, {"message": "body is too long (maximum is 125000 characters)"}
        identity = 800 + len(self.releases)
        entry = body | {
            "id": identity,
            "html_url": f"https://github.com/team/flights/releases/tag/{body['tag_name']}",
            "upload_url": f"{self.url}/api/v3/repos/team/flights/releases/{identity}/assets"
            "{?name,label}",
        }
        self.releases.insert(0, entry)
        return 201, entry

    def _update(self, at: Any, _: Any, body: Any) -> Answer:
        entry = next(entry for entry in self.releases if entry["id"] == int(at[0]))
        entry.update(body)
        return 200, entry

    def _list_assets(self, at: Any, query: Mapping[str, str], _: Any) -> Answer:
        names = [name for release, name in self.assets if release == int(at[0])]
        listed = [{"id": _number((int(at[0]), name)), "name": name} for name in names]
        return 200, _page(listed, query)

    def _upload(self, at: Any, query: Mapping[str, str], body: Any) -> Answer:
        key = (int(at[0]), query["name"])
        if key in self.assets:
            return 422, {"message": "Validation Failed: already_exists"}
        self.assets[key] = body
        return 201, {"id": _number(key), "name": query["name"]}

    def _delete(self, at: Any, *_: Any) -> Answer:
        del self.assets[self._asset(at)]
        return 204, None

    def _asset(self, at: Any) -> tuple[int, str]:
        return next(key for key in self.assets if _number(key) == int(at[0]))


def _number(asset: tuple[int, str]) -> int:
    return zlib.crc32(repr(asset).encode())


def _page(entries: list[Any], query: Mapping[str, str]) -> list[Any]:
    size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
    return entries[size * (number - 1) : size * number]
