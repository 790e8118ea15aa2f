"""The log as one tally for each day of the event, on the reference's cells.

Every record is read once and forgotten: what is kept is counts of each day, and of the newest days
some rows for the joint test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway.drift.records import ROW, WRONG, Parsed, only, read
from slipway.drift.reference import SCORE, Reference, Stream
from slipway.drift.tallies import SAMPLE_DAYS, Day, Sample, Tallies, winners
from slipway.drift.violations import broken
from slipway.log_files import Count
from slipway.profile import bin_numbers
from slipway.times import EARLIEST, END, PATTERN, microseconds, time_or_none

if TYPE_CHECKING:
    import pyarrow as pa

# An event this far ahead of now is a wrong clock; one before the past began is another.
AHEAD = timedelta(days=366)

EPOCH = np.datetime64("1970-01-01", "D")

# Of a record in the log.
PLACE = "place"

Take = Callable[[Any, np.ndarray, np.ndarray], None]


@dataclass
class _Found:
    """What some records add; `keys`, `dates` and `scores` are for those who join labels."""

    tallies: Tallies
    keys: pa.ChunkedArray | None
    dates: np.ndarray
    scores: np.ndarray


def read_log_by_day(
    url: str, reference: Reference, now: datetime, megabytes: int, take: Take | None = None
) -> Tallies:
    """Read a log into one tally for each day.

    Parameters
    ----------
    megabytes
        That the check may take, about.
    take
        Is given keys, days and scores of the model's records, in the order of the log.

    Raises
    ------
    SlipwayError
        The log cannot be read.
    """
    whole = Tallies(unseen={name: {} for name in reference.streams})
    for parsed in read(url, reference.inputs, megabytes, whole.skipped):
        found = _tally(parsed, reference, now, whole)
        if take is not None and len(found.dates):
            take(found.keys, found.dates, found.scores)
        whole.merge(found.tallies)
    return whole


def _tally(parsed: Parsed, reference: Reference, now: datetime, whole: Tallies) -> _Found:
    """Tally records that follow those which the `whole` has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = Tallies(records=parsed.table.num_rows)
    place = pa.array(np.arange(whole.records, whole.records + found.records))
    table = _ours(parsed.table.append_column(PLACE, place), reference.model, found)
    dates, known = _dates(table, reference, now, found)
    _note_untimed(table, dates, parsed, whole)
    table, dates = only(table, pa.array(known)), dates[known]
    scores = table["probability"].to_numpy()
    for name in table.column_names:
        if name.startswith(WRONG):
            found.wrong[name.removeprefix(WRONG)] = pc.sum(table[name]).as_py() or 0
    if len(dates):
        _note_lacking(table, parsed, reference, whole)
        _count(_encoded(table, reference), dates, reference, found)
    return _Found(found, table["key"], dates, scores)


def _encoded(table: pa.Table, reference: Reference) -> pa.Table:
    """Return the table with its categories as codes: each word is looked up once."""
    for each in reference.inputs:
        name = f"input.{each['name']}"
        if each["type"] == "string" and not each["unique"]:
            codes = table[name].combine_chunks().dictionary_encode()
            table = table.set_column(table.schema.get_field_index(name), name, codes)
    return table


def _ours(table: pa.Table, model: str, found: Tallies) -> pa.Table:
    """Return the records of this model that answered a client; count the rest."""
    import pyarrow.compute as pc

    if not table.num_rows:
        return table
    times = table["time"]
    found.written = (pc.min(times).as_py(), pc.max(times).as_py())
    found.back = pc.sum(pc.less(times[1:], times[:-1])).as_py() or 0
    table = only(table, pc.invert(pc.fill_null(table["proof"], fill_value=False)))
    for each in pc.value_counts(table["model"]).to_pylist():
        if each["values"] != model:
            found.others[each["values"]] = each["counts"]
    return only(table, pc.equal(table["model"], model))


def _dates(
    table: pa.Table, reference: Reference, now: datetime, found: Tallies
) -> tuple[np.ndarray, np.ndarray]:
    """Return the day of each event and whether it can be meant, both of shape (rows,)."""
    import pyarrow.compute as pc

    name = f"input.{reference.event_time}"
    times = table["time"]
    if name in table.column_names:
        found.undated = table[name].null_count
        times = pc.coalesce(table[name], times)
    date = _days_of(times.combine_chunks())
    latest = (now + AHEAD).toordinal() - datetime(1970, 1, 1, tzinfo=UTC).toordinal()
    earliest = int((np.datetime64(reference.starts, "D") - EPOCH).astype(int))
    unread, ahead, early = date == UNREAD, date > latest, (date < earliest) & (date != UNREAD)
    found.ahead, found.early = int(ahead.sum()), int(early.sum())
    return date, ~(unread | ahead | early)


def _note_untimed(table: pa.Table, dates: np.ndarray, parsed: Parsed, whole: Tallies) -> None:
    unread = dates == UNREAD
    first = int(np.argmax(unread)) if len(unread) else 0
    where = partial(_where, table, first, parsed)
    whole.skipped.untimed.add(int(unread.sum()), where)


def _where(table: pa.Table, at: int, parsed: Parsed) -> str:
    return parsed.where(table[ROW][at].as_py())


def _note_lacking(table: pa.Table, parsed: Parsed, reference: Reference, whole: Tallies) -> None:
    """Count what lacks a value that the schema asks for, as in records of an older schema."""
    for each in reference.inputs:
        name = each["name"]
        column = f"input.{name}"
        if each["nullable"] or name == reference.event_time or not table[column].null_count:
            continue
        empty = table[column].combine_chunks().is_null().to_numpy(zero_copy_only=False)
        if f"{WRONG}{name}" in table.column_names:
            empty &= ~table[f"{WRONG}{name}"].combine_chunks().to_numpy(zero_copy_only=False)
        if empty.any():
            where = partial(_where, table, int(np.argmax(empty)), parsed)
            whole.lacking.setdefault(name, Count()).add(int(empty.sum()), where)


