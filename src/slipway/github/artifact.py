"""The artifact of a run, which may be untrusted: read as bytes, checked before it is used.

Nothing is ever extracted. An archive is read in memory, up to a limit, and only if every name
in it is an expected one; a report must be strict JSON before its schema is looked at.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from slipway.errors import SlipwayError
from slipway.github.api import Api
from slipway.schemas import find_fault

# A full report has some 100,000 characters, and all files under reports/ are a few times that.
MOST_BYTES = 4_000_000

DEEPEST = 20

DRIFT = "drift.json"


class NoReport(SlipwayError):
    """The run left no such artifact: it stopped before it had one."""


class NotBelieved(SlipwayError):
    """The artifact is not what our own workflow would have written."""


def read_report(api: Api, run: int) -> dict[str, Any]:
    """Return the report that a run left behind, as JSON that is not yet believed.

    Raises
    ------
    NoReport
        There is none.
    NotBelieved
        What is there is no report.
    """
    entries = unpack(download(api, run, "report"), lambda name: name == "report.json")
    return parse(entries["report.json"])


def download(api: Api, run: int, name: str, limit: int = MOST_BYTES) -> bytes:
    """Return the archive that a run uploaded under a name, if it has at most `limit` bytes.

    Raises
    ------
    NoReport
        There is none, or it has expired.
    NotBelieved
        There are several, or it is larger than it could be.
    """
    listed = api.get(f"actions/runs/{run}/artifacts", name=name, per_page=100)["artifacts"]
    found = [artifact for artifact in listed if artifact["name"] == name]
    if not found or found[0]["expired"]:
        raise NoReport(f"the run left no artifact `{name}`")
    if len(found) > 1:
        raise NotBelieved(f"the run left {len(found)} artifacts `{name}`")
    if found[0]["size_in_bytes"] > limit:
        raise NotBelieved(f"the archive is larger than {limit:,} bytes")
    return api.download(f"actions/artifacts/{int(found[0]['id'])}/zip", limit)


def unpack(
    archive: bytes, expected: Callable[[str], bool], limit: int = MOST_BYTES
) -> dict[str, bytes]:
    """Return the entries of an archive, by name, in memory.

    Parameters
    ----------
    expected
        Whether an entry may have this name; one that may not spoils the whole.
    limit
        The bytes that all of them may have.

    Raises
    ------
    NotBelieved
        It is no archive, is empty, holds something else, or more than it could.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries:
            names = entries.namelist()
            if not names or len(set(names)) < len(names) or not all(map(expected, names)):
                raise NotBelieved("the archive holds other files than it should")
            return dict(_read(entries, names, limit))
    except NotBelieved:
        raise
    except Exception as error:  # noqa: BLE001
        # Each method of compression, and each field of an archive, fails in a way of its own.
        raise NotBelieved(f"the archive cannot be read ({type(error).__name__})") from None


def drift_report(archive: bytes) -> dict[str, Any]:
    """Return the report of `slipway drift` in an artifact, if it keeps its schema.

    Raises
    ------
    NotBelieved
        What is there is no such report.
    """
    from slipway.drift.report import schema

    report = parse(unpack(archive, DRIFT.__eq__)[DRIFT])
    if fault := find_fault(report, schema()):
        raise NotBelieved(
            f"{DRIFT} is not a report of `slipway drift`: {fault.json_path}: {fault.message[:200]}"
        )
    return report


def parse(content: bytes) -> dict[str, Any]:
    """Return strict JSON: an object, no key twice, no NaN, no endless number, no depth.

    Raises
    ------
    NotBelieved
        It is something else.
    """
    try:
        text = content.decode("utf-8", "strict")
        found = json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once
        )
        _walk(found, DEEPEST)
    except (ValueError, RecursionError) as error:
        raise NotBelieved(f"the report is not strict JSON: {str(error)[:80]}") from None
    if not isinstance(found, dict):
        raise NotBelieved("the report is not an object")
    return found


def _read(entries: zipfile.ZipFile, names: list[str], limit: int) -> Iterator[tuple[str, bytes]]:
    # What an entry says of its own size is a claim too.
    left = limit
    for name in names:
        with entries.open(name) as entry:
            content = entry.read(left + 1)
        left -= len(content)
        if left < 0:
            raise NotBelieved(f"the archive holds more than {limit:,} bytes")
        yield name, content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number has no end")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _walk(value: Any, depth: int) -> None:
    """Refuse what no report of ours contains: great depth, huge numbers, half characters."""
    if depth == 0:
        raise ValueError("too deep")
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, int) and abs(value) > 2**53:
        raise ValueError("a number is too large")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _walk(key, depth - 1)
            _walk(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _walk(inner, depth - 1)
