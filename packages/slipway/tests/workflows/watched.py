"""What monitoring uses of GitHub in addition to pull requests: issues, workflows, commits.

The commits are real ones: they go into the repository in place of the one on GitHub.
"""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BOT = {"login": "github-actions[bot]", "type": "Bot"}

ADA = {"login": "ada", "type": "User"}

SETTINGS = (
    r"(?:actions/(?:permissions|runners|secrets|organization-secrets|variables|workflows"
    r"|runs/\d+$)|pages|environments|meta|user|orgs/)"
)

POLICIES = "deployment-branch-policies"

# A run as GitHub describes it, without its number, commit and conclusion.
RUN = {
    "html_url": "https://github.com/team/flights/actions/runs/1",
    "path": ".github/workflows/some.yml",
    "event": "pull_request",
    "created_at": "2026-11-20T12:00:00Z",
    "display_title": "Change something",
}

Answer = tuple[int, Any]


@dataclass
class Watched:
    """The part of a repository on GitHub that the watch sees.

    Attributes
    ----------
    origin
        The git repository, once there is one.
    user
        Whose token it is that asks.
    settings
        What GitHub reports of the repository, by path: ``pages``, ``environments`` …
    branch_rules
        The rules of a branch in full, where a test needs more than their types.
    dispatched
        The runs that were asked for, as workflow and inputs.
    """

    origin: Path | None = None
    user: dict[str, str] = field(default_factory=lambda: dict(BOT))
    issues: dict[int, dict[str, Any]] = field(default_factory=dict)
    remarks: dict[int, list[str]] = field(default_factory=dict)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    branch_rules: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    dispatched: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def open_issue(self, title: str, body: str, labels: tuple[str, ...] = (), **fields: Any) -> int:
        number = 100 + len(self.issues)
        self.issues[number] = {
            "number": number,
            "html_url": f"https://github.com/team/flights/issues/{number}",
            "state": "open",
            "title": title,
            "body": body,
            "user": self.user,
            "labels": [{"name": name} for name in labels],
        } | fields
        self.remarks[number] = []
        return number

    def routes(self, pulls: dict[int, dict[str, Any]]) -> dict[str, Callable[..., Answer]]:
        """Return how each call is answered; `pulls` are the pull requests of the repository."""
        return {
            "GET issues": self._list_issues,
            "POST issues": self._create_issue,
            r"PATCH issues/(\d+)": self._update_issue,
            r"POST issues/(\d\d+)/comments": self._remark,
            "GET labels/(.+)": lambda at, *_: found(self.labels.get(at[0])),
            "POST labels": self._create_label,
            r"GET actions/workflows/([\w.-]+)/runs": self._list_runs,
            **{
                f"GET rules/branches/({name})": lambda at, *_: (200, self.branch_rules[at[0]])
                for name in self.branch_rules
            },
            r"POST actions/workflows/([\w.-]+)/dispatches": self._dispatch,
            "POST git/(blobs|trees|commits|refs)": self._create_object,
            r"GET git/ref/heads/(.+)": lambda at, *_: found(self.head(at[0])),
            r"PATCH git/refs/heads/(.+)": self._move_branch,
            r"GET commits/([0-9a-f]{40})": lambda at, *_: found(self.commit(at[0])),
            r"GET compare/([0-9a-f]{40})\.\.\.([0-9a-f]{40})": self._compare,
            "POST pulls": lambda _, __, body: self._open_pull(pulls, body),
            r"PATCH pulls/(\d+)": lambda at, _, body: self._update_pull(pulls, at, body),
            f"GET ({SETTINGS}.*)": lambda at, *_: found(self.settings.get(at[0])),
            "GET repos/team/flights": lambda *_: found(self._repository()),
            "PATCH repos/team/flights": self._change_repository,
            "POST actions/variables": self._create_variable,
            "POST rulesets": self._create_ruleset,
            r"PUT actions/workflows/([\w.-]+)/enable": self._enable_workflow,
            r"PUT environments/(\w+)": self._put_environment,
            rf"POST environments/(\w+)/{POLICIES}": self._add_branch,
        }

    def _change_repository(self, _: Any, __: Any, body: Any) -> Answer:
        self.settings["repository"] = self.settings["repository"] | body
        return 200, self._repository()

    def _repository(self) -> dict[str, Any] | None:
        settings = self.settings.get("repository")
        return None if settings is None else {"id": 100} | settings

    def _create_variable(self, _: Any, __: Any, body: Any) -> Answer:
        path = f"actions/variables/{body['name']}"
        if path in self.settings:
            return 409, {"message": "Already exists"}
        self.settings[path] = body
        return 201, {}

    def _create_ruleset(self, _: Any, __: Any, body: Any) -> Answer:
        self.branch_rules["main"] = [*self.branch_rules.get("main", []), *body["rules"]]
        return 201, body

    def _enable_workflow(self, at: Any, *_: Any) -> Answer:
        for entry in self.settings["actions/workflows"]["workflows"]:
            if entry["path"].endswith(f"/{at[0]}"):
                entry["state"] = "active"
        return 204, None

    def _put_environment(self, at: Any, _: Any, body: Any) -> Answer:
        # As GitHub does: what the body does not name is gone.
        self.settings[f"environments/{at[0]}"] = {"protection_rules": []} | body
        self.settings[f"environments/{at[0]}/{POLICIES}"] = {"branch_policies": []}
        return 200, self.settings[f"environments/{at[0]}"]

    def _add_branch(self, at: Any, _: Any, body: Any) -> Answer:
        self.settings[f"environments/{at[0]}/{POLICIES}"]["branch_policies"].append(body)
        return 200, body

    def _list_issues(self, _: Any, query: Mapping[str, str], __: Any) -> Answer:
        wanted = set(filter(None, query.get("labels", "").split(",")))
        state = query.get("state", "open")
        listed = [
            issue
            for issue in sorted(self.issues.values(), key=lambda issue: -issue["number"])
            if state in ("all", issue["state"])
            and wanted <= {label["name"] for label in issue["labels"]}
        ]
        size, number = int(query.get("per_page", 30)), int(query.get("page", 1))
        return 200, listed[size * (number - 1) : size * number]

    def _create_issue(self, _: Any, __: Any, body: Any) -> Answer:
        if missing := set(body["labels"]) - self.labels.keys():
            return 422, {"message": f"no label {missing}"}
        number = self.open_issue(body["title"], body["body"], tuple(body["labels"]))
        return 201, self.issues[number]

    def _update_issue(self, at: Any, _: Any, body: Any) -> Answer:
        issue = self.issues.get(int(at[0]))
        if issue:
            issue.update(body)
        return found(issue)

    def _remark(self, at: Any, _: Any, body: Any) -> Answer:
        self.remarks[int(at[0])].append(body["body"])
        return 201, {"body": body["body"]}

    def _create_label(self, _: Any, __: Any, body: Any) -> Answer:
        self.labels[body["name"]] = body
        return 201, body

    def _list_runs(self, at: Any, query: Mapping[str, str], _: Any) -> Answer:
        runs = [
            run
            for run in self.runs.get(at[0], [])
            if run.get("event", query.get("event")) == query.get("event", run.get("event"))
        ]
        listed = [{"id": 1, "head_sha": "0" * 40} | RUN | run for run in runs]
        return 200, {"total_count": len(runs), "workflow_runs": listed[: int(query["per_page"])]}

    def _dispatch(self, at: Any, _: Any, body: Any) -> Answer:
        if body["ref"] != "main":
            return 422, {"message": f"No ref found for: {body['ref']}"}
        self.dispatched.append((at[0], body.get("inputs", {})))
        return 204, None

    def _create_object(self, at: Any, _: Any, body: Any) -> Answer:
        return 201, getattr(self, f"_create_{at[0]}")(body)

    def _create_blobs(self, body: Any) -> dict[str, str]:
        content = base64.b64decode(body["content"])
        return {"sha": self._git("hash-object", "-w", "--stdin", stdin=content)}

    def _create_trees(self, body: Any) -> dict[str, str]:
        assert self.origin
        index = {"GIT_INDEX_FILE": str(self.origin / ".git" / "index-of-a-tree")}
        self._git("read-tree", body["base_tree"], more=index)
        for entry in body["tree"]:
            if "content" in entry:
                entry["sha"] = self._git("hash-object", "-w", "--stdin",
                                         stdin=entry["content"].encode())  # fmt: skip
            if entry["sha"] is None:
                self._git("update-index", "--force-remove", entry["path"], more=index)
            else:
                cell = f"{entry['mode']},{entry['sha']},{entry['path']}"
                self._git("update-index", "--add", "--cacheinfo", cell, more=index)
        return {"sha": self._git("write-tree", more=index)}

    def _create_commits(self, body: Any) -> dict[str, str]:
        parents = [word for parent in body["parents"] for word in ("-p", parent)]
        name = self.user["login"]
        who = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", name), ("EMAIL", f"{name}@users.example.org"))
        }
        message = body["message"].encode()
        return {"sha": self._git("commit-tree", body["tree"], *parents, stdin=message, more=who)}

    def _create_refs(self, body: Any) -> dict[str, Any]:
        self._git("update-ref", body["ref"], body["sha"], "0" * 40)
        return {"ref": body["ref"], "object": {"sha": body["sha"]}}

    def _move_branch(self, at: Any, _: Any, body: Any) -> Answer:
        old = self.head(at[0])
        if not old:
            return 422, {"message": "Reference does not exist"}
        before = old["object"]["sha"]
        if not body.get("force") and self._git("merge-base", before, body["sha"]) != before:
            return 422, {"message": "Update is not a fast forward"}
        self._git("update-ref", f"refs/heads/{at[0]}", body["sha"])
        return 200, self.head(at[0])

    def head(self, branch: str) -> dict[str, Any] | None:
        """Return the branch as GitHub names it, or None."""
        try:
            sha = self._git("rev-parse", "--verify", "-q", f"refs/heads/{branch}")
        except subprocess.CalledProcessError:
            return None
        return {"ref": f"refs/heads/{branch}", "object": {"sha": sha}}

    def tree(self, sha: str) -> dict[str, str]:
        """Return the object of each file in a tree; none where there is no repository."""
        if not self.origin:
            return {}
        lines = self._git("ls-tree", "-r", "--format=%(path)%x09%(objectname)", sha).splitlines()
        return dict(line.split("\t") for line in lines)

    def file(self, path: str, commit: str) -> bytes | None:
        """Return a file of a commit, or None."""
        if not self.origin or not self.tree(commit).get(path):
            return None
        return self._git("show", f"{commit}:{path}").encode()

    def commit(self, sha: str) -> dict[str, Any]:
        """Return a commit, with who GitHub takes its author for."""
        name, tree, parents, message = self._git(
            "show", "-s", "--format=%an%n%T%n%P%n%B", sha
        ).split("\n", 3)
        author = BOT if name == BOT["login"] else {"login": name.lower(), "type": "User"}
        if name.endswith("[bot]"):
            author = {"login": name, "type": "Bot"}
        return {
            "sha": sha,
            "author": author,
            "commit": {"message": message, "tree": {"sha": tree}},
            "parents": [{"sha": parent} for parent in parents.split()],
        }

    def _compare(self, at: Any, *_: Any) -> Answer:
        if not int(at[0], 16):  # the base of a pull request that is in no repository of git
            return 200, {"commits": [], "merge_base_commit": {"sha": at[0]}}
        listed = self._git("rev-list", "--reverse", f"{at[0]}..{at[1]}").split()
        commits = [self.commit(sha) for sha in listed]
        fork_point = {"sha": self._git("merge-base", *at)}
        return 200, {"ahead_by": len(listed), "commits": commits, "merge_base_commit": fork_point}

    def _open_pull(self, pulls: dict[int, dict[str, Any]], body: Any) -> Answer:
        head = self.head(body["head"])
        assert head
        if self.settings.get("may open pull requests", True) is False:
            message = "GitHub Actions is not permitted to create or approve pull requests."
            return 403, {"message": message}
        number = 20 + len(pulls)
        pulls[number] = {
            "number": number,
            "html_url": f"https://github.com/team/flights/pull/{number}",
            "state": "open",
            "user": self.user,
            "title": body["title"],
            "body": body["body"],
            "head": {
                "sha": head["object"]["sha"],
                "ref": body["head"],
                "label": f"team:{body['head']}",
                "repo": {"id": 100, "owner": {"login": "team"}},
            },
            "base": {
                "ref": body["base"],
                "sha": "0" * 40,
                "repo": {"id": 100, "default_branch": "main"},
            },
        }
        self.remarks[number] = []
        return 201, pulls[number]

    def _update_pull(self, pulls: dict[int, dict[str, Any]], at: Any, body: Any) -> Answer:
        pull = pulls.get(int(at[0]))
        if pull:
            pull.update(body)
        return found(pull)

    def _git(
        self, *arguments: str, stdin: bytes = b"", more: Mapping[str, str] | None = None
    ) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.origin,
            input=stdin,
            env={**os.environ, **(more or {})},
            capture_output=True,
            check=True,
        )
        return done.stdout.decode().strip()


def found(value: Any) -> Answer:
    return (404, {"message": "Not Found"}) if value is None else (200, value)
