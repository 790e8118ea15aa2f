"""Score the rows of a batch, chunk by chunk, in one process for each core."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC
from functools import lru_cache, reduce
from itertools import count, repeat
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from slipway import project
from slipway.batch.bucket import place_of
from slipway.batch.checks import CheckedRows, Checker, Fault
from slipway.batch.folder import CONTINUE, LOG, Batch, Chunk, Counts, Place, require_outside
from slipway.batch.inputs import (
    InputFile,
    Piece,
    check_local,
    count_chunks,
    find_inputs,
    opened,
    pieces,
    spans,
)
from slipway.batch.records import (
    FILE_BITS,
    answer_columns,
    answer_types,
    chained,
    input_texts,
    key_type,
    log_lines,
    record_ids,
)
from slipway.dataset.csv_format import CsvFormat, Stated
from slipway.dataset.zone import stated_zone
from slipway.errors import NO, YES, SlipwayError
from slipway.manifest import read_manifest
from slipway.numbers import counted
from slipway.predictions.answers import Answers, answers_of
from slipway.predictions.personal import Mask
from slipway.predictions.record import VERSION, ReviewedAnswer
from slipway.progress import track
from slipway.serving.features import verify_features
from slipway.serving.human_review import Review, known_categories
from slipway.serving.release import Release
from slipway.tasks import task_of
from slipway.times import parse_time
from slipway.training.score import Model
from slipway.workers import has_cluster, workers

if TYPE_CHECKING:
    import pyarrow as pa

    from slipway.settings import Params

# Rows of a chunk; of a wide table, as many as have these cells.
CHUNK_ROWS, CHUNK_CELLS = 50_000, 10_000_000

MOST_REASONS = 5  # in the summary

# Rules of a row, not of a column, and what the summary calls them.
SCORE, LINE = "score", "line"
OF_A_ROW = {SCORE: "prediction: score", LINE: "line: number of values"}


@dataclass(frozen=True)
class Work:
    """A chunk to score: of which file, and its rows."""

    file: int
    path: str
    piece: Piece
    written: CsvFormat | None


class Totals(Counts):
    """The counts of a batch, with the address of its folder and the number of files."""

    folder: str
    files: int


@dataclass(frozen=True)
class Result:
    """The summary of a batch."""

    folder: Place
    files: int
    counts: Counts
    form: Answers

    @property
    def exit_code(self) -> int:
        return self.exit_code_at(0.0)

    def exit_code_at(self, max_rejected: float) -> int:
        """Return NO if more than this share of the rows was rejected."""
        rows = self.counts.scored + self.counts.rejected
        return NO if self.counts.rejected > max_rejected * rows else YES

    def to_json(self) -> str:
        """Return the counts for programs."""
        totals = Totals(folder=self.folder.address, files=self.files, **self.counts.model_dump())
        return totals.model_dump_json(indent=2, exclude={"is_last"}) + "\n"

    def text(self) -> str:
        """Return the summary for a terminal."""
        found, files = self.counts, counted(self.files, "file")
        rows = found.scored + found.rejected
        lines = [
            f"{self.folder.address}: {counted(rows, 'row')} of {files}, {found.scored:,} scored"
        ]
        if found.scored:
            mean = found.watched / found.scored
            lines[0] += (
                f": {self.form.summary(found.decided, mean)}, "
                f"{found.review / found.scored:.1%} for human review"
            )
        if found.rejected:
            lines.append(
                f"{counted(found.rejected, 'row')} rejected ({self.folder.address}/rejected):"
            )
            reasons = sorted(found.reasons.items(), key=lambda each: -each[1])
            lines += [f"  {rows:,} {reason}" for reason, rows in reasons[:MOST_REASONS]]
            if len(reasons) > MOST_REASONS:
                lines.append(f"  and {counted(len(reasons) - MOST_REASONS, 'other reason')}")
        lines.append(f"check them for drift: slipway drift --log {self.folder.address}/{LOG}")
        return "\n".join(lines)


def score_batch(
    rows: str,
    out: str | Path,
    model: Path,
    params: Params,
    chunk_rows: int | None = None,
    processes: int | None = None,
) -> Result:
    """Score all rows that a pattern names, or those that an earlier run has left.

    Parameters
    ----------
    rows
        As in `slipway.batch.inputs.find_inputs`.
    out
        A folder, or a URL that fsspec writes to, such as ``s3://bucket/scores``.
    chunk_rows
        Default: `CHUNK_ROWS`, or fewer.
    processes
        Default: one for each core. On a Dask cluster the workers score, and read the rows.

    Raises
    ------
    SlipwayError
        A file cannot be read or lacks a column, or the folder is of another batch. Chunks that
        are complete are kept.
    """
    manifest = read_manifest(model)
    require_outside(rows, out)
    inputs = find_inputs(rows)
    if len(inputs) >= 2**FILE_BITS:
        raise SlipwayError(
            f"{rows}: {counted(len(inputs), 'file')}", "score them in several batches"
        )
    check_local(inputs, manifest["inputs"], params.data)
    verify_features(manifest)
    folder = place_of(out)
    with folder.locked():
        new = Batch.new(
            Model.load(model).sha256,
            Release.of_model(model),
            inputs,
            chunk_rows or min(CHUNK_ROWS, max(CHUNK_CELLS // len(manifest["inputs"]), 1)),
            params.serve.uncertainty_band,
            params.data,
        )
        run = _Run(folder, folder.begin(new), model, params)
        for _ in track(run.score(processes or os.cpu_count() or 1), "Scoring", run.total()):
            pass
        form, counts = answers_of(task_of(manifest), manifest), run.counts()
        run.finish()
        return Result(folder, len(inputs), counts, form)


class _Run:
    """One run of a batch: the chunks that are left, and who scores them."""

    def __init__(self, folder: Place, batch: Batch, model: Path, params: Params) -> None:
        self._folder, self._batch, self._model = folder, batch, model
        self._stated = params.data
        self._spec = read_manifest(model)["inputs"]

    def total(self) -> int | None:
        """Return the number of chunks that are left; None if it is not known."""
        total = 0
        for number, file in enumerate(self._batch.inputs):
            if self._is_complete(number):
                continue
            if "://" in file.path:
                return None
            with opened(file, self._spec, self._stated) as source:
                chunks = count_chunks(source.rows, self._batch.chunk_rows)
            if chunks is None:
                return None
            total += sum(self._folder.counts(number, chunk) is None for chunk in range(chunks))
        return total

    def score(self, processes: int) -> Iterator[None]:
        """Score the chunks that are left, and yield once for each."""
        if has_cluster():
            yield from self._on_cluster()
            return
        work = self._work()
        first = [next(work, None), next(work, None)] if processes > 1 else [None, None]
        if first[1] is None:
            yield from self._alone(each for some in (first, work) for each in some if each)
            return
        yield from self._together(
            (each for some in (first, work) for each in some if each), processes
        )

    def finish(self) -> None:
        """Remove the secret of the batch: all chunks are complete."""
        if self._batch.secret:
            self._folder.finish(self._batch.model_copy(update={"secret": ""}))

    def counts(self) -> Counts:
        """Return the counts of all chunks, which are complete."""
        self._folder.refresh()
        return reduce(Counts.plus, self._each(), Counts())

    def _each(self) -> Iterator[Counts]:
        for file in range(len(self._batch.inputs)):
            for chunk in count():
                found = self._folder.counts(file, chunk)
                if found is None:
                    break
                yield found

    def _is_complete(self, file: int) -> bool:
        for chunk in count():
            found = self._folder.counts(file, chunk)
            if found is None or found.is_last:
                return found is not None
        return False

    def _work(self) -> Iterator[Work]:
        names = [column["name"] for column in self._spec]
        for number, file in enumerate(self._batch.inputs):
            if self._is_complete(number):
                continue
            with opened(file, self._spec, self._stated) as source:
                for piece in pieces(source, names, self._batch.chunk_rows):
                    if self._folder.counts(number, piece.number) is None:
                        yield Work(number, file.path, piece, source.format)
            self._require_unchanged(file)

    def _require_unchanged(self, file: InputFile) -> None:
        if find_inputs(file.path) != [file]:
            raise SlipwayError(
                f"{file.path}: changed while it was scored",
                "remove the folder of --out, and score it when it is no longer written to",
            )

    def _on_cluster(self) -> Iterator[None]:
        root, address = Path.cwd(), self._folder.address
        place = address if "://" in address else str(root / address)
        shared = _Shared(place, self._batch, self._model, self._stated, root)
        jobs = [
            (number, chunks)
            for number, file in enumerate(self._batch.inputs)
            if not self._is_complete(number)
            for chunks in self._spans(file)
        ]
        with workers() as pool:
            for written in pool.run(_score_span, jobs, shared):
                yield from repeat(None, written)
        for number in sorted({number for number, _ in jobs}):
            self._require_unchanged(self._batch.inputs[number])

    def _spans(self, file: InputFile) -> list[range | None]:
        if "://" in file.path:
            return [None]
        with opened(file, self._spec, self._stated) as source:
            return spans(source, self._batch.chunk_rows)

    def _alone(self, work: Iterator[Work]) -> Iterator[None]:
        scorer = Scorer(self._folder, self._batch, self._model)
        for each in work:
            scorer.score(each)
            yield

    def _together(self, work: Iterator[Work], processes: int) -> Iterator[None]:
        arguments = (self._folder, self._batch, self._model)
        # Not forked: Arrow has threads.
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, arguments)
        waiting: set[Future[None]] = set()
        try:
            for each in work:
                waiting.add(pool.submit(_score, *_packed(each)))
                if len(waiting) > processes:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            yield from (future.result() for future in waiting)
        except BrokenProcessPool:
            raise SlipwayError(
                "a process that scored rows has ended, often because memory is short",
                f"{CONTINUE}; use fewer --processes",
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


class Scorer:
    """Scores chunks and writes them to the folder of the batch."""

    def __init__(self, folder: Place, batch: Batch, model: Path) -> None:
        self._folder, self._batch = folder, batch
        self._model = Model.load(model)
        manifest = self._model.manifest
        self.sha256, self.spec = self._model.sha256, manifest["inputs"]
        self._checker = Checker(manifest["inputs"], project.RULES)
        self._form = answers_of(self._model.task, manifest)
        self._review = Review(self._form, batch.uncertainty_band, known_categories(manifest))
        self._types = answer_types(self._model.task)
        self._key = project.key_names(manifest["key"])
        self._key_type = key_type(manifest["inputs"])
        self._mask = Mask(manifest["inputs"], self._key)
        self._about = {
            "time": batch.started,
            "model": batch.model,
            "data": batch.data,
            "commit": batch.commit,
            "version": VERSION,
        }
        self._started = parse_time(batch.started)
        self._secret = batch.secret

    def score(self, work: Work) -> None:
        """Check, score and write a chunk.

        Raises
        ------
        SlipwayError
            The user's code failed, or the chunk cannot be written.
        """
        zone = stated_zone() if work.written else ""
        checked = _without_malformed(
            self._checker.check(work.piece.rows, work.written, zone), work.piece
        )
        chunk = self._chunk(work, *self._scored(checked))
        self._folder.write(work.file, work.piece.number, chunk)

    def _scored(self, checked: CheckedRows) -> tuple[CheckedRows, np.ndarray]:
        """Return the rows that have scores, and these; the model may have none for a valid row."""
        if not checked.valid.any():
            return checked, np.empty(0)
        scores = self._model.score(checked.columns)
        finite = np.isfinite(scores).reshape(len(scores), -1).all(axis=1)
        if finite.all():
            return checked, scores
        lost = np.flatnonzero(checked.valid)[~finite]
        message = "the model returned a score that is not a number"
        faults = [Fault(row, "", SCORE, message) for row in lost.tolist()]
        return checked.without(lost, faults), scores[finite]

    def _chunk(self, work: Work, checked: CheckedRows, scores: np.ndarray) -> Chunk:
        import pyarrow as pa

        at = np.flatnonzero(checked.valid)
        listed: list[Any] = scores.tolist()
        ids = record_ids(self._started, self._batch.number, work.file, work.piece.number, at)
        keys = project.row_keys(checked.columns, self._key).tolist() if self._key else ids
        reasons = self._review.reasons(checked.columns, listed)
        answers: list[ReviewedAnswer] = [
            {**self._form.answer(score), "review": bool(found), "reasons": found}
            for score, found in zip(listed, reasons, strict=True)
        ]
        columns = {
            "file": _repeated(work.path, len(at)),
            "row": pa.array(at + work.piece.first_row, pa.int64()),
            **({"key": pa.array(keys, self._key_type)} if self._key_type else {}),
            "id": pa.array(ids, pa.string()),
            **answer_columns(answers, self._types),
            "review": pa.array([bool(found) for found in reasons], pa.bool_()),
            "reasons": pa.array(
                ["; ".join(f"{e['field'] or 'score'}: {e['message']}" for e in found) or None
                 for found in reasons], pa.string(),
            ),
        }  # fmt: skip
        logged = self._mask.table(checked.sent) if self._mask else checked.sent
        names = [self._mask.key(key) for key in keys] if self._key else ids
        lines = log_lines(ids, answers, names, input_texts(logged), self._about)
        name = f"{self._started.astimezone(UTC).date()}_{ids[0]}.jsonl" if ids else ""
        lines = chained(name, lines, self._secret) if lines else []
        counts = self._count(work, checked, answers, listed)
        return Chunk(pa.table(columns), _rejected(work, checked.faults), name, lines, counts)

    def _count(
        self, work: Work, checked: CheckedRows, answers: Sequence[Any], scores: list[Any]
    ) -> Counts:
        decided = Counter(map(self._form.decided, answers)) if self._form.decisions else {}
        reasons = Counter(dict.fromkeys((fault.row, _named(fault)) for fault in checked.faults))
        by_reason = Counter(reason for _, reason in reasons)
        return Counts(
            scored=len(scores),
            rejected=int(np.count_nonzero(~checked.valid)),
            review=sum(answer["review"] for answer in answers),
            reasons=dict(by_reason),
            decided={str(name): number for name, number in decided.items()},
            watched=sum(map(self._form.watched, scores)),
            is_last=work.piece.is_last,
        )


def _without_malformed(checked: CheckedRows, piece: Piece) -> CheckedRows:
    """Return the chunk without the lines that could not be read."""
    if not piece.malformed:
        return checked
    rows = [line.row - piece.first_row for line in piece.malformed]
    faults = [
        Fault(row, "", LINE, f"expected {line.expected} values, got {line.found}")
        for row, line in zip(rows, piece.malformed, strict=True)
    ]
    return checked.without(np.array(rows), faults)


def _named(fault: Fault) -> str:
    return f"{fault.column}: {fault.rule}" if fault.column else OF_A_ROW.get(fault.rule, fault.rule)


def _rejected(work: Work, faults: Sequence[Fault]) -> pa.Table:
    import pyarrow as pa

    rows = np.array([fault.row for fault in faults], dtype="int64") + work.piece.first_row
    return pa.table(
        {
            "file": _repeated(work.path, len(faults)),
            "row": pa.array(rows, pa.int64()),
            "column": pa.array([fault.column for fault in faults], pa.string()),
            "rule": pa.array([fault.rule for fault in faults], pa.string()),
            "reason": pa.array([fault.message for fault in faults], pa.string()),
        }
    )


def _repeated(text: str, times: int) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, dtype="int32")), [text])


# --- the workers of a cluster -----------------------------------------------------------


@dataclass(frozen=True)
class _Shared:
    """What the jobs of a batch have in common; paths are relative to `root`."""

    address: str
    batch: Batch
    model: Path
    stated: Stated
    root: Path

    def scorer(self) -> Scorer:
        """Return the scorer of this process.

        Raises
        ------
        SlipwayError
            This worker has another model.
        """
        return _scorer(self.address, self.batch.model_dump_json(), self.root / self.model)


@lru_cache(maxsize=1)
def _scorer(address: str, content: str, model: Path) -> Scorer:
    batch = Batch.model_validate_json(content)
    scorer = Scorer(place_of(address), batch, model)
    if scorer.sha256 != batch.model:
        raise SlipwayError(
            f"{model}: a worker has the model {scorer.sha256[:12]}, not {batch.model[:12]}",
            "let all workers read the same folder",
        )
    return scorer


def _score_span(number: int, chunks: range | None, shared: _Shared) -> int:
    """Score those of some chunks of a file that are left; return their number."""
    scorer, file = shared.scorer(), shared.batch.inputs[number]
    path = file.path if "://" in file.path else (shared.root / file.path).as_posix()
    names = [column["name"] for column in scorer.spec]
    folder, written = place_of(shared.address), 0
    folder.refresh()
    with opened(replace(file, path=path), scorer.spec, shared.stated) as source:
        for piece in pieces(source, names, shared.batch.chunk_rows, chunks):
            if folder.counts(number, piece.number) is None:
                scorer.score(Work(number, file.path, piece, source.format))
                written += 1
    return written


# --- the processes that score -----------------------------------------------------------

_scorers: list[Scorer] = []


def _start(folder: Place, batch: Batch, model: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _scorers.append(Scorer(folder, batch, model))


def _end_with_parent() -> None:
    """End this process with the one that started it, however that one ended."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _packed(work: Work) -> tuple[Work, pa.Buffer]:
    """Return work without rows, and the rows; pickled, a part of a table would be all of it."""
    import pyarrow as pa

    rows, sink = work.piece.rows, pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return replace(work, piece=replace(work.piece, rows=rows.slice(0, 0))), sink.getvalue()


def _score(work: Work, packed: pa.Buffer) -> None:
    import pyarrow as pa

    rows = pa.ipc.open_stream(packed).read_all()
    _scorers[0].score(replace(work, piece=replace(work.piece, rows=rows)))
