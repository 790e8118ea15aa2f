"""`slipway log fetch`: ask the live target for its log, and for the model that wrote it."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from slipway.deploy.engine import Engine, engine_of
from slipway.deploy.release import read_history, write_releases
from slipway.deploy.state import HISTORY
from slipway.deploy.status import status_of
from slipway.errors import SlipwayError
from slipway.fetch.unpack import Fetched, Limits, unpack
from slipway.log_files import LogFolder, Skipped
from slipway.restore import restore
from slipway.score import MANIFEST_FILE, MODEL, read_manifest
from slipway.settings import Deploy

LOG = "log"

HERE = "model"

PARTS = (LOG, HERE)

# In the folder of a fetch: what it wrote there, a later one may replace.
FETCHED = ".fetched"


def fetch(source: str, out: Path, settings: Deploy) -> str:
    """Bring a log to ``OUT/log`` and the model to ``OUT/model``; return what came, in words.

    Parameters
    ----------
    source
        ``local``, ``host``, ``kubernetes``, or the log's own address: a folder or any URL that
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
        fetched = _fetch(source, new, settings)
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


def _fetch(source: str, out: Path, settings: Deploy) -> Fetched:
    if source in ("local", "host"):
        return _from_engine(engine_of(source, settings), out)
    if source == "kubernetes":
        return _from_cluster(settings, out)
    fetched = _from_address(source, out / LOG)
    _model_of_this_commit(out / HERE)
    return fetched


def _from_engine(engine: Engine, out: Path) -> Fetched:
    found = status_of(engine)
    if not found["live"]:
        raise SlipwayError(f"nothing is live: {'; '.join(found['words'])}", "`slipway deploy`")
    write_releases(read_history(engine.proxy.run("cat", f"/state/{HISTORY}")))
    container = found["live"]["container"]
    about = engine.slot(found["live"]["slot"]).about()
    if about and about["State"]["Running"]:
        return unpack(["docker", "exec", container, "python3", "-c", program()], out)
    raise SlipwayError(
        f"the live release does not run on {engine.place}: {found['live']['health']}",
        f"`docker start {container}` there, or `slipway rollback`; its log is safe",
    )


def _from_cluster(settings: Deploy, out: Path) -> Fetched:
    """Ask one pod: all of them write to the same volume, each to files of its own."""
    from slipway.deploy.cluster import history, pods_of
    from slipway.deploy.kubernetes import namespace_of
    from slipway.deploy.pod import CONTAINER, is_ready

    namespace = namespace_of(settings)
    names = [pod["metadata"]["name"] for pod in pods_of(namespace) if is_ready(pod)]
    if not names:
        raise SlipwayError(f"no pod in {namespace} is ready", "`slipway status` says why")
    write_releases(history(namespace))
    where = ["--namespace", namespace, "--container", CONTAINER, names[0]]
    return unpack(["kubectl", "exec", *where, "--", "python3", "-c", program()], out)


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
