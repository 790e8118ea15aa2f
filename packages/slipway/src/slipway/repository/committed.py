"""Checks of the DVC files in a commit, which an untrusted contributor may have written.

DVC reads its settings, the paths of its outputs and the names in them from the commit, and follows
them anywhere. Each check here runs before DVC.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from slipway.errors import Refused, SlipwayError
from slipway.repository.git import names, shown
from slipway.repository.pointers import LOCK, PIPELINE, POINTER, check_conflicts, read_yaml
from slipway.texts import read_text

# Folders of code and tests.
PROTECTED = ("src", "tests", "packages")

# Folders that `make` fills: committed files there would run as the tools.
INSTALLED = (".venv", ".services")

# Folders whose tracked files DVC may write: each stage of the pipeline checks its own.
REPORTS = "reports"

# Files that git may track in the folder of an output.
POINTERS = (".gitignore", ".gitkeep", ".dvc")

CONFIG = Path(".dvc/config")

# All that may be committed under .dvc/: DVC unpickles the files of its caches.
DVC_FILES = re.compile(r"\.dvc/(config|\.gitignore|plots/[^/]+\.json)")

# Settings that decide neither where DVC writes nor what it runs; others belong in config.local.
SETTINGS = {
    "core": {
        "analytics", "autostage", "check_update", "checksum_jobs", "hardlink_lock", "interactive",
        "remote",
    },
    "cache": {"slow_link_warning", "type", "verify"},
    "parsing": {"bool", "list"},
}  # fmt: skip
LINKS = {"copy", "reflink"}  # others let a stage that writes in place change the cache
RUNS_OR_READS = {"bearer_token_command", "configpath", "credentialpath"}  # per remote

# Keys that `dvc add` writes: a pointer with others is a stage, which `dvc repro` would run.
OF_A_POINTER = {"outs", "meta", "desc"}

MD5 = re.compile(r"[0-9a-f]{32}")

ASK = "do not use it, and ask who made this change what it is for"


def check_repository(root: Path) -> list[str]:
    """Refuse a tree whose commit decides where DVC writes, or what it runs.

    Returns
    -------
    list of str
        The files that git tracks.

    Raises
    ------
    Refused
        A link, a file or a setting that must not be committed.
    SlipwayError
        A file of DVC is in conflict, or git does not work here.
    """
    tracked = names(root, "ls-files", "-z")
    for name in tracked:
        top = _canonical(PurePosixPath(name).parts[0])
        if top in INSTALLED or (top == ".dvc" and not DVC_FILES.fullmatch(name)):
            raise Refused(
                f"{shown(name)}: is committed, and runs, or is trusted, without being installed",
                f"`git rm --cached {shown(name)}`",
            )
    for name in (".dvc", str(CONFIG), str(POINTER), str(LOCK), str(PIPELINE)):
        if (root / name).is_symlink():
            raise Refused(f"{name}: is a symbolic link", "replace it by what it points to")
    check_conflicts(root)
    _check_config(root)
    for name in tracked:
        _check_stages(root, name, tracked)
    return tracked


def check_output(root: Path, path: str, tracked: Sequence[str] | None = None) -> None:
    """Refuse an output that DVC must not write.

    Parameters
    ----------
    path
        As DVC resolved it, absolute, or relative to the root.
    tracked
        The files that git tracks; default: ask git.

    Raises
    ------
    Refused
        It is outside the repository, among code or settings, tracked by git, or behind a link.
    """
    place = Path(os.path.normpath(root / path))
    if "\0" in path or not place.is_relative_to(root) or place == root:
        raise Refused(f"{shown(path)}: this output is not inside the repository", ASK)
    parts = place.relative_to(root).parts
    name = "/".join(parts)
    for part in parts:
        if fault := _unusable(part) or _hidden(part):
            raise Refused(f"{shown(name)}: an output's path must not have {fault}", ASK)
    top = _canonical(parts[0])
    if top in PROTECTED:
        raise Refused(f"{shown(name)}: this output is among the code in {top}/", ASK)
    if top != REPORTS:
        known = names(root, "ls-files", "-z") if tracked is None else tracked
        owned = next((other for other in known if _owns(other, top)), None)
        if owned:
            raise Refused(
                f"{shown(name)}: this output is in a place that git tracks (`{shown(owned)}`)",
                "untrack it (`git rm -r --cached`), or give outputs a folder of their own",
            )
    _check_way(root, parts)


def check_inside(root: Path, path: str, cache: Path) -> None:
    """Refuse symbolic links in an output, except those into the cache."""
    place = root / path
    for entry in place.iterdir() if place.is_dir() else [place]:
        if entry.is_symlink() and (
            entry.is_dir() or not entry.resolve().is_relative_to(cache.resolve())
        ):
            raise Refused(
                f"{shown(str(entry.relative_to(root)))}: is a symbolic link in the place of an "
                "output",
                "remove the link",
            )


def check_listing(path: str, listing: object) -> dict[str, str]:
    """Return the md5 of each file of a folder by its name; refuse paths out of the folder.

    Raises
    ------
    Refused
        A name is not a plain file name or is repeated, or the listing has another form.
    """
    if not isinstance(listing, list):
        raise Refused(f"{path}: the listing of this folder is not written by DVC", ASK)
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for entry in listing:
        if not isinstance(entry, dict) or not entry.keys() <= {"md5", "relpath", "isexec"}:
            raise Refused(f"{path}: an entry of its listing is not written by DVC", ASK)
        name, md5 = entry.get("relpath"), entry.get("md5")
        if not isinstance(name, str) or not isinstance(md5, str) or not MD5.fullmatch(md5):
            raise Refused(f"{path}: an entry of its listing is not written by DVC", ASK)
        if fault := _unusable(name) or _obeyed(name):
            quoted = json.dumps(name)[:200]
            raise Refused(
                f"{path}: its listing has a file {quoted}, with {fault}: it is not safe to write "
                "it",
                "keep plain files in this folder, without folders in it; if you did not make this "
                "change, " + ASK,
            )
        if (other := seen.setdefault(_canonical(name), name)) != name or name in found:
            raise Refused(
                f"{path}: its listing has {json.dumps(name)} and {json.dumps(other)}, which are "
                "one file on some systems",
                "rename one of them",
            )
        found[name] = md5
    return found


def _check_config(root: Path) -> None:
    """Refuse committed settings that decide where DVC writes, or what it runs."""
    from dvc.config import Config, ConfigError

    if not (root / CONFIG).exists():
        return
    read_text(root / CONFIG)
    try:
        config = Config.load_file(str(root / CONFIG))  # DVC's own reader: others differ
    except (ConfigError, ValueError) as error:
        raise SlipwayError(f"{CONFIG}: cannot be read: {error}", "see `dvc config`") from None
    for name, remote in config.pop("remote").items():
        _check_remote(root, name, remote)
    for section, settings in config.items():
        allowed = SETTINGS.get(section, set())
        for key in settings if isinstance(settings, dict) else [""]:
            if key not in allowed or (key == "type" and not _links_are_safe(settings[key])):
                raise Refused(
                    f"{CONFIG}: `{section}.{key}` must not be committed: it decides for everybody "
                    "where DVC writes, or what it runs",
                    f"`dvc config --unset {section}.{key}`, and set it with --local where needed",
                )


def _check_stages(root: Path, name: str, tracked: Sequence[str]) -> None:
    """Refuse a further file of DVC, which reads it in any folder, if it runs a command."""
    path = PurePosixPath(name)
    if name in (str(POINTER), str(LOCK), str(PIPELINE)):
        return
    if path.name in (LOCK.name, PIPELINE.name):
        raise Refused(
            f"{shown(name)}: DVC would run this pipeline as well",
            f"describe the stages in the {PIPELINE} of the repository's root",
        )
    if path.suffix != ".dvc" or not (root / name).is_file():
        return
    content: Any = read_yaml(root / name)
    outs = content.get("outs") if isinstance(content, dict) else None
    if not isinstance(outs, list) or content.keys() - OF_A_POINTER:
        raise Refused(
            f"{shown(name)}: is not what `dvc add` writes, and `dvc repro` would run it",
            f"describe it as a stage in {PIPELINE}, or remove it",
        )
    for out in outs:
        place = out.get("path") if isinstance(out, dict) else None
        if not isinstance(place, str):
            raise Refused(f"{shown(name)}: an output without a path", ASK)
        check_output(root, str(root / path.parent / place), tracked)


def _links_are_safe(kinds: str | list[str]) -> bool:
    listed = kinds.split(",") if isinstance(kinds, str) else kinds
    return {kind.strip().lower() for kind in listed} <= LINKS


def _check_remote(root: Path, name: str, settings: Mapping[str, object]) -> None:
    if wrong := next((key for key in settings if key in RUNS_OR_READS), None):
        raise Refused(
            f"{CONFIG}: `remote.{name}.{wrong}` must not be committed: it names a command, or a "
            "file that may hold one",
            f"`dvc remote modify --unset {name} {wrong}`, and set it with --local",
        )
    url = str(settings.get("url", ""))
    place = Path(os.path.normpath(root / ".dvc" / re.sub(r"^(file|local)://", "", url)))
    elsewhere = re.match(r"(?!file:|local:)\w+://", url) or not place.is_relative_to(root)
    if elsewhere and not (url.startswith("remote://") and ".." in url):
        return
    parts = place.relative_to(root).parts if place.is_relative_to(root) else ()
    if not parts or _hidden(parts[0]) or _canonical(parts[0]) in PROTECTED:
        raise Refused(
            f"{CONFIG}: the remote `{name}` is in {shown(url)}, where code or settings are",
            "give the remote a folder of its own",
        )
    _check_way(root, parts)


def _check_way(root: Path, parts: Sequence[str]) -> None:
    """Refuse a symbolic link in the path of an output or a remote."""
    place = root
    for part in parts:
        place = place / part
        if place.is_symlink():
            raise Refused(
                f"{shown(str(place.relative_to(root)))}: is a symbolic link, and DVC would write "
                "where it leads",
                "remove the link; for room on another disk, move DVC's cache there: "
                "`dvc cache dir --local FOLDER`",
            )


def _owns(tracked: str, top: str) -> bool:
    """Return whether a tracked file is in a top folder, or is it."""
    path = PurePosixPath(tracked)
    return _canonical(path.parts[0]) == top and not (
        len(path.parts) > 1 and path.name.endswith(POINTERS)
    )


def _canonical(name: str) -> str:
    """Return a name as a file system reads it that ignores case and Unicode form."""
    plain = "".join(
        letter
        for letter in unicodedata.normalize("NFKC", name)
        if unicodedata.category(letter) != "Cf"
    )
    return unicodedata.normalize("NFKC", plain.casefold()).rstrip(". ")


def _unusable(name: str) -> str:
    """Return why a name is not a plain file name on every system, or ''."""
    if name in ("", ".", ".."):
        return "no name"
    if "/" in name or "\\" in name:
        return "a folder in it"
    if ":" in name:
        return "a colon"
    if re.search(r"~\d", name):
        return "a short name of Windows"
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs") for letter in name):
        return "a character that does not show"
    if name != name.strip(" ") or name.endswith("."):
        return "a space or a dot at its end"
    return ""


def _obeyed(name: str) -> str:
    """Return why a tool that is started in the folder reads a file of this name, or ''."""
    plain = _canonical(name)
    obeyed = plain.startswith((".git", ".dvc", ".env")) or plain.endswith((".dvc", "dvc.yaml"))
    return "a name that git, DVC or a shell obeys" if obeyed else ""


def _hidden(name: str) -> str:
    return "a hidden folder" if _canonical(name).startswith(".") else ""
