"""What `slipway upgrade` prints."""

from __future__ import annotations

from slipway.repository.layout import MACHINE
from slipway.setup.upgrade.merge import Change, Kind
from slipway.setup.upgrade.run import Upgrade

# Of these a person wants the names; of the others the number.
NAMED = (Kind.MERGED, Kind.KEPT, Kind.ABSENT, Kind.CONFLICT)


def plan_text(upgrade: Upgrade, every: bool = False) -> str:
    """Return what changes: the changelog, and the files by kind.

    Parameters
    ----------
    every
        Whether to name every file, and not only those that the fork has changed too.
    """
    lines = [f"From {upgrade.old} to {upgrade.version.name}.", ""]
    lines += [upgrade.news, ""] if upgrade.news else []
    for kind in Kind:
        if chosen := [change for change in upgrade.changes if change.kind is kind]:
            lines += _files(kind, chosen, named=every or kind in NAMED)
    if upgrade.needs_lock:
        lines.append("The requirements differ from upstream's: `make lock` compiles the locks.")
    if upgrade.invalid:
        lines.append(f"Not valid, and not changed by the upgrade: {upgrade.invalid}")
    return "\n".join(lines)


def _files(kind: Kind, changes: list[Change], named: bool) -> list[str]:
    inside = sum(change.path.startswith(f"{MACHINE}/") for change in changes)
    below = f", {inside} of them in {MACHINE}" if inside else ""
    shown = [f"  {change.path}" for change in changes] if named else []
    return [f"{kind.value.capitalize()}: {len(changes)}{below}", *shown]


def next_steps(upgrade: Upgrade, checked: bool) -> str:
    """Return the commands that follow."""
    steps = []
    if not checked:
        steps += ["make lock && git commit -am 'Lock the packages'"] if upgrade.needs_lock else []
        steps += ["make setup && make check"]
    steps += [
        "dvc repro && dvc push && git add dvc.lock reports && git commit -m 'Rebuild the model'",
        f"git push --set-upstream origin {upgrade.branch}",
        "gh pr create --fill",
    ]
    shown = "\n".join(f"  {step}" for step in steps)
    rebuild = "The line with `dvc repro` is needed only if `dvc status` lists a stage.\n"
    return f"The branch {upgrade.branch} has the upgrade. Next:\n\n{shown}\n\n{rebuild}"
