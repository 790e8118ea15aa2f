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

from slipway.errors import SlipwayError


@contextmanager
def copy_of_worktree(root: Path) -> Iterator[Path]:
    """Yield a throw-away copy of the files that git tracks or would track, as they are now."""
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        copy = Path(folder) / "repository"
        listed = run(["git", "ls-files", "-z", "-co", "--exclude-standard"], root)
        for name in filter(None, listed.split("\0")):
            if (root / name).is_file():
                (copy / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(root / name, copy / name)
        _start_repository(copy)
        share_cache(root, copy)
        yield copy


def share_cache(root: Path, copy: Path) -> None:
    """Let a copy of the repository use the data that this one has already fetched."""
    cache = run(["dvc", "cache", "dir"], root).strip()
    local = copy / ".dvc" / "config.local"
    local.write_text(f"[cache]\n    dir = {(root / cache).resolve()}\n", "utf-8")


def run(command: Sequence[str], cwd: Path, python: str = sys.executable) -> str:
    """Run a command and return what it printed; `python` names the environment of its tools.

    Raises
    ------
    SlipwayError
        It failed; the message ends with the last lines that it wrote.
    """
    done = subprocess.run(
        command, cwd=cwd, env=environment(cwd, python), capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-15:]
        raise SlipwayError(
            f"`{' '.join(command)}` failed with exit code {done.returncode}:\n  "
            + "\n  ".join(said),
            "mend what it names, then try again",
        )
    return done.stdout


def environment(root: Path, python: str = sys.executable) -> dict[str, str]:
    """Return the environment in which a tree runs its own code with that Python's tools."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", "")])
    return os.environ | {
        "PATH": path,
        "PYTHONPATH": str((root / "src").resolve()),
        "DVC_NO_ANALYTICS": "1",
    }


def _start_repository(copy: Path) -> None:
    # DVC wants a git repository around it.
    run(["git", "init", "-q", "-b", "main"], copy)
