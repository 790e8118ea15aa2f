"""The only way to restore data and models from DVC's cache and remotes.

DVC joins the names of a folder's listing to its path without a check, follows symbolic links, and
reads its configuration from the commit: a pull request that changes one line of `data.dvc` could
write anywhere. So these are checked first:

1. the commit's DVC files and configuration,
2. the path of the output,
3. the listing of the folder, which is fetched alone.

Then the content is fetched, checked out, and hashed again. DVC runs in a separate process that
imports nothing from the tree (`main`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from slipway.errors import Refused, SlipwayError
from slipway.numbers import counted
from slipway.progress import spinner
from slipway.repository.committed import (
    ASK,
    MD5,
    check_inside,
    check_listing,
    check_output,
    check_repository,
)
from slipway.repository.git import clean, shown
from slipway.repository.pointers import LOCK, PIPELINE, POINTER, InConflict, read_stages

DATA = "data"

# Variables that DVC sets for its stages: a nested DVC must not use them.
DVC_OWN = ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_")

OPTIONS = ("--force", "--each")

COLOR = re.compile(r"\x1b\[[0-9;]*m")

# Endings of the files that are read in data/ (`slipway.dataset.files`).
TABLES = (".parquet", ".csv", ".tsv")


class Missing(SlipwayError):
    """The lock names no content, or neither the cache nor the remote has it."""


# Errors that the process of DVC may report.
KINDS: dict[str, type[SlipwayError]] = {
    kind.__name__: kind for kind in (InConflict, Missing, Refused, SlipwayError)
}


@dataclass(frozen=True)
class File:
    """A file that was written, with both hashes."""

    name: str
    size: int
    md5: str
    sha256: str


@dataclass(frozen=True)
class Restored:
    """An output in the tree.

    Attributes
    ----------
    path
        Below the root, with forward slashes.
    md5
        The name that DVC gives to its content, hashed again after it was written.
    files
        The files of the folder, or the single file, sorted by name.
    """

    path: str
    md5: str
    files: tuple[File, ...]

    def text(self) -> str:
        size = sum(file.size for file in self.files)
        files = counted(len(self.files), "file")
        lines = [f"{self.path}: {files}, {size / 1e6:.1f} MB, md5 {self.md5[:12]}"]
        if self.path == DATA:
            lines += [
                f"  {self.path}/{file.name}: neither parquet nor CSV, so it is not read"
                for file in self.files
                if Path(file.name).suffix.lower() not in TABLES
            ]
        return "\n".join(lines)


@dataclass(frozen=True)
class _Failure:
    """An error in the process of DVC; `kind` is a key of `KINDS`."""

    kind: str
    what: str
    do: str

    def error(self) -> SlipwayError:
        return KINDS[self.kind](self.what, self.do)


def restore(root: Path, *targets: Path | str, force: bool = False) -> list[Restored]:
    """Write outputs to the tree exactly as `data.dvc` or `dvc.lock` names them.

    Parameters
    ----------
    targets
        `data.dvc`, or an output of the pipeline such as ``build/model``.
    force
        Remove files of the output that are in no cache, instead of refusing.

    Raises
    ------
    Refused
        The output must not be written, or the content is not that of its hash.
    Missing
        Neither the cache nor the remote has it.
    SlipwayError
        A file of DVC is in conflict or cannot be read, or the remote cannot be reached.
    """
    restored = []
    for answer in _ask(root, targets, *(["--force"] if force else [])):
        if isinstance(answer, SlipwayError):
            raise answer
        restored.append(answer)
    return restored


def restore_each(
    root: Path, *targets: Path | str, force: bool = False
) -> list[Restored | SlipwayError]:
    """Write outputs as `restore` does; an error is returned in the place of its target."""
    return _ask(root, targets, "--each", *(["--force"] if force else []))


def _ask(root: Path, targets: Sequence[Path | str], *options: str) -> list[Restored | SlipwayError]:
    root = root.resolve()
    paths = [Path(os.path.relpath(root / target, root)).as_posix() for target in targets]
    module = [sys.executable, "-P", "-m", "slipway.repository.restore"]
    with spinner(f"Fetching {', '.join(paths)}"):
        done = subprocess.run(
            [*module, *options, str(root), *paths],
            cwd=root,
            env=_environment(),
            capture_output=True,
            check=False,
        )
    try:
        answers = TypeAdapter(list[Restored | _Failure]).validate_python(json.loads(done.stdout))
    except ValueError:
        lines = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines()
        raise SlipwayError(
            f"{', '.join(paths)}: DVC ended without an answer: {lines[-1] if lines else ''}",
            "fix what it reports, then try again",
        ) from None
    return [each.error() if isinstance(each, _Failure) else each for each in answers]


def hash_file(path: Path) -> File:
    """Return both hashes of a file, reading it once."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            size += len(block)
            md5.update(block)
            sha256.update(block)
    return File(path.name, size, md5.hexdigest(), sha256.hexdigest())


