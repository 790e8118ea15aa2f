"""What is written on the engine is read back unchanged, and a release is found by its names."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.deploy.conftest import Place

from slipway.docker import docker
from slipway.errors import SlipwayError
from slipway.release.outcome import Outcome, Step
from slipway.release.records import Event, Record, find_release, read_history, read_records
from slipway.targets.docker.lease import Holder, Lease
from slipway.targets.docker.state import FULL, Placed, State, Traffic
from slipway.targets.docker.stop import WAIT_SECONDS


def record(letter: str, event: Event = "deployed") -> Record:
    return Record(
        event=event,
        name=letter * 7,
        commit=letter * 40,
        data="d" * 32,
        model_sha256="e" * 64,
        image=f"sha256:{letter * 64}",
        at="2026-11-21T12:00:00.000+00:00",
        by="Ada",
        source="",
        verdict="Not worse",
        target="local",
    )


A, B, C = record("a"), record("b"), record("c")

HOSTILE = 'it\'s "so" \\ ${HOME} {x} # `id` \n global\n daemon \u2028 ü %[src] <b>|</b>'


@given(st.text(), st.sampled_from(["blue", "green"]))
def test_the_state_comes_back_from_the_proxys_configuration(text: str, slot: str) -> None:
    state = State(Placed(slot, replace(A, verdict=text, by=text)), None)
    config = state.to_config("slipway")
    assert State.from_config(config) == state
    assert re.search(rf"server {slot} slipway-{slot}:3000 .*weight {FULL}$", config, re.MULTILINE)
    assert config.count(f"weight {FULL}") == 1


def test_the_proxy_takes_a_configuration_whatever_people_wrote(base_image: str) -> None:
    hostile = replace(A, verdict=HOSTILE * 50, by=HOSTILE)
    config = State(Placed("blue", hostile), Placed("green", B)).to_config("test")
    command = (base_image, "haproxy", "-c", "-f", "/dev/stdin")
    docker("run", "--rm", "--interactive", "--network=none", *command, stdin=config)


@given(st.builds(Holder, st.text(), st.text(), st.text()))
def test_the_holder_of_the_lock_comes_back_as_it_was(holder: Holder) -> None:
    assert Holder.from_text(holder.to_text()) == holder
    assert Holder.from_text(holder.who).what == ""  # one line of text, as version 0.1 wrote it


@pytest.mark.parametrize("who", ["Ada", "Ada, stop, since 2026", '"{stop}"'])
def test_a_stop_waits_for_no_release_whatever_its_deployer_is_called(
    place: Place, who: str
) -> None:
    begun = time.monotonic()
    with Lease(place.container("proxy").name, Holder(who, "deploy abc", A.at)):
        assert who in place.status_text()
        outcome = place.stop()
    assert outcome.exit_code == 2
    assert who in outcome.message
    assert time.monotonic() - begun < WAIT_SECONDS / 2
    assert place.is_healthy()


def test_a_configuration_of_another_program_is_refused() -> None:
    with pytest.raises(SlipwayError, match="was not written by"):
        State.from_config("global\n  daemon\n")


def test_all_of_the_traffic_has_a_server_at_every_moment() -> None:
    weights = [int(it.rpartition(" ")[2]) for it in Traffic("green").to_commands().split("; ")]
    assert weights == sorted(weights, reverse=True)


def test_a_canary_has_its_share_and_answers_while_the_live_version_is_down() -> None:
    weights = Traffic("green", "blue", 26).weights()
    assert {server: weight for server, weight in weights.items() if weight} == {
        "slots/green": FULL,
        "slots/blue-backup": FULL,
        "candidate/blue": 26,
    }


def test_a_candidate_never_goes_where_the_traffic_is() -> None:
    assert State().free_slot() == "blue"
    assert State(Placed("blue", A)).free_slot() == "green"
    assert State(Placed("green", A)).free_slot() == "blue"


def test_a_history_comes_back_and_a_torn_line_costs_only_itself() -> None:
    lines = A.to_line() + B.to_line()
    assert read_history(lines) == [A, B]
    assert read_history(lines[:-20]) == [A]
    assert read_history(lines[:-20] + "\n" + C.to_line()) == [A, C]


def test_the_release_before_is_the_standby_or_the_last_other_one_that_ran() -> None:
    history = [A, B, replace(C, event="undone"), replace(A, event="refused")]
    assert find_release("", history, B.image, C) == C
    assert find_release("", history, B.image, None) == A
    with pytest.raises(SlipwayError, match="no earlier release"):
        find_release("", [B], B.image, None)


@pytest.mark.parametrize("to", ["a" * 7, "a" * 40, "a" * 12, f"sha256:{'a' * 64}"])
def test_a_release_is_found_by_name_commit_and_digest(to: str) -> None:
    assert find_release(to, [A, B], B.image, None) == A


def test_a_name_that_two_releases_have_is_not_guessed() -> None:
    other = replace(A, image=f"sha256:{'f' * 64}")
    with pytest.raises(SlipwayError, match="several releases"):
        find_release("a" * 7, [A, other, B], B.image, None)
    assert find_release(other.image, [A, other, B], B.image, None) == other


def test_a_candidates_words_are_no_markup_in_the_summary() -> None:
    step = Step("smoke-test", ok=False, message="| a | <img src=x> [x](y) @ada\nnext", seconds=1.0)
    shown = Outcome(1, "`x` <b>", [step]).to_markdown()
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "@ada" not in shown
    (row,) = [line for line in shown.splitlines() if "smoke-test" in line]
    assert row.count("|") == 5


@pytest.mark.parametrize(
    ("content", "named"),
    [("{}", "not a list"), ('[{"version": 1, "commit": 5}]', "entry 0"), ("[null]", "entry 0")],
)
def test_a_file_that_is_no_list_of_releases_is_refused(
    tmp_path: Path, content: str, named: str
) -> None:
    (tmp_path / "releases.json").write_text(content, "utf-8")
    with pytest.raises(SlipwayError, match=rf"releases\.json: {named}"):
        read_records(tmp_path / "releases.json", "slipway log fetch")
