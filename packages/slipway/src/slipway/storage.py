"""Folders that may be elsewhere: a path, or any URL that fsspec reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slipway.errors import SlipwayError

LETTERS = 200

STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}


def is_bucket(url: str | Path) -> bool:
    """Return whether an address is in a store that shows an object when all of it has arrived."""
    return str(url).partition("://")[0] in STORES


@contextmanager
def reaching(url: str | Path, what: str, be: str = "read") -> Iterator[None]:
    """Give what a storage raises one shape: every kind has errors of its own.

    Raises
    ------
    SlipwayError
        Anything went wrong; names the address and what it is.
    """
    try:
        yield
    except SlipwayError:
        raise
    except Exception as error:  # botocore, gcsfs, aiohttp …: they have no base class in common
        reason = " ".join(str(error).split())[:LETTERS]
        raise SlipwayError(
            f"{url}: the {what} cannot be {be} ({type(error).__name__}: {reason})",
            "check the address, the network, and that the credentials for it are in the "
            "environment",
        ) from error