UNREAD = -(2**62)

WHOLE_TIME = f"^(?:{PATTERN})$"

DAY = 24 * 3600 * 1_000_000


def _days_of(times: pa.Array) -> np.ndarray:
    """Return the UTC day of each time as days since 1970, shape (rows,); `UNREAD` for none.

    What is a time is what `slipway.times` calls one, as for every other reader.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        moments = times.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:  # one of them is no time, or has another form
        encoded = times.dictionary_encode()
        days = np.array([_day(text) for text in encoded.dictionary.to_pylist()], dtype="int64")
        return days[encoded.indices.to_numpy()] if len(days) else np.empty(0, dtype="int64")
    known = _have_whole_seconds(times) or pc.match_substring_regex(times, WHOLE_TIME).to_numpy(
        zero_copy_only=False
    )
    known = known & (moments >= microseconds(EARLIEST)) & (moments < microseconds(END))
    return np.where(known, moments // DAY, UNREAD)


def _have_whole_seconds(times: pa.Array) -> bool:
    """Return whether all are like 2013-10-01T09:30:00Z, which needs no search: most logs are."""
    import pyarrow.compute as pc

    length = pc.min_max(pc.binary_length(times)).as_py()
    return length["min"] == length["max"] == 20 and pc.all(pc.ends_with(times, "Z")).as_py()


def _day(text: str) -> int:
    """Return the UTC day of a time as days since 1970."""
    time = time_or_none(text)
    return UNREAD if time is None else microseconds(time) // DAY


def _count(table: pa.Table, dates: np.ndarray, reference: Reference, found: Tallies) -> None:
    days, day = np.unique(dates, return_inverse=True)
    rows = np.bincount(day)
    for each, count in zip(days.tolist(), rows.tolist(), strict=True):
        found.days[each] = Day(count, {}, {}, {}, {})
    values: dict[str, np.ndarray] = {}
    for name, stream in reference.streams.items():
        column = table["probability" if name == SCORE else f"input.{name}"].combine_chunks()
        if stream.profile["type"] == "number":
            values[name] = _count_numbers(stream, column, days, day, found)
        else:
            values[name] = _count_texts(stream, column, days, day, found)
    for name, breaks in broken(table, reference.inputs).items():
        _put(found, "broken", name, np.bincount(day, weights=breaks), days)
    _sample(values, table[PLACE].to_numpy(), days, day, found)


def _count_numbers(
    stream: Stream, column: pa.Array, days: np.ndarray, day: np.ndarray, found: Tallies
) -> np.ndarray:
    numbers = column.to_numpy(zero_copy_only=False).astype("float64", copy=False)
    with np.errstate(over="ignore"):  # a number that float32 lacks is in the last bin
        single = numbers.astype("float32")
    lacking = np.isnan(numbers)
    cell = bin_numbers(single, stream.profile["edges"]).astype("int64")
    cell[lacking] = len(stream.names) - 1
    _cells(stream, cell, days, day, found)
    filled = np.where(lacking, 0.0, numbers)
    _put(found, "sums", stream.name, np.bincount(day, weights=filled), days)
    low, high = np.float32(stream.profile["min"]), np.float32(stream.profile["max"])
    outside = (single < low) | (single > high)
    if outside.any():
        _put(found, "outside", stream.name, np.bincount(day, weights=outside), days)
    return numbers


def _count_texts(
    stream: Stream, column: pa.Array, days: np.ndarray, day: np.ndarray, found: Tallies
) -> np.ndarray:
    encoded = column.dictionary_encode()
    known = stream.index
    unseen, missing = len(stream.names) - 2, len(stream.names) - 1
    words = encoded.dictionary.to_pylist()
    to_cell = np.array([known.get(word, unseen) for word in words] + [missing], dtype="int64")
    codes = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    cell = to_cell[codes]
    _cells(stream, cell, days, day, found)
    if (to_cell == unseen).any():
        counts = np.bincount(codes, minlength=len(words) + 1)
        unseen_words = {
            word: int(counts[code]) for code, word in enumerate(words) if to_cell[code] == unseen
        }
        found.unseen[stream.name] = unseen_words
    return cell.astype("int32")


def _cells(
    stream: Stream, cell: np.ndarray, days: np.ndarray, day: np.ndarray, found: Tallies
) -> None:
    size = len(stream.names)
    counts = np.bincount(day * size + cell, minlength=len(days) * size).reshape(-1, size)
    for position, each in enumerate(days.tolist()):
        found.days[each].counts[stream.name] = counts[position]


def _put(found: Tallies, what: str, name: str, values: np.ndarray, days: np.ndarray) -> None:
    for each, value in zip(days.tolist(), values.tolist(), strict=True):
        if value:
            getattr(found.days[each], what)[name] = value


def _sample(
    values: dict[str, np.ndarray],
    place: np.ndarray,
    days: np.ndarray,
    day: np.ndarray,
    found: Tallies,
) -> None:
    from pandas.util import hash_array

    lots = hash_array(place)
    for position, each in enumerate(days[-SAMPLE_DAYS:].tolist(), max(0, len(days) - SAMPLE_DAYS)):
        rows = np.flatnonzero(day == position)
        some = rows[winners(lots[rows])]
        columns = {name: column[some] for name, column in values.items()}
        found.samples[each] = Sample(lots[some], columns)
