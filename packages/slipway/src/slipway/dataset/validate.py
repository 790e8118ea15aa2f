"""`slipway validate`: all violations of the schema in some files, in one pass.

The checks of the pandera schema run here column by column, because pandera's `validate` keeps
every failing value and cannot see beyond a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.dataset.chunks import Part, Source, Values, open_source, values_of, without_zone
from slipway.dataset.csv_format import DECIMALS
from slipway.dataset.files import READ, Listing, list_folder
from slipway.dataset.folder import list_data
from slipway.dataset.holdout import check_without_time
from slipway.dataset.keys import keys_of
from slipway.dataset.outcomes import array_of, columns_of_label
from slipway.dataset.periods import Unit, local_days, name_of, starts_of, unit_of
from slipway.dataset.tables import write_json
from slipway.dataset.violations import (
    File,
    ValidationReport,
    Violation,
    render_json,
    shown_columns,
)
from slipway.dataset.zone import stated_zone, time_zone
from slipway.errors import SlipwayError
from slipway.progress import track
from slipway.project import SCHEMA, Rule, apply_rule, columns_read
from slipway.schema.checks import TIME_RANGE, RowSchema
from slipway.schema.expected import HIDDEN, NOUNS, describe
from slipway.schema.export import column_type, export_schema
from slipway.times import EARLIEST, END, RANGE
from slipway.untrusted import folded, shown, shown_name
from slipway.workers import workers

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from pandera.pandas import Check, Column, DataFrameSchema

    from slipway.settings import Params

MOST_ROWS = 5
MOST_EXAMPLES = 3
MOST_UNKNOWN = 20

# Rows of a file that fail a check, and whose values may be examples.
MOST_TRIED = 100

# Cells of a chunk: a wide table has fewer rows in one.
MOST_CELLS = 10_000_000

# Keys confirmed at once when hashes are equal: limits the memory for repeated keys.
KEYS_AT_ONCE = 500_000


def run(paths: Sequence[Path], params: Params, json: Path | None = None) -> ValidationReport:
    """Validate, and write the report as JSON if a path is given."""
    report = validate_files(paths, params)
    if json:
        write_json(render_json(report), json)
    return report


def validate_files(
    paths: Sequence[Path], params: Params, now: datetime | None = None
) -> ValidationReport:
    """Check files of rows against the schema of the model.

    Parameters
    ----------
    paths
        Parquet and CSV files, and folders of them; default: `data.folder` of the settings.
    now
        Later event times are in the future; the clock's time if not given.

    Raises
    ------
    SlipwayError
        A file is missing or cannot be read, or the schema has an unsupported check.

    Notes
    -----
    Memory: a chunk of `validate.chunk_rows` rows, and 8 bytes a row to find repeated keys. Files
    are scanned in parts, on a Dask cluster if its address is set (`slipway.workers`).
    """
    plan = _Plan(project.schema(), now or datetime.now(UTC))
    if plan.event_time is None:
        check_without_time(params)
    data = Path(params.data.folder)
    listing = _list_files(paths or [data], data)
    numbers = [name for name, (kind, _) in plan.types.items() if kind == "number"]
    sources = [open_source(path, params.data, numbers) for path in listing.read]
    scans = [_FileScan(plan, source) for source in sources]
    _scan_files(scans, plan, params)
    _find_repeated_keys(scans, params)
    # A file may have a part of a period.
    is_whole = any(_are_same(path, data) for path in paths or [data])
    has_periods = is_whole and plan.event_time is not None
    without_times = _without_times(scans) if has_periods else []
    count_periods = has_periods and not without_times
    unit = (params.prepare.unit or _unit_of(scans)) if count_periods else None
    periods = _rows_of_periods(scans, unit) if unit else {}
    violations = [violation for scan in scans for violation in scan.violations()]
    return ValidationReport(
        [scan.file() for scan in scans],
        [
            *_violations_of_data(listing, data),
            *_violations_of_periods(periods, params.validate_.rows_per_month),
            *violations,
        ],
        [file.text() for file in listing.not_read],
        list(periods),
        has_key=bool(plan.key),
        without_times=without_times,
    )


def _list_files(paths: Sequence[Path], data: Path) -> Listing:
    found = [_list_path(path, data) for path in paths]
    read = [path for listing in found for path in listing.read]
    unique = {path.resolve(): path for path in reversed(read)}
    return Listing(
        list(reversed(unique.values())), [file for listing in found for file in listing.not_read]
    )


def _list_path(path: Path, data: Path) -> Listing:
    if _are_same(path, data):
        return list_data(path)
    if not path.is_dir():
        return Listing([path], [])
    found = list_folder(path)
    if not found.read:
        raise SlipwayError(f"{path}/: no parquet or CSV file", "name the files to validate")
    return found


def _are_same(first: Path, second: Path) -> bool:
    return first.resolve() == second.resolve()


def _violations_of_data(listing: Listing, data: Path) -> Iterator[Violation]:
    """Yield the files of the data that are not read: their rows would be missing from training."""
    for file in listing.not_read:
        if file.may_hold_rows and _are_same(Path(file.file).parent, data):
            expected = f"{', '.join(READ)} files in the folder itself, and no other table"
            yield _violation_of_file(file.file, "not_read", file.reason, expected)


def _violation_of_file(
    file: str, check: str, example: str, expected: str, count: int = 0
) -> Violation:
    return Violation(
        file=file,
        column="",
        check=check,
        rule=False,
        count=count,
        share=0.0,
        rows=[],
        examples=[example],
        expected=expected,
    )


def _without_times(scans: Sequence[_FileScan]) -> list[str]:
    """Return the files of which no row has a time that can be read: they may be of any period."""
    return [scan.file().file for scan in scans if scan.found.rows and not scan.found.days]


def _unit_of(scans: Sequence[_FileScan]) -> Unit | None:
    """Return the unit of the periods that some rows have; None if no row has a time."""
    days = [day for scan in scans for day in scan.found.days]
    return unit_of(np.array(days, dtype="datetime64[D]")) if days else None


def _rows_of_periods(scans: Sequence[_FileScan], unit: Unit) -> dict[str, tuple[int, str]]:
    """Return for each period, by name in the order of time, its rows and the first of its files."""
    rows: dict[np.datetime64, tuple[int, str]] = {}
    for scan in scans:
        for day, count in scan.found.days.items():
            start = starts_of(np.array([day], dtype="datetime64[D]"), unit)[0]
            before, file = rows.get(start, (0, scan.file().file))
            rows[start] = (before + count, file)
    return {name_of(start, unit): rows[start] for start in sorted(rows)}


def _violations_of_periods(
    periods: Mapping[str, tuple[int, str]], limits: tuple[int, int]
) -> Iterator[Violation]:
    few, many = limits
    expected = f"{few:,} to {many:,} rows (validate.rows_per_month in params.yaml)"
    for name, (count, file) in periods.items():
        if not few <= count <= many:
            yield _violation_of_file(file, "rows_per_month", name, expected, count)


def _scan_files(scans: Sequence[_FileScan], plan: _Plan, params: Params) -> None:
    """Scan all parts of all files."""
    chunk_rows = params.validate_.chunk_rows
    jobs = [(at, part) for at, scan in enumerate(scans) for part in scan.source.parts(chunk_rows)]
    shared = _Shared(plan, [scan.source for scan in scans], chunk_rows, Path.cwd())
    with workers(cores=False) as pool:
        found = track(pool.run(_scan_part, jobs, shared), "Validating", len(jobs))
        for (at, _), part in zip(jobs, found, strict=True):
            scans[at].found.merge(part)


@dataclass(frozen=True)
class _Shared:
    """What all jobs have in common; paths of files are relative to `root`."""

    plan: _Plan
    sources: Sequence[Source]
    chunk_rows: int
    root: Path


def _scan_part(number: int, part: Part, shared: _Shared) -> _Found:
    """Return what is found in a part of a file."""
    source = shared.sources[number]
    if Path.cwd() != shared.root:
        source = replace(source, path=shared.root / source.path)
    scan = _FileScan(shared.plan, source)
    rows = min(shared.chunk_rows, max(MOST_CELLS // max(len(scan.columns), 1), 1))
    for batch in source.batches(scan.columns, rows, part):
        scan.add(batch)
    return scan.found


class _Plan:
    """The checks of the schema and the settings, for every file."""

    def __init__(self, schema: DataFrameSchema, now: datetime) -> None:
        spec = export_schema(schema)
        self.columns: dict[str, Column] = schema.columns
        self.personal = project.personal().keys()
        self.types = {name: column_type(name, column) for name, column in self.columns.items()}
        self.key = project.key_columns()
        self.event_time = project.event_time()
        _require_names(self.key, self.event_time, self.types, spec)
        self.label_reads = columns_of_label()
        self.now = now
        self.zone = time_zone()
        self.zone_of_times = stated_zone()
        inputs = {column["name"]: np.empty(0, column["dtype"]) for column in spec}
        self.rules = [self._rule(check, inputs) for check in schema.checks]

    def __reduce__(self) -> tuple[Callable[[datetime], _Plan], tuple[datetime]]:
        """A worker has the same schema; a check of the user's may not be sent."""
        return _plan_at, (self.now,)

    def _rule(self, check: Check, inputs: Mapping[str, np.ndarray]) -> _Rule:
        name = str(check.name)
        expected = " ".join(str(check.error or name).split())
        if name in project.RULES:
            rule = project.RULES[name]
            read = columns_read(name, rule, inputs)
            return _Rule(name, expected, partial(_passes_rule, name, rule), read, read)
        # The columns that it reads are unknown, so it needs all of them.
        return _Rule(name, expected, partial(_passes_whole, check), list(self.columns), [])


