"""Two workers of a Dask cluster on this machine, next to the machine alone: time, memory, bytes.

Each command runs alone and on two workers of one thread, each of which is killed by Dask if it
takes more than `LIMIT`. Their answers must be the same. A third run loses a worker to `kill -9`.
`cluster.py larger` scores a table of twice that memory, and checks a log of twice that size.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import psutil
import pyarrow.parquet as pq
from dask.utils import parse_bytes
from distributed import Client
from support.measure import BIN, PACKAGE, ROOT, machine, table
from validate import make

from slipway.repository.worktrees import environment
from slipway.workers import ADDRESS

sys.path.insert(0, str(PACKAGE))
from tests.services.dask import Cluster

VALIDATED, SCORED = 10_000_000, 1_600_000

LIMIT = "1 GiB"

# Of `larger`: bytes of the table in memory, and of the log on the disk.
AT_LEAST = 2 * parse_bytes(LIMIT)

SAMPLE = 100_000  # rows whose bytes are those of the others

# The salt of a record is drawn at random, in each run.
CHAIN = re.compile(rb',"salt":"[0-9a-f]{32}","link":"[0-9a-f]{64}"\}$')

# Share of the files that are written before a worker is killed.
KILLED_AT = 0.3


# In a small process: the peak memory of a process includes that of the one that started it.
MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


@dataclass(frozen=True)
class Taken:
    """What one run took: memory of the largest process, bytes between processes, both in MiB."""

    seconds: float
    memory: float
    moved: float = 0.0


def main(validated: int = VALIDATED, scored: int = SCORED) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        folder = Path(name)
        rows, more = folder / "rows.parquet", folder / "more.parquet"
        make(rows, validated)
        make(more, scored)
        found = compare(folder, rows, more)
    print("## More than one machine\n")
    print(
        f"{validated:,} rows are validated, {scored:,} scored; the log is that of the scores. Two "
        f"workers of one thread on this machine, with `--memory-limit {LIMIT}`; one run each. "
        f"{machine()}\n"
    )
    print(table(found))


def compare(folder: Path, rows: Path, more: Path) -> list[dict[str, str]]:
    report, out, log = folder / "validation.json", folder / "out", folder / "out/log"
    batch = ["score-batch", "--rows", str(more), "--out", str(out)]
    commands: dict[str, tuple[list[str], Callable[[], str]]] = {
        f"validate {_size(rows)}": (
            ["validate", str(rows), "--json", str(report)],
            lambda: _digest([report]),
        ),
        f"score-batch {_size(more)}": (batch, lambda: _digest(sorted(out.rglob("*.*")))),
    }
    drift = ["drift", "--log", str(log), "--json", str(folder / "drift.json")]
    found = []
    with started(folder) as cluster:
        for name, (command, answer) in commands.items():
            found += both(name, command, answer, cluster, out)
        killed = killed_on_the_way(batch, commands[f"score-batch {_size(more)}"][1], cluster, out)
        found.append(row("the same, and a worker killed", "two workers", killed))
        answer = partial(_digest, [folder / "drift.json"])
        found += both(f"drift {_size(log)}", drift, answer, cluster, out)
    return found


def larger() -> None:
    """Score a table, and check a log, each of twice the memory that a worker may take."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as name:
        folder = Path(name)
        rows, out, log = folder / "rows.parquet", folder / "out", folder / "log"
        make(rows, SAMPLE)
        count = int(AT_LEAST / pq.read_table(rows).nbytes * SAMPLE) + 1
        make(rows, count)
        with started(folder) as cluster:
            before = pids(cluster)
            batch = ["score-batch", "--rows", str(rows), "--out", str(out)]
            what = f"score-batch, {count:,} rows, {AT_LEAST >> 20:,} MiB in memory"
            found = [row(what, "two workers", on_cluster(batch, cluster))]
            require_each_once(out, count)
            cut_log(out / "log", log)
            report = folder / "drift.json"
            drift = ["drift", "--log", str(log), "--json", str(report)]
            found += both(f"drift {_size(log)}", drift, partial(_digest, [report]), cluster, out)
            if pids(cluster) != before:
                sys.exit("a worker was started again")
    print("### Larger than the memory of a worker\n")
    print(f"Each worker is killed if it takes more than {LIMIT}; none was. {machine()}\n")
    print(table(found))


def require_each_once(out: Path, count: int) -> None:
    """End the benchmark unless each row has one score."""
    asked = f"select count(*), count(distinct row) from '{out}/scores/*.parquet'"
    if duckdb.execute(asked).fetchall() != [(count, count)]:
        sys.exit("a row was lost, or scored twice")


