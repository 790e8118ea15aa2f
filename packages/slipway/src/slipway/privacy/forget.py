"""`slipway forget`: erase the records of one subject from data, log and labels.

Each step finds what is left of the subject by its content and can be repeated, so a run that was
interrupted is finished by running the same command again. The list of erasures is written before
anything is erased.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from slipway.audit.sealed import SEALED
from slipway.dataset.folder import DATA, list_data
from slipway.errors import NO, YES, SlipwayError
from slipway.numbers import counted
from slipway.predictions.labels.store import erase_labels, labels_place
from slipway.predictions.personal import Hasher
from slipway.predictions.record import stamp
from slipway.privacy.contents import Search
from slipway.privacy.objects import Objects, find_objects, require_remote_outside
from slipway.privacy.records import LogErasure, erase_records, find, find_keys
from slipway.privacy.rows import FileRows, find_rows, remove_rows
from slipway.privacy.subject import Subject, named_column
from slipway.privacy.traces import BUILD, find_traces
from slipway.repository.erasures import ERASURES, Erasure, read_erasures, write_erasures
from slipway.repository.pointers import POINTER
from slipway.repository.worktrees import run
from slipway.settings import Params

NOT_REMOVED = """\
What this command cannot remove:
- git's history: reports, comments and files of earlier commits
- images and bentos of earlier releases, and the model that was trained on these rows while it runs
- other clones, their DVC caches and those of CI; logs that --log does not name
- backups, and older versions of objects in a bucket that keeps versions
- the sources of the data, files of labels, and tables of `slipway score-batch`"""


@dataclass
class Found:
    """What was found of a subject."""

    search: Search
    erasure: Erasure
    files: list[FileRows]
    logs: list[LogErasure]
    labels: int
    objects: list[Objects]
    traces: list[Path] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found, as of a value that was mistyped."""
        places = [self.files, self.labels, self.traces, *(each.found for each in self.objects)]
        return not any(places) and not any(log.files for log in self.logs)

    @property
    def built(self) -> list[Path]:
        """Files with traces that are made again."""
        return [path for path in self.traces if path.is_relative_to(BUILD)]

    @property
    def left(self) -> list[str]:
        """What is not removed."""
        in_use = [
            f"{name} of {log.url}: a service writes to it"
            for log in self.logs
            for name in log.in_use
        ]
        in_use += [
            f"{name} of {log.url}: {why}" for log in self.logs for name, why in log.unread.items()
        ]
        in_use += [f"{name}: not searched ({why})" for name, why in self.search.unread.items()]
        others = [path for path in self.traces if not path.is_relative_to(BUILD)]
        return [*in_use, *(f"{path.as_posix()}: a value or key is in it" for path in others)]

    def text(self) -> Iterator[str]:
        """Yield a line for each place."""
        rows, objects = (
            sum(each.count for each in self.files),
            sum(len(each.found) + len(each.listings) for each in self.objects),
        )
        names = ", ".join(each.path.as_posix() for each in self.files)
        yield f"data: {counted(rows, 'row')}{f' of {names}' if names else ''}"
        for log in self.logs:
            others = f", {counted(log.others, 'other line')}" if log.others else ""
            yield f"log {log.url}: {counted(log.records, 'record')}{others}"
        yield f"labels: {counted(self.labels, 'label')}"
        yield f"DVC's cache and remotes: {counted(objects, 'object')}"
        yield f"{BUILD}/: {counted(len(self.built), 'file')}"


def forget(
    root: Path,
    params: Params,
    key: str,
    logs: Sequence[str],
    echo: Callable[[str], object],
    *,
    column: str = "",
    dry_run: bool = False,
) -> int:
    """Erase a subject; return the exit code: NO if something of it is left in the working tree.

    Parameters
    ----------
    key
        The value of the column, as text.
    logs
        Folders or URLs of prediction logs, also of batches.
    column
        That of the subject; default: the entity, else the key.

    Raises
    ------
    SlipwayError
        The data remote is inside the repository, or nothing was found; or something cannot be
        read, written or removed: run it again then.
    """
    require_remote_outside(root)
    subject = Subject(named_column(column), key, Hasher())
    found = _find(root, params, subject, logs)
    for line in found.text():
        echo(line)
    if found.is_empty and not _was_erased(subject):
        raise SlipwayError(
            f"no row, record or label has this value in the column `{subject.column}`",
            "check the value and --column; nothing was changed",
        )
    if dry_run:
        _show_left(found, echo)
        echo("Nothing was changed: --dry-run")
        return YES
    _erase(root, params, found)
    echo(f"Erased, and recorded in {ERASURES}.")
    _show_left(found, echo)
    if found.files or found.built:
        echo("Next: `dvc repro`, `dvc push`, commit, and release the new model.")
    return NO if found.left else YES


def _show_left(found: Found, echo: Callable[[str], object]) -> None:
    for line in found.left:
        echo(f"left: {line}")
    echo(NOT_REMOVED)


def _find(root: Path, params: Params, subject: Subject, logs: Sequence[str]) -> Found:
    search = Search(subject, params.data)
    files = find_rows(list_data(root / DATA).read, subject, params.data)
    for log in logs:
        find_keys(log, subject)
    erasure = _known(subject) or Erasure(
        time=stamp(datetime.now(UTC)), subject=subject.name, column=subject.column
    )
    return Found(
        search,
        erasure,
        files,
        [find(log, search, erasure) for log in logs],
        erase_labels(labels_place(params), subject.has_key, dry_run=True),
        find_objects(root, search),
        [path for path in find_traces(root, search) if not _is_log(root / path, logs, params)],
    )


def _was_erased(subject: Subject) -> bool:
    return any(each.subject == subject.name for each in read_erasures())


def _known(subject: Subject) -> Erasure | None:
    """Return the erasure of a run that was interrupted."""
    unfinished = (each for each in read_erasures() if not each.done)
    return next((each for each in unfinished if each.subject == subject.name), None)


def _is_log(path: Path, logs: Sequence[str], params: Params) -> bool:
    places = [Path(each).resolve() for each in (*logs, labels_place(params)) if "://" not in each]
    return any(path.resolve().is_relative_to(place) for place in places)


def _erase(root: Path, params: Params, found: Found) -> None:
    erasure = found.erasure
    erasure.rows += sum(each.count for each in found.files)
    erasure.labels += found.labels
    _write(erasure)
    for log in found.logs:
        erase_records(log, found.search, erasure, SEALED)
    erase_labels(labels_place(params), found.search.subject.has_key, dry_run=False)
    for each in found.files:
        remove_rows(each)
    if found.files or _is_unrecorded(root):
        run(["dvc", "add", "-q", DATA.as_posix()], root)
        run(["dvc", "push", "-q", POINTER.as_posix()], root)
    for store in found.objects:
        erasure.objects += len(store.found)
        erasure.revisions += [n for n in store.listings if n not in erasure.revisions]
        _write(erasure)
        store.remove()
    for path in found.built:
        (root / path).unlink()
    erasure.done = True
    _write(erasure)


def _is_unrecorded(root: Path) -> bool:
    """Return whether data/ is not what its pointer names: a run was interrupted before that."""
    try:
        return POINTER.name in run(["dvc", "status", "--json", POINTER.as_posix()], root)
    except SlipwayError:
        return True


def _write(erasure: Erasure) -> None:
    others = [each for each in read_erasures() if not _is_same(each, erasure)]
    write_erasures([*others, erasure])


def _is_same(one: Erasure, other: Erasure) -> bool:
    return (one.subject, one.time) == (other.subject, other.time)