def _plan_at(now: datetime) -> _Plan:
    return _Plan(project.schema(), now)


def _require_names(
    key: Sequence[str],
    event_time: str | None,
    types: Mapping[str, tuple[str, str]],
    spec: RowSchema,
) -> None:
    unique = [column["name"] for column in spec if column["unique"]]
    if sorted(key) != sorted(unique):
        raise SlipwayError(
            f"{SCHEMA}: KEY is {_named_key(key)}, and what is unique is {_named_key(unique)}",
            "set `unique=True` for the column in KEY, `unique=KEY` of the schema for several "
            "columns, neither for None",
        )
    if event_time is not None and types.get(event_time, ("missing", ""))[0] != "timestamp":
        raise SlipwayError(
            f"{SCHEMA}: EVENT_TIME is `{event_time}`, which is not a column of times",
            "declare it with the type datetime64[us, UTC]; of rows without a time, it is None",
        )


def _named_key(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names) or "None"


@dataclass(frozen=True)
class _Rule:
    name: str
    expected: str
    holds: Callable[[pd.DataFrame], np.ndarray]
    reads: list[str]
    named: list[str]

    @property
    def column(self) -> str:
        return ", ".join(self.named)


@dataclass
class _Tally:
    """The rows of one file, or of a part of it, that fail one check.

    `examples` are values of the first `MOST_TRIED` of these rows, with the position among them. So
    they do not depend on the chunks and parts in which a file is read.
    """

    column: str
    check: str
    expected: str
    count: int = 0
    rows: list[int] = field(default_factory=list)
    examples: dict[str, int] = field(default_factory=dict)
    rule: bool = False

    def add(self, bad: np.ndarray, offset: int, show: Callable[[int], str]) -> None:
        """Count rows of a chunk, given as positions in it; `offset` is the chunk's first row."""
        self.rows += [offset + at for at in bad[: MOST_ROWS - len(self.rows)].tolist()]
        for number, at in enumerate(bad[: max(MOST_TRIED - self.count, 0)].tolist(), self.count):
            if len(self.examples) == MOST_EXAMPLES:
                break
            self.examples.setdefault(show(at), number)
        self.count += len(bad)

    def merge(self, later: _Tally, offset: int) -> None:
        """Add the tally of a later part, whose first row is `offset`."""
        self.rows += [offset + row for row in later.rows[: MOST_ROWS - len(self.rows)]]
        for example, number in later.examples.items():
            if len(self.examples) < MOST_EXAMPLES and self.count + number < MOST_TRIED:
                self.examples.setdefault(example, self.count + number)
        self.count += later.count


