"""What GitHub answers: the fields that are read, checked where an answer comes in.

Uses only the standard library, as `slipway.github.api` does: pydantic may not be installed yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Self, dataclass_transform, get_args, get_origin, get_type_hints

from slipway.errors import SlipwayError


@dataclass_transform(frozen_default=True)
class Answer:
    """An object of an answer; fields that a class does not name are ignored.

    Subclasses are frozen dataclasses; a field without a default is required.
    """

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)

    @classmethod
    def of(cls, answer: object) -> Self:
        """Return an answer as an instance.

        Raises
        ------
        SlipwayError
            Names the first field that is missing or has another type than the class declares.
        """
        return _read(cls, answer, cls.__name__)

    @classmethod
    def each(cls, answer: object, key: str = "") -> list[Self]:
        """Return a list of such objects: an answer, or what it has under a key."""
        listed = answer.get(key) if key and isinstance(answer, dict) else answer
        if not isinstance(listed, list):
            raise _unexpected(f"{key or cls.__name__} is {type(listed).__name__}, expected list")
        return [cls.of(each) for each in listed]


class Account(Answer):
    """A user, a bot or an organisation; empty for the author of some commits."""

    login: str = ""
    type: str = ""


class Repository(Answer):
    """The repository of the API or of an event.

    Attributes
    ----------
    visibility
        ``public``, ``private`` or ``internal``; empty on an old Enterprise Server.
    """

    id: int
    default_branch: str
    private: bool = False
    visibility: str = ""
    has_issues: bool = False
    owner: Account | None = None


class HeadRepository(Answer):
    """The repository that a branch is in: this one or a fork."""

    id: int
    owner: Account


class Head(Answer):
    """The branch of a pull request; `repo` is None if the fork was deleted."""

    ref: str
    sha: str
    repo: HeadRepository | None = None


class Base(Answer):
    """The branch that a pull request is to be merged into."""

    ref: str
    sha: str
    repo: Repository


class Pull(Answer):
    """A pull request.

    Attributes
    ----------
    user
        None if the account was deleted.
    changed_files
        0 in a list of pull requests.
    """

    number: int
    html_url: str
    state: str
    title: str
    head: Head
    base: Base
    user: Account | None = None
    body: str | None = None
    merged_at: str | None = None
    merge_commit_sha: str | None = None
    changed_files: int = 0


class WorkflowRun(Answer):
    """A run of a workflow.

    Attributes
    ----------
    path
        Of the workflow's file, with `@` and a branch after it on old servers.
    conclusion
        None until the run has ended.
    head_repository
        None if the fork was deleted.
    """

    id: int
    html_url: str
    path: str
    event: str
    head_sha: str
    created_at: str
    display_title: str
    conclusion: str | None = None
    run_attempt: int = 1
    head_branch: str | None = None
    head_repository: HeadRepository | None = None

    @property
    def started(self) -> datetime:
        try:
            return datetime.fromisoformat(self.created_at).astimezone(UTC)
        except ValueError:
            raise _unexpected(f"created_at of a run is {self.created_at!r}, no time") from None


class Comment(Answer):
    """A comment on a pull request; `user` is None if the account was deleted."""

    id: int
    html_url: str
    user: Account | None = None
    body: str | None = None


class Release(Answer):
    """A GitHub Release."""

    id: int
    tag_name: str
    html_url: str
    upload_url: str

    def is_of(self, short: str) -> bool:
        """Return whether it is the release of a commit, by the first seven digits."""
        return self.tag_name.startswith("release-") and self.tag_name.endswith(f"-{short}")


class Asset(Answer):
    """A file of a Release."""

    id: int
    name: str


class Deployment(Answer):
    """A Deployment; its `payload` is whatever made it has left there."""

    id: int
    sha: str
    payload: object = None


class Pages(Answer):
    """The settings of GitHub Pages; `build_type` is ``workflow`` or ``legacy``."""

    build_type: str | None = None
    html_url: str | None = None


class Rule(Answer):
    """A rule of a branch."""

    type: str


class TreeEntry(Answer):
    """A file, folder, link or submodule of a tree."""

    path: str
    mode: str
    sha: str


class Tree(Answer):
    """A tree; `truncated` if GitHub lists only a part of it."""

    tree: list[TreeEntry]
    truncated: bool = False


class GitObject(Answer):
    """An object of git, by its name."""

    sha: str


class GitCommit(Answer):
    """What git has of a commit."""

    message: str
    tree: GitObject


class Commit(Answer):
    """A commit; `author` is None if GitHub knows no account of that address."""

    commit: GitCommit
    parents: list[GitObject]
    author: Account | None = None


class Comparison(Answer):
    """Where two commits left each other, and the commits that only the second has."""

    merge_base_commit: GitObject
    commits: list[Commit]


# The types of the fields of each class; a tree has thousands of entries.
_TYPES: dict[type[Answer], dict[str, object]] = {}


def _read(kind: Any, value: object, place: str) -> Any:
    """Return a value as the declared type of a field, which may be a class of answers."""
    if kind is object or type(value) is kind:
        return value
    if isinstance(kind, UnionType):
        return None if value is None else _read(get_args(kind)[0], value, place)
    if get_origin(kind) is list and isinstance(value, list):
        [inner] = get_args(kind)
        return [_read(inner, each, f"{place}[{at}]") for at, each in enumerate(value)]
    if isinstance(kind, type) and issubclass(kind, Answer) and isinstance(value, dict):
        if kind not in _TYPES:
            _TYPES[kind] = get_type_hints(kind)
        given = {}
        for name, inner in _TYPES[kind].items():
            if name in value:
                given[name] = _read(inner, value[name], f"{place}.{name}")
            elif not hasattr(kind, name):  # it has no default
                raise _unexpected(f"{place}.{name} is missing")
        return kind(**given)
    name = getattr(kind, "__name__", kind)
    raise _unexpected(f"{place} is {type(value).__name__}, expected {name}")


def _unexpected(what: str) -> SlipwayError:
    return SlipwayError(
        f"GitHub does not answer as expected: {what}",
        "run it again; if that does not help, report the error",
    )
