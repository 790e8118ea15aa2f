"""The model of another commit: restored or rebuilt there, and scored with that commit's code."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from slipway.dataset.tables import digest, read_columns
from slipway.errors import SlipwayError, describe_exit
from slipway.manifest import MODEL, Manifest, read_manifest
from slipway.repository.committed import check_repository
from slipway.repository.erasures import ERASURES, erasure_of_data, read_erasures
from slipway.repository.git import worktree
from slipway.repository.installation import REQUIREMENTS, packages_of
from slipway.repository.layout import machine_of
from slipway.repository.pointers import LOCK, POINTER, data_revision, read_stages
from slipway.repository.restore import Missing, Restored, restore, restore_each
from slipway.repository.worktrees import environment, run, share_cache
from slipway.reproduction.lock import folder_md5, outputs
from slipway.texts import read_text
from slipway.training.backtest import BACKTEST, Backtest
from slipway.training.score import read_scores
from slipway.uv import settings_of_pip

ENVIRONMENTS = Path("build/environments")


@dataclass(frozen=True)
class Built:
    """A model in the tree of its commit, ready to score.

    `origin` is how the model was obtained, such as *restored by hash*; `has_scores`, whether the
    scores at earlier origins that its lock names were restored, too.
    """

    root: Path
    tree: Path
    origin: str
    has_scores: bool

    @cached_property
    def python(self) -> str:
        """The interpreter of the environment that the commit locks, made when it is needed."""
        return _python_for(self.root, self.tree)

    @property
    def model(self) -> Path:
        return self.tree / MODEL

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.model)

    def score(self, rows: Path, out: Path) -> tuple[np.ndarray | None, str]:
        """Return the scores of its own code, or None and why it cannot read the rows.

        Raises
        ------
        SlipwayError
            As `score`.
        """
        return score(self.tree, self.python, rows, out)

    def stored_scores(self) -> Backtest | None:
        """Return the scores of the commit's procedure at earlier origins; None: compute them."""
        try:
            return Backtest.read(self.tree / BACKTEST) if self.has_scores else None
        except SlipwayError:
            return None

    @property
    def sha256(self) -> str:
        """That of the model file, as the manifest has it."""
        return str(self.manifest["model"]["sha256"])


@contextmanager
def tree_of(root: Path, commit: str) -> Iterator[Path]:
    """Yield a temporary checkout of a commit that shares the cache of this repository."""
    with worktree(root, commit) as tree:
        check_repository(tree)
        share_cache(root, tree)
        yield tree


def has_model(tree: Path) -> bool:
    """Return whether a commit locks a model."""
    return (tree / LOCK).exists() and str(MODEL) in outputs(read_stages(tree / LOCK))


def build(root: Path, tree: Path) -> Built:
    """Restore the model that the lock of this tree names by its hash, or build it again.

    Raises
    ------
    SlipwayError
        It is in no cache or remote and cannot be built, or its environment cannot be made.
    """
    locked = outputs(read_stages(tree / LOCK))
    where = "" if _same_packages(root, tree) else ", in its own environment"
    # In one process of DVC, which takes longer to start than to restore both.
    model, *scores = restore_each(
        tree, MODEL, *([BACKTEST] if str(BACKTEST) in locked else []), force=True
    )
    has_scores = any(isinstance(each, Restored) for each in scores)
    if isinstance(model, Restored):
        return Built(root, tree, f"restored by hash{where}", has_scores)
    if not isinstance(model, Missing):
        raise model
    _restore_data(root, tree)
    run(["dvc", "repro", "-q", "--no-run-cache", "--force", "train"], tree, _python_for(root, tree))
    same = folder_md5(tree / MODEL) == locked[str(MODEL)]
    rebuilt = "rebuilt" if same else "rebuilt, with other bytes than its lock names"
    return Built(root, tree, f"{rebuilt}{where}", has_scores)


class Erased(Missing):
    """A model can be neither restored nor built again: a subject of its data was forgotten."""


