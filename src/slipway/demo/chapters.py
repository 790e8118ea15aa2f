"""What happens in the demo, in order."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from slipway.demo.live import LOG, go_live
from slipway.demo.story import Story
from slipway.errors import NO, YES, SlipwayError
from slipway.judge.champion import has_model
from slipway.pointers import POINTER
from slipway.restore import Missing, restore
from slipway.score import MODEL
from slipway.workspace import copy_of_worktree

if TYPE_CHECKING:
    from rich.console import RenderableType

NEXT_MONTH = "2013-10"
OCTOBER = Path("build") / f"{NEXT_MONTH}.parquet"

GOOD_CHANGE = ("learning_rate: 0.015", "learning_rate: 0.03")
WORSE_CHANGE = ("iterations: 1000", "iterations: 100")


def demo(root: Path, site: Path) -> None:
    """Tell the story and leave `site/index.html` behind.

    Raises
    ------
    SlipwayError
        A step did not end as the story needs.
    """
    from rich.console import Console

    started = time.monotonic()
    console = Console(highlight=False)
    console.print("[bold]Slipway: the whole loop on this machine[/bold]\n")
    with copy_of_worktree(root) as copy:
        story = Story(copy, site, console)
        for title, tell in CHAPTERS:
            _chapter(story, title, tell)
    console.print(_ending(site, time.monotonic() - started))


def _chapter(story: Story, title: str, tell: Callable[[Story], RenderableType]) -> None:
    from rich.padding import Padding
    from rich.text import Text

    started = time.monotonic()
    with story.console.status(f"{title} …"):
        outcome = tell(story)
    seconds = time.monotonic() - started
    story.console.print(f"[bold]{title}[/bold] [dim]{seconds:.0f} s[/dim]")
    indented = Padding(Text(outcome) if isinstance(outcome, str) else outcome, (0, 0, 1, 2))
    story.console.print(indented)


def _get_data(story: Story) -> str:
    story.commit("First model")
    restore(story.copy, POINTER)
    return story.slipway("validate")


def _champion(story: Story) -> str:
    if has_model(story.copy):
        with suppress(Missing):  # then it is trained
            restore(story.copy, MODEL)
    story.repro()
    story.commit("The champion")
    return story.slipway("evaluate")


def _good_change(story: Story) -> RenderableType:
    return change_params(story, "learn-faster", GOOD_CHANGE, expect=YES)


def _worse_change(story: Story) -> RenderableType:
    return change_params(story, "fewer-trees", WORSE_CHANGE, expect=NO)


def _broken_data(story: Story) -> str:
    story.branch("broken-october")
    month = story.copy / "data" / OCTOBER.name
    story.slipway("data", "--month", NEXT_MONTH)
    shutil.copy(month, story.copy / OCTOBER)
    break_rows(month)
    report, html = (f"build/reports/broken-october.{kind}" for kind in ("json", "html"))
    said = story.slipway("validate", f"data/{month.name}", "--json", report, expect=NO)
    story.slipway("report", report, "--html", html)
    _keep(story, html)
    month.unlink()
    return said


def _merge(story: Story) -> str:
    story.merge("learn-faster")
    return story.slipway("build")


def _go_live(story: Story) -> str:
    return go_live(story, str(OCTOBER))


def _drift(story: Story) -> str:
    return story.slipway("drift", "--log", LOG, "--json", "build/drift.json", expect=None)


def _page(story: Story) -> str:
    out = ["--out", str(story.site.resolve()), "--log", LOG, "--labels", str(OCTOBER)]
    return story.slipway("page", *out)


CHAPTERS: tuple[tuple[str, Callable[[Story], RenderableType]], ...] = (
    ("1 Fetch the data and check every row", _get_data),
    ("2 Restore the champion by its hash, and measure it", _champion),
    ("3 A pull request that learns faster", _good_change),
    ("4 A pull request with fewer trees", _worse_change),
    ("5 A pull request with a broken month", _broken_data),
    ("6 Merge the good one and build the service", _merge),
    ("7 Make it live, and replay October's flights", _go_live),
    ("8 Is October still what the model knows?", _drift),
    ("9 Draw the page", _page),
)


def break_rows(path: Path) -> None:
    """Put three plain faults into a month of data, whatever its schema.

    Some numbers leave their range, some categories go missing, some rows come twice.
    """
    import pandas as pd

    from slipway import contract
    from slipway.data import write_month

    rows = pd.read_parquet(path)
    columns = contract.schema().columns
    number = next(name for name in columns if pd.api.types.is_integer_dtype(rows[name]))
    category = next(
        name for name in columns if rows[name].dtype == "str" and name != contract.key()
    )
    rows.loc[rows.index[100:114], number] = 127
    rows.loc[rows.index[500:520], category] = None
    write_month(pd.concat([rows, rows.iloc[-212:]]), path)


def change_params(story: Story, name: str, change: tuple[str, str], expect: int) -> RenderableType:
    """Propose a change of `params.yaml` on a branch and have it judged."""
    from rich.markdown import Markdown

    story.branch(name)
    _edit_params(story, change)
    story.repro()
    story.commit(f"params.yaml: {change[1]}")
    verdict = _judge(story, name, expect)
    story.commit("Record the judgement")
    return Markdown(f"`{change[0]}` → `{change[1]}`\n\n{verdict}")


def _judge(story: Story, name: str, expect: int) -> str:
    report, markdown, html = (f"build/reports/{name}.{kind}" for kind in ("json", "md", "html"))
    story.slipway("judge", "--base", "main", "--out", report, expect=expect)
    story.slipway("report", report, "--markdown", markdown, "--html", html)
    _keep(story, html)
    return above_the_fold((story.copy / markdown).read_text("utf-8"))


def _keep(story: Story, report: str) -> None:
    """Put a whole report beside the page, which links it."""
    (story.site / "reports").mkdir(parents=True, exist_ok=True)
    shutil.copy(story.copy / report, story.site / "reports")


def above_the_fold(markdown: str) -> str:
    """Return the part of a report that a reader sees before unfolding anything."""
    return markdown.split("<details>", 1)[0].strip()


def _edit_params(story: Story, change: tuple[str, str]) -> None:
    path = story.copy / "params.yaml"
    before, after = change
    text = path.read_text("utf-8")
    if before not in text:
        raise SlipwayError(
            f"params.yaml no longer holds `{before}`, which the demo changes",
            "edit GOOD_CHANGE and WORSE_CHANGE in src/slipway/demo/chapters.py to suit your model",
        )
    path.write_text(text.replace(before, after), "utf-8")


def _ending(site: Path, seconds: float) -> str:
    page = (site / "index.html").resolve()
    return (
        f"[bold]Done in {seconds:.0f} s.[/bold] Your own tree is as it was.\n\n"
        f"Open    [bold]{page}[/bold]\n"
        "Change  a number in params.yaml, then `dvc repro` and `slipway judge --base HEAD`\n"
        "Edit    src/model to make it yours: docs/model.md\n"
        "Deploy  `slipway build --image`, then `slipway deploy`: docs/deploy.md\n"
    )
