"""Drift: how fast a log is watched, what is found, and reports on three months of starter data.

    .venv/bin/python bench/drift.py [speed] [rates] [labels] [found] [starter_data]

Evidently and NannyML run with their defaults, each in an environment of its own that is made here:
neither can be imported together with what Slipway needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from support import traffic
from support.measure import BIN, PACKAGE, ROOT, machine, table

from slipway.dataset.tables import read_columns, write_columns
from slipway.monitoring.alarm_calibration import alpha_for
from slipway.monitoring.detect import Rule, detect
from slipway.monitoring.series import coded
from slipway.reference import domain_classifier
from slipway.reference.profile import bin_numbers, number_profile
from slipway.reference.reference import Reference, Series
from slipway.repository.layout import python_path

SUPPORT = Path(__file__).parent / "support"

PEERS = {
    "evidently": ["evidently==0.7.23", "pandas<3.1"],
    "nannyml": ["nannyml==0.13.1", "statsmodels"],
    "trees": ["lightgbm==4.7.0", "lleaves", "llvmlite<0.45", "treelite==4.8.1", "tl2cgen"],
}

MILLION = 1_000_000

FILE_ROWS = 100_000

DAYS = 35

SIZES = (1, 10)

SMALL_FILES = 10_000

LONG_LINE = 200_000_000

TRIES = 10

Row = dict[str, str]


def main(wanted: list[str]) -> None:
    parts: dict[str, Callable[[Path], None]] = {
        "speed": speed,
        "rates": rates,
        "labels": labels,
        "found": found,
        "starter_data": starter_data,
    }
    print("## Drift\n")
    print(f"{machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted or parts:
            parts[name](Path(folder))


def speed(folder: Path) -> None:
    """Watch logs of a million rows and more; the same columns in Evidently's preset."""
    model = folder / "model"
    model.mkdir()
    traffic.remember(model, 1_000)
    write_log(folder / "log-1", np.random.default_rng(2))
    rows, taken = [], {}
    for size in SIZES:
        log = folder / f"log-{size}"
        if size > 1:
            repeat(folder / "log-1", log, size)
        taken[size] = ours(model, log)
        rows.append(measured(f"`slipway drift`, {size} million log rows", taken[size]))
    spoil(folder / "log-1", folder / "log-faulty")
    faulty = ours(model, folder / "log-faulty")
    rows.append(measured("`slipway drift`, 1 million, the first line of each file broken", faulty))
    for name, make in OTHER_LOGS.items():
        other = folder / make.__name__
        make(folder / "log-1", other)
        rows.append(measured(f"`slipway drift`, 1 million, {name}", ours(model, other)))
    peer, first = evidently_speed(folder), taken[1]
    rows.append(measured("Evidently's data-drift preset, 1 million rows", peer))
    print("### A log of 15 columns, every row read\n")
    print(table(rows))
    ratio, memory = peer["seconds"] / first["seconds"], first["extra"] / peer["extra"]
    print(
        f"\nOne million rows: {ratio:.0f} times as fast (aim: 20), {memory:.2f} of the memory "
        "beyond imports and data (aim: 0.25). Slipway reads JSON lines from the disk, Evidently "
        "two tables that are in memory already. Larger logs are the same rows with other ids.\n"
    )


def measured(name: str, taken: dict[str, Any]) -> Row:
    return {
        "": name,
        "seconds": f"{taken['seconds']:.1f}",
        "memory, MiB": f"{taken['extra']:,.0f}",
    }


def write_log(folder: Path, rng: np.random.Generator) -> None:
    """Write a million rows over five weeks; lines repeat, their days do not."""
    folder.mkdir()
    first = folder / "first"
    traffic.write_lines(first, traffic.draw(rng, FILE_ROWS), "2024-06-01")
    lines = first.read_bytes().splitlines(keepends=True)
    first.unlink()
    days = [f"2024-{6 + day // 30:02d}-{day % 30 + 1:02d}".encode() for day in range(DAYS)]
    for number in range(MILLION // FILE_ROWS):
        parts = [
            b"".join(lines[at::DAYS]).replace(b"2024-06-01", day) for at, day in enumerate(days)
        ]
        own = f'"id":"018f{number:04x}'.encode()
        content = b"".join(parts).replace(b'"id":"018f0000', own)
        (folder / f"2024-07-06_{number}.jsonl").write_bytes(content)


def repeat(source: Path, folder: Path, times: int) -> None:
    """Make a log that is `times` as large, of the same rows, each with an id of its own."""
    folder.mkdir()
    for path in source.iterdir():
        content = path.read_bytes()
        for number in range(times):
            own = f'"id":"{number:04x}'.encode()
            name = f"{path.stem}-{number}.jsonl"
            (folder / name).write_bytes(content.replace(b'"id":"018f', own))


def cut(source: Path, folder: Path) -> None:
    """Write a log again as many small files."""
    folder.mkdir()
    lines = [line for path in sorted(source.iterdir()) for line in path.open("rb")]
    for number in range(SMALL_FILES):
        part = b"".join(lines[number::SMALL_FILES])
        (folder / f"2024-07-06_{number:06d}.jsonl").write_bytes(part)


def twice(source: Path, folder: Path) -> None:
    """Make a log of each file and a copy of it."""
    folder.mkdir()
    for path in source.iterdir():
        for name in (path.name, f"{path.stem}-copy.jsonl"):
            os.link(path, folder / name)


def lengthen(source: Path, folder: Path) -> None:
    """Make a log with a line that is far too long."""
    folder.mkdir()
    for path in source.iterdir():
        os.link(path, folder / path.name)
    (folder / "2024-07-06_a.jsonl").write_bytes(b'{"id":"' + b"x" * LONG_LINE + b'"}\n')


def spoil(source: Path, folder: Path) -> None:
    """Write a log again with a line before each file that is no record."""
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).write_bytes(b"broken\n" + path.read_bytes())


