"""The one issue of the drift check: when it is opened, changed, closed, and what it never does."""

from __future__ import annotations

import re
from typing import Any

import pytest
from markdown_it import MarkdownIt
from tests.services.projects import ROOT
from tests.workflows.drifting import (
    alarm,
    column,
    drifted,
    performance,
    quiet,
    season,
    silent,
    week,
)
from tests.workflows.watched import ADA, BOT

from slipway.github.drift_issue import About, publish
from slipway.github.mentions import owners
from slipway.monitoring.recommendations import GUIDE
from slipway.monitoring.report import DriftReport, without_answer

RUN = "https://github.com/team/flights/actions/runs/4711"

ABOUT = About(run=RUN, base="https://github.com/team/flights/blob/abc", owners=("@ada",))

OUTSIDER = {"login": "mallory", "type": "User"}


@pytest.fixture
def check(api):
    """Publish the report of a check; return what was done and the exit code."""

    def check(report: dict[str, Any], about: About = ABOUT) -> tuple[str, int]:
        published = publish(api, DriftReport.of(report), about)
        return published.words, published.exit_code

    return check


@pytest.fixture
def issues(github):
    """The issues there are, the oldest first."""
    return lambda: list(github.watched.issues.values())


@pytest.fixture
def remarks(github):
    return lambda: [text for texts in github.watched.remarks.values() for text in texts]


def shown(issue: dict[str, Any]) -> str:
    """The text of an issue that a reader sees."""
    return re.sub(r"<!--.*?-->", "", issue["body"], flags=re.DOTALL)


def test_the_reports_here_have_what_real_ones_have():
    assert set(quiet()) == set(without_answer("no traffic").model_dump())


def test_a_quiet_check_writes_nothing(check, issues, github):
    assert check(quiet()) == ("quiet: there is no issue to update", 0)

    assert issues() == []
    assert [call for call in github.calls if not call.startswith("GET")] == []


def test_drift_opens_an_issue_with_the_numbers_the_owner_and_what_to_do(check, issues):
    words, code = check(drifted())

    [issue] = issues()
    assert (words, code) == (f"drift: opened {issue['html_url']}", 0)
    assert issue["title"] == "Drift since 2013-10-03: temp"
    assert [label["name"] for label in issue["labels"]] == ["drift"]
    text = shown(issue)
    assert "| `temp` | **drift** | 0.74 | mean 68.02 → 60.51 (0.8 sd lower) |" in text
    assert "docs/watch.md#data-drift" in text
    assert "@ada" in text
    assert RUN in text
    assert "Performance is not known" in text


def test_its_charts_are_drawn_by_github_itself(check, issues):
    check(drifted())

    charts = re.findall(r"```mermaid\n(.*?)```", issues()[0]["body"], re.DOTALL)
    assert [chart.split("\n")[0] for chart in charts] == ["xychart-beta"] * 3
    assert "![" not in issues()[0]["body"]
    assert "line [0, 0.1, 0.2" in charts[2]
    assert "| 2013-10-03 | 900 | 0.20 |" in issues()[0]["body"]


def test_the_next_check_changes_it_and_notifies_no_one_again(check, issues, remarks):
    check(drifted())
    check(drifted(column("temp", "drift", 0.81)))

    [issue] = issues()
    assert "0.81" in shown(issue)
    assert "0.74" not in shown(issue)
    assert remarks() == []


def test_what_moves_in_addition_is_news(check, issues, remarks):
    check(drifted())
    check(drifted(column("temp", "drift", 0.7), column("wind", "drift", 0.4)))

    assert len(issues()) == 1
    assert remarks() == [f"New ([the check]({RUN})): `wind`."]


def test_when_it_is_quiet_again_the_issue_is_closed_with_a_sentence(check, issues, remarks):
    check(drifted())
    words, code = check(quiet())

    [issue] = issues()
    assert words == f"quiet again: closed {issue['html_url']}"
    assert (issue["state"], code) == ("closed", 0)
    assert remarks()[0].startswith("✅ Quiet again")
    assert "12,600 predictions look like" in remarks()[0]
    assert "0.74" in shown(issue)  # what it was stays to be read
    check(quiet())
    assert len(remarks()) == 1


def test_drift_after_that_is_another_matter_and_another_issue(check, issues):
    for report in (drifted(), quiet(), drifted()):
        check(report)

    assert [issue["state"] for issue in issues()] == ["closed", "open"]