def _restore_data(root: Path, tree: Path) -> None:
    try:
        restore(tree, POINTER, force=True)
    except Missing:
        known = erasure_of_data(data_revision(tree / POINTER), read_erasures(root / ERASURES))
        if known is None:
            raise
        raise Erased(
            f"the data of this commit had records of a subject that were erased on "
            f"{known.time[:10]} ({ERASURES}), so its model cannot be built again",
            "use a later commit; see docs/privacy.md",
        ) from None


def score(tree: Path, python: str, rows: Path, out: Path) -> tuple[np.ndarray | None, str]:
    """Return the scores of a commit's own code, or None and why it cannot read the rows.

    Raises
    ------
    SlipwayError
        It was killed, which does not show whether it can read the rows.
    """
    options = ["--rows", str(rows), "--model", str(tree / MODEL), "--out", str(out)]
    if reason := run_own(tree, python, "score", *options):
        return None, reason
    scores = read_scores(read_columns([out]))
    if scores is None:
        return None, "it writes other columns than key and score"
    if not np.isfinite(scores).all():
        return None, f"{int((~np.isfinite(scores)).sum())} of its scores are not numbers"
    return scores, ""


def run_own(tree: Path, python: str, command: str, *options: str) -> str:
    """Run a command of a tree's own slipway; return why it failed, empty if it did not.

    Raises
    ------
    SlipwayError
        It was killed, which does not show whether the commit's code can do it.
    """
    done = subprocess.run(
        [python, "-m", "slipway", command, *options],
        cwd=tree,
        env=environment(tree, python) | {"GITHUB_ACTIONS": ""},  # without annotations of the check
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode < 0:
        raise SlipwayError(
            f"`slipway {command}` of the champion ended with {describe_exit(done.returncode)}",
            "free memory, or run it on a machine with more",
        )
    return (done.stderr.strip() or "no message").splitlines()[0] if done.returncode else ""


def _same_packages(root: Path, tree: Path) -> bool:
    """Return whether a tree can use the environment of this one."""
    if digest(tree / REQUIREMENTS) == digest(root / REQUIREMENTS):
        return True
    return machine_of(tree) is not None and packages_of(tree) == packages_of(root)


def _python_for(root: Path, tree: Path) -> str:
    """Return the interpreter of the environment that a tree locks; make it if it differs."""
    if _same_packages(root, tree):
        return sys.executable
    locked = digest(tree / REQUIREMENTS)
    folder = (root / ENVIRONMENTS / locked[:12]).resolve()
    python, ready = str(folder / "bin" / "python"), folder / "ready"
    # Its scripts contain its path: a copied environment would run that of another checkout.
    made_for = f"{folder} {sys.implementation.cache_tag}\n"
    if not ready.is_file() or ready.read_text("utf-8") != made_for:
        ready.unlink(missing_ok=True)
        run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], tree)
        install = ["uv", "pip", "install", "-q", "--python", python, "--no-deps"]
        options = ["--require-hashes", *wheels_of(tree), "-r", str(REQUIREMENTS)]
        run([*install, *options], tree, settings=settings_of_pip())
        _add_command(folder / "bin" / "slipway", python)
        ready.write_text(made_for, "utf-8")
    return python


def wheels_of(tree: Path) -> list[str]:
    """Return the options with which the Makefile of a tree installs: no code of a package runs.

    But for packages that have no wheel, which its pyproject.toml lists. Before 0.3 it did not.
    """
    try:
        project = tomllib.loads(read_text(tree / "pyproject.toml"))
        listed = project["tool"]["slipway"]["source-only"]
    except KeyError:
        return []
    except tomllib.TOMLDecodeError as error:
        raise SlipwayError(f"{tree / 'pyproject.toml'}: {error}", "correct it there") from None
    return ["--only-binary=:all:", *([f"--no-binary={','.join(listed)}"] if listed else [])]


def _add_command(path: Path, python: str) -> None:
    """Write the command that the pipeline calls; PYTHONPATH selects the code that it runs."""
    path.write_text(f"#!{python}\nfrom slipway.cli import main\n\nmain()\n", "utf-8")
    path.chmod(0o755)
