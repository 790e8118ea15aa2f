"""Counts that must not grow: import cycles, imports of `train`, sanitizers, untyped mappings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import slipway
from slipway.stages import STAGES

SOURCE = Path(slipway.__file__).parent

Graph = dict[str, set[str]]

# The one module that cleans and escapes untrusted text, and two that refuse it.
SANITIZERS = {"actions.py", "repository/committed.py", "untrusted.py"}

CLEANS = re.compile(r"isprintable\(\)|html import escape|&#|unicode_escape|unicodedata\.category")

UNTYPED = re.compile(r"\b(?:dict|Mapping|MutableMapping)\[str, Any\]")

MOST_UNTYPED = 13

MOST_IMPORTS_OF_TRAIN = 33

# One module for each format of the model file, and each task: there may be more.
EXTENSIONS = ("slipway.training.formats", "slipway.training.diagnostics", "slipway.tasks")


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a tree, also in functions, but not those for type checkers."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from nodes(node)


@cache
def imports() -> Graph:
    graph: Graph = {}
    for module, path in MODULES.items():
        named: set[str] = set()
        for node in nodes(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                named |= {each.name for each in node.names}
            if isinstance(node, ast.ImportFrom) and node.module:
                members = {f"{node.module}.{each.name}" for each in node.names}
                submodules = members & MODULES.keys()
                named |= submodules if submodules == members else {*submodules, node.module}
        graph[module] = (named & MODULES.keys()) - {module}
    return graph


def reachable(graph: Graph, start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        following = graph.get(waiting.pop(), set()) - found
        found |= following
        waiting += following
    return found


def in_cycles(graph: Graph) -> set[str]:
    return {name for name in graph if name in reachable(graph, name)}


def has_code(module: str) -> bool:
    """Return whether a module holds more than a docstring."""
    body = ast.parse(MODULES[module].read_bytes()).body
    return any(not isinstance(node, ast.Expr) for node in body)


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def test_packages_import_each_other_in_one_direction() -> None:
    packages: Graph = {}
    for module, imported in imports().items():
        others = {package_of(name) for name in imported} - {package_of(module)}
        packages.setdefault(package_of(module), set()).update(others)
    assert in_cycles(packages) == set()


def test_no_module_is_in_an_import_cycle() -> None:
    assert in_cycles(imports()) == set()


def test_a_cycle_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert in_cycles(graph) == {"b", "c"}


def test_train_imports_few_modules() -> None:
    train = STAGES["train"]
    found = {name for name in reachable(imports(), train) | {train} if has_code(name)}
    modules = {name for name in found if not name.startswith(EXTENSIONS)}
    assert len(modules) <= MOST_IMPORTS_OF_TRAIN, sorted(modules)
    assert {"slipway.monitoring", "slipway.schema.validator"} & modules == set()


def test_no_further_module_cleans_untrusted_text() -> None:
    users = {
        path.relative_to(SOURCE).as_posix()
        for path in MODULES.values()
        if CLEANS.search(path.read_text("utf-8"))
    }
    assert users <= SANITIZERS


def test_untyped_mappings_do_not_become_more() -> None:
    counts = {
        path.relative_to(SOURCE).as_posix(): len(UNTYPED.findall(path.read_text("utf-8")))
        for path in MODULES.values()
    }
    most = sorted(counts.items(), key=lambda item: -item[1])[:10]
    assert sum(counts.values()) <= MOST_UNTYPED, most
