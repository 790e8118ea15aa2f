"""Check that this program belongs to the checkout in which it is started.

An activated ``.venv`` of another clone, a ``PYTHONPATH`` in the shell or a copied ``.venv`` would
silently run another commit's code, or other packages, on the data of this one.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from slipway.errors import SlipwayError
from slipway.repository.layout import machine_of

REQUIREMENTS = Path("requirements.lock")

# The entry of a released package: a wheel's URL, and its hash on the continuation lines.
_MACHINE_ENTRY = re.compile(r"^slipway-ml @ (?:.*\\\n)*.*\n?", re.MULTILINE)

FIX = (
    "use `.venv/bin/slipway` of this folder (`deactivate` another environment and unset PYTHONPATH "
    "first; `rm -rf .venv && make setup` if the folder was copied or moved)"
)


def check_installation(here: Path) -> None:
    """Refuse code, or packages, of another checkout.

    The same packages under another path are accepted: so the interpreter of the challenger can
    score a champion.

    Raises
    ------
    SlipwayError
        Names both folders.
    """
    machine = machine_of(here)
    code = Path(__file__).resolve().parents[1]
    if machine is not None and code != machine.resolve():
        raise SlipwayError(f"this is {here.resolve()}, and `slipway` runs the code of {code}", FIX)
    other = Path(sys.prefix).resolve().parent
    locks = (here / REQUIREMENTS, other / REQUIREMENTS)
    if other == here.resolve() or not all(lock.is_file() for lock in locks):
        return
    if packages_of(other) != packages_of(here):
        raise SlipwayError(
            f"this is {here.resolve()}, and Python has the packages of {other}, whose "
            f"{REQUIREMENTS} is another one",
            FIX,
        )


def packages_of(root: Path) -> str:
    """Return the sha256 of the packages that a lock names, except slipway."""
    lock = (root / REQUIREMENTS).read_text("utf-8")
    return hashlib.sha256(_MACHINE_ENTRY.sub("", lock).encode()).hexdigest()
