"""What the code of a model declares to predict, in the working tree and in commits, without it run.

Two models have the same target if name (`NAME`), task (`TASK`) and key of a row (`KEY`) are equal.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from slipway.repository.git import git, read_file
from slipway.repository.layout import MODEL_CODE

NAMES = {
    (MODEL_CODE / "model/target.py").as_posix(): ("NAME", "TASK"),
    (MODEL_CODE / "model/schema.py").as_posix(): ("KEY",),
}

DEFAULTS = {"TASK": "'binary'"}

Target = dict[str, str]
"""The declared names, each with its value as Python code."""


def in_tree(root: Path) -> Target:
    """Return the target of the working tree; empty if it has none or none that can be parsed."""
    paths = {name: root / name for name in NAMES}
    texts = {name: path.read_bytes() for name, path in paths.items() if path.is_file()}
    return _target({name: text.decode("utf-8", "replace") for name, text in texts.items()})


class Commits:
    """The targets of commits; equal files are read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, Target] = {}

    def target(self, commit: str) -> Target:
        """Return the target of a commit; empty if it has none or none that can be parsed."""
        files = git(self._root, "ls-tree", commit, "--", *NAMES)
        if files not in self._known:
            texts = {name: read_file(self._root, commit, name) for name in NAMES}
            self._known[files] = _target({name: text for name, text in texts.items() if text})
        return self._known[files]


def _target(texts: dict[str, str]) -> Target:
    try:
        found = dict(each for name, text in texts.items() for each in _values(text, NAMES[name]))
    except (SyntaxError, ValueError):
        return {}
    return DEFAULTS | found if "NAME" in found else {}


def _values(text: str, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name in names:
                yield name, ast.unparse(value)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if (
                name in names
            ):
                yield name, ast.unparse(value)