def _environment() -> dict[str, str]:
    """Return the environment of the DVC process; nothing of the tree is on its path."""
    dropped = ("PYTHON", *DVC_OWN)
    kept = {
        name: value for name, value in clean(os.environ).items() if not name.startswith(dropped)
    }
    here = str(Path(__file__).resolve().parents[2])
    return kept | {"PYTHONPATH": here, "PYTHONUTF8": "1", "DVC_NO_ANALYTICS": "1"}


def main() -> None:
    """Entry point of the DVC process: ``python -P -m slipway.repository.restore ROOT TARGET…``.

    The option ``--each`` goes on after a target that cannot be restored.
    """
    options = [argument for argument in sys.argv[1:] if argument in OPTIONS]
    root, *targets = [argument for argument in sys.argv[1:] if argument not in OPTIONS]
    answers: list[Restored | _Failure] = []
    with redirect_stdout(sys.stderr):  # DVC's progress
        for part in [[target] for target in targets] if "--each" in options else [targets]:
            try:
                answers += restore_here(Path(root), part, force="--force" in options)
            except SlipwayError as error:
                kind = next(name for name, kind in KINDS.items() if isinstance(error, kind))
                answers.append(_Failure(kind, str(error), error.do))
    sys.stdout.write(json.dumps(list(map(asdict, answers))))


