"""Text files that people edit: UTF-8, and YAML read as DVC reads it.

DVC reads params.yaml as YAML 1.2 with ruamel.yaml. In YAML 1.1, which most libraries read,
``1e-2`` is text, ``010`` is 8 and ``no`` is false; with two readers one file has two meanings.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.errors import SlipwayError, first_line

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

# UTF-32 first: its mark begins as that of UTF-16 does.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}

# Values in a file, with every alias written out: a few lines of aliases can stand for billions.
MOST_VALUES = 100_000

DO = "save it as UTF-8"


def read_text(path: Path) -> str:
    """Return the text of a file.

    Raises
    ------
    SlipwayError
        The file is missing, or is not UTF-8; it names the line.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SlipwayError(f"{path}: no such file", "check the path") from None
    return decode(content, str(path))


def decode(content: bytes, name: str) -> str:
    """Return the text of some bytes; a byte-order mark of UTF-8 is dropped.

    Raises
    ------
    SlipwayError
        They are not UTF-8; it names the line.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            raise SlipwayError(f"{name}: this is {encoding}, not UTF-8", DO)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Its positions leave out the mark that was dropped; `object` holds what they count in.
        before, bad = error.object[: error.start], error.object[error.start]
        line = before.count(b"\n") + 1
        raise SlipwayError(f"{name}: not UTF-8 (byte 0x{bad:02x} in line {line})", DO) from None


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds; raises as `read_text` and `parse_yaml` do."""
    return parse_yaml(read_text(path), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Return what YAML 1.2 holds: None if it is empty.

    Parameters
    ----------
    name
        What to call the file in a message.

    Raises
    ------
    SlipwayError
        It is not YAML, gives a key twice, makes objects of Python, or is too large or too deep
        with its aliases written out. It names the line, and the key that is given twice.
    """
    (found,) = _load(text, name, lambda yaml: [yaml.load(text)])
    return found


def parse_yaml_documents(text: str, name: str) -> list[Any]:
    """Return each document of a YAML stream; raises as `parse_yaml` does."""
    return _load(text, name, lambda yaml: list(yaml.load_all(text)))


def _load(text: str, name: str, load: Any) -> list[Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        if "*" in text:
            _check_aliases(text, name)
        documents: list[Any] = load(YAML(typ="safe"))
    except DuplicateKeyError as error:
        key, line = _repeated(text) or ("a key", 0)
        line = line or _line(error)
        raise SlipwayError(
            f"{name}: `{key}` is set twice (line {line})", "keep one of the two"
        ) from None
    except MarkedYAMLError as error:
        reason = " ".join(str(error.problem or error.context).split())
        raise SlipwayError(
            f"{name}: not YAML: line {_line(error)}: {reason}", "correct that line"
        ) from None
    except RecursionError:
        raise SlipwayError(f"{name}: nested too deeply", "write it flatter") from None
    except (YAMLError, ValueError, TypeError, ArithmeticError, LookupError) as error:
        # A value that its tag does not allow, as `!!int abc` or the date 2013-13-01.
        reason = first_line(error).partition(": ")[2] or first_line(error)
        raise SlipwayError(f"{name}: not YAML: {reason}", "correct that value") from None
    return documents


def _line(error: Any) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _check_aliases(text: str, name: str) -> None:
    """Refuse aliases that stand for more than a file could hold, or for themselves."""
    sizes: dict[int, int] = {}
    for node in _nodes(text):
        if _size(node, sizes, set(), name) > MOST_VALUES:
            raise SlipwayError(
                f"{name}: more than {MOST_VALUES:,} values, with its aliases written out",
                "write settings without aliases of aliases",
            )


def _size(node: Node, sizes: dict[int, int], above: set[int], name: str) -> int:
    """Return the number of values of a node; each node is counted once."""
    if id(node) in above:
        raise SlipwayError(f"{name}: an alias holds itself", "write the value out")
    if id(node) not in sizes:
        inside = above | {id(node)}
        sizes[id(node)] = 1 + sum(_size(part, sizes, inside, name) for part in _parts(node))
    return sizes[id(node)]


def _parts(node: Node) -> Iterator[Node]:
    """Return the nodes in a node: items, or keys and values."""
    for item in node.value if isinstance(node.value, list) else ():
        yield from item if isinstance(item, tuple) else (item,)


def _nodes(text: str) -> list[Node]:
    from ruamel.yaml import YAML

    return [node for node in YAML(typ="safe").compose_all(text) if node]


def _repeated(text: str) -> tuple[str, int] | None:
    """Return the first key that a mapping has twice, with the keys above it, and its line."""
    waiting: list[tuple[str, Node]] = [("", node) for node in _nodes(text)]
    while waiting:
        above, node = waiting.pop(0)
        seen: set[tuple[str, str]] = set()
        for number, pair in enumerate(node.value if isinstance(node.value, list) else []):
            if not isinstance(pair, tuple):
                waiting.append((f"{above}.{number}" if above else str(number), pair))
                continue
            key, value = pair
            called = f"{above}.{key.value}" if above else str(key.value)
            if (key.tag, str(key.value)) in seen:
                return called, key.start_mark.line + 1
            seen.add((key.tag, str(key.value)))
            waiting.append((called, value))
    return None
