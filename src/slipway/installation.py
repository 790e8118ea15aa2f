"""Whether this program belongs to the checkout in which it is started.

An activated ``.venv`` of another clone, a ``PYTHONPATH`` in the shell or a copied ``.venv`` would
run another commit's code, or other packages, on this one's data, without a sign of it.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from slipway.errors import SlipwayError

CODE = Path("src/slipway/__init__.py")
REQUIREMENTS = Path("requirements.lock")

DO = (
    "use `.venv/bin/slipway` of this folder (`deactivate` another environment and unset PYTHONPATH "
    "first; `rm -rf .venv && make setup` if the folder was copied or moved)"
)


def check_installation(here: Path) -> None:
    """Refuse code, or packages, of another checkout.

    The same packages under another path are accepted: a champion is scored so, by the
    interpreter of the challenger.

    Raises
    ------
    SlipwayError
        Names both folders.
    """
    if not (here / CODE).exists():
        return
    code = Path(__file__).resolve().parent
    if code != (here / CODE).resolve().parent:
        raise SlipwayError(f"this is {here.resolve()}, and `slipway` runs the code of {code}", DO)
    other = Path(sys.prefix).resolve().parent
    if other == here.resolve() or not (other / CODE).exists():
        return
    if _digest(other / REQUIREMENTS) != _digest(here / REQUIREMENTS):
        raise SlipwayError(
            f"this is {here.resolve()}, and Python has the packages of {other}, whose "
            f"{REQUIREMENTS} is another one",
            DO,
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
