"""Digest of the package's modules that each stage of the pipeline imports: an input for DVC.

``machine.yaml`` holds it, so that a stage is stale when its code has changed, whether the package
is a folder or a release. Comments, docstrings, annotations and messages of errors are left out:
another wording of these makes no stage stale. Any other text may be part of an output.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

FILE = Path("machine.yaml")

STAGES = {
    "validate": "slipway.dataset.validate",
    "prepare": "slipway.training.prepare",
    "train": "slipway.training.train",
    "evaluate": "slipway.training.evaluate",
    "backtest": "slipway.training.backtest",
}

SOURCE = Path(__file__).parents[1]

# Start, end and progress of a command: no result depends on them.
_FRAME = {"slipway.errors", "slipway.exits", "slipway.progress", "slipway.user_code"}


def text(source: Path = SOURCE) -> str:
    """Return the content of ``machine.yaml`` for the package in a folder."""
    lines = [f"{stage}: {digest}" for stage, digest in digests(source).items()]
    heading = "# Digest of the code of each stage; written by `make lock`, read by dvc.yaml."
    return "\n".join([heading, *lines]) + "\n"


def digests(source: Path = SOURCE) -> dict[str, str]:
    """Return the digest of each stage: of its module and of all that it imports."""
    read = _reader(source)
    return {stage: _digest(_reached(module, read), read) for stage, module in STAGES.items()}


def imported(module: str, source: Path = SOURCE) -> list[str]:
    """Return a module of the package and those that it imports, also in functions, sorted."""
    return _reached(module, _reader(source))


class _Module(NamedTuple):
    imports: tuple[str, ...]
    code: str


_Reader = Callable[[str], _Module | None]


def _reader(source: Path) -> _Reader:
    """Return a function that reads each module of the package once; None for other names."""

    @cache
    def read(name: str) -> _Module | None:
        path = _path(name, source)
        if path is None:
            return None
        tree = _without_types(ast.parse(path.read_bytes()))
        return _Module(tuple(_imports(tree)), _plain(_Bare().visit(tree)))

    return read


def _reached(module: str, read: _Reader) -> list[str]:
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and name not in _FRAME and (content := read(name)):
            found.add(name)
            waiting += content.imports
    return sorted(found)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)


def _path(module: str, source: Path) -> Path | None:
    if module.partition(".")[0] != "slipway":
        return None
    path = source / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file if file.is_file() else None


def _digest(modules: list[str], read: _Reader) -> str:
    digest = hashlib.sha256()
    for module in modules:
        if content := read(module):
            digest.update(f"{module} {content.code}\n".encode())
    return digest.hexdigest()[:16]


def _plain(node: object) -> str:
    """Return a tree as text that is the same in every version of Python."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if not _empty(value))
        inside = " ".join(f"{name}={_plain(value)}" for name, value in fields)
        return f"{type(node).__name__}({inside})"
    if isinstance(node, list):
        return f"[{' '.join(map(_plain, node))}]"
    return repr(node)


def _empty(value: object) -> bool:
    return value is None or value == []


def _without_types(tree: ast.Module) -> ast.Module:
    """Drop `if TYPE_CHECKING:` from a module."""
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    ]
    return tree


class _Bare(ast.NodeTransformer):
    """Drops docstrings, annotations and the messages of errors, on which no result depends."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
