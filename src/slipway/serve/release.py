"""Which model file, and from which commit and data it came."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.score import MODEL_FILE, read_manifest
from slipway.tables import digest, read_json, write_json

RELEASE_FILE = "release.json"

# What decides how the service behaves; a change in another file leaves the release clean.
SHIPPED = (
    "bentofile.yaml",
    "data.dvc",
    "dvc.lock",
    "params.yaml",
    "requirements-serve.lock",
    "src",
)

# What Python, editors and file managers leave in a folder. `bentofile.yaml` excludes it: it is in
# no bento or image, so it makes no release dirty where a repository has no .gitignore for it.
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
        """Return what the working tree says.

        Raises
        ------
        SlipwayError
            The folder is not a git repository with a commit, its data is not tracked, or a file
            of DVC is in conflict.
        """
        from slipway.pointers import check_conflicts, data_revision  # a bento has neither

        check_conflicts(root)
        commit = _git(root, "rev-parse", "HEAD")
        changed = _changes(root)
        return cls(commit + ("-dirty" if changed else ""), data_revision(root / "data.dvc"))

    @classmethod
    def of_model(cls, folder: Path) -> Release:
        """Return the release written beside a model that was built, or that of the tree."""
        path = folder / RELEASE_FILE
        if not path.exists():
            return cls.of_tree()
        return cls(**read_json(path, "slipway build"))

    def write(self, folder: Path) -> None:
        """Write the release beside a model, with the time at which it was built."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(asdict(self) | {"built_at": now}, folder / RELEASE_FILE)


def verify_model(folder: Path) -> str:
    """Return the sha256 of the model in a folder, which is the one that its manifest names.

    Raises
    ------
    SlipwayError
        The file is missing, is a link (to a cache that does not travel), or is another one.
    """
    expected: str = read_manifest(folder)["model"]["sha256"]
    path = folder / MODEL_FILE
    if path.is_symlink() or not path.is_file():
        kind = "a link" if path.is_symlink() else "missing"
        raise SlipwayError(
            f"{path}: {kind}, and a regular file is needed",
            f"`dvc unprotect {folder}` replaces a link, `dvc repro` makes a missing file",
        )
    if (found := digest(path)) != expected:
        raise SlipwayError(
            f"{path}: sha256 is {found}, but the manifest beside it says {expected}",
            "do not use this file: restore both with `slipway restore build/model`, "
            "or rebuild with `dvc repro`",
        )
    return expected


def _changes(root: Path) -> list[str]:
    """Return the files that ship and are not as the commit has them, new ones too."""
    from slipway.git import names  # a container has no git

    command = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changed = [(entry[:2], entry[3:]) for entry in names(root, *command, "--", *SHIPPED)]
    return [name for status, name in changed if status != "??" or not is_litter(name)]


def is_litter(name: str) -> bool:
    """Return whether a path is a file that programs leave behind, and that nothing ships."""
    return any(fnmatchcase(part, each) for part in Path(name).parts for each in LITTER)


def _git(root: Path, *arguments: str) -> str:
    from slipway.git import GitError, git, require_repository  # a container has no git

    require_repository(root)
    try:
        return git(root, *arguments).strip()
    except GitError:
        raise SlipwayError(
            f"{root.resolve()}: no commit here, and every prediction names the commit it came from",
            "run it in the git repository, after a first commit",
        ) from None
