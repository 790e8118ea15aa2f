"""Objects of DVC that have a subject: found by their content, in the cache and in the remotes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from slipway.errors import Refused, SlipwayError
from slipway.privacy.contents import Search
from slipway.progress import track
from slipway.repository.committed import check_repository
from slipway.repository.git import PREFIX
from slipway.storage import reaching

LISTING = ".dir"


@dataclass
class Objects:
    """Objects of a store by their names; `listings` name folders that have one of them."""

    store: Any
    place: str
    found: list[str] = field(default_factory=list)
    listings: list[str] = field(default_factory=list)

    def remove(self) -> None:
        """Remove the listings first: a run that is interrupted finds the objects again."""
        with reaching(self.place, "object of DVC", "removed"):
            for name in [*self.listings, *self.found]:
                self.store.delete(name)


def require_remote_outside(root: Path) -> None:
    """Refuse a remote inside the repository, whose history has each of its objects.

    Raises
    ------
    SlipwayError
        Names the remote, and the page to read.
    """
    for name, url in _remotes(root):
        if "://" not in url and Path(url).resolve().is_relative_to(root.resolve()):
            raise SlipwayError(
                f"the data remote `{name}` is inside the repository, so git's history keeps what "
                "is removed from it",
                "move it to a place of its own first: docs/remotes.md",
            )


def find_objects(root: Path, search: Search) -> list[Objects]:
    """Return the objects with a value of the subject, in the cache and in all remotes.

    An object of a remote is downloaded only if the cache does not have it.

    Raises
    ------
    SlipwayError
        The repository has what must not be committed, or a store cannot be read.
    """
    from dvc.repo import Repo

    try:
        check_repository(root)
    except Refused as refused:  # its exit code would mean that something is left
        raise SlipwayError(str(refused), refused.do) from None
    with Repo(str(root)) as repo:
        known: dict[str, bool] = {}
        cache = repo.cache.local
        stores = [(cache, str(cache.path))]
        for name, url in _remotes(root):
            with reaching(url, "data remote"):
                stores.append((repo.cloud.get_remote_odb(name), url))
        return [_of_store(store, place, known, search) for store, place in stores]


def _of_store(store: Any, place: str, known: dict[str, bool], search: Search) -> Objects:
    found = Objects(store, place)
    folders: dict[str, set[str]] = {}
    with reaching(place, "data remote"):
        names = sorted(store.all()) if store.fs.exists(store.path) else []
        for name in track(names, f"Searching {place}"):
            if name.endswith(LISTING):
                folders[name] = {entry["md5"] for entry in json.loads(_read(store, name))}
            elif name not in known:
                known[name] = _is_in(store, name, search)
        found.found = [name for name in names if known.get(name)]
    bad = {name for name, has in known.items() if has}
    found.listings = [name for name, files in folders.items() if files & bad]
    return found


def _is_in(store: Any, name: str, search: Search) -> bool:
    """Search an object; one of a remote is copied to the disk, so that memory does not grow."""
    place = store.oid_to_path(name)
    if store.fs.protocol == "local":
        return search.is_in(Path(place))
    with TemporaryDirectory(prefix=PREFIX) as folder:
        copy = Path(folder) / "object"
        store.fs.get_file(place, str(copy))
        return search.is_in(copy, f"object {name}")


def _read(store: Any, name: str) -> bytes:
    content: bytes = store.fs.cat_file(store.oid_to_path(name))
    return content


def _remotes(root: Path) -> Iterator[tuple[str, str]]:
    from dvc.config import Config

    remotes = Config(str((root / ".dvc").resolve()))["remote"]
    for name, settings in remotes.items():
        yield name, str(settings["url"])