def restore_here(root: Path, targets: Sequence[str], force: bool = False) -> list[Restored]:
    """Restore in this process: see `restore`."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc_objects.errors import ObjectFormatError

    tracked = check_repository(root)
    try:
        with Repo(str(root)) as repo:
            return [_restore_one(repo, root, target, tracked, force) for target in targets]
    except (DvcException, ObjectFormatError) as error:
        reason = " ".join(COLOR.sub("", str(error)).split())
        raise SlipwayError(
            f"{', '.join(targets)}: DVC cannot restore it: {reason}",
            "`dvc add` keeps files of yours, `slipway restore --force` removes them"
            if "unsaved files" in reason
            else "see `dvc status` and docs/remotes.md",
        ) from error


def _restore_one(
    repo: Any, root: Path, target: str, tracked: Sequence[str], force: bool
) -> Restored:
    path, name = _output_of(repo, root, target, tracked)
    folder = name.endswith(".dir")
    _fetch(repo, [name], path)
    expected = {PurePosixPath(path).name: name}
    if folder:
        # Fetched alone: an md5 in the listing may be a path, to which DVC would write.
        expected = check_listing(path, _listing(repo, name, path))
        _fetch(repo, expected.values(), path)
    elif "/" not in path:
        raise Refused(f"{path}: this output is a file at the top of the repository", ASK)
    cache = Path(repo.cache.local.path)
    check_inside(root, path, cache)
    repo.checkout(targets=[str(root / target)], force=force)
    check_inside(root, path, cache)
    files = _check_written(root / path, expected) if folder else (hash_file(root / path),)
    written = {file.name: file.md5 for file in files}
    if wrong := sorted(file for file in expected if written.get(file) != expected[file]):
        for file in wrong:
            (root / path / file if folder else root / path).unlink(missing_ok=True)
            repo.cache.local.delete(expected[file])
        raise Refused(
            f"{path}: {', '.join(map(shown, wrong))}: not the content that {name[:12]} names; "
            "removed here and in the cache",
            "it was changed in the remote or in the cache: fetch it again, or `dvc push` it again "
            "from the machine that made it",
        )
    return Restored(path, name, files)


def _check_written(folder: Path, expected: Mapping[str, str]) -> tuple[File, ...]:
    """Return the files of a folder, if it holds those of its listing and no others."""
    found = sorted(entry.name for entry in folder.iterdir())
    if extra := sorted(set(found) - expected.keys()):
        raise Refused(
            f"{shown(extra[0])} in {folder.name}/ is not in the listing, and DVC ignores it",
            "move it away, or remove it from .dvcignore",
        )
    return tuple(hash_file(folder / name) for name in found)


def _output_of(repo: Any, root: Path, target: str, tracked: Sequence[str]) -> tuple[str, str]:
    """Return the path below the root and the hash of the only output that a target names."""
    outs = _outs(repo, root, target)
    if len(outs) != 1:
        raise Refused(f"{target}: names {len(outs)} outputs, and one is expected", ASK)
    out = outs[0]
    if out.protocol != "local" or out.stage.is_import or not out.use_cache or out.files:
        raise Refused(f"{target}: is not an output in DVC's cache", "track it with `dvc add`")
    try:
        check_output(root, out.fs_path, tracked)
    except Refused as error:
        raise Refused(f"{target}: {error}", error.do) from None
    path = Path(out.fs_path).relative_to(root).as_posix()
    if target == POINTER.name and path != DATA:
        raise Refused(f"{target}: names {shown(path)}, and slipway reads {DATA}/", ASK)
    if not out.stage.is_data_source:
        _check_lock(root, out.stage)
    info = out.hash_info
    if not info or not info.value:
        raise Missing(f"{target}: no content is named for it", "run `dvc repro`")
    if info.name != "md5" or not re.fullmatch(rf"{MD5.pattern}(\.dir)?", info.value):
        raise Refused(f"{target}: {info} is not a hash of DVC 3", "`dvc cache migrate --dvc-files`")
    return path, info.value


def _outs(repo: Any, root: Path, target: str) -> list[Any]:
    from dvc.exceptions import OutputNotFoundError

    if target == POINTER.name:
        return [out for stage in repo.stage.collect(str(root / target)) for out in stage.outs]
    try:
        return list(repo.find_outs_by_path(os.path.normpath(root / target)))
    except OutputNotFoundError:
        raise Missing(f"{target}: {PIPELINE} declares no such output", "run `dvc repro`") from None


def _check_lock(root: Path, stage: Any) -> None:
    """Require that the lock records the outputs of a stage that the pipeline declares."""
    locked = read_stages(root / LOCK).get(stage.name)
    if {out.path for out in (locked.outs if locked else ())} != {
        out.def_path for out in stage.outs
    }:
        raise Missing(
            f"{LOCK}: the outputs of `{stage.name}` are not those that {PIPELINE} declares",
            "run `dvc repro` and commit dvc.lock with reports/",
        )


def _fetch(repo: Any, md5s: Iterable[str], path: str) -> None:
    """Fetch objects into the cache."""
    from dvc_data.hashfile.hash_info import HashInfo

    objects = set(md5s)
    repo.cloud.pull([HashInfo("md5", md5) for md5 in sorted(objects)])
    absent = [md5 for md5 in objects if not repo.cache.local.exists(md5)]
    if absent:
        raise Missing(
            f"{path}: {len(absent)} of {counted(len(objects), 'object')} "
            f"{'is' if len(absent) == 1 else 'are'} neither in DVC's cache nor in its remote",
            "`dvc push` where they are, or see docs/remotes.md",
        )


def _listing(repo: Any, name: str, path: str) -> object:
    content = Path(repo.cache.local.oid_to_path(name)).read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != name.removesuffix(".dir"):
        repo.cache.local.delete(name)
        raise Refused(
            f"{path}: its listing is not the one that {name[:12]} names; removed from the cache",
            "it was changed in the remote or in the cache: fetch it again, or `dvc push` it again "
            "from the machine that made it",
        )
    try:
        return json.loads(content)
    except ValueError:
        raise Refused(f"{path}: the listing of this folder is not JSON", ASK) from None


if __name__ == "__main__":
    main()
