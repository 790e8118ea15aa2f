"""Read a prediction log into counts by day of the event, on the cells of the reference.

Days are those of the time zone of the model.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from slipway.dataset.periods import local_days
from slipway.monitoring.daily_counts import (
    SAMPLE_DAYS,
    DailyCounts,
    Day,
    Sample,
    latest_day,
    smallest,
)
from slipway.monitoring.group_codes import Coder, columns_of
from slipway.monitoring.violations import broken
from slipway.predictions.answers import Answers, answers_of
from slipway.predictions.files import Count, LogFolder
from slipway.predictions.reader import (
    CONTENT,
    ID,
    INPUT,
    ROW,
    UNREADABLE,
    WRONG,
    Batch,
    Piece,
    only,
    pieces_of,
    read_pieces,
    read_times,
)
from slipway.predictions.seen import Seen
from slipway.progress import track
from slipway.reference.profile import (
    DECIDED,
    PREDICTED,
    SCORE,
    bin_numbers,
    number_profile,
    series_name,
)
from slipway.reference.reference import Reference, Series
from slipway.tasks import Task, task_of
from slipway.workers import workers

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.manifest import Manifest

EPOCH = np.datetime64("1970-01-01", "D")

Predictions = tuple[
    "pa.ChunkedArray | None", np.ndarray, np.ndarray, np.ndarray, "np.ndarray | None"
]
"""Keys, if they are needed, days, scores, watched numbers and groups of some records."""

AddPredictions = Callable[
    ["pa.ChunkedArray | None", np.ndarray, np.ndarray, np.ndarray, "np.ndarray | None"], None
]


def numbers_of(days: np.ndarray | np.datetime64) -> np.ndarray:
    """Return days as numbers since 1970, in the shape of `days`."""
    return np.asarray((days - EPOCH).astype("int64"))


def count_by_day(
    url: str,
    reference: Reference,
    now: datetime,
    megabytes: int,
    form: Form,
    add: AddPredictions | None = None,
    *,
    keys: bool = True,
    coder: Coder | None = None,
) -> DailyCounts:
    """Count a log by day of the event, on a Dask cluster if its address is set.

    Parameters
    ----------
    megabytes
        Memory to use, approximately; on a cluster, of each job.
    form
        The task of the model, and how it answers.
    add
        Called with keys, days in the time zone of the model, scores, watched numbers and groups of
        the model's records, in the order of the log.
    keys
        Whether it needs the keys; otherwise they are None.
    coder
        Returns the protected groups of some rows; None if there are none.

    Raises
    ------
    SlipwayError
        The log cannot be read.
    """
    folder = LogFolder(url)
    whole, seen = DailyCounts(), Seen()
    whole.skipped.unread |= folder.unread
    pieces = pieces_of(folder.files)
    shared = _Shared(folder, reference, now, megabytes, form, add is not None, keys, coder)
    with workers(cores=False) as pool:
        found = pool.run(_count_piece, ((piece, None) for piece in pieces), shared)
        for piece, part in zip(pieces, track(found, "Reading the log", len(pieces)), strict=True):
            known = seen.known(part.ids, *part.ends)
            if len(known[0]):
                # Some records were in an earlier piece, which alone counts.
                (part,) = pool.run(_count_piece, [(piece, (*known, *part.ends))], shared)
            seen.add(part.ids, part.contents, *part.ends)
            if add is not None:
                for predictions in part.predictions:
                    add(*predictions)
            whole.merge(part.counts)
    return whole


@dataclass(frozen=True)
class _Shared:
    """What the jobs of all pieces have in common."""

    folder: LogFolder
    reference: Reference
    now: datetime
    megabytes: int
    form: Form
    predictions: bool
    keys: bool
    coder: Coder | None


@dataclass
class _PieceCounts:
    """The counts of a piece of the log.

    `ids` and `contents` are the hashes of its records, as `Seen` takes them, `ends` their lowest
    and highest id.
    """

    counts: DailyCounts
    ids: np.ndarray
    contents: np.ndarray
    ends: tuple[str, str]
    predictions: list[Predictions]


def _count_piece(
    piece: Piece, known: tuple[np.ndarray, np.ndarray, str, str] | None, shared: _Shared
) -> _PieceCounts:
    """Count a piece without the records that are known from earlier ones."""
    import pyarrow.compute as pc

    whole, seen = DailyCounts(), Seen()
    if known is not None:
        seen.add(*known)
    ids, contents = ([np.empty(0, dtype="uint64")] for _ in range(2))
    ends: list[str] = []
    predictions: list[Predictions] = []
    inputs, megabytes = shared.reference.inputs, shared.megabytes
    for batch in read_pieces(
        shared.folder, [piece], whole.skipped, seen, inputs, megabytes=megabytes
    ):
        if not batch.table.num_rows:
            continue
        ids.append(batch.table[ID].to_numpy())
        contents.append(batch.table[CONTENT].to_numpy())
        ends += pc.min_max(batch.table["id"]).as_py().values()
        counter = _Counter(shared.reference, shared.now, batch, whole, shared.form, shared.coder)
        if shared.predictions and len(counter.dates):
            key = counter.table["key"] if shared.keys else None
            watched = counter.predicted[SCORE].to_numpy()
            days = EPOCH + counter.dates
            predictions.append((key, days, counter.scores, watched, counter.groups))
        whole.merge(counter.counts)
    found = np.concatenate(ids), np.concatenate(contents)
    return _PieceCounts(whole, *found, (min(ends, default=""), max(ends, default="")), predictions)


@dataclass(frozen=True)
class Form:
    """The task of a model, and how it answers."""

    task: Task
    answers: Answers

    @classmethod
    def of(cls, manifest: Manifest) -> Form:
        task = task_of(manifest)
        return cls(task, answers_of(task, manifest))

    def series(self, scores: np.ndarray) -> dict[str, pa.Array]:
        """Return the series of `PREDICTED` that the task has."""
        import pyarrow as pa

        decided = self.task.decided(scores)
        watched = {SCORE: pa.array(self.task.monitored(scores), pa.float64())}
        return watched if decided is None else watched | {DECIDED: pa.array(decided, pa.string())}


class _Counter:
    """Counts one batch; the first place of each fault is noted in the `whole`."""

    def __init__(
        self,
        reference: Reference,
        now: datetime,
        batch: Batch,
        whole: DailyCounts,
        form: Form,
        coder: Coder | None,
    ) -> None:
        import pyarrow as pa

        self._reference, self._batch, self._whole = reference, batch, whole
        self.counts = DailyCounts()
        table = self._of_this_model(batch.table)
        dates, unreadable, usable = self._days(table, now)
        self._note(whole.skipped.untimed, unreadable, table)
        table, dates = only(table, pa.array(usable)), dates[usable]
        scores = form.answers.scores(table)
        invalid = form.task.invalid(scores)
        self._note(whole.skipped.unscored, invalid, table)
        self.table, self.dates = only(table, pa.array(~invalid)), dates[~invalid]
        self.scores = scores[~invalid]
        self.predicted = form.series(self.scores)
        self.groups: np.ndarray | None = None
        self._count_wrong()
        if len(self.dates):
            self._note_lacking()
            self._count(_encoded(self.table, reference))
            if coder is not None:
                self._count_groups(coder, form.task)

    def _of_this_model(self, table: pa.Table) -> pa.Table:
        """Return the traffic of this model; count the rest."""
        import pyarrow.compute as pc

        if not table.num_rows:
            return table
        times = table["time"]
        self.counts.written = (pc.min(times).as_py(), pc.max(times).as_py())
        self.counts.back = pc.sum(pc.less(times[1:], times[:-1])).as_py() or 0
        traffic = only(table, pc.invert(table["proof"]))
        for each in pc.value_counts(traffic["model"]).to_pylist():
            if each["values"] != self._reference.model:
                self.counts.others[each["values"]] = each["counts"]
        return only(traffic, pc.equal(traffic["model"], self._reference.model))

    def _days(self, table: pa.Table, now: datetime) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the day of each event, whether its time is unreadable, and whether it is usable.

        Arrays have shape (rows,).
        """
        import pyarrow.compute as pc

        name = f"{INPUT}{self._reference.event_time}"  # none, if rows have no event time
        times = table["time"]
        if name in table.column_names:
            self.counts.undated = table[name].null_count
            times = pc.coalesce(table[name], times)
        moments = read_times(times.combine_chunks())
        unreadable = moments == UNREADABLE
        moments = np.where(unreadable, 0, moments).astype("datetime64[us]")
        dates = numbers_of(local_days(moments, self._reference.time_zone))
        latest = int(numbers_of(np.datetime64(latest_day(self._reference, now))))
        # The history of a model that an earlier version trained begins at midnight in UTC: where
        # the clocks are behind it, a day earlier.
        earliest = int(numbers_of(np.datetime64(self._reference.starts, "D"))) - 1
        ahead, early = dates > latest, (dates < earliest) & ~unreadable
        self.counts.ahead, self.counts.early = int(ahead.sum()), int(early.sum())
        return dates, unreadable, ~(unreadable | ahead | early)

    def _note(self, count: Count, rows: np.ndarray, table: pa.Table) -> None:
        """Add the marked rows to a count, with the place of the first."""
        if rows.any():
            first = table[ROW][int(np.argmax(rows))].as_py()
            count.add(int(rows.sum()), partial(self._batch.where, first))

    def _count_wrong(self) -> None:
        import pyarrow.compute as pc

        for name in self.table.column_names:
            if name.startswith(WRONG):
                number = pc.sum(self.table[name]).as_py() or 0
                self.counts.wrong[name.removeprefix(WRONG)] = number

    def _note_lacking(self) -> None:
        """Count values that the schema requires and that are missing."""
        known = set(self.table.column_names)
        for each in self._reference.inputs:
            name = each["name"]
            column = self.table[f"{INPUT}{name}"]
            may_lack = each["nullable"] or "personal" in each
            if may_lack or name == self._reference.event_time or not column.null_count:
                continue
            empty = column.combine_chunks().is_null().to_numpy(zero_copy_only=False)
            if f"{WRONG}{name}" in known:
                wrong = self.table[f"{WRONG}{name}"].combine_chunks()
                empty &= ~wrong.to_numpy(zero_copy_only=False)
            if empty.any():
                self._note(self._whole.lacking.setdefault(name, Count()), empty, self.table)

    def _count(self, table: pa.Table) -> None:
        days, day = np.unique(self.dates, return_inverse=True)
        cells = _Cells(self.counts, days, day)
        values: dict[str, np.ndarray] = {}
        for name, series in self._reference.series.items():
            column = self._column(name, table)
            count = cells.numbers if series.is_number else cells.texts
            values[name] = count(series, column)
        for name, breaks in broken(table, self._reference.inputs).items():
            cells.put("broken", series_name(name), breaks)
        cells.sample(values, table[ID].to_numpy())

    def _column(self, name: str, table: pa.Table) -> pa.Array:
        if name in PREDICTED:
            return self.predicted[name]
        return table[f"{INPUT}{self._reference.columns.get(name, name)}"].combine_chunks()

    def _count_groups(self, coder: Coder, task: Task) -> None:
        """Count the decisions of each protected group by day."""
        self.groups = coder.codes(columns_of(self.table, self._reference.inputs, INPUT))
        model = task.predictions(self.scores, coder.threshold)
        if not model.has_decisions:
            return
        classes, decisions = max(len(task.classes), 2), model.decisions.astype("int64")
        for number in np.unique(self.dates).tolist():
            inside = self.dates == number
            counts = coder.counts(self.groups[inside], decisions[inside], classes)
            self.counts.days[number].groups = dict(zip(coder.names, counts, strict=True))


