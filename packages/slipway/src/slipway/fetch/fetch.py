"""`slipway log fetch`: ask the live target for its log, and for the model that wrote it."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.fetch.unpack import Fetched, Limits, unpack
from slipway.manifest import MANIFEST_FILE, MODEL, read_manifest
from slipway.predictions.files import LogFolder, Skipped
from slipway.release.records import write_releases
from slipway.release.target import Target
from slipway.repository.restore import restore
from slipway.settings import Params
from slipway.targets import TARGETS, find_target

LOG = "log"

HERE = "model"

PARTS = (LOG, HERE)

# In the folder of a fetch: what it wrote there, a later one may replace.
FETCHED = ".fetched"


def fetch(source: str, out: Path, params: Params) -> str:
    """Bring a log to ``OUT/log`` and the model to ``OUT/model``; return what came, in words.

    Parameters
    ----------
    source
        A target (``local``, ``host``, …), or the log's own address: a folder or any URL that
        fsspec reads. There the model is that of this commit.

    Raises
    ------
    SlipwayError
        It cannot be reached, nothing is deployed there, or it sends something else; then what an
        earlier fetch brought is kept. Or `out` has a log or a model that no fetch brought.
    """
    _check_target(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=out) as name:
        new = Path(name)
        (new / LOG).mkdir()
        fetched = _fetch(source, new, params)
        model = read_manifest(new / HERE)["model"]["sha256"]
        (out / FETCHED).touch()
        for part in PARTS:
            shutil.rmtree(out / part, ignore_errors=True)
            (new / part).rename(out / part)
    return f"{source}: {fetched.text()}; the model is {model[:12]}"


def _check_target(out: Path) -> None:
    """Refuse to replace what an earlier fetch has not written."""
    found = [out / part for part in PARTS if os.path.lexists(out / part)]
    if found and not (out / FETCHED).is_file():
        raise SlipwayError(
            f"{found[0]}: is there, and no earlier `slipway log fetch` wrote it",
            "choose another folder with --out, or move it away",
        )


def _fetch(source: str, out: Path, params: Params) -> Fetched:
    if source in TARGETS:
        return _from_target(find_target(source, params), out)
    fetched = _from_address(source, out / LOG)
    _model_of_this_commit(out / HERE)
    return fetched


def _from_target(target: Target, out: Path) -> Fetched:
    """Ask the live release, which can read the log of all of them."""
    command = target.exec_command()
    write_releases(target.history())
    return unpack([*command, "python3", "-c", program()], out)


def _from_address(url: str, out: Path) -> Fetched:
    """Copy a log from its address, so that what is read twice is fetched once."""
    folder, fetched, limits = LogFolder(url), Fetched(), Limits(out)
    for file in folder.files:
        limits.take(file.size)
        try:
            with folder.open(file) as source, (out / file.name).open("wb") as target:
                shutil.copyfileobj(source, target)
        except OSError as error:
            folder.unread[file.shown] = str(error.strerror or error)
            (out / file.name).unlink(missing_ok=True)
            continue
        fetched += Fetched(1, file.size)
    return replace(fetched, left=Skipped(unread=folder.unread).sentences())


def _model_of_this_commit(out: Path) -> None:
    if not (MODEL / MANIFEST_FILE).exists():
        restore(Path(), MODEL)
    shutil.copytree(MODEL, out)


def program() -> str:
    """Return the program that the container runs."""
    return Path(__file__).with_name("pack.py").read_text("utf-8")
