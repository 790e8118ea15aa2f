"""The steps of the demo."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from slipway import project
from slipway.comparison.champion import has_model
from slipway.comparison.report import Judgement
from slipway.dataset.folder import DATA
from slipway.dataset.tables import read_json
from slipway.errors import INCONCLUSIVE, NO, YES
from slipway.manifest import MODEL
from slipway.repository.pointers import POINTER
from slipway.repository.restore import Missing, restore
from slipway.repository.worktrees import copy_of_worktree, run
from slipway.retraining.pipeline import set_train
from slipway.settings import read_params
from slipway.setup.demo.broken import break_rows
from slipway.setup.demo.live import LOG, go_live
from slipway.setup.demo.plan import Change, Plan, plan_of
from slipway.setup.demo.scenario import Scenario
from slipway.training.backtest import BACKTEST
from slipway.training.search import named

if TYPE_CHECKING:
    from rich.console import RenderableType

Step = tuple[str, Callable[[Scenario], "RenderableType"]]
"""A title, and what returns the output."""

ROWS, REPORTS = Path("build/demo"), Path("build/reports")

PARAMS = Path("params.yaml")


def demo(root: Path, site: Path) -> None:
    """Run the steps in a copy of the repository; write `site/index.html`.

    Raises
    ------
    SlipwayError
        A step has another exit code than expected, or a change of the starter another verdict.
    """
    from rich.console import Console

    started = time.monotonic()
    console = Console(highlight=False)
    console.print("[bold]Slipway: the whole loop on this machine[/bold]\n")
    with copy_of_worktree(root) as copy:
        scenario = Scenario(copy, site, console)
        first = _first_steps()
        _run(scenario, first, 1)
        plan = plan_of(scenario)
        _run(scenario, [*judging(plan), *live(plan)], len(first) + 1)
    console.print(_ending(site, time.monotonic() - started))


def _first_steps() -> list[Step]:
    return [
        ("Fetch the data and check every row", _get_data),
        ("Restore the champion by its hash, and evaluate it", _champion),
    ]


def judging(plan: Plan) -> list[Step]:
    """Return the steps that judge the changes of a plan and a file with violations."""
    changes: list[Step] = [
        (f"A pull request {change.title}", partial(_judge_change, change=change))
        for change in plan.changes
    ]
    return [
        *(changes or [("A pull request", _no_change)]),
        ("A pull request with a broken file", partial(_broken_file, plan=plan)),
    ]


def live(plan: Plan) -> list[Step]:
    """Return the steps of the service, from the merge to the page."""
    return [
        ("Merge what may be merged, and build the service", partial(_merge, plan=plan)),
        (f"Deploy it, and replay {plan.traffic}", partial(_go_live, plan=plan)),
        ("Check that traffic for drift", _drift),
        ("Write the page", partial(_page, plan=plan)),
    ]


def _run(scenario: Scenario, steps: list[Step], start: int) -> None:
    for number, (title, step) in enumerate(steps, start):
        _run_step(scenario, f"{number} {title}", step)


def _run_step(scenario: Scenario, title: str, step: Callable[[Scenario], RenderableType]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    started = time.monotonic()
    with scenario.console.status(f"{title} …"):
        output = step(scenario)
    seconds = time.monotonic() - started
    scenario.console.print(f"[bold]{title}[/bold] [dim]{seconds:.0f} s[/dim]")
    indented = Padding(Text(output) if isinstance(output, str) else output, (0, 0, 1, 2))
    scenario.console.print(indented)


def _get_data(scenario: Scenario) -> str:
    scenario.commit("First model")
    restore(scenario.copy, POINTER)
    if Path(read_params(scenario.copy / PARAMS).data.folder) != DATA:
        run(["dvc", "repro", "-q", "validate"], scenario.copy)  # a stage makes the rows
    return scenario.slipway("validate")


def _champion(scenario: Scenario) -> str:
    if has_model(scenario.copy):
        with suppress(Missing):  # it is trained below
            restore(scenario.copy, MODEL, BACKTEST)
    scenario.repro()
    scenario.commit("The champion")
    return scenario.slipway("evaluate")


def _no_change(_: Scenario) -> str:
    return (
        "There is none: params.yaml lists no other settings under `search.candidates`.\n"
        "With a list there, the demo judges the first of them."
    )


def _judge_change(scenario: Scenario, change: Change) -> RenderableType:
    """Change `params.yaml` on a branch and judge it.

    Raises
    ------
    SlipwayError
        It has another verdict than the one that it must have.
    """
    from rich.markdown import Markdown

    scenario.branch(change.name)
    edits = change.edits(read_params(scenario.copy / PARAMS).train)
    set_train(scenario.copy / PARAMS, change.train)
    scenario.repro()
    scenario.commit(f"params.yaml: {named(change.train)}")
    shown = _judge(scenario, change)
    scenario.commit("Record the judgement")
    return Markdown(f"{edits}\n\n{shown}")


def _judge(scenario: Scenario, change: Change) -> str:
    report, markdown, html = (
        str(REPORTS / f"{change.name}.{kind}") for kind in ("json", "md", "html")
    )
    scenario.slipway("judge", "--base", "main", "--out", report, expect=change.exit_codes)
    change.check(_judgement(scenario, change).verdict)
    scenario.slipway("report", report, "--markdown", markdown, "--html", html)
    _keep(scenario, html)
    return above_the_fold((scenario.copy / markdown).read_text("utf-8"))


def _judgement(scenario: Scenario, change: Change) -> Judgement:
    report = scenario.copy / REPORTS / f"{change.name}.json"
    return Judgement.of(read_json(report, "slipway judge"))


def _broken_file(scenario: Scenario, plan: Plan) -> str:
    import pyarrow.parquet as pq

    scenario.branch(plan.broken)
    rows = scenario.copy / ROWS / plan.file
    described = plan.write_rows(scenario, rows)
    broken = ROWS / f"{plan.broken}.parquet"
    pq.write_table(break_rows(pq.read_table(rows), project.schema()), scenario.copy / broken)
    report, html = (str(REPORTS / f"{plan.broken}.{kind}") for kind in ("json", "html"))
    output = scenario.slipway("validate", str(broken), "--json", report, expect=(NO,))
    scenario.slipway("report", report, "--html", html)
    _keep(scenario, html)
    return f"{output}\n\n{described}"


def _merge(scenario: Scenario, plan: Plan) -> str:
    merged = first_to_merge(scenario, plan.changes)
    scenario.merge(merged.name if merged else "")
    built = scenario.slipway("build")
    if merged:
        return f"Merged: {merged.name}, a model {merged.title}.\n\n{built}"
    return f"There is no change that may be merged: the service has the champion.\n\n{built}"


def first_to_merge(scenario: Scenario, changes: tuple[Change, ...]) -> Change | None:
    """Return the first change whose judgement allows it to be merged."""
    return next((each for each in changes if _judgement(scenario, each).may_merge), None)


def _go_live(scenario: Scenario, plan: Plan) -> str:
    return go_live(scenario, str(ROWS / plan.file))


def _drift(scenario: Scenario) -> str:
    either = (YES, NO, INCONCLUSIVE)
    return scenario.slipway("drift", "--log", LOG, "--json", "build/drift.json", expect=either)


def _page(scenario: Scenario, plan: Plan) -> str:
    out = ["--out", str(scenario.site.resolve()), "--log", LOG]
    return scenario.slipway("page", *out, "--labels", str(ROWS / plan.file))


def _keep(scenario: Scenario, report: str) -> None:
    """Copy a full report to the site folder, where the page links it."""
    (scenario.site / "reports").mkdir(parents=True, exist_ok=True)
    shutil.copy(scenario.copy / report, scenario.site / "reports")


def above_the_fold(markdown: str) -> str:
    """Return the part of a report above its first fold."""
    return markdown.split("<details>", 1)[0].strip()


def _ending(site: Path, seconds: float) -> str:
    page = (site / "index.html").resolve()
    return (
        f"[bold]Done in {seconds:.0f} s.[/bold] The working tree was not changed.\n\n"
        f"Open    [bold]{page}[/bold]\n"
        "Change  params.yaml, then `dvc repro` and `slipway judge --base HEAD`\n"
        "Adopt   a table of your own with `slipway adopt`: docs/adopt.md\n"
        "Deploy  `slipway build --image`, then `slipway deploy`: docs/deploy.md\n"
    )
