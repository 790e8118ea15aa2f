"""Check that protected files have owners, whose approval GitHub can require; write CODEOWNERS."""

from __future__ import annotations

import re
from pathlib import Path

from slipway.errors import Refused, SlipwayError
from slipway.protected.paths import CODEOWNERS, codeowners, unowned
from slipway.repository.git import names
from slipway.setup.doctor.finding import Finding

OWNER = re.compile(
    r"@[A-Za-z0-9][A-Za-z0-9-]{0,38}(/[A-Za-z0-9._-]{1,100})?|[^@\s#]+@[^@\s#]+\.[^@\s#]+"
)

OURS = "# Written by `slipway doctor"

WRITE = "`slipway doctor --write-codeowners @org/team`"


def owners(root: Path) -> Finding:
    """Return whether each protected file has an owner."""
    file = find(root)
    if file is None:
        return Finding(
            "note",
            "no CODEOWNERS: protected files have no owner",
            WRITE,
        )
    missing = unowned(file.read_text("utf-8", "replace"), names(root, "ls-files", "-z"))
    place = file.relative_to(root)
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return Finding("note", f"{place} has no owner for {missing[0]}{more}", WRITE)
    return Finding("ok", f"{place} has an owner for every protected file")


def find(root: Path) -> Path | None:
    """Return the CODEOWNERS file that GitHub uses: the first that exists of three paths."""
    return next((root / place for place in CODEOWNERS if (root / place).is_file()), None)


def write(root: Path, named: list[str]) -> str:
    """Write a CODEOWNERS file with owners of the protected files; return a message.

    Raises
    ------
    Refused
        There is one that was not written by this command.
    SlipwayError
        A name is not a valid owner.
    """
    for name in named:
        if not OWNER.fullmatch(name):
            raise SlipwayError(
                f"--write-codeowners {name!r}: not an owner", "use @user, @org/team or an e-mail"
            )
    file = find(root) or root / CODEOWNERS[0]
    if file.exists() and not file.read_text("utf-8", "replace").startswith(OURS):
        raise Refused(
            f"{file.relative_to(root)} exists and was not written by slipway",
            "move it away, write a new one, then append your own lines",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(codeowners(named), "utf-8")
    return (
        f"{file.relative_to(root)}: {', '.join(named)} own every protected file. Commit it, then "
        "require a review from code owners in the ruleset (docs/github-settings.md)."
    )
