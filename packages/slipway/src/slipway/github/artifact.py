"""Read the artifact of a run, which may be untrusted.

Nothing is extracted to disk. An archive is read in memory, up to a limit, and only if every name in
it is expected; a report must be strict JSON before it is validated against its schema.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NoReturn

from slipway.errors import Refused, SlipwayError
from slipway.github.answers import Answer
from slipway.github.api import Api

if TYPE_CHECKING:
    from slipway.monitoring.report import DriftReport

# A full report has about 100,000 characters, all files under reports/ a few times as many.
MOST_BYTES = 4_000_000

DEEPEST = 20

DRIFT = "drift.json"


class Artifact(Answer):
    """An artifact, as GitHub describes it."""

    id: int
    name: str
    expired: bool
    size_in_bytes: int


class NoReport(SlipwayError):
    """The run has no such artifact."""


class NotBelieved(SlipwayError):
    """The artifact is not one that our own workflow would have written."""


def read_report(api: Api, run: int) -> dict[str, object]:
    """Return the report of a run: strict JSON, not yet validated against its schema.

    Raises
    ------
    NoReport
        The run has no report.
    NotBelieved
        The artifact is not a report.
    """
    entries = unpack(download(api, run, "report"), lambda name: name == "report.json")
    return parse(entries["report.json"])


def download(api: Api, run: int, name: str, limit: int = MOST_BYTES) -> bytes:
    """Return the archive that a run uploaded under a name.

    Raises
    ------
    NoReport
        The run has none, or it has expired.
    NotBelieved
        The run has several, or the archive has more than `limit` bytes.
    """
    answer = api.get(f"actions/runs/{run}/artifacts", name=name, per_page=100)
    listed = Artifact.each(answer, "artifacts")
    artifacts = [artifact for artifact in listed if artifact.name == name]
    if not artifacts or artifacts[0].expired:
        raise NoReport(f"the run has no artifact `{name}`")
    if len(artifacts) > 1:
        raise NotBelieved(f"the run has {len(artifacts)} artifacts `{name}`, expected one")
    if artifacts[0].size_in_bytes > limit:
        raise NotBelieved(f"the archive is larger than {limit:,} bytes")
    return api.download(f"actions/artifacts/{artifacts[0].id}/zip", limit)


def unpack(
    archive: bytes, expected: Callable[[str], bool], limit: int = MOST_BYTES
) -> dict[str, bytes]:
    """Return the entries of an archive, by name, in memory.

    Parameters
    ----------
    expected
        Returns whether an entry may have this name; any other name refuses the archive.
    limit
        Largest number of bytes of all entries together.

    Raises
    ------
    NotBelieved
        It is not an archive, is empty, or has unexpected names or too many bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as entries:
            names = entries.namelist()
            if not names or len(set(names)) < len(names) or not all(map(expected, names)):
                raise NotBelieved("the archive has unexpected files")
            return dict(_read(entries, names, limit))
    except NotBelieved:
        raise
    except Exception as error:  # noqa: BLE001
        # Each method of compression raises its own exceptions.
        raise NotBelieved(f"the archive cannot be read ({type(error).__name__})") from None


def drift_report(archive: bytes) -> DriftReport:
    """Return the report of `slipway drift` in an artifact.

    Raises
    ------
    NotBelieved
        It is not such a report.
    """
    from slipway.monitoring.report import DriftReport

    try:
        return DriftReport.of(parse(unpack(archive, DRIFT.__eq__)[DRIFT]))
    except Refused as refused:
        raise NotBelieved(f"{DRIFT} is {refused}") from None


def parse(content: bytes) -> dict[str, object]:
    """Return a JSON object without repeated keys, NaN, infinity, deep nesting or huge integers.

    Raises
    ------
    NotBelieved
        It is not such an object.
    """
    try:
        text = content.decode("utf-8", "strict")
        parsed = json.loads(
            text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once
        )
        _walk(parsed, DEEPEST)
    except (ValueError, RecursionError) as error:
        raise NotBelieved(f"the report is not strict JSON: {str(error)[:80]}") from None
    if not isinstance(parsed, dict):
        raise NotBelieved("the report is not an object")
    return parsed


def _read(entries: zipfile.ZipFile, names: list[str], limit: int) -> Iterator[tuple[str, bytes]]:
    # The size that an entry declares is untrusted too.
    left = limit
    for name in names:
        with entries.open(name) as entry:
            content = entry.read(left + 1)
        left -= len(content)
        if left < 0:
            raise NotBelieved(f"the archive has more than {limit:,} bytes")
        yield name, content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        raise ValueError("a key is repeated")
    return parsed


def _walk(value: object, depth: int) -> None:
    """Raise for deep nesting, huge integers and lone surrogates, which no report of ours has."""
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