@dataclass
class _Found:
    """What was found in the rows of a file, or of a part of it.

    `empty` has the missing values by column, `days` the rows by day of the event, `hashes` those of
    the keys.
    """

    rows: int = 0
    tallies: dict[tuple[str, str, str], _Tally] = field(default_factory=dict)
    empty: dict[str, int] = field(default_factory=dict)
    days: dict[np.datetime64, int] = field(default_factory=dict)
    hashes: list[np.ndarray] = field(default_factory=list)
    without_zone: bool = False

    def tally(self, column: str, check: str, expected: str, *, rule: bool = False) -> _Tally:
        new = _Tally(column, check, expected, rule=rule)
        return self.tallies.setdefault((column, check, expected), new)

    def merge(self, later: _Found) -> None:
        """Add what was found in the part that follows."""
        for each in later.tallies.values():
            self.tally(each.column, each.check, each.expected, rule=each.rule).merge(
                each, self.rows
            )
        for mine, theirs in ((self.empty, later.empty), (self.days, later.days)):
            _add_counts(mine, theirs)
        self.hashes += later.hashes
        self.without_zone |= later.without_zone
        self.rows += later.rows


def _add_counts(mine: dict[Any, int], theirs: Mapping[Any, int]) -> None:
    for name, count in theirs.items():
        mine[name] = mine.get(name, 0) + count


