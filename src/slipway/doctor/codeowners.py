"""Whether the protected files have owners, whose approval GitHub can require; and a file for it."""

from __future__ import annotations

import re
from pathlib import Path

from slipway.doctor.finding import Finding
from slipway.errors import Refused, SlipwayError
from slipway.git import names
from slipway.protected.paths import CODEOWNERS, codeowners, unowned

OWNER = re.compile(
    r"@[A-Za-z0-9][A-Za-z0-9-]{0,38}(/[A-Za-z0-9._-]{1,100})?|[^@\s#]+@[^@\s#]+\.[^@\s#]+"
)

OURS = "# Written by `slipway doctor"

WRITE = "`slipway doctor --write-codeowners @org/team`"


def owners(root: Path) -> Finding:
    """Return whether each protected file has an owner."""
    file = find(root)
    if file is None:
        return Finding("note", "no CODEOWNERS: anyone may approve a change of the judge", WRITE)
    missing = unowned(file.read_text("utf-8", "replace"), names(root, "ls-files", "-z"))
    place = file.relative_to(root)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return Finding("note", f"{place} names no owner of {missing[0]}{more}", WRITE)
    return Finding("ok", f"{place} names an owner of every protected file")


def find(root: Path) -> Path | None:
    """Return the file that GitHub takes: the first of the three places."""
    return next((root / place for place in CODEOWNERS if (root / place).is_file()), None)


def write(root: Path, named: list[str]) -> str:
    """Write a CODEOWNERS that gives the protected files to these owners; return what to do next.

    Raises
    ------
    Refused
        There is one that somebody else wrote.
    SlipwayError
        A name is not one that GitHub takes.
    """
    for name in named:
        if not OWNER.fullmatch(name):
            raise SlipwayError(
                f"--write-codeowners {name!r}: not an owner", "give @user, @org/team or an e-mail"
            )
    file = find(root) or root / CODEOWNERS[0]
    if file.exists() and not file.read_text("utf-8", "replace").startswith(OURS):
        raise Refused(
            f"{file.relative_to(root)} is there already, and slipway did not write it",
            "move it away, write a new one, then put your own lines at its end",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(codeowners(named), "utf-8")
    return (
        f"{file.relative_to(root)}: every protected file belongs to {', '.join(named)}. Commit it, "
        "then require a review from code owners in the ruleset (docs/github-settings.md)."
    )
