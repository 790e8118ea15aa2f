"""Temporary copies of the repository, or of one of its commits, and subprocesses in them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from slipway.errors import SlipwayError, describe_exit
from slipway.repository.committed import check_repository
from slipway.repository.git import PREFIX, clean, git, names
from slipway.repository.layout import python_path
from slipway.repository.restore import DVC_OWN
from slipway.texts import read_text

LOCAL = "config.local"


@contextmanager
def copy_of_worktree(root: Path) -> Iterator[Path]:
    """Yield a temporary copy of the files that git tracks or would track, as they are now."""
    tracked = check_repository(root)
    untracked = names(root, "ls-files", "-z", "--others", "--exclude-standard")
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder) / "repository"
        copied = [name for name in [*tracked, *untracked] if _copy(root / name, copy / name)]
        _start_repository(copy, [name for name in tracked if name in set(copied)])
        share_cache(root, copy)
        yield copy


def share_cache(root: Path, copy: Path) -> None:
    """Give a copy of the repository the cache of this one, and its access to remotes.

    It copies `remote.*` and `core.remote` of the user's `.dvc/config.local`, and the path of the
    cache. This grants no further access:

    - Code in the copy runs as the same user and can read `root/.dvc/config.local`, whose path the
      settings of the copy (`cache.dir`) and of git reveal. On CI there is no such file: credentials
      are in the environment of the step, if anywhere.
    - A remote's settings are copied only if the copy's commit describes this remote exactly as
      `root` does. A commit that names another server does not receive the credentials.
    - `check_repository` refuses a committed `config.local` before this reads one.
    """
    from configobj import ConfigObj

    settings = {"cache": {"dir": str(cache_of(root))}} | _shared_remotes(root, copy)
    local = copy / ".dvc" / LOCAL
    local.parent.mkdir(exist_ok=True)
    local.unlink(missing_ok=True)  # a copy of an ignored file, or a link
    handle = os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        ConfigObj(settings, encoding="utf-8").write(file)


def _shared_remotes(root: Path, copy: Path) -> dict[str, dict[str, object]]:
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


def _committed_remotes(tree: Path) -> dict[str, object]:
    from dvc.config import Config

    path = tree / ".dvc" / "config"
    remotes: dict[str, object] = Config.load_file(str(path))["remote"] if path.is_file() else {}
    return remotes


def cache_of(root: Path) -> Path:
    """Return the folder of DVC's cache by the settings of this repository and user."""
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


def run(
    command: Sequence[str],
    cwd: Path,
    python: str = sys.executable,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Run a command and return what it printed; `python` names the environment of its tools.

    `settings` are further environment variables. Messages do not show them.

    Raises
    ------
    Refused
        It is DVC, and the commit decides where DVC writes or what it runs.
    SlipwayError
        It failed; the message ends with the last lines of its output.
    """
    if command[0] == "dvc":
        check_repository(cwd)
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(cwd, python) | dict(settings),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        check=False,
    )
    if done.returncode:
        written = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
        raise SlipwayError(
            f"`{' '.join(command)}` failed with {describe_exit(done.returncode)}:\n  "
            + "\n  ".join(written),
            "fix the error that it reports, then retry",
        )
    return done.stdout


def environment(root: Path, python: str = sys.executable) -> dict[str, str]:
    """Return the environment for a tree's own code and the tools of a Python."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
    kept = {
        name: value for name, value in clean(os.environ).items() if not name.startswith(DVC_OWN)
    }
    return kept | {
        "PATH": path,
        "PYTHONPATH": python_path(root),
        "DVC_NO_ANALYTICS": "1",
    }


def _copy(source: Path, target: Path) -> bool:
    """Copy a file, or a link as a link; return whether it exists."""
    if not source.is_file() and not source.is_symlink():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return True


def _start_repository(copy: Path, tracked: Sequence[str]) -> None:
    """Make a copy a git repository, which DVC requires, with the same tracked files."""
    copy.mkdir(exist_ok=True)
    git(copy, "init", "-q", "-b", "main", "--template=")
    paths = ("--pathspec-from-file=-", "--pathspec-file-nul")
    listed = b"\0".join(os.fsencode(name) for name in tracked)
    if listed:
        command = ("--literal-pathspecs", "add", "--intent-to-add", "--force", *paths)
        git(copy, *command, given=listed)
