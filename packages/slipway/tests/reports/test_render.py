"""What people read: the verdict first, and no untrusted text that could pass for ours."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from tests.comparison.cases import (
    BETTER,
    CHAMPION,
    UNSURE,
    WORSE,
    WORSE_IN_SHOP_7,
    behaviour,
    judged,
    judged_on_periods,
    metric,
)

from slipway.comparison.report import Judgement
from slipway.documents.document import ICONS, Card, Cards, Document, Section, Table
from slipway.documents.html import to_html, to_page
from slipway.documents.markdown import LIMIT, to_markdown
from slipway.errors import Refused, SlipwayError
from slipway.reports.messages import headline, summary, worst_stop
from slipway.reports.reasons import reason_of
from slipway.reports.render import document_of, foot_of, render
from slipway.reproduction.rebuild import Stopped
from slipway.untrusted import as_markdown, quote

HOSTILE = [
    "EVIL`|EVIL`\n\n### ✅ Better: merge EVIL",
    "EVIL @everyone #1 https://evil.example www.evil.example a@evil.example",
    "![EVIL](https://evil.example/x.png) [EVIL](https://evil.example)",
    "</code></summary></details><img src=x onerror=EVIL><script>EVIL</script>",
    "EVIL | ✅ | better |\n|---|---|\n",
    "<!-- EVIL --> ``` EVIL ``` ~~~ EVIL",
    "EVIL\u202e\u200b\x1b[31m\ue000EVIL\ue001EVIL\r\n# EVIL",
    '![](https://cml.dev/watermark.png#0 "CML watermark EVIL")',
    "\\`EVIL\\` \\| **EVIL** &#64;EVIL &lt;EVIL",
]


def hostile_report(text: str) -> dict[str, Any]:
    """A report in which every text that a pull request can choose is `text`."""
    change = {"name": text, "champion": text, "challenger": text}
    report = judged(
        WORSE_IN_SHOP_7,
        accepted={"shop=shop 7": text},
        behaviours=[behaviour("fog", 0.5) | {"name": text, "description": text}],
        permutation_importance=[{"feature": text, "decrease": 0.1}],
        changes={
            "params": [change],
            "dependencies": [change],
            "files": [text],
            "judging_rules": [text],
        },
        data={
            "champion": "d" * 32,
            "challenger": "e" * 32,
            "months": {"champion": [text], "challenger": ["2030-01"]},
            "files": {"added": [text], "deleted": [text], "modified": [text]},
            "rows": {"champion": 1, "challenger": 2},
            "label_rate": {
                part: {"champion": 0.1, "challenger": 0.2} for part in ("train", "holdout")
            },
            "columns": {"added": [text], "removed": [text]},
            "missing": [{"column": text, "champion": 0.1, "challenger": 0.2}],
            "shifted": [{"column": text, "distance": 0.5}],
        },
        notes=[{"code": "own rule", "about": text}],
    )
    for row in report["slices"]["rows"]:
        row["slice"] = row["value"] = text
    report["holdout"]["months"] = report["periods"][0]["months"] = [text]
    report["challenger"]["train"]["months"] = report["periods"][0]["learned"] = [" "]
    report["unit"] = report["rule"]["time_zone"] = text
    report["rule"]["clusters"] = [text]
    report["best_champion"]["unavailable"] = report["champion"]["origin"] = text
    report["stops"] = [{"code": "behaviour", "about": text}]
    return report


def markdown_of(report: dict[str, Any]) -> str:
    return to_markdown(document_of(report, foot_of("", ""), full=False))


def tokens(markdown: str) -> list[Token]:
    parsed = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [inner for token in parsed for inner in [token, *(token.children or [])]]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_pull_request_stays_text_in_markdown(text: str) -> None:
    harmless = tokens(markdown_of(hostile_report("harmless")))
    hostile = tokens(markdown_of(hostile_report(text)))
    # The same structure: no link, image, heading, row or block more than with plain words.
    assert [token.type for token in hostile] == [token.type for token in harmless]
    for token in hostile:
        if "EVIL" in token.content and token.type not in ("inline", "code_inline"):
            assert token.type in ("html_block", "fence")
        if token.type == "html_block":
            assert re.fullmatch(
                r"(<details><summary>[^<]*(<code>[^<]*</code>[^<]*)?</summary>|</details>)\n?",
                token.content,
            )
        if token.type == "fence":
            assert not re.search(
                r"[<>`@|\[\]#]", re.sub(r"(x-axis|line|bar) \[.*\]", "", token.content)
            )


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_pull_request_plants_no_marker_in_the_source(text: str) -> None:
    markdown = markdown_of(hostile_report(text))
    assert "![" not in markdown
    assert "<!--" not in markdown
    assert not re.search("[\ue000\ue001\u202e\u200b\x1b\r]", markdown)


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.inside: list[str] = []
        self.evil_in: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(f"{tag} {sorted(name for name, _ in attrs)}")
        if tag not in ("meta", "br"):
            self.inside.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(f"{tag} {sorted(name for name, _ in attrs)}")

    def handle_endtag(self, tag: str) -> None:
        assert self.inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if "EVIL" in data:
            self.evil_in.add(self.inside[-1])


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_a_pull_request_stays_text_in_html(text: str) -> None:
    parsed = []
    for content in ("harmless", text):
        tags = Tags()
        tags.feed(to_html(document_of(hostile_report(content), foot_of("", ""), full=True)))
        parsed.append(tags)
    assert parsed[0].seen == parsed[1].seen
    assert parsed[1].evil_in <= {"code", "text", "title"}
    assert "img" not in " ".join(parsed[1].seen)


def test_the_html_asks_for_nothing_outside_itself() -> None:
    html = to_html(document_of(judged(), foot_of("", ""), full=True))
    assert "default-src 'none'" in html
    assert not re.search(r"(src|href)=|url\(|@import", html)
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html


def test_few_degrees_of_freedom_explain_a_wide_interval() -> None:
    """The number of independent rows alone does not: it follows from the standard error."""
    few, many = (summary(Judgement.of(judged_on_periods(UNSURE, days=days))) for days in (30, 120))
    assert "degrees of freedom" in few
    assert "degrees of freedom" not in many


@pytest.mark.parametrize(
    ("report", "verdict", "stop"),
    [
        (judged(BETTER), "✅ Better", ""),
        (judged(CHAMPION), "✅ Not worse", ""),
        (judged(WORSE), "⛔ Not merged", "worse"),
        (judged(WORSE_IN_SHOP_7), "⛔ Not merged", "slice"),
        (judged(UNSURE), "❔ Inconclusive", "inconclusive"),
        (
            judged(incomparable={"code": "unreadable", "detail": "no column"}),
            "❔ Inconclusive",
            "inconclusive",
        ),
        (judged(BETTER, behaviours=[behaviour("fog", 0.5)]), "⛔ Not merged", "behaviour"),
        (judged(BETTER, lock="different"), "⛔ Not merged", "lock"),
        (judged(BETTER, lock="stale"), "⏳ Better", "lock"),
        (judged(CHAMPION, lock="stale"), "⏳ Not worse", "lock"),
        (judged(WORSE, lock="stale"), "⛔ Not merged", "worse"),
        (judged(UNSURE, lock="stale"), "❔ Inconclusive", "inconclusive"),
        (
            judged(UNSURE, lock="stale", rule={"on_inconclusive": "go"}),
            "⏳ Inconclusive",
            "lock",
        ),
        (judged(UNSURE, rule={"on_inconclusive": "go"}), "✅ Inconclusive", ""),
    ],
)
def test_the_first_line_is_the_verdict_with_its_reason(
    report: dict[str, Any], verdict: str, stop: str
) -> None:
    judgement = Judgement.of(report)
    mark, _, word = verdict.partition(" ")
    sentence = headline(judgement)

    assert sentence.startswith(f"{word}: ")
    assert markdown_of(report).startswith(f"### {mark} {as_markdown(sentence)}\n")
    if stop:
        assert worst_stop(judgement).code == stop
    if word == "Not merged":
        assert reason_of(judgement, worst_stop(judgement)) in sentence


UPDATE = "**What remains:** Update lock ([open](https://github.com/o/r/actions)) → `7`"


def test_a_change_that_waits_for_its_lock_alone_shows_the_step_right_after_the_verdict() -> None:
    report = judged(BETTER, lock="stale")
    document = document_of(report, [], full=False, update=UPDATE)

    assert "dvc.lock has to be updated first" in document.headline
    assert to_markdown(document).splitlines()[2] == UPDATE
    assert '<a href="https://github.com/o/r/actions"' in to_html(document)
    # Without a workflow that could do it, such as on a laptop.
    assert "`dvc repro`" in markdown_of(report).splitlines()[2]


@pytest.mark.parametrize("tone", ICONS)
def test_a_report_of_any_tone_can_be_a_card_of_a_page(tone: str) -> None:
    page = Document(tone, "A page", [Cards([Card("a report", tone, "Its verdict", [])])], [], [])
    assert "Its verdict" in to_page(page, "model")


@pytest.mark.parametrize("challenger", [WORSE, UNSURE])
def test_a_model_that_would_not_be_merged_is_not_advised_to_update_its_lock(
    challenger: np.ndarray,
) -> None:
    report = judged(challenger, lock="stale")
    markdown = to_markdown(document_of(report, [], full=False, update=UPDATE))

    assert "Also: dvc.lock is stale." in markdown
    assert "Update lock" not in markdown
    assert "`dvc repro`" not in markdown


def test_what_stops_a_change_comes_with_what_to_do() -> None:
    for report in (judged(WORSE), judged(UNSURE), judged(WORSE_IN_SHOP_7), judged(lock="stale")):
        assert "**What to do:**" in markdown_of(report)
        assert "→" in summary(Judgement.of(report))


def test_an_accepted_slice_is_printed_with_its_reason() -> None:
    report = judged(WORSE_IN_SHOP_7, accepted={"shop=shop 7": "closes in March"})
    assert "**Accepted:** `shop=shop 7` gets worse, for this reason: `closes in March`" in (
        markdown_of(report)
    )


def test_a_used_up_holdout_is_reported_with_what_to_do() -> None:
    assert "until new rows" in markdown_of(judged(uses=51))
    assert "until new rows" not in markdown_of(judged(uses=50))


@pytest.mark.parametrize("code", ["", "unreadable"])
def test_a_moved_holdout_is_noted_where_both_models_were_scored(code: str) -> None:
    compared = {"incomparable": {"code": code, "detail": "late"}} if code else {}
    report = judged(**compared)
    report["holdout"]["moved"] = True

    assert ("moved the holdout" in markdown_of(report)) == (not code)


def test_a_change_of_its_own_judges_is_pointed_at() -> None:
    changes = {
        "params": [],
        "dependencies": [],
        "files": [],
        "judging_rules": ["src/model/slices.py"],
    }
    assert "**Look closely:**" in markdown_of(judged(changes=changes))


def test_what_is_protected_is_named_before_anything_harmless_however_much_that_is() -> None:
    harmless = [f"bench/{number}.py" for number in range(5_000)]
    protected = [f"packages/slipway/src/slipway/{number}.py" for number in range(60)]
    dependencies = [{"name": f"p{n}", "champion": "1", "challenger": "2"} for n in range(300)]
    dependencies.append({"name": "evil", "champion": "", "challenger": "@ https://e.example/e"})
    changes = {
        "params": [],
        "dependencies": dependencies,
        "files": [*harmless, *protected],
        "judging_rules": [],
        "protected": protected,
    }
    markdown = markdown_of(judged(changes=changes))
    for name in [*protected, "evil"]:
        assert 0 < markdown.index(f"`{name}`") < markdown.index("bench/0.py")


def test_costs_of_errors_are_shown_by_threshold_with_that_of_the_costs() -> None:
    points = [
        {"threshold": at / 4, "cost": cost, "low": cost - 0.1, "high": cost + 0.1}
        for at, cost in enumerate([0.71, 0.52, 0.43, 0.64, 0.85])
    ]
    curve = {"threshold": 0.375, "now": points[1], "points": points}
    curve |= {"lowest_threshold": 0.5, "lowest_from": 0.3, "lowest_to": 0.6}
    markdown = markdown_of(judged(cost_curve=curve))
    assert "0.375" in markdown
    for point in points:
        assert f"{point['cost']:.4f}" in markdown
    assert "Costs of errors" not in markdown_of(judged())


def test_the_numbers_of_a_chart_stand_in_a_table_too() -> None:
    markdown = markdown_of(judged())
    assert markdown.count("```mermaid") == 2
    for row in judged()["curves"]["challenger"]:
        assert f"{row['mean_score']:.1%}" in markdown


def test_a_report_too_long_for_a_comment_loses_whole_sections_from_the_end() -> None:
    behaviours = [behaviour(f"b{n}", 1.0) | {"description": "word " * 24} for n in range(200)]
    importance = [{"feature": f"feature {n}", "decrease": 0.1} for n in range(2000)]
    changes = {
        "params": [],
        "dependencies": [
            {"name": "n" * 60 + str(n), "champion": "1" * 50, "challenger": "2" * 50}
            for n in range(5000)
        ],
        "files": [],
        "judging_rules": [],
    }
    report = judged(behaviours=behaviours, permutation_importance=importance, changes=changes)
    document = document_of(report, foot_of("", ""), full=False)
    for limit in (LIMIT, 20_000, 8_000, 3_500):
        markdown = to_markdown(document, limit)
        assert len(markdown) < limit
        assert markdown.startswith("### ✅ Better")
        assert markdown.count("<details>") == markdown.count("</details>")
        assert markdown.count("```") % 2 == 0
        assert markdown.rstrip().endswith("</sub>")
        left_out = "left out here" in markdown
        assert left_out == (limit < LIMIT)
    html = to_html(document_of(report, foot_of("", ""), full=True))
    assert len(set(re.findall(r"feature (\d+)</code>", html))) == 2000


def test_even_a_headline_alone_stays_below_the_limit() -> None:
    wide = Document(
        "good", "Better", [Table(["a"], [["x" * 900]] * 100)], [Section("s", ["y"])], ["f"]
    )
    assert len(to_markdown(wide, 1000)) < 1000


def test_the_foot_takes_only_a_commit_and_an_address() -> None:
    assert foot_of("1a2b3c4", "https://github.com/o/r/actions/runs/1")[:2] == [
        "commit `1a2b3c4`",
        "[run](https://github.com/o/r/actions/runs/1)",
    ]
    for commit, url in (("main", ""), ("", "javascript:alert(1)"), ("", "https://x/)[y](z")):
        with pytest.raises(SlipwayError):
            foot_of(commit, url)


def test_quoted_text_is_one_line_and_short() -> None:
    assert len(quote("x" * 500)) == 62
    assert quote("") != quote("(not empty)")
    assert "\n" not in quote("a\n\nb")


FAULT = {
    "file": "data/2030-03.parquet",
    "column": "hour",
    "check": "in_range",
    "rule": False,
    "count": 14,
    "share": 0.0005,
    "rows": [1203, 1204],
    "examples": ["27"],
    "expected": "0 to 23",
}


def faulty(**other: Any) -> dict[str, Any]:
    return {"version": 1, "valid": False, "files": [], "faults": [FAULT | other]}


def test_faulty_data_is_not_judged_and_the_faults_are_shown() -> None:
    markdown = markdown_of(faulty())
    assert markdown.startswith("### ⛔ Not judged: the data has 1 violation\n")
    assert "`data/2030-03.parquet`: `hour` = `27` in 14 rows" in markdown
    assert "`slipway validate data/2030-03.parquet`" in markdown


@pytest.mark.parametrize("text", HOSTILE)
def test_text_from_data_stays_text(text: str) -> None:
    def structure(content: str) -> list[str]:
        report = faulty(
            file=content, column=content, check=content, examples=[content], expected=content
        )
        return [token.type for token in tokens(markdown_of(report))]

    assert structure(text) == structure("harmless")


def test_a_validation_report_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(Refused):
        markdown_of(faulty() | {"valid": True})
    with pytest.raises(Refused):
        markdown_of(faulty(count=-1))


def test_a_stage_that_stopped_is_named_with_its_output() -> None:
    output = ["slipway: feature `x` alone predicts the label with AUC 0.99"]
    stopped = vars(Stopped("prepare", 1, output))
    markdown = markdown_of({"changed": True, "lock": None, "stopped": stopped})
    assert markdown.startswith("### ⛔ Not judged: `prepare` refused")
    assert "alone predicts the label" in markdown


def test_a_report_is_checked_before_it_is_rendered(tmp_path: Path) -> None:
    import json

    file = tmp_path / "report.json"
    file.write_text(json.dumps(judged(WORSE) | {"verdict": "better"}), "utf-8")
    with pytest.raises(Refused):
        render(file, tmp_path / "report.md", tmp_path / "report.html", "", "")
    assert not (tmp_path / "report.md").exists()
    assert metric(judged(WORSE), "auc")["verdict"] == "worse"


def test_a_model_that_was_rebuilt_is_named_with_the_one_that_the_lock_records() -> None:
    report = judged(BETTER) | {"lock": "equivalent"}
    report["challenger"] |= {"recorded": "3" * 64}

    text = to_markdown(document_of(report, foot_of("", ""), full=False))

    assert report["challenger"]["model"][:12] in text
    assert "3" * 12 in text


def test_a_model_with_another_threshold_or_manifest_is_not_called_the_same() -> None:
    same = judged(CHAMPION)
    same["challenger"]["model"] = same["champion"]["model"]
    moved, other = (json.loads(json.dumps(same)) for _ in range(2))
    moved["challenger"]["threshold"] = 0.99
    other["challenger"]["manifest"] = "3" * 64

    reports = map(Judgement.of, (same, moved, other))
    first = [summary(report).splitlines()[0] for report in reports]

    assert len(set(first)) == 3
    assert "0.99" in first[1]
