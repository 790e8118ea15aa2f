"""The packages that serving a model imports, by the names under which a lock has them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distributions, version
from importlib.util import find_spec
from pathlib import Path

from slipway.training.formats.format import MACHINE, Format
from slipway.user_code import PACKAGE

# The modules of the user's package that the service imports.
SERVED = (f"{PACKAGE}.features", f"{PACKAGE}.rules")


def served_packages(file_format: Format, types: Iterable[str]) -> dict[str, str]:
    """Return the packages that serving a model imports, and their versions here.

    These are what its format needs, the packages of the types in its file, and what the user's
    modules import that the service imports.
    """
    modules = {name.rpartition(".")[0] for name in types}
    own = {name for name in modules if name.split(".")[0] == PACKAGE}
    roots = {name.split(".")[0] for name in (*modules, *_imports({*SERVED, *own}))}
    roots -= {PACKAGE, *sys.stdlib_module_names}
    imported = {each.name for each in distributions() if _has_one_of(roots, each)} - {MACHINE}
    names = {*file_format.packages, *imported}
    return {name: version(name) for name in sorted(names)}


def _has_one_of(roots: set[str], package: Distribution) -> bool:
    """Return whether an installed package has one of some top-level modules.

    As `importlib.metadata.packages_distributions`, which parses the list of files of each package:
    that took a fifth of the time of `slipway train`.
    """
    declared = (package.read_text("top_level.txt") or "").split()
    if declared:
        return not roots.isdisjoint(declared)
    files = package.read_text("RECORD") or ""
    return any(re.search(rf"^{re.escape(root)}[/.]", files, re.MULTILINE) for root in roots)


def _imports(modules: set[str]) -> set[str]:
    """Return what modules of the user's package import, also by one another."""
    found: set[str] = set()
    waiting, read = set(modules), set()
    while waiting:
        module = waiting.pop()
        read.add(module)
        names = set(_imported(module))
        found |= names
        waiting |= {name for name in names if name.split(".")[0] == PACKAGE} - read
    return found


def _imported(module: str) -> Iterator[str]:
    path = _source(module)
    for node in _nodes(ast.parse(path.read_bytes())) if path else ():
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.rsplit(".", node.level)[0]
            name = f"{base}.{node.module}" if node.module else base
            yield name
            yield from (f"{name}.{each.name}" for each in node.names)


def _source(module: str) -> Path | None:
    """Return the file of a module; None if there is no such module."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None


def _nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a module, without those for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _nodes(node)