class _FileScan:
    """One file, and what was found in it so far."""

    def __init__(self, plan: _Plan, source: Source) -> None:
        self.source = source
        self.columns = [name for name in plan.columns if name in source.types]
        self.found = _Found(empty=dict.fromkeys(self.columns, 0))
        self._plan = plan
        self._name = source.path.as_posix()
        self._mistyped = {name for name in self.columns if not self._has_its_type(name)}
        self._comparable = [name for name in self.columns if self._can_be_checked(name)]
        self._repeats = 0
        self._first_repeats: list[tuple[int, str, tuple[str, int]]] = []

    def _has_its_type(self, name: str) -> bool:
        import pyarrow as pa

        kind, dtype = self._plan.types[name]
        found = self.source.types[name]
        if self.source.format:
            return True
        if kind == "string":
            return _is_text(found)
        if kind == "timestamp":
            return bool(found == pa.timestamp("us", "UTC"))
        return bool(found == pa.from_numpy_dtype(np.dtype(dtype)))

    def _can_be_checked(self, name: str) -> bool:
        import pyarrow as pa

        found = self.source.types[name]
        a_number = pa.types.is_integer(found) or pa.types.is_floating(found)
        expects_number = self._plan.types[name][0] in ("integer", "number")
        return name not in self._mistyped or (a_number and expects_number)

    @property
    def has_keys(self) -> bool:
        key = set(self._plan.key)
        return bool(key) and key <= set(self.columns) - self._mistyped

    def add(self, batch: pa.RecordBatch) -> None:
        """Check the next rows."""
        columns = {name: self._values(name, batch) for name in self._comparable}
        for name, values in columns.items():
            self._check_column(name, values)
        for rule in self._plan.rules:
            if set(rule.reads) <= columns.keys():
                self._check_rule(rule, columns)
        if set(self._plan.label_reads) <= columns.keys():
            self._check_label(columns)
        if self._plan.event_time is not None and self._plan.event_time in columns:
            self._check_time(self._plan.event_time, columns[self._plan.event_time].series)
        if self.has_keys:
            self.found.hashes.append(
                _hashes(keys_of([columns[name].series for name in self._plan.key]))
            )
        for name in set(self.columns) - columns.keys():
            self.found.empty[name] += batch.column(name).null_count
        self.found.rows += batch.num_rows

    def keys(self, batch: pa.RecordBatch) -> pd.Series:
        return keys_of([self._values(name, batch).series for name in self._plan.key])

    def _values(self, name: str, batch: pa.RecordBatch) -> Values:
        at = batch.schema.names.index(name)
        kind, dtype = self._plan.types[name]
        zone = self._plan.zone_of_times
        if self.source.format and kind == "timestamp" and zone and not self.found.without_zone:
            self.found.without_zone = without_zone(batch.column(at))
        return values_of(batch.column(at), kind, dtype, self.source.format, zone)

    def _check_column(self, name: str, values: Values) -> None:
        series, unreadable, text = values
        column = self._plan.columns[name]
        if unreadable.any():
            self._fail(name, "type", self._readable(name), np.flatnonzero(unreadable), text)
        empty = series.isna().to_numpy() & ~unreadable
        self.found.empty[name] += int(empty.sum())
        if empty.any() and not column.nullable:
            self._fail(name, "not_nullable", "a value in every row", np.flatnonzero(empty), None)
        if self._plan.types[name][0] == "timestamp":
            outside = ((series < EARLIEST) | (series >= END)).to_numpy(dtype=bool)
            if outside.any():
                expected = f"a time {RANGE}"
                self._fail(name, TIME_RANGE, expected, np.flatnonzero(outside), series)
        if self._plan.types[name][0] == "integer":
            series = _plain_numbers(series[series.notna()])
        for check in column.checks:
            passed = _passes(check, series, name)
            if not passed.all():
                bad = passed.index.to_numpy()[~passed.to_numpy(dtype=bool)]
                self._fail(name, str(check.name), _expected(check), bad, values.series)

    def _readable(self, name: str) -> str:
        """Return what a cell of text must be to be read as its type."""
        kind, dtype = self._plan.types[name]
        if kind == "timestamp" and self._plan.zone_of_times:
            return f"{NOUNS[kind]}; without a zone, one that is once in {self._plan.zone_of_times}"
        if kind == "timestamp":
            return f"{NOUNS[kind]}, or `TIME_ZONE` in src/model/schema.py"
        if kind == "number" and self.source.format:
            return f"{NOUNS[kind]}, with a decimal {DECIMALS[self.source.format.decimal]}"
        return f"{NOUNS[kind]} ({dtype})" if kind == "integer" else NOUNS[kind]

    def _check_rule(self, rule: _Rule, columns: Mapping[str, Values]) -> None:
        import pandas as pd

        at = self._with_values(rule.reads, columns)
        read = {name: _plain_numbers(columns[name].series.iloc[at]) for name in rule.reads}
        broken = at[~rule.holds(pd.DataFrame(read))]
        if len(broken):
            tally = self.found.tally(rule.column, rule.name, rule.expected, rule=True)
            tally.add(
                broken,
                self.found.rows,
                lambda row: ", ".join(
                    f"{n} {self._shown(n, columns[n].series.iloc[row])}" for n in rule.named
                ),
            )

    def _without_value(self, name: str, values: Values) -> np.ndarray:
        """Return the rows with another violation here, which no rule can check."""
        if self._plan.columns[name].nullable:
            return values.unreadable
        return values.series.isna().to_numpy()

    def _check_label(self, columns: Mapping[str, Values]) -> None:
        at = self._with_values(self._plan.label_reads, columns)
        read = {
            name: array_of(name, _plain_numbers(columns[name].series.iloc[at]))
            for name in self._plan.label_reads
        }
        if not read:
            return
        _, bad, found = project.read_labels(read)
        if bad.any():
            tally = self.found.tally(
                project.TARGET, "label", f"a label of {project.task().expected}"
            )
            tally.add(at[bad], self.found.rows, lambda row: shown(found[at == row].tolist()[0]))

    def _with_values(self, names: Sequence[str], columns: Mapping[str, Values]) -> np.ndarray:
        """Return the rows of a chunk in which none of these columns has another violation."""
        usable = np.ones(len(next(iter(columns.values())).series), dtype=bool)
        for name in names:
            usable &= ~self._without_value(name, columns[name])
        return np.flatnonzero(usable)

    def _check_time(self, name: str, times: pd.Series) -> None:
        now = self._plan.now
        late = np.flatnonzero((times > now).to_numpy(dtype=bool))
        if len(late):
            self._fail(name, "future", "no time after now", late, times)
        known = times[(times >= EARLIEST) & (times < END)]
        moments = known.dt.tz_convert(None).to_numpy()
        found, counts = np.unique(local_days(moments, self._plan.zone), return_counts=True)
        for day, count in zip(found, counts.tolist(), strict=True):
            self.found.days[day] = self.found.days.get(day, 0) + count

    def _fail(
        self, column: str, check: str, expected: str, bad: np.ndarray, values: pd.Series | None
    ) -> None:
        tally = self.found.tally(column, check, expected)
        tally.add(
            bad,
            self.found.rows,
            lambda at: "" if values is None else self._shown(column, values.iloc[at]),
        )

    def _shown(self, column: str, value: Any) -> str:
        """Return a value for the report, which does not have those of personal columns."""
        return HIDDEN if column in self._plan.personal else shown(value)

    def add_repeated(self, row: int, key: Any, first: tuple[str, int]) -> None:
        """Count a row whose key occurred before, in another row of this or another file."""
        self._repeats += 1
        if len(self._first_repeats) < MOST_ROWS or row < self._first_repeats[-1][0]:
            is_personal = not self._plan.personal.isdisjoint(self._plan.key)
            example = HIDDEN if is_personal else shown(key)
            earliest = sorted([*self._first_repeats, (row, example, first)])
            self._first_repeats = earliest[:MOST_ROWS]

    def file(self) -> File:
        # The example of its encoding is a word of any column.
        hidden = {"example": ""} if self._plan.personal else {}
        written = replace(self.source.format, **hidden).text() if self.source.format else ""
        if self.found.without_zone:
            written += f", times without a zone in {self._plan.zone_of_times}"
        return File(self._name, self.found.rows, written)

    def violations(self) -> list[Violation]:
        """Return all violations of the file: of its columns first, then of its values."""
        order = {name: at for at, name in enumerate(self._plan.columns)}
        values = sorted(
            self.found.tallies.values(), key=lambda tally: order.get(tally.column, len(order))
        )
        tallies = [
            *self._of_the_file(),
            *self._of_missing_values(),
            *self._of_repeated_keys(),
            *values,
        ]
        return [self._violation(tally) for tally in tallies]

    def _violation(self, tally: _Tally) -> Violation:
        return Violation(
            file=self._name,
            column=tally.column,
            check=tally.check,
            rule=tally.rule,
            count=tally.count,
            share=round(tally.count / max(self.found.rows, 1), 6),
            rows=tally.rows,
            examples=[example for example in tally.examples if example],
            expected=tally.expected,
        )

    def _of_the_file(self) -> Iterator[_Tally]:
        if not self.found.rows:
            yield _Tally("", "no_rows", "at least one row")
        for name in (name for name in self._plan.columns if name not in self.columns):
            yield _Tally(
                name,
                "missing_column",
                f"a column of type {self._expected_type(name)}",
                self.found.rows,
            )
        unknown = [name for name in self.source.types if name not in self._plan.columns]
        total = f" ({len(unknown):,} are)" if len(unknown) > MOST_UNKNOWN else ""
        for name in unknown[:MOST_UNKNOWN]:
            expected = f"no column outside the schema{total}{self._hint(name)}"
            yield _Tally(name[:80], "unknown_column", expected, self.found.rows)
        for name in self.source.repeated[:MOST_UNKNOWN]:
            yield _Tally(name[:80], "repeated_column", "every column once", self.found.rows)
        for name in self.columns:
            if name in self._mistyped:
                found = str(self.source.types[name])[:80]
                yield _Tally(
                    name, "type", self._expected_type(name), self.found.rows, [], {found: 0}
                )

    def _hint(self, unknown: str) -> str:
        """Return the missing column that an unknown one may be, or why it has no name."""
        if not unknown.strip():
            return "; pandas wrote its index? write the file with `index=False`"
        missing = [name for name in self._plan.columns if name not in self.columns]
        alike = [name for name in missing if folded(name) == folded(unknown)]
        return f"; did you mean {shown_name(alike[0])}?" if alike else ""

    def _expected_type(self, name: str) -> str:
        kind, dtype = self._plan.types[name]
        return {"string": "text", "timestamp": "timestamp[us, tz=UTC]"}.get(kind, dtype)

    def _of_missing_values(self) -> Iterator[_Tally]:
        for name, empty in self.found.empty.items():
            column = self._plan.columns[name]
            limit = (column.metadata or {}).get("max_missing", 1.0)
            if column.nullable and empty > limit * self.found.rows:
                yield _Tally(name, "max_missing", f"at most {limit:.1%} empty", empty)

    def _of_repeated_keys(self) -> Iterator[_Tally]:
        if self._first_repeats:
            rows, keys, _ = zip(*self._first_repeats, strict=True)
            _, key, (file, row) = self._first_repeats[0]
            again = f"{key} is also row {row:,} of {shown_name(file)}"
            names = ", ".join(self._plan.key)
            expected = f"every {shown_columns(names)} once; {again}"
            examples = dict.fromkeys(keys[:MOST_EXAMPLES], 0)
            yield _Tally(names, "unique", expected, self._repeats, list(rows), examples)


