"""The pages tell the truth about the command line and about each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.services.projects import ROOT
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from slipway.cli import app

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
VERB = re.compile(r"\bslipway ([a-z][a-z-]*)\b")
IMPORT = re.compile(r"^from slipway[\w.]* import .+$", re.MULTILINE)
CODE = re.compile(r"^```\w*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)


def commands() -> dict[str, Any]:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return dict(group.commands)


def code(page: Path) -> str:
    """Return what a page shows as something to type."""
    return "\n".join("".join(found) for found in CODE.findall(page.read_text("utf-8")))


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("verb", sorted(commands()))
def test_a_verb_explains_itself_and_each_of_its_options(verb: str) -> None:
    told = CliRunner().invoke(app, [verb, "--help"])
    assert told.exit_code == 0, told.output
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(page.read_text("utf-8")):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_command_line_starts_without_a_numeric_library() -> None:
    heavy = "{'numpy', 'pandas', 'pyarrow', 'scipy', 'sklearn'} & sys.modules.keys()"
    program = f"import sys, slipway.cli; print(*{heavy})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == ([], "")
