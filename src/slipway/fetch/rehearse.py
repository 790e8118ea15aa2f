"""No live target: months that the model has not seen go through the real service on this machine.

What comes out is a demonstration and is called so: real rows, a real log, labels that arrived, and
nobody who asked.
"""

from __future__ import annotations

import os
from pathlib import Path

from slipway.data import further_months, make_months
from slipway.errors import SlipwayError
from slipway.labels.store import import_labels
from slipway.replay import Tally, replay
from slipway.restore import restore
from slipway.score import MANIFEST_FILE, MODEL, read_manifest
from slipway.serve import LOG, TOKENS

MOST_MONTHS = 3


def rehearse(out: Path) -> Tally:
    """Replay the months after those that the model knows.

    The log is then in ``OUT/log``, and what became of the rows in ``OUT/labels``.

    Raises
    ------
    SlipwayError
        The source has no further month, or the service does not start.
    """
    from slipway.serve.start import serving

    if not (MODEL / MANIFEST_FILE).exists():
        restore(Path(), MODEL)
    newest = max(read_manifest(MODEL)["data"]["months"])
    months = further_months(newest)[:MOST_MONTHS]
    if not months:
        raise SlipwayError(
            f"the source has no month after {newest}, the newest that the model knows",
            "set a live target for the check instead: docs/watch.md",
        )
    files = make_months(months, out / "rows")
    environment = {**os.environ, LOG: str((out / "log").resolve()), TOKENS: ""}
    with serving(environment=environment) as service:
        tally = replay(out / "rows", service.url)
    import_labels(files, out / "labels")
    return tally