def test_an_issue_that_was_closed_by_hand_stays_closed_until_something_else_moves(check, issues):
    check(drifted())
    issues()[0]["state"] = "closed"

    assert "nothing new since #100 was closed by hand" in check(drifted())[0]
    assert len(issues()) == 1

    check(drifted(column("wind", "drift", 0.4)))
    assert [issue["state"] for issue in issues()] == ["closed", "open"]
    assert issues()[1]["body"].split("\n")[1] == "Earlier: #100."


def test_an_issue_that_was_closed_by_hand_is_over_once_it_was_quiet(check, issues):
    check(drifted())
    issues()[0]["state"] = "closed"
    check(quiet())
    check(drifted())

    assert [issue["state"] for issue in issues()] == ["closed", "open"]


class TestNoAnswer:
    def test_it_opens_an_issue_with_the_reason(self, check, issues):
        words, code = check(silent())

        [issue] = issues()
        assert (words, code) == (f"inconclusive: opened {issue['html_url']}", 2)
        assert issue["title"] == "The drift check is inconclusive"
        assert "no traffic: nothing came." in shown(issue)
        assert "docs/watch.md#the-check-is-inconclusive" in shown(issue)

    def test_it_goes_into_the_open_issue_which_keeps_what_was_found(self, check, issues, remarks):
        check(drifted())
        for _ in range(2):
            check(silent())

        [issue] = issues()
        assert issue["title"] == "The drift check is inconclusive"
        assert shown(issue).count("no traffic: nothing came.") == 1
        assert shown(issue).count("| `temp` | **drift** | 0.74 |") == 1
        assert len(remarks()) == 1

    def test_what_had_moved_before_is_no_news_after_it(self, check, issues, remarks):
        for report in (drifted(), silent(), drifted()):
            check(report)

        [issue] = issues()
        assert issue["title"].startswith("Drift since")
        assert "inconclusive" not in shown(issue)
        assert remarks()[-1] == f"The check is conclusive again ([run]({RUN}))."

    def test_an_answer_that_all_is_well_closes_it(self, check, issues):
        check(silent())
        check(quiet())

        assert [issue["state"] for issue in issues()] == ["closed"]

    def test_closing_it_by_hand_does_not_make_the_silence_health(self, check, issues):
        check(silent())
        issues()[0]["state"] = "closed"
        check(silent())

        assert [issue["state"] for issue in issues()] == ["open"]


class TestWhoseIssue:
    def test_an_untrusted_copy_of_the_mark_is_not_taken_for_it(self, check, issues, github):
        check(drifted())
        body = issues()[0]["body"]
        issues()[0]["state"] = "closed"
        github.watched.issues.clear()
        github.watched.open_issue("Drift", body, ("drift",), user=OUTSIDER)
        github.watched.open_issue(
            "Drift", body, ("drift",), user={"login": "x[bot]", "type": "Bot"}
        )

        check(drifted())

        assert [issue["user"] for issue in issues()][-1] == BOT
        assert [issue["body"] for issue in issues()[:2]] == [body, body]

    def test_an_issue_of_the_bot_without_the_mark_is_left_alone(self, check, issues, github):
        github.watched.labels["drift"] = {}
        github.watched.open_issue("Something else", "text", ("drift",))
        check(drifted())

        assert [issue["body"] for issue in issues()][:-1] == ["text"]

    def test_one_behind_hundreds_of_others_is_found(self, check, issues, github):
        check(drifted())
        for _ in range(130):
            github.watched.open_issue("By hand", "text", ("drift",), user=ADA)
        check(drifted())

        assert len(issues()) == 131

    def test_a_mark_that_was_edited_costs_no_second_issue(self, check, issues):
        check(drifted())
        issue = issues()[0]
        issue["body"] = re.sub(r"slipway:drift \S+", "slipway:drift QQ==", issue["body"])
        check(drifted())

        assert len(issues()) == 1


HOSTILE = (
    "never seen before: `<img src=x onerror=alert(1)>`, `@everyone`, `![x](https://evil)`"
    " then ]( @team/all #1 https://evil.example www.evil.example <script>x</script> **b** | cell"
)


