"""The checks of `slipway doctor`: each is one function with an entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from slipway.errors import SlipwayError, first_line
from slipway.github.answers import Answer, Repository
from slipway.github.api import Api
from slipway.repository.committed import check_repository
from slipway.settings import Params
from slipway.setup.doctor.finding import Finding
from slipway.setup.doctor.plan import Plan, find_plan

Need = Literal["dvc", "github"]


class Variable(Answer):
    """A variable of the repository."""

    value: str


@dataclass(frozen=True)
class GitHub:
    """The repository on GitHub, as the token sees it."""

    api: Api
    described: Repository

    @property
    def branch(self) -> str:
        return self.described.default_branch

    @property
    def is_public(self) -> bool:
        return not self.described.private

    @cached_property
    def plan(self) -> Plan:
        return find_plan(self.api, self.described)

    def variable(self, name: str) -> str | None:
        """Return the value of a repository variable, or None if it is not set."""
        variable = self.api.find(f"actions/variables/{name}")
        return Variable.of(variable).value if variable else None


@dataclass
class Context:
    """What the checks look at.

    Parameters
    ----------
    params
        The settings; the reason, where params.yaml is not valid.
    now
        With a time zone.
    github
        The repository on GitHub; the reason, where it cannot be checked; None without one.
    """

    root: Path
    params: Params | SlipwayError
    now: datetime
    github: GitHub | SlipwayError | None
    absent: dict[str, list[str]] | SlipwayError | None = field(default=None, init=False)

    @property
    def settings(self) -> Params:
        """The settings; raises SlipwayError where params.yaml is not valid."""
        if isinstance(self.params, SlipwayError):
            raise SlipwayError("params.yaml is not valid", "see `settings`")
        return self.params

    @property
    def on_github(self) -> GitHub:
        """The repository on GitHub; raises SlipwayError where it cannot be checked."""
        if isinstance(self.github, GitHub):
            return self.github
        raise self.github or SlipwayError("`origin` is not a repository on GitHub")


Result = Finding | list[Finding]
Function = Callable[[Context], Result]


@dataclass(frozen=True)
class Check:
    """A check.

    Parameters
    ----------
    id
        Stable: scripts and documents name it.
    reason
        The consequence of a problem, as a sentence without a full stop.
    fix
        How to fix it, where the finding has no fix of its own.
    needs
        Without which the check cannot run.
    """

    id: str
    reason: str
    fix: str
    needs: tuple[Need, ...]
    run: Function


CHECKS: list[Check] = []

# What a check needs: raises SlipwayError where it is not there.
REQUIRE: dict[Need, Callable[[Context], object]] = {
    "dvc": lambda at: check_repository(at.root),
    "github": lambda at: at.on_github,
}


def check(id_: str, *, reason: str, fix: str, needs: tuple[Need, ...] = ()) -> Callable[..., Any]:
    """Register a function as a check."""

    def register(function: Function) -> Function:
        CHECKS.append(Check(id_, reason, fix, needs, function))
        return function

    return register


def examine(at: Context, checks: list[Check]) -> Iterator[Finding]:
    """Yield the findings of checks; one that cannot run is an unknown one."""
    for each in checks:
        if "github" in each.needs and at.github is None:
            continue
        result = _run(each, at)
        for finding in result if isinstance(result, list) else [result]:
            do = finding.do or ("" if finding.kind == "ok" else each.fix)
            yield replace(finding, id=each.id, reason=each.reason, do=do)


def _run(each: Check, at: Context) -> Result:
    try:
        for need in each.needs:
            REQUIRE[need](at)
        return each.run(at)
    except SlipwayError as error:
        do = error.do or "fix the cause, then run `slipway doctor` again"
        return Finding("unknown", f"not checked: {last_line(error)}", do)
    except Exception as error:  # noqa: BLE001 - GitHub may answer anything; the others are shown
        do = "if no setting explains it, report the error"
        return Finding("unknown", f"not checked: {first_line(error)}", do)


def last_line(error: Exception) -> str:
    """Return the error line of a command's output, or its last line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    message = next((line for line in lines if line.startswith("ERROR")), last)
    return message.removeprefix("ERROR:").strip()[:300]
