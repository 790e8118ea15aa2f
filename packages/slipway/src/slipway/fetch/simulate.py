"""`slipway log simulate`: a prediction log without a live service, for a demonstration.

Months that the model has not seen are replayed through the real service on this machine, and their
labels are imported.
"""

from __future__ import annotations

import os
from pathlib import Path

from slipway.dataset.make import further_months, make_months
from slipway.dataset.periods import whole_months
from slipway.errors import SlipwayError
from slipway.manifest import MANIFEST_FILE, MODEL, read_manifest
from slipway.predictions.labels.store import import_labels
from slipway.project import SCHEMA
from slipway.repository.restore import restore
from slipway.serving import LOG, TOKENS
from slipway.serving.replay import Tally, replay

MOST_MONTHS = 3


def simulate(out: Path) -> Tally:
    """Replay the months after those of the model's data.

    Writes the log to ``OUT/log`` and the labels to ``OUT/labels``.

    Raises
    ------
    SlipwayError
        The source has no further month, or the service does not start.
    """
    from slipway.serving.start import serving

    if not (MODEL / MANIFEST_FILE).exists():
        restore(Path(), MODEL)
    manifest = read_manifest(MODEL)
    if manifest["event_time"] is None:
        raise SlipwayError(
            f"{SCHEMA}: `EVENT_TIME` is None, so no rows follow those of the model's data",
            "serve the model and send it rows of a file: `slipway serve`, "
            "`slipway replay --rows FILE`",
        )
    newest = max(whole_months(manifest["data"]["months"]) or manifest["past"]["months"])
    months = further_months(newest)[:MOST_MONTHS]
    if not months:
        raise SlipwayError(
            f"src/model/source.py has no month after {newest}, the newest of the model's data",
            "monitor a live service instead: docs/watch.md",
        )
    files = make_months(months, out / "rows")
    environment = {**os.environ, LOG: str((out / "log").resolve()), TOKENS: ""}
    with serving(environment=environment) as service:
        tally = replay(out / "rows", service.url)
    import_labels(files, out / "labels")
    return tally