class TestUntrustedText:
    @pytest.fixture
    def text(self, check, issues):
        """Return GitHub's rendering of a report full of untrusted text."""
        check(
            drifted(
                column("temp", "drift", 0.7, words=HOSTILE, unseen_share=0.2),
                words=HOSTILE,
                alarms=[alarm("temp", words=HOSTILE)],
                faults=[HOSTILE, "--> <!-- slipway:drift x -->"],
                log="file|with`<b>",
            )
        )
        return issues()[0]["body"]

    def test_none_of_it_becomes_markup(self, text):
        html = MarkdownIt("commonmark").enable("table").render(text)

        visible = re.sub(r"<code>.*?</code>", "", html, flags=re.DOTALL)
        assert "<img" not in visible
        assert "<script" not in visible
        assert "evil.example" not in "".join(re.findall(r'href="([^"]*)"', visible))

    def test_it_mentions_no_one_and_links_nothing(self, text):
        outside = re.sub(r"`[^`\n]*`", "", text)

        assert re.findall(r"@[a-z]\S*", outside) == ["@ada"]
        assert re.findall(r"#1\b", outside) == []
        assert not re.search(r"https://evil|www\.evil", outside)

    def test_it_cannot_end_a_table_or_begin_a_comment(self, text):
        [row] = [line for line in text.splitlines() if line.startswith("| `temp` | **drift**")]
        assert row.count("|") == 5
        assert text.count("<!--") == 2  # the mark, and where the evidence begins


def test_a_report_far_too_long_is_cut_to_what_an_issue_holds(check, issues):
    many = [column(f"column_{i}", "drift", 1.0, words="x" * 5000) for i in range(400)]
    check(drifted(*many, words="y" * 90_000, faults=["z" * 900] * 900))

    assert 1_000 < len(issues()[0]["body"]) < 65_536


@pytest.mark.parametrize(
    ("row", "anchor"),
    [
        (column("temp", "drift", 1.0, missing_now=0.4), "missing-values"),
        (column("temp", "drift", 1.0, unseen_share=0.3), "unseen-values"),
        (column("temp", "drift", 1.0, broken_share=0.2), "invalid-values"),
        (column("temp", "drift", 1.0), "data-drift"),
        (column("score", "drift", 1.0), "multivariate-drift"),
    ],
)
def test_each_cause_has_its_next_step(check, issues, row, anchor):
    check(drifted(row))

    assert re.findall(r"watch\.md#([\w-]+)", issues()[0]["body"]) == [anchor]


@pytest.mark.parametrize(
    ("fields", "anchor"),
    [
        ({"alarms": [alarm("volume")]}, "more-or-fewer-predictions"),
        ({"alarms": [alarm("joint")]}, "multivariate-drift"),
        (
            {"performance": performance(status="worse", words="It ranks worse.")},
            "performance-has-degraded",
        ),
        (
            {"concept": {"status": "drift", "words": "More rows are positive."}},
            "concept-drift",
        ),
        ({"faults": ["`temp` is not a number in 7 records."]}, "the-log-has-faults"),
    ],
)
def test_so_has_what_is_no_column(check, issues, fields, anchor):
    check(quiet() | {"status": "drift"} | fields)

    assert re.findall(r"watch\.md#([\w-]+)", issues()[0]["body"]) == [anchor]


def test_it_reports_that_there_is_no_such_season_to_compare_with(check, issues):
    check(drifted(season=season(words="The reference history has no October.")))

    assert "has no October" in shown(issues()[0])


def test_every_next_step_is_in_the_guide():
    guide = (ROOT / GUIDE).read_text("utf-8")
    anchors = {
        line[4:].lower().replace(" ", "-") for line in guide.splitlines() if line[:4] == "### "
    }
    code = (ROOT / "packages/slipway/src/slipway/monitoring/recommendations.py").read_text("utf-8")
    named = set(re.findall(r'^            "([a-z-]+)",$', code, re.MULTILINE))

    assert len(named) >= 9
    assert {name.replace(",", "") for name in named} <= {name.replace(",", "") for name in anchors}


def test_the_weeks_of_the_labels_stand_there_as_numbers_and_as_a_chart(check, issues):
    weeks = [week("2013-10-01", 0.7), week("2013-10-08", 0.64)]
    check(drifted(performance=performance(status="worse", words="It ranks worse.", weeks=weeks)))

    text = shown(issues()[0])
    assert "| 2013-10-08 | 900 of 1,000 | 0.640 (0.620 to 0.660) | 20.0% |  |" in text
    assert "line [0.7, 0.64]" in text
    assert text.index("It ranks worse.") < text.index("| `temp` |")


def test_the_owner_is_the_last_line_of_codeowners_that_speaks_of_the_model(tmp_path, monkeypatch):
    assert owners(tmp_path) == []
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github/CODEOWNERS").write_text(
        "* @team/all\n/src/model/ @ada # who else\ndocs/ @x\n"
    )
    assert owners(tmp_path) == ["@ada"]

    monkeypatch.setenv("SLIPWAY_OWNER", "bob, @team/on-call <script>")
    assert owners(tmp_path) == ["@bob", "@team/on-call"]