OTHER_LOGS = {
    f"in {SMALL_FILES:,} files": cut,
    "every file twice": twice,
    f"and a line of {LONG_LINE // 1_000_000} MB": lengthen,
}


def ours(model: Path, log: Path) -> dict[str, Any]:
    return run([sys.executable, str(SUPPORT / "watch_log.py"), str(model), str(log)])


def evidently_speed(folder: Path) -> dict[str, Any]:
    python = environment(folder, "evidently")
    rng = np.random.default_rng(3)
    for name in ("reference", "now"):
        columns = traffic.draw(rng, MILLION)
        # As pandas reads numbers, from JSON too.
        wide = {at: each.astype("float64") for at, each in columns.items() if at in traffic.NUMBERS}
        write_columns(columns | wide, folder / f"{name}.parquet")
    paths = [str(folder / f"{name}.parquet") for name in ("reference", "now")]
    return run([python, str(SUPPORT / "peer_evidently.py"), "time", *paths])


def environment(folder: Path, name: str) -> str:
    """Make an environment for a peer, once; return its Python."""
    place = folder / name
    python = place / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *PEERS[name]], check=True)
    return str(python)


def run(command: list[str]) -> dict[str, Any]:
    """Run a script that prints JSON as its last line."""
    quiet = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
    path = os.pathsep.join([python_path(ROOT), str(Path(__file__).parent)])
    if command[0] == sys.executable:
        quiet |= {"PYTHONPATH": path}
    done = subprocess.run(command, cwd=ROOT, env=quiet, check=False, capture_output=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr.decode()[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def rates(_: Path) -> None:
    """Print what each setting of the false-alarm rate gives, and costs."""
    sys.path.insert(0, str(PACKAGE))
    from support.rates import ROWS, TRIES, YEARS, tables

    print("### What the false-alarm rate costs\n")
    print(
        f"Twelve columns, {ROWS:,} rows a day, looked at daily: false alarms a year over {YEARS} "
        f"years in which nothing changes, and the median day, of {TRIES} tries, on which a number "
        "that moves for good alarms.\n"
    )
    print(tables() + "\n")


def labels(_: Path) -> None:
    """Print in how many years the label checks raise a false alarm."""
    sys.path.insert(0, str(PACKAGE))
    from tests.monitoring.labelled import years_with_an_alarm

    print("### Years with a false alarm of the labels, looked at weekly\n")
    sizes = {1_000: 40, 10_000: 12}
    for name, rest in {"days alike": 0.0, "days that differ": 0.2}.items():
        for size, years in sizes.items():
            alarmed = years_with_an_alarm(years, size, rest)
            print(f"- {size:,} labels a week, {name}: {alarmed} of {years}")
    print()


def found(folder: Path) -> None:
    """Print how often windows of 1,000 rows are flagged, here and by the peers' defaults."""
    rng = np.random.default_rng(4)
    peers = {scenario: folder / f"windows-{at}" for at, scenario in enumerate(traffic.SCENARIOS)}
    reference = folder / "peer-reference.parquet"
    write_columns(traffic.draw(rng, 10_000), reference)
    rows = []
    for scenario, place in peers.items():
        place.mkdir()
        first, week, later = ours_found(folder, scenario, 1_000, rng, place)
        row = {"scenario": scenario, "Slipway, day 1": share(first), "within 7": share(week)}
        _, _, many = ours_found(folder, scenario, 10_000, rng, None)
        rows.append(row | {"alarm at": days(later), "10,000 a day": days(many)})
    pythons = {name: environment(folder, name) for name in PEERS}
    for row, place in zip(rows, peers.values(), strict=True):
        paths = [str(reference), str(place)]
        evidently = [pythons["evidently"], str(SUPPORT / "peer_evidently.py"), "windows"]
        flags = run([*evidently, *paths]).values()
        row["Evidently, any column"] = share([each["columns"] >= 1 for each in flags])
        row["its data set"] = share([each["set"] for each in flags])
        flags = run([pythons["nannyml"], str(SUPPORT / "peer_nannyml.py"), *paths]).values()
        row["NannyML, any column"] = share([each["columns"] >= 1 for each in flags])
    print("### What is found\n")
    print(
        f"Windows of 1,000 rows of 15 columns, a reference of 10,000; {TRIES} tries each. Slipway: "
        "share with an alarm after one day and after seven, and the median day of the alarm, at "
        "0.1 false alarms a month over all streams together; peers: share of first days flagged.\n"
    )
    print(table(rows) + "\n")


def ours_found(
    folder: Path, scenario: str, rows: int, rng: np.random.Generator, keep: Path | None
) -> tuple[list[bool], list[bool], list[float]]:
    """Return for each try: an alarm on day 1, one within a week, and its day (NaN: none)."""
    history = scenario if scenario.startswith("weeks") else "nothing"
    model = folder / f"model-{history.split()[0]}"
    if not model.exists():
        model.mkdir()
        traffic.remember(model, 10_000 // 31, history)
    reference = Reference.of(json.loads((model / "manifest.json").read_text("utf-8")))
    alpha = alpha_for(0.1, len(reference.series) + 6)
    found_on = []
    for number in range(TRIES):
        week = traffic.moved(rng, rows * 7, scenario)
        if keep is not None:
            write_columns(
                {name: values[:rows] for name, values in week.items()}, keep / f"{number}.parquet"
            )
        week["score"] = traffic.score_of(week)
        found_on.append(alarm_day(reference, model, week, rows, alpha))
    return (
        [day == 1 for day in found_on],
        [not np.isnan(day) for day in found_on],
        found_on,
    )


def alarm_day(
    reference: Reference, model: Path, week: traffic.Columns, rows: int, alpha: float
) -> float:
    """Return the day, 1 to 7, on which anything alarms."""
    dates = np.datetime64("2024-06-01") + np.arange(8)
    first = np.inf
    for name, series in reference.series.items():
        counts = np.zeros((8, len(series.names)))
        cell = cells(week[name], series)
        for day in range(7):
            part = cell[day * rows : (day + 1) * rows]
            counts[day + 1] = np.bincount(part, minlength=len(series.names))
        # The day before is as ever: a log does not begin with the day on which it moves.
        counts[0] = np.round(series.holdout / series.holdout.sum() * rows)
        rule = Rule(alpha, 0.03, 200)
        hits = detect(counts[None], series.expect(dates), series.overdispersion, rule).hit
        days_over = np.flatnonzero(hits[0].any(axis=1))
        first = min([first, *days_over.tolist()])
    if not np.isfinite(first) and together(reference, model, week, alpha):
        first = 7.0
    return first if np.isfinite(first) else np.nan


def cells(values: Any, series: Series) -> Any:
    if not series.is_number:
        return coded(values, series)
    lacking = np.isnan(values)
    bins = bin_numbers(values, number_profile(series.profile)["edges"]).astype("int64")
    return np.where(lacking, len(series.names) - 1, bins)


def together(reference: Reference, model: Path, week: traffic.Columns, alpha: float) -> bool:
    """Return whether a week's columns go together otherwise."""
    names = [name for name in reference.series if name != "score"]
    kept = read_columns([model / "reference.parquet"], names)
    series = reference.series
    missing = {name: series[name].missing for name in names if not series[name].is_number}
    spaced = np.linspace(0, len(kept["x0"]) - 1, domain_classifier.REFERENCE_ROWS).astype(int)
    old_rows = {name: coded(kept[name][spaced], series[name]) for name in names}
    some = np.linspace(0, len(week["x0"]) - 1, domain_classifier.WINDOW_ROWS).astype(int)
    kinds = domain_classifier.kinds_of(old_rows, missing)
    old = domain_classifier.design(old_rows, kinds)
    new = domain_classifier.design(
        {name: coded(week[name][some], series[name]) for name in names}, kinds
    )
    top = max(domain_classifier.limit(reference.joint, len(new), len(old), alpha), 0.55)
    return domain_classifier.auc(old, new, kinds) > top


def share(flags: list[bool]) -> str:
    return f"{np.mean(flags):.0%}"


def days(found_on: list[float]) -> str:
    if np.isnan(found_on).mean() > 0.5:
        return "none"
    return f"{np.nanmedian(found_on):.0f}"


def starter_data(folder: Path) -> None:
    """Replay October to December 2013: the reports of each day, next to what the labels show."""
    from support.starter_data import tables

    print("### The starter data of October to December 2013, day by day\n")
    print(tables(folder, BIN))


if __name__ == "__main__":
    main(sys.argv[1:])
