"""The steps of the demo."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.comparison.champion import has_model
from slipway.comparison.record import verdict_of
from slipway.errors import NO, YES, SlipwayError
from slipway.repository.pointers import POINTER
from slipway.repository.restore import Missing, restore
from slipway.repository.worktrees import copy_of_worktree
from slipway.setup.demo.live import LOG, go_live
from slipway.setup.demo.scenario import Scenario
from slipway.training.backtest import BACKTEST
from slipway.training.score import MODEL

if TYPE_CHECKING:
    from rich.console import RenderableType

NEXT_MONTH = "2013-10"
OCTOBER = Path("build") / f"{NEXT_MONTH}.parquet"

# How these do in later months: docs/benchmarks.md.
BETTER_CHANGE = ("iterations: 500", "iterations: 100")
WORSE_CHANGE = ("learning_rate: 0.25", "learning_rate: 0.5")
OPEN_CHANGE = ("iterations: 500", "iterations: 10")


def demo(root: Path, site: Path) -> None:
    """Run the steps in a copy of the repository; write `site/index.html`.

    Raises
    ------
    SlipwayError
        A step has another exit code than expected; or rows have no time, so that none can be
        replayed.
    """
    from rich.console import Console

    from slipway import project

    if project.event_time() is None:
        raise SlipwayError(
            f"{project.SCHEMA}: `EVENT_TIME` is None, so no month follows those of the data",
            "use the commands of docs/propose-a-change.md on your own model",
        )
    started = time.monotonic()
    console = Console(highlight=False)
    console.print("[bold]Slipway: the whole loop on this machine[/bold]\n")
    with copy_of_worktree(root) as copy:
        scenario = Scenario(copy, site, console)
        for title, step in STEPS:
            _run_step(scenario, title, step)
    console.print(_ending(site, time.monotonic() - started))


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
    return scenario.slipway("validate")


def _champion(scenario: Scenario) -> str:
    if has_model(scenario.copy):
        with suppress(Missing):  # it is trained below
            restore(scenario.copy, MODEL, BACKTEST)
    scenario.repro()
    scenario.commit("The champion")
    return scenario.slipway("evaluate")


def _better_change(scenario: Scenario) -> RenderableType:
    return change_params(scenario, "fewer-trees", BETTER_CHANGE, "better")


def _worse_change(scenario: Scenario) -> RenderableType:
    return change_params(scenario, "learn-too-fast", WORSE_CHANGE, "worse")


def _open_change(scenario: Scenario) -> RenderableType:
    return change_params(scenario, "very-few-trees", OPEN_CHANGE, "inconclusive")


def _broken_data(scenario: Scenario) -> str:
    scenario.branch("broken-october")
    month = scenario.copy / "data" / OCTOBER.name
    scenario.slipway("data", "--month", NEXT_MONTH)
    shutil.copy(month, scenario.copy / OCTOBER)
    break_rows(month)
    report, html = (f"build/reports/broken-october.{kind}" for kind in ("json", "html"))
    output = scenario.slipway("validate", f"data/{month.name}", "--json", report, expect=NO)
    scenario.slipway("report", report, "--html", html)
    _keep(scenario, html)
    month.unlink()
    return output


def _merge(scenario: Scenario) -> str:
    scenario.merge("fewer-trees")
    return scenario.slipway("build")


def _go_live(scenario: Scenario) -> str:
    return go_live(scenario, str(OCTOBER))


def _drift(scenario: Scenario) -> str:
    return scenario.slipway("drift", "--log", LOG, "--json", "build/drift.json", expect=None)


def _page(scenario: Scenario) -> str:
    out = ["--out", str(scenario.site.resolve()), "--log", LOG, "--labels", str(OCTOBER)]
    return scenario.slipway("page", *out)


STEPS: tuple[tuple[str, Callable[[Scenario], RenderableType]], ...] = (
    ("1 Fetch the data and check every row", _get_data),
    ("2 Restore the champion by its hash, and evaluate it", _champion),
    ("3 A pull request with fewer trees, which is better", _better_change),
    ("4 A pull request with a learning rate that is too high, which is worse", _worse_change),
    ("5 A pull request with very few trees, which is inconclusive", _open_change),
    ("6 A pull request with a broken month", _broken_data),
    ("7 Merge the better model and build the service", _merge),
    ("8 Deploy it, and replay traffic of the next month", _go_live),
    ("9 Check that month for drift", _drift),
    ("10 Write the page", _page),
)


def break_rows(path: Path) -> None:
    """Put three violations into a month of data of any schema.

    Some numbers are out of range, some categories are missing, some rows are duplicates.
    """
    import pandas as pd

    from slipway import project
    from slipway.dataset.make import write_month

    rows = pd.read_parquet(path)
    columns = project.schema().columns
    number = next(name for name in columns if pd.api.types.is_integer_dtype(rows[name]))
    others = [name for name in columns if name not in project.key_columns()]
    category = next(name for name in others if rows[name].dtype == "str")
    rows.loc[rows.index[100:114], number] = 127
    rows.loc[rows.index[500:520], category] = None
    write_month(pd.concat([rows, rows.iloc[-212:]]), path)


def change_params(
    scenario: Scenario, name: str, change: tuple[str, str], verdict: str
) -> RenderableType:
    """Change `params.yaml` on a branch and judge it, which must have this verdict."""
    from rich.markdown import Markdown

    scenario.branch(name)
    _edit_params(scenario, change)
    scenario.repro()
    scenario.commit(f"params.yaml: {change[1]}")
    shown = _judge(scenario, name, verdict)
    scenario.commit("Record the judgement")
    return Markdown(f"`{change[0]}` → `{change[1]}`\n\n{shown}")


def _judge(scenario: Scenario, name: str, verdict: str) -> str:
    report, markdown, html = (f"build/reports/{name}.{kind}" for kind in ("json", "md", "html"))
    expect = YES if verdict in ("better", "not worse") else NO
    scenario.slipway("judge", "--base", "main", "--out", report, expect=expect)
    if (found := verdict_of(scenario.copy / report)) != verdict:
        raise SlipwayError(
            f"{name}: the verdict is {found!r}, expected {verdict!r}",
            "the demo is about the starter model: judge your own changes with `slipway judge`",
        )
    scenario.slipway("report", report, "--markdown", markdown, "--html", html)
    _keep(scenario, html)
    return above_the_fold((scenario.copy / markdown).read_text("utf-8"))


def _keep(scenario: Scenario, report: str) -> None:
    """Copy a full report to the site folder, where the page links it."""
    (scenario.site / "reports").mkdir(parents=True, exist_ok=True)
    shutil.copy(scenario.copy / report, scenario.site / "reports")


def above_the_fold(markdown: str) -> str:
    """Return the part of a report above its first fold."""
    return markdown.split("<details>", 1)[0].strip()


def _edit_params(scenario: Scenario, change: tuple[str, str]) -> None:
    path = scenario.copy / "params.yaml"
    before, after = change
    text = path.read_text("utf-8")
    if before not in text:
        raise SlipwayError(
            f"params.yaml does not have `{before}`, which the demo changes",
            "restore that line, or use the commands of docs/propose-a-change.md on your own model",
        )
    path.write_text(text.replace(before, after), "utf-8")


def _ending(site: Path, seconds: float) -> str:
    page = (site / "index.html").resolve()
    return (
        f"[bold]Done in {seconds:.0f} s.[/bold] The working tree was not changed.\n\n"
        f"Open    [bold]{page}[/bold]\n"
        "Change  a number in params.yaml, then `dvc repro` and `slipway judge --base HEAD`\n"
        "Edit    src/model, to use your own model: docs/model.md\n"
        "Deploy  `slipway build --image`, then `slipway deploy`: docs/deploy.md\n"
    )
