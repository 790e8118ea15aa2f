"""The release of a model: its commit, its data, and the check of its file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from slipway.dataset.tables import digest, read_json, write_json
from slipway.errors import SlipwayError
from slipway.manifest import read_manifest
from slipway.repository.layout import MACHINE_CODE
from slipway.training.formats.registry import format_of

RELEASE_FILE = "release.json"

# The model card, which `slipway build` writes next to the model.
CARD_FILE = "card.json"

# The files that determine the service; a change in another file leaves the release clean.
SHIPPED = (
    "bentofile.yaml",
    "data.dvc",
    "dvc.lock",
    "params.yaml",
    "requirements-serve.lock",
    "src",
    str(MACHINE_CODE),
)

# Files of Python, editors and file managers. `bentofile.yaml` excludes them, so they do not make a
# release dirty in a repository without a .gitignore for them.
LITTER = (
    "__pycache__",
    "*.pyc",
    ".DS_Store",
    "._*",
    "Thumbs.db",
    "*~",
    "*.swp",
    "#*#",
    ".#*",
    ".ipynb_checkpoints",
    ".idea",
    ".vscode",
)


@dataclass(frozen=True)
class Release:
    """The git commit (``…-dirty`` with uncommitted changes) and the md5 of the data."""

    commit: str
    data: str
    built_at: str | None = None

    @classmethod
    def of_tree(cls, root: Path = Path()) -> Release:
        """Return the release of the working tree.

        Raises
        ------
        SlipwayError
            The folder is not a git repository with a commit, its data is not tracked, or a file of
            DVC has merge conflicts.
        """
        from slipway.repository.pointers import (  # a bento has neither
            check_conflicts,
            data_revision,
        )

        check_conflicts(root)
        commit = _git(root, "rev-parse", "HEAD")
        changed = _changes(root)
        return cls(commit + ("-dirty" if changed else ""), data_revision(root / "data.dvc"))

    @classmethod
    def of_model(cls, folder: Path) -> Release:
        """Return the release in a built model folder, else that of the tree."""
        path = folder / RELEASE_FILE
        if not path.exists():
            return cls.of_tree()
        return cls(**read_json(path, "slipway build"))

    def write(self, folder: Path) -> None:
        """Write the release into a model folder, with the time of the build."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(asdict(self) | {"built_at": now}, folder / RELEASE_FILE)


def verify_model(folder: Path) -> str:
    """Return the sha256 of the model in a folder.

    Raises
    ------
    SlipwayError
        The file is missing, is a link (to a cache), or does not match its manifest.
    """
    manifest = read_manifest(folder)
    expected: str = manifest["model"]["sha256"]
    path = folder / format_of(manifest).file
    if path.is_symlink() or not path.is_file():
        kind = "a link" if path.is_symlink() else "missing"
        raise SlipwayError(
            f"{path}: {kind}; a regular file is needed",
            f"`dvc unprotect {folder}` replaces a link, `dvc repro` makes a missing file",
        )
    if (found := digest(path)) != expected:
        raise SlipwayError(
            f"{path}: sha256 is {found}, but its manifest has {expected}",
            "do not use this file: restore both with `slipway restore build/model`, "
            "or rebuild with `dvc repro`",
        )
    return expected


def _changes(root: Path) -> list[str]:
    """Return the files of the service that differ from the commit, new ones too."""
    from slipway.repository.git import names  # a container has no git

    command = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changed = [(entry[:2], entry[3:]) for entry in names(root, *command, "--", *SHIPPED)]
    return [name for status, name in changed if status != "??" or not is_litter(name)]


def is_litter(name: str) -> bool:
    """Return whether a path is a file of Python, an editor or a file manager."""
    return any(fnmatchcase(part, each) for part in Path(name).parts for each in LITTER)


def _git(root: Path, *arguments: str) -> str:
    from slipway.repository.git import GitError, git, require_repository  # a container has no git

    require_repository(root)
    try:
        return git(root, *arguments).strip()
    except GitError:
        raise SlipwayError(
            f"{root.resolve()}: no commit here, and every prediction names the commit it came from",
            "run it in the git repository, after a first commit",
        ) from None