def cut_log(source: Path, log: Path) -> None:
    """Link as many files of a log as have the size."""
    log.mkdir()
    size = 0
    for path in sorted(source.iterdir()):
        if size < AT_LEAST:
            os.link(path, log / path.name)
            size += path.stat().st_size


def pids(cluster: Cluster) -> set[int]:
    with Client(cluster.address, set_as_default=False) as client:
        return set(client.run(os.getpid).values())


def both(
    name: str, command: list[str], answer: Callable[[], str], cluster: Cluster, out: Path
) -> list[dict[str, str]]:
    """Run a command here and on the cluster, which must answer the same."""
    alone = run(command)
    expected = answer()
    if command[0] == "score-batch":
        keep_manifest(out)
    there = on_cluster(command, cluster)
    if answer() != expected:
        sys.exit(f"{name}: another answer on the cluster")
    return [row(name, "this machine", alone), row("", "two workers", there)]


def killed_on_the_way(
    command: list[str], answer: Callable[[], str], cluster: Cluster, out: Path
) -> Taken:
    """Kill a worker when a part of the files is there; all must be there in the end."""
    expected, files = answer(), len(list(out.glob("scores/*")))
    keep_manifest(out)
    victim = psutil.Process(cluster.processes[1].pid).children(recursive=True)[-1]

    def kill() -> None:
        while len(list(out.glob("scores/*"))) < KILLED_AT * files:
            time.sleep(0.05)
        victim.send_signal(signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    taken = on_cluster(command, cluster)
    killer.join()
    if answer() != expected:
        sys.exit("a worker was killed, and the files are others")
    return taken


def keep_manifest(out: Path) -> None:
    """Remove the results of a batch, whose ids are those of its manifest."""
    for part in ("scores", "rejected", "log"):
        shutil.rmtree(out / part)


class started:  # noqa: N801 - a context
    """A scheduler and two workers, each with a process that starts it again."""

    def __init__(self, folder: Path) -> None:
        scratch = folder / "dask"
        scratch.mkdir()
        self._cluster = Cluster(scratch, environment(ROOT) | {"OMP_NUM_THREADS": "1", ADDRESS: ""})

    def __enter__(self) -> Cluster:
        own = self._cluster
        own.start("scheduler", "--host", "127.0.0.1", "--port", "0")
        limits = ["--nthreads", "1", "--memory-limit", LIMIT.replace(" ", "")]
        for _ in range(2):
            own.start("worker", *limits, "--local-directory", str(own.scratch))
        own.wait(2)
        return own

    def __exit__(self, *_: object) -> None:
        for process in self._cluster.processes[::-1]:
            process.terminate()
            process.wait(timeout=120)


def run(command: list[str], address: str = "") -> Taken:
    """Run a command of slipway that answers yes or no."""
    start = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, str(BIN / "slipway"), *command],
        cwd=ROOT,
        env=environment(ROOT) | {ADDRESS: address},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    code, kibibytes = map(int, ended.stdout.split())
    # Drift of rows of the past is inconclusive.
    if code not in (0, 1, 2 if command[0] == "drift" else 1):
        sys.exit(f"slipway {' '.join(command)} ended with {code}")
    return Taken(time.perf_counter() - start, kibibytes / 1024)


def on_cluster(command: list[str], cluster: Cluster) -> Taken:
    with Client(cluster.address, set_as_default=False) as client:
        client.run(_forget_peak)
        before = _bytes_moved()
        taken = run(command, cluster.address)
        moved = _bytes_moved() - before
        peak = max(client.run(_peak).values())
    return Taken(taken.seconds, peak, moved / 2**20)


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    status = Path("/proc/self/status").read_text("utf-8")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    return int(found[1]) / 1024 if found else 0.0


def _bytes_moved() -> int:
    """Return the bytes of the loopback device, also of other programs."""
    return int(psutil.net_io_counters(pernic=True)["lo"].bytes_sent)


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in filter(Path.is_file, paths):
        digest.update(path.name.encode())
        with path.open("rb") as lines:
            for line in lines:
                digest.update(CHAIN.sub(b"", line))
    return digest.hexdigest()


def _size(path: Path) -> str:
    files = [path] if path.is_file() else path.rglob("*")
    return (
        f"({sum(each.stat().st_size for each in files) / 2**20:,.0f} MiB)" if path.exists() else ""
    )


def row(name: str, where: str, taken: Taken) -> dict[str, str]:
    print(name, where, taken, file=sys.stderr, flush=True)
    return {
        "`slipway`": name,
        "": where,
        "seconds": f"{taken.seconds:.0f}",
        "peak memory of a process, MiB": f"{taken.memory:,.0f}",
        "moved, MiB": f"{taken.moved:,.0f}" if where != "this machine" else "",
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["larger"]:
        larger()
    else:
        main(*(int(argument.replace("_", "")) for argument in sys.argv[1:]))