def _plain_numbers(series: pd.Series) -> pd.Series:
    """Return integers without missing values in numpy's type instead of pandas' own."""
    name = str(series.dtype)
    return series.astype(np.dtype(name.lower())) if name.startswith(("Int", "UInt")) else series


def _is_text(found: pa.DataType) -> bool:
    from pyarrow import types

    if types.is_dictionary(found):
        found = found.value_type
    return any(
        is_it(found) for is_it in (types.is_string, types.is_large_string, types.is_string_view)
    )


def _passes(check: Check, rows: pd.Series | pd.DataFrame, column: str = "") -> pd.Series:
    """Return whether each row passes, without the rows that the check ignores."""
    import pandas as pd

    where = f"src/model/schema.py: {f'column `{column}`: ' if column else ''}check `{check.name}`"
    try:
        passed = check(rows).check_output
    except Exception as error:  # noqa: BLE001 - the check is the user's code
        raise SlipwayError(f"{where} stopped: {error!r}", "fix the check") from None
    if not isinstance(passed, pd.Series):
        raise SlipwayError(
            f"{where} does not return one value a row, and files are read in chunks",
            "return a boolean for each row",
        )
    return passed


def _passes_rule(name: str, rule: Rule, rows: Any) -> np.ndarray:
    return apply_rule(name, rule, rows, len(rows))


