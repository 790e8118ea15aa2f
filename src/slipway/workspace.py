"""Clean places to work in: a copy of the repository, or of one of its commits."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from slipway.committed import check_repository
from slipway.errors import SlipwayError, how_it_ended
from slipway.git import PREFIX, clean, git, names
from slipway.restore import DVC_OWN
from slipway.texts import read_text

LOCAL = "config.local"


@contextmanager
def copy_of_worktree(root: Path) -> Iterator[Path]:
    """Yield a throw-away copy of the files that git tracks or would track, as they are now."""
    tracked = check_repository(root)
    untracked = names(root, "ls-files", "-z", "--others", "--exclude-standard")
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder) / "repository"
        copied = [name for name in [*tracked, *untracked] if _copy(root / name, copy / name)]
        _start_repository(copy, [name for name in tracked if name in set(copied)])
        share_cache(root, copy)
        yield copy


def share_cache(root: Path, copy: Path) -> None:
    """Give a copy of the repository the cache, and the access to remotes, that this one has.

    Of the user's `.dvc/config.local` it carries `remote.*` and `core.remote`, and the place of the
    cache. This is no wider than the access without it:

    - Code that runs in the copy runs as the same user and can read `root/.dvc/config.local`, whose
      place the settings of the copy (`cache.dir`) and of git reveal. On CI nothing writes such a
      file: credentials are in the environment of the step or are not there at all.
    - A remote's settings are carried only where the copy's commit describes this remote exactly as
      `root` does. A commit that names another server for it does not receive the credentials.
    - `check_repository` refuses a `config.local` that is committed, before this reads one.
    """
    from configobj import ConfigObj

    settings = {"cache": {"dir": str(cache_of(root))}} | _shared_remotes(root, copy)
    local = copy / ".dvc" / LOCAL
    local.parent.mkdir(exist_ok=True)
    local.unlink(missing_ok=True)  # a copy of an ignored file, or a link that leads elsewhere
    handle = os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        ConfigObj(settings, encoding="utf-8").write(file)


def _shared_remotes(root: Path, copy: Path) -> dict[str, Any]:
    """Return the user's own settings of remotes that are the same remotes in the copy."""
    from dvc.config import Config

    local = Config(str((root / ".dvc").resolve())).load_one("local")  # makes paths absolute
    here, there = (_committed_remotes(tree) for tree in (root, copy))
    shared = {
        name: settings
        for name, settings in local["remote"].items()
        if here.get(name) == there.get(name)
    }
    default = local["core"].get("remote")
    chosen = {"core": {"remote": default}} if default in {*shared, *there} else {}
    return chosen | {f'remote "{name}"': settings for name, settings in shared.items()}


def _committed_remotes(tree: Path) -> dict[str, Any]:
    from dvc.config import Config

    path = tree / ".dvc" / "config"
    remotes: dict[str, Any] = Config.load_file(str(path))["remote"] if path.is_file() else {}
    return remotes


def cache_of(root: Path) -> Path:
    """Return the folder of DVC's cache, as the settings of this repository and user place it."""
    from dvc.config import Config, ConfigError

    for name in ("config", LOCAL):
        if (root / ".dvc" / name).is_file():
            read_text(root / ".dvc" / name)
            _check_syntax(root / ".dvc" / name)
    try:
        placed = Config(str((root / ".dvc").resolve()))["cache"].get("dir")
    except ConfigError as error:
        raise SlipwayError(f"DVC cannot read its settings: {error}", "see `dvc config`") from None
    return (root / ".dvc" / (placed or "cache")).resolve()


def _check_syntax(path: Path) -> None:
    """Refuse a file that DVC cannot parse, without the text of the line: it may hold a secret."""
    from configobj import ConfigObj, ConfigObjError

    try:
        ConfigObj(str(path), encoding="utf-8", interpolation=False)
    except ConfigObjError as error:
        raise SlipwayError(
            f"{path}: line {error.line_number} cannot be read as a setting",
            "a line is `[section]` or `name = value`; see `dvc config`",
        ) from None


def run(command: Sequence[str], cwd: Path, python: str = sys.executable) -> str:
    """Run a command and return what it printed; `python` names the environment of its tools.

    Raises
    ------
    Refused
        It is DVC, and the commit would let it write or run something of its own choice.
    SlipwayError
        It failed; the message ends with the last lines that it wrote.
    """
    if command[0] == "dvc":
        check_repository(cwd)
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(cwd, python),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    if done.returncode:
        written = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
        raise SlipwayError(
            f"`{' '.join(command)}` failed with {how_it_ended(done.returncode)}:\n  "
            + "\n  ".join(written),
            "fix the error that it reports, then retry",
        )
    return done.stdout


def environment(root: Path, python: str = sys.executable) -> dict[str, str]:
    """Return the environment in which a tree runs its own code with that Python's tools."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
    kept = {
        name: value for name, value in clean(os.environ).items() if not name.startswith(DVC_OWN)
    }
    return kept | {
        "PATH": path,
        "PYTHONPATH": str((root / "src").resolve()),
        "DVC_NO_ANALYTICS": "1",
    }


def _copy(source: Path, target: Path) -> bool:
    """Copy a file, or a link as a link; return whether there was one."""
    if not source.is_file() and not source.is_symlink():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return True


def _start_repository(copy: Path, tracked: Sequence[str]) -> None:
    """Make a copy a repository, which DVC requires, that tracks what the original tracks."""
    copy.mkdir(exist_ok=True)
    git(copy, "init", "-q", "-b", "main", "--template=")
    paths = ("--pathspec-from-file=-", "--pathspec-file-nul")
    listed = b"\0".join(os.fsencode(name) for name in tracked)
    if listed:
        command = ("--literal-pathspecs", "add", "--intent-to-add", "--force", *paths)
        git(copy, *command, given=listed)
