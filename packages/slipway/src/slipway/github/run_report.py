"""The report that a run of pull-request.yml left, checked as untrusted data."""

from __future__ import annotations

from collections.abc import Mapping

from slipway.comparison.report import Judgement
from slipway.github import artifact
from slipway.github.api import Api
from slipway.reports.check import check
from slipway.reports.render import is_judgement


def checked_report(api: Api, run: int) -> Judgement | Mapping[str, object]:
    """Return the judgement of a run, or the report that explains why there is none.

    Raises
    ------
    NoReport
        The run has no report.
    NotBelieved
        The artifact is not a report that our own workflow leaves.
    Refused
        It is not a judgement that follows from its numbers; `Newer` for a later version.
    """
    report = artifact.read_report(api, run)
    if "faults" in report and not report["faults"]:
        raise artifact.NotBelieved("a run with valid data leaves another report")
    return check(report) if is_judgement(report) else report