def _passes_whole(check: Check, rows: pd.DataFrame) -> np.ndarray:
    return _passes(check, rows).to_numpy(dtype=bool)


def _expected(check: Check) -> str:
    if check.native:
        return " ".join(str(check.error or check.name).split())
    return describe(str(check.registry_name), check.statistics or {})


# --- repeated keys ---------------------------------------------------------------


def _hashes(keys: pd.Series) -> np.ndarray:
    import pandas as pd

    if str(keys.dtype).startswith(("Int", "UInt")):
        keys = _plain_numbers(keys.fillna(0))
    return np.asarray(pd.util.hash_array(keys.to_numpy(), categorize=False), dtype="uint64")


def _find_repeated_keys(scans: list[_FileScan], params: Params) -> None:
    """Count every row whose key occurred before in these files.

    Hashes of 64 bits find the candidates. The keys themselves are then read again and compared,
    so that two keys with the same hash are not a violation.
    """
    parts = [part for scan in scans for part in scan.found.hashes]
    if not parts:
        return
    hashes = np.concatenate(parts)
    parts.clear()
    for scan in scans:
        scan.found.hashes.clear()
    hashes.sort()
    met = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    del hashes
    for start in range(0, len(met), KEYS_AT_ONCE):
        _confirm(scans, met[start : start + KEYS_AT_ONCE], params)


def _confirm(scans: list[_FileScan], met: np.ndarray, params: Params) -> None:
    first: dict[Any, tuple[str, int]] = {}
    for scan, row, key in _candidates(scans, met, params):
        if key in first:
            scan.add_repeated(row, key, first[key])
        else:
            first[key] = (scan.file().file, row)


def _candidates(
    scans: list[_FileScan], met: np.ndarray, params: Params
) -> Iterator[tuple[_FileScan, int, Any]]:
    """Yield the rows whose key's hash is among `met`, which is sorted."""
    key = list(project.key_columns())
    for scan in scans:
        offset = 0
        readable = scan.has_keys
        for batch in scan.source.batches(key, params.validate_.chunk_rows) if readable else ():
            keys = scan.keys(batch)
            hashes = _hashes(keys)
            at = np.minimum(np.searchsorted(met, hashes), len(met) - 1)
            chosen = np.flatnonzero((met[at] == hashes) & keys.notna().to_numpy())
            for row, value in zip(chosen.tolist(), keys.iloc[chosen].tolist(), strict=True):
                yield scan, offset + row, value
            offset += batch.num_rows
