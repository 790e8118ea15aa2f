"""A report is accepted only if it is well formed and its verdict follows from its numbers."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.comparison.cases import (
    BETTER,
    CHAMPION,
    DAYS,
    NEWEST,
    ROWS,
    RULE,
    UNSURE,
    WORSE,
    WORSE_IN_SHOP_7,
    behaviour,
    judged,
    judged_on_periods,
    metric,
    version_1,
    version_2,
)

from slipway.comparison.report import VERSION
from slipway.errors import Refused, SlipwayError
from slipway.metrics.clusters import DAY
from slipway.reports.check import check, read_report
from slipway.schemas import Newer
from slipway.settings import Evaluate, Judge

Forge = Callable[[dict[str, Any]], object]


def row_of_shop_7(report: dict[str, Any]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = report["slices"]["rows"]
    return next(row for row in rows if row["value"] == "shop 7")


@pytest.mark.parametrize(
    "report",
    [
        judged(BETTER),
        judged(CHAMPION),
        judged(WORSE),
        judged(UNSURE),
        judged(WORSE_IN_SHOP_7, accepted={"shop=shop 7": "closes in March"}),
        judged(BETTER, best=BETTER, behaviours=[behaviour("fog", 0.5)], uses=60),
        judged(incomparable={"code": "unreadable", "detail": "no column"}),
        judged_on_periods(BETTER),
        judged_on_periods(UNSURE),
        judged_on_periods(UNSURE, customers=40),
        judged_on_periods(days=20),
    ],
    ids=[
        "better",
        "same",
        "worse",
        "unsure",
        "slice",
        "spent",
        "unreadable",
        "periods",
        "unsure periods",
        "unsure customers",
        "few days",
    ],
)
def test_what_the_judge_writes_is_believed_also_after_a_round_trip(
    report: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(report, allow_nan=False), "utf-8")
    check(read_report(file))


CLAIMS: dict[str, tuple[dict[str, Any], Forge]] = {
    "worse model called better": (judged(WORSE), lambda r: r.update(verdict="better")),
    "may merge all the same": (judged(WORSE), lambda r: r.update(may_merge=True)),
    "its stops left out": (judged(WORSE), lambda r: r.update(stops=[], may_merge=True)),
    "everything claimed at once": (
        judged(WORSE),
        lambda r: r.update(verdict="better", may_merge=True, stops=[]),
    ),
    "one metric called better": (
        judged(WORSE),
        lambda r: metric(r, "auc").update(verdict="better"),
    ),
    "a kinder interval": (
        judged(WORSE),
        lambda r: metric(r, "auc")["difference"].update(low=-0.001, high=0.001),
    ),
    "a difference of other values": (
        judged(WORSE),
        lambda r: metric(r, "auc").update(challenger=0.99),
    ),
    "a kinder p-value": (
        judged(WORSE),
        lambda r: metric(r, "auc")["difference"].update(p_up=0.0, p_down=1.0),
    ),
    "a margin of its own": (judged(WORSE), lambda r: metric(r, "auc").update(margin=0.5)),
    "a worse slice hidden": (
        judged(WORSE_IN_SHOP_7),
        lambda r: row_of_shop_7(r).update(verdict="no regression found"),
    ),
    "a worse slice with a kinder correction": (
        judged(WORSE_IN_SHOP_7),
        lambda r: row_of_shop_7(r)["metrics"]["auc"].update(p_adjusted=0.9),
    ),
    "slices left out of the count": (judged(BETTER), lambda r: r["slices"]["rows"].pop()),
    "a behaviour that fails and holds": (
        judged(behaviours=[behaviour("fog", 0.5)]),
        lambda r: r["behaviours"][0].update(holds=True),
    ),
    "a fresh holdout": (judged(uses=60), lambda r: r["holdout"].update(uses=1)),
    "a limit of its own": (judged(), lambda r: r["cost"]["row_ms"].update(limit=9.0)),
    "flips that do not add up": (judged(), lambda r: r["changed_decisions"].update(now_right=0)),
    "a comparison left out": (judged(WORSE), lambda r: r.update(metrics=[])),
    "a period called fresh": (
        judged_on_periods(uses=(3, 60, 2, 1)),
        lambda r: r["holdout"].update(uses=1, reliability=1 - RULE["alpha"] / RULE["budget"]),
    ),
    "a period left out": (judged_on_periods(WORSE), lambda r: r["periods"].pop(0)),
    "the same period twice": (
        judged_on_periods(WORSE),
        lambda r: r["periods"][0].update(keys_sha256=r["periods"][1]["keys_sha256"]),
    ),
    "another holdout than the last period": (
        judged_on_periods(),
        lambda r: r["holdout"].update(keys_sha256="f" * 64),
    ),
    "more periods than the rule has": (judged_on_periods(), lambda r: r["rule"].update(origins=3)),
    "independent rows": (judged_on_periods(), lambda r: r.update(unit="row")),
    "degrees of freedom of rows": (
        judged_on_periods(),
        lambda r: metric(r, "auc")["difference"].update(dof=ROWS - 1.0),
    ),
    "more days than there are": (
        judged_on_periods(UNSURE),
        lambda r: metric(r, "auc")["difference"].update(clusters=10 * DAYS),
    ),
    "too few days to decide": (
        judged_on_periods(days=20),
        lambda r: metric(r, "auc")["difference"].update(insufficient_reason=""),
    ),
    "a guard that is worse, of too few rows": (
        judged_on_periods(WORSE),
        lambda r: metric(r, "log_loss")["difference"].update(insufficient_reason="too few rows"),
    ),
    "few days, with many": (
        judged_on_periods(WORSE),
        lambda r: metric(r, "auc")["difference"].update(
            insufficient_reason="24 days and 25 are needed"
        ),
    ),
    "few positives, with many": (
        judged_on_periods(WORSE),
        lambda r: r["newest"][0]["difference"].update(
            insufficient_reason="fewer than 50 rows of a class"
        ),
    ),
    "independent rows in several periods": (
        judged_on_periods(),
        lambda r: (r.update(unit="row"), r["rule"].update(clusters=[])),
    ),
    "another way of clusters": (
        judged_on_periods(UNSURE),
        lambda r: (
            r["rule"].update(clusters=[DAY, "x"]),
            metric(r, "auc")["difference"].update(dof=DAYS - 1.0),
        ),
    ),
    "a month that was learned": (
        judged_on_periods(),
        lambda r: r["periods"][1].update(learned=r["periods"][3]["learned"]),
    ),
    "a month twice": (
        judged_on_periods(),
        lambda r: r["periods"][0].update(months=r["periods"][1]["months"]),
    ),
    "more days than the months have": (
        judged_on_periods(UNSURE),
        lambda r: [row["difference"].update(clusters=5_000) for row in r["metrics"]],
    ),
    "the champion as another best champion": (
        judged_on_periods(UNSURE),
        lambda r: r["best_champion"].update(
            difference=judged_on_periods(BETTER)["metrics"][0]["difference"]
        ),
    ),
    "the newest period hidden": (
        judged_on_periods(newest=CHAMPION[NEWEST][::-1]),
        lambda r: r.update(newest=[]),
    ),
    "a loss on the newest period hidden": (
        judged_on_periods(newest=CHAMPION[NEWEST][::-1]),
        lambda r: r.update(verdict="better", may_merge=True, stops=[]),
    ),
    "the best champion beaten on paper": (
        judged(WORSE, WORSE, best=BETTER),
        lambda r: r["best_champion"].update(verdict="not worse"),
    ),
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_claim_that_the_numbers_do_not_carry_is_refused(claim: str) -> None:
    honest, forge = CLAIMS[claim]
    forged = copy.deepcopy(honest)
    check(forged)
    forge(forged)
    with pytest.raises(Refused, match="contradicts itself"):
        check(forged)


@pytest.mark.parametrize(
    "forge",
    [
        lambda r: r.pop("verdict"),
        lambda r: r.update(extra=1),
        lambda r: r.update(version=0),
        lambda r: r.update(version=VERSION + 1),
        lambda r: r.update(verdict="excellent"),
        lambda r: r["challenger"].update(model="not a hash"),
        lambda r: r["challenger"].update(model="a" * 64 + "\n"),
        lambda r: r["challenger"].update(commit="@everyone"),
        lambda r: metric(r, "auc").update(champion="0.7"),
        lambda r: metric(r, "auc")["difference"].update(insufficient_reason="<b>"),
        lambda r: r["changes"]["files"].extend(["x"] * 20_000),
        lambda r: r["behaviours"][0].update(description="x" * 3000),
        lambda r: r["rule"].update(alpha=0.9),
        lambda r: r["rule"]["margins"].pop("auc"),
        lambda r: r["rule"]["margins"].update(gini=0.1),
        lambda r: r["rule"]["guards"].append("gini"),
        lambda r: r["rule"].update(primary="recall"),
        lambda r: r["slices"]["rows"][0]["metrics"].pop("log_loss"),
        lambda r: r["slices"]["rows"][0]["metrics"].update(gini=None),
        lambda r: r.update(anchor=r["best_champion"]),
        lambda r: r.update(may_merge=1),
        lambda r: r["holdout"].update(rows=True),
        lambda r: r["holdout"].update(uses=1.0),
    ],
    ids=["no verdict", "more", "version", "newer", "word", "hash", "line end", "commit", "text",
         "markup", "many", "long", "alpha", "no margin", "margin", "guard", "primary",
         "no slice metric", "slice metric", "field under both names",
         "number for a flag", "flag for a number", "fraction for a count"],
)  # fmt: skip
def test_what_breaks_the_schema_is_refused(forge: Forge) -> None:
    report = copy.deepcopy(judged())
    forge(report)
    with pytest.raises(Refused, match="not a report"):
        check(report)


@pytest.mark.parametrize("challenger", [BETTER, WORSE, UNSURE], ids=["better", "worse", "unsure"])
def test_earlier_versions_of_a_report_are_read_as_the_same_judgement(
    challenger: np.ndarray,
) -> None:
    second = version_2(judged(challenger))
    first = version_1(second)
    assert "anchor" in first
    assert check(first).as_json() == check(second).as_json()
    assert check(second).verdict == judged(challenger)["verdict"]


@pytest.mark.parametrize(
    "forge",
    [
        lambda r: r["rule"].update(clusters=[DAY]),
        lambda r: r["notes"].append({"code": "snapshots", "about": "at"}),
        lambda r: metric(r, "auc")["difference"].update(dof=10.0),
        lambda r: r["newest"].append(metric(r, "auc")),
    ],
    ids=["clusters", "note", "degrees of freedom", "newest"],
)
def test_an_earlier_version_does_not_excuse_what_this_one_has(forge: Forge) -> None:
    report = version_2(judged(UNSURE)) | {"newest": []}
    check(report)
    forge(report)
    with pytest.raises(Refused, match="version 2"):
        check(report)


def test_a_report_of_a_later_version_is_refused_by_name() -> None:
    with pytest.raises(Newer, match=f"a newer slipway wrote it, in version {VERSION + 1}") as error:
        check(judged() | {"version": VERSION + 1})
    assert error.value.do


@pytest.mark.parametrize(
    "forge",
    [
        lambda r: r["behaviours"].extend([{}] * 1_000_000),
        lambda r: r["changes"]["files"].extend([None] * 1_000_000),
        lambda r: r.update({f"key {number}": 1 for number in range(300_000)}),
        lambda r: r["rule"]["margins"].update({f"key {number}": 1 for number in range(300_000)}),
    ],
    ids=["entries", "files", "keys", "margins"],
)
def test_a_report_that_is_made_to_be_slow_is_refused_in_seconds(forge: Forge) -> None:
    report = copy.deepcopy(judged())
    forge(report)
    began = time.process_time()
    with pytest.raises(Refused, match="not a report"):
        check(report)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(number: str, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    text = json.dumps(judged())
    value = json.dumps(metric(judged(), "auc")["champion"])
    file.write_text(text.replace(value, number), "utf-8")
    with pytest.raises(SlipwayError):
        check(read_report(file))


@pytest.mark.parametrize(
    ("content", "exit_code"),
    [(b"{", 2), (b"\xff\xfe", 2), (b"[]", 1), (b"[" * 100_000, 2), (b" " * 5_000_001, 1)],
    ids=["cut off", "not text", "no report", "deep", "huge"],
)
def test_a_file_that_is_no_report_ends_with_a_sentence(
    content: bytes, exit_code: int, tmp_path: Path
) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(content)
    with pytest.raises(SlipwayError) as error:
        read_report(file)
    assert error.value.exit_code == exit_code
    assert str(file) in str(error.value)


def test_a_missing_report_is_named_with_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SlipwayError) as error:
        read_report(tmp_path / "report.json")
    assert "slipway judge" in error.value.do


def test_the_rule_of_the_tests_is_the_default() -> None:
    assert Judge().model_dump(exclude={"accept"}) | {"bins": Evaluate().bins} == RULE
