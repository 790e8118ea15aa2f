"""`slipway log prune`: remove files of the prediction log that are older than their retention.

A file is verified and sealed before it is removed, and the list of sealed files has the day of its
removal, so that `slipway audit --verify` does not report it as missing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from slipway.audit.sealed import SEALED, read_sealed, write_sealed
from slipway.audit.verify import seal_log
from slipway.errors import SlipwayError
from slipway.predictions.files import DATED, LogFile, LogFolder
from slipway.repository.erasures import ERASURES


def prune(
    url: str,
    days: int | None,
    checkpoints: str = "",
    sealed: Path = SEALED,
    erasures: Path = ERASURES,
    *,
    dry_run: bool = False,
) -> list[str]:
    """Remove the files of days (UTC) before the retention; return their names.

    Parameters
    ----------
    days
        `monitoring.retention_days`; None: nothing is set.

    Raises
    ------
    Refused
        The log is not as it was written: nothing is removed.
    SlipwayError
        No retention is set, or a file cannot be removed.
    """
    if days is None:
        raise SlipwayError(
            "no retention is set",
            "set `monitoring.retention_days` in params.yaml, or give --days",
        )
    folder = LogFolder(url)
    first = f"{datetime.now(UTC).date() - timedelta(days=days):%Y-%m-%d}"
    old = [file for file in folder.files if _is_before(file, first) and not folder.in_use(file)]
    if dry_run or not old:
        return [file.name for file in old]
    seal_log(url, checkpoints, sealed, erasures)
    for file in old:
        _remove(folder, file, sealed)
    return [file.name for file in old]


def _is_before(file: LogFile, first: str) -> bool:
    return DATED.match(file.name) is not None and file.name[: len(first)] < first


def _remove(folder: LogFolder, file: LogFile, sealed: Path) -> None:
    """Note the removal first: a run that is interrupted removes the file when it is repeated."""
    entries = read_sealed(sealed)
    if (entry := entries.get(file.name)) is None:
        raise SlipwayError(
            f"{file.shown}: not verified, so it is not removed",
            "see why: `slipway audit --verify`",
        )
    if not entry.removed:
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        entries[file.name] = entry.model_copy(update={"removed": today})
        write_sealed(entries, sealed)
    folder.remove(file)
