"""`slipway replay`: send the rows of a file to the running service."""

from __future__ import annotations

import http.client
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from slipway import project
from slipway.dataset.csv_format import FOUND, Stated
from slipway.dataset.folder import list_data
from slipway.dataset.reader import open_table
from slipway.dataset.tables import as_rows, read_columns, row_count, take
from slipway.errors import NO, YES, SlipwayError
from slipway.numbers import counted
from slipway.predictions.answers import Answers, answers_of
from slipway.predictions.record import ReviewedAnswer
from slipway.progress import track
from slipway.project import Row
from slipway.proxies import connect
from slipway.tasks import task_of

BATCH = 200  # rows in a request
SECONDS = 60

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.manifest import Manifest


@dataclass
class Tally:
    """Counts of the answers.

    Parameters
    ----------
    form
        How the model answers.
    decided
        How often each decision was made.
    days
        Sum of the watched numbers and number of answers, by day of the event.
    refused
        Each row that was refused: its key and why.
    """

    form: Answers
    answered: int = 0
    review: int = 0
    decided: Counter[str] = field(default_factory=Counter)
    days: dict[str, tuple[float, int]] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return NO if self.refused else YES

    def text(self, *, by_day: bool = False) -> str:
        """Return the tally for a terminal, with a line for each day if asked."""
        lines = []
        if by_day:
            lines = [
                f"{day}  {count:>6,} {'row ' if count == 1 else 'rows'}  "
                f"mean {self.form.shown(total / count)}"
                for day, (total, count) in sorted(self.days.items())
            ]
        summary = f"{counted(self.answered, 'row')} answered"
        if self.answered:
            mean = sum(total for total, _ in self.days.values()) / self.answered
            summary += (
                f": {self.form.summary(self.decided, mean)}, "
                f"{self.review / self.answered:.1%} for human review"
            )
        lines.append(summary)
        if self.refused:
            key, reason = self.refused[0]
            lines.append(
                f"{counted(len(self.refused), 'row')} refused; the first is {key}: {reason}"
            )
        return "\n".join(lines)


def replay(rows: Path, url: str, limit: int | None = None, stated: Stated = FOUND) -> Tally:
    """Send rows in the sequence of the file and count the answers.

    Parameters
    ----------
    rows
        A parquet or CSV file, or a folder of them, with at least the input columns of the service;
        others, such as the label's, are not sent.
    url
        Of the service, such as ``http://127.0.0.1:3000``. The first token in SLIPWAY_TOKENS is
        sent.
    limit
        Send at most this many rows.
    stated
        How CSV files are written.
    """
    service = Service(url)
    manifest = service.manifest()
    names = [column["name"] for column in manifest["inputs"]]
    paths = list_data(rows).read if rows.is_dir() else [rows]
    columns = _read_rows(paths, names, stated)
    if not row_count(columns):
        raise SlipwayError(f"{rows}: no row to send", "name a file that has rows")
    count = row_count(columns) if limit is None else min(limit, row_count(columns))
    tally = Tally(answers_of(task_of(manifest), manifest))
    edges = [*range(0, count, BATCH), count]
    for start, end in track(list(pairwise(edges)), "Replaying"):
        batch = as_rows(take(columns, np.arange(start, end)))
        for row, answer in _ask(service, batch):
            _count(tally, row, answer, manifest)
    return tally


def _read_rows(
    paths: list[Path], names: list[str], stated: Stated = FOUND
) -> dict[str, np.ndarray]:
    """Return the columns to send; raise if JSON has no type for one of them."""
    import pyarrow as pa

    do = "write it as text, a whole number, a finite number (float), true or false, or a time"
    try:
        for path in paths:
            for name, kind in open_table(path, stated).types.items():
                if name in names and not _is_sent(kind):
                    fault = f"{path}: column `{name}` has the type {kind}, which JSON lacks"
                    raise SlipwayError(fault, do)
        columns = read_columns(paths, names, stated)
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())[:200]
        raise SlipwayError(f"{paths[0]}: cannot be sent as JSON ({reason})", do) from None
    for name, values in columns.items():
        if values.dtype.kind == "f" and np.isinf(values).any():
            row = int(np.argmax(np.isinf(values)))
            raise SlipwayError(f"column `{name}`, row {row:,}: infinity, which JSON lacks", do)
    return columns


