"""The help of the command line: groups, summaries, examples, option types, earlier names."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.services.projects import ROOT
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from slipway.catalogue.releases import RELEASES
from slipway.cli import app, run
from slipway.cli.help import RENAMED, REPLACED
from slipway.errors import SlipwayError

WORKFLOWS_ONLY = "github"

# Every command of the first release, commit 7a1df09.
FIRST_RELEASE = """
    data, validate, prepare, train, evaluate, search, retrain, score, lock, changes, rebuild, judge,
    verify, report, build, deploy, rollback, status, stop, serve, replay, shadow, drift, page, demo,
    doctor, log fetch, log rehearse, labels import, challenger start, challenger stop,
    challenger report, github tell, github bind, github render, github comment, github find,
    github commit, github watch, github retrain, github propose, github login, github image,
    github host, github mark, github release, github drift, github pages
"""

# What a command writes, also if it is nothing or outputs of a job.
WRITES = re.compile(r"\b[Ww]rites\b|\bOutputs: ")


def commands(group: Any = None, names: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield each command by its whole name."""
    group = group or get_command(app)
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*names, name))
        else:
            yield " ".join((*names, name)), command


def help_of(*words: str, width: int = 80) -> str:
    found = CliRunner().invoke(app, [*words, "--help"], terminal_width=width)
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_summary_is_shown_whole_at_any_width(width: int) -> None:
    shown = " ".join(help_of(width=width).split())
    for command in get_command(app).commands.values():  # type: ignore[attr-defined]
        assert " ".join(command.help.partition("\n\n")[0].split()) in shown


@pytest.mark.parametrize("words", ["", "shadow", *dict(commands())])
def test_no_line_of_a_help_is_wider_than_the_terminal(words: str) -> None:
    shown = help_of(*words.split(), width=60)
    assert [line for line in shown.splitlines() if len(line) > 60] == []


def test_the_commands_are_listed_in_groups_and_the_first_three_to_try_come_last() -> None:
    shown = help_of()
    headings = re.findall(r"^(\w+):$", shown, re.MULTILINE)
    assert headings == ["Options", "Pipeline", "Compare", "Release", "Monitor", "Project"]
    last = shown.strip().splitlines()[-3:]
    known = dict(commands())
    assert all(line.split()[:1] == ["slipway"] and line.split()[1] in known for line in last)


@pytest.mark.parametrize(("name", "command"), commands())
def test_a_command_has_one_example_that_can_be_run(name: str, command: Any) -> None:
    (example,) = re.findall(r"^ *Example: (.+)$", command.help, re.MULTILINE)
    typed = example.split()
    assert typed[: len(name.split()) + 1] == ["slipway", *name.split()]
    # Only parsed: a wrong option or a missing argument is refused here.
    command.make_context(name, typed[len(name.split()) + 1 :])


@pytest.mark.parametrize(("name", "command"), commands())
def test_no_option_is_described_by_a_type_of_python(name: str, command: Any) -> None:
    assert not re.search(r"<(list|str|path|Path|int)\b", help_of(*name.split()))


@pytest.mark.parametrize(("name", "command"), commands())
def test_the_range_of_a_number_is_in_words(name: str, command: Any) -> None:
    assert not re.search(r"[<>]=?x|x[<>]", help_of(*name.split()))


@pytest.mark.parametrize(("name", "command"), commands())
def test_a_command_names_what_it_reads_and_what_it_writes(name: str, command: Any) -> None:
    assert re.search(r"\b[Rr]eads\b", command.help)
    assert WRITES.search(command.help)


@pytest.mark.parametrize("name", ["deploy", "rollback", "log fetch"])
def test_a_command_that_writes_the_releases_names_their_file(name: str) -> None:
    text = " ".join(dict(commands())[name].help.split())
    assert re.search(rf"writes [^.]*\b{RELEASES}", text)


def test_the_exit_code_of_a_search_is_about_the_value_and_no_verdict() -> None:
    shown = " ".join(help_of("search").split())
    assert 'The code is 0 also if the better value is "not shown to be better"' in shown


@pytest.mark.parametrize(("name", "command"), commands())
def test_only_the_command_for_the_rows_of_the_starter_names_its_months(
    name: str, command: Any
) -> None:
    assert ("2013" in help_of(*name.split())) == (name == "data")


def test_there_are_at_most_50_commands_that_a_person_starts() -> None:
    assert len([name for name, _ in commands() if not name.startswith(WORKFLOWS_ONLY)]) <= 50


def refused(old: str, monkeypatch: pytest.MonkeyPatch) -> SlipwayError:
    monkeypatch.setattr(sys, "argv", ["slipway", *old.split(), "--option"])
    with pytest.raises(SlipwayError) as error:
        run()
    assert error.value.exit_code == 2
    return error.value


@pytest.mark.parametrize("old", RENAMED)
def test_an_earlier_name_is_refused_with_the_name_that_replaces_it(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert help_of(*RENAMED[old].split())
    assert refused(old, monkeypatch).do == f"use `slipway {RENAMED[old]}`"


@pytest.mark.parametrize("old", REPLACED)
def test_an_earlier_command_is_refused_with_the_script_that_replaces_it(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (ROOT / REPLACED[old].split()[0]).is_file()
    assert refused(old, monkeypatch).do == f"use `{REPLACED[old]}`"


@pytest.mark.parametrize("old", FIRST_RELEASE.replace("\n", " ").split(","))
def test_each_command_of_the_first_release_exists_or_is_refused_with_what_replaces_it(
    old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if " ".join(old.split()) not in {*dict(commands()), "shadow"}:  # a group that is a command too
        assert "is not a command of this version" in str(refused(old, monkeypatch))


def test_the_command_by_which_a_champion_is_scored_keeps_its_name_and_options() -> None:
    score = dict(commands())["score"]
    assert {option.opts[0] for option in score.params} == {"--rows", "--out", "--model"}


def test_the_version_is_shown() -> None:
    found = CliRunner().invoke(app, ["--version"])
    assert found.exit_code == 0
    assert re.fullmatch(r"slipway \d+\.\d+\.\d+\n", found.output)