def _encoded(table: pa.Table, reference: Reference) -> pa.Table:
    """Return the table with its categories as codes: each value is looked up once."""
    for each in reference.inputs:
        name = f"{INPUT}{each['name']}"
        if each["type"] == "string" and not each["unique"]:
            codes = table[name].combine_chunks().dictionary_encode()
            table = table.set_column(table.schema.get_field_index(name), name, codes)
    return table


class _Cells:
    """Counts the rows of a batch by day.

    Parameters
    ----------
    days
        The days of the batch, shape (days,), and in `day` the position of each row's, (rows,).
    """

    def __init__(self, counts: DailyCounts, days: np.ndarray, day: np.ndarray) -> None:
        self._counts, self._day, self._days = counts, day, days.tolist()
        for number, rows in zip(self._days, np.bincount(day).tolist(), strict=True):
            counts.days[number] = Day(rows)

    def numbers(self, series: Series, column: pa.Array) -> np.ndarray:
        """Count a column of numbers; return it."""
        numbers = column.to_numpy(zero_copy_only=False).astype("float64", copy=False)
        with np.errstate(over="ignore"):  # a number beyond float32 is in the last bin
            single = numbers.astype("float32")
        missing = np.isnan(numbers)
        profile = number_profile(series.profile)
        cell = bin_numbers(single, profile["edges"]).astype("int64")
        cell[missing] = len(series.names) - 1
        self._put_cells(series, cell)
        self.put("sums", series.name, np.where(missing, 0.0, numbers))
        low, high = np.float32(profile["min"]), np.float32(profile["max"])
        self.put("outside", series.name, (single < low) | (single > high))
        return numbers

    def texts(self, series: Series, column: pa.Array) -> np.ndarray:
        """Count a column of categories; return the cell of each row."""
        encoded = column.dictionary_encode()
        words = encoded.dictionary.to_pylist()
        to_cell = np.array(
            [series.index.get(word, series.unseen) for word in words] + [series.missing], "int64"
        )
        codes = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
        cell = to_cell[codes]
        self._put_cells(series, cell)
        if (to_cell == series.unseen).any():
            counts = np.bincount(codes, minlength=len(words) + 1)
            self._counts.unseen[series.name] = {
                word: int(counts[code])
                for code, word in enumerate(words)
                if to_cell[code] == series.unseen
            }
        return cell.astype("int32")

    def put(self, what: str, name: str, values: np.ndarray) -> None:
        """Add a sum of each day, where it is not zero, to one of the sums of `Day`."""
        sums = np.bincount(self._day, weights=values).tolist()
        for number, value in zip(self._days, sums, strict=True):
            if value:
                getattr(self._counts.days[number], what)[name] = value

    def sample(self, values: dict[str, np.ndarray], keys: np.ndarray) -> None:
        skipped = max(0, len(self._days) - SAMPLE_DAYS)
        for position, number in enumerate(self._days[skipped:], skipped):
            rows = np.flatnonzero(self._day == position)
            kept = rows[smallest(keys[rows])]
            columns = {name: column[kept] for name, column in values.items()}
            self._counts.samples[number] = Sample(keys[kept], columns)

    def _put_cells(self, series: Series, cell: np.ndarray) -> None:
        size = len(series.names)
        flat = np.bincount(self._day * size + cell, minlength=len(self._days) * size)
        for number, counts in zip(self._days, flat.reshape(-1, size), strict=True):
            self._counts.days[number].counts[series.name] = counts