def _is_sent(kind: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return _is_sent(kind.value_type)
    texts = (types.is_string, types.is_large_string, types.is_string_view)
    others = (types.is_boolean, types.is_integer, types.is_floating, types.is_timestamp)
    return types.is_null(kind) or any(test(kind) for test in (*texts, *others))


class Service:
    """A connection to a running service, kept open between predictions."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection, proxied, self._headers = connect(url, SECONDS)
        self._path = proxied + urlsplit(url).path.rstrip("/")
        token = os.environ.get("SLIPWAY_TOKENS", "").split(",")[0].strip()
        self._headers["Content-Type"] = "application/json"
        if token:
            self._headers["Authorization"] = f"Bearer {token}"

    def manifest(self) -> Manifest:
        """Return the manifest of the live model."""
        status, answer = self.send("GET", "/model")
        if status != http.client.OK or "manifest" not in answer:
            raise self._refusal(status, answer)
        # Reading the rows may take longer than the service keeps a connection without a request.
        self._connection.close()
        manifest: Manifest = answer["manifest"]
        return manifest

    def predict(self, rows: list[Row]) -> tuple[int, Any]:
        """Return the status and the answer to some rows; 413 and 422 are handled by the caller."""
        status, answer = self.send("POST", "/predict", json.dumps(rows))
        known = (http.client.OK, http.client.REQUEST_ENTITY_TOO_LARGE, 422)
        if status not in known:
            raise self._refusal(status, answer)
        return status, answer

    def send(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        try:
            self._connection.request(method, self._path + path, body, self._headers)
            response = self._connection.getresponse()
            return response.status, json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException) as error:
            raise SlipwayError(
                f"{self._url}: the service does not answer ({error or type(error).__name__})",
                "start it with `slipway serve`, or check the address",
            ) from None
        except ValueError:
            raise SlipwayError(
                f"{self._url}{path}: the answer is not JSON, so this is not a service of Slipway",
                "check the address",
            ) from None

    def _refusal(self, status: int, answer: Any) -> SlipwayError:
        error = answer.get("error") if isinstance(answer, dict) else None
        reason = (error.get("message") if isinstance(error, dict) else "") or "no reason"
        do = "read the output of the service"
        if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            do = "set SLIPWAY_TOKENS to a token of the service"
        return SlipwayError(f"{self._url}: the service answered {status}: {reason}", do)


def _ask(service: Service, rows: list[Row]) -> Iterator[tuple[Row, ReviewedAnswer | str]]:
    """Yield each row with its answer, or why it is refused.

    The valid rows of a refused batch are sent again.
    """
    if not rows:
        return
    status, answer = service.predict(rows)
    if status == http.client.OK:
        yield from zip(rows, answer, strict=True)
        return
    faults = {fault["row"]: fault for fault in answer["error"].get("faults", [])}
    if faults:
        for number, fault in faults.items():
            yield rows[number], f"{fault['field']}: {fault['message']}"
        yield from _ask(service, [row for i, row in enumerate(rows) if i not in faults])
    elif len(rows) > 1:
        middle = len(rows) // 2
        yield from _ask(service, rows[:middle])
        yield from _ask(service, rows[middle:])
    else:
        yield rows[0], str(answer["error"].get("message") or answer["error"]["code"])


def _count(tally: Tally, row: Row, answer: ReviewedAnswer | str, manifest: Manifest) -> None:
    if isinstance(answer, str):
        key = [str(row[name]) for name in project.key_names(manifest["key"])]
        tally.refused.append((" and ".join(key) or "a row", answer))
        return
    tally.answered += 1
    form = tally.form
    if (decided := form.decided(answer)) is not None:
        tally.decided[decided] += 1
    tally.review += answer["review"]
    if manifest["event_time"] is None:
        return
    day = str(row[manifest["event_time"]])[:10]
    total, count = tally.days.get(day, (0.0, 0))
    tally.days[day] = (total + form.watched(form.score(answer)), count + 1)
