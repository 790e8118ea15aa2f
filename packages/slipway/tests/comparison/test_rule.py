"""The rule by which a change is judged if that of the base is incomplete or cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.services.repository import commit

from model.schema import EVENT_TIME
from slipway.comparison.rule import rule_for, rule_of
from slipway.dataset.periods import Span
from slipway.errors import SlipwayError
from slipway.repository.worktrees import run
from slipway.settings import MARGINS, Judge, Prepare

MONTH = Span(1, "month")


# The settings of a change that loosens the rule for itself.
LOOSENED = yaml.safe_dump(
    {
        "judge": {"alpha": 0.2, "budget": 1, "on_inconclusive": "go", "margins": {"brier": 0.9}},
        "evaluate": {"bins": 2, "precision": 0.1},
        "prepare": {"origins": 1},
    }
)


def base(root: Path, text: str | bytes | None, schema: str = "") -> str:
    """Make a repository whose only commit has these settings; the tree has `LOOSENED`."""
    run(["git", "init", "-q"], root)
    (root / "src/model").mkdir(parents=True)
    (root / "src/model/schema.py").write_text(schema, "utf-8")
    if text is not None:
        (root / "params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    found = commit(root, "The base")
    (root / "params.yaml").write_text(LOOSENED, "utf-8")
    return found


def test_a_base_without_a_rule_has_the_defaults_and_not_the_rule_of_the_change(tmp_path):
    rule = rule_of(tmp_path, base(tmp_path, None))
    default = Judge()
    assert (rule.alpha, rule.budget) == (default.alpha, default.budget)
    assert (rule.on_inconclusive, rule.margins) == ("stop", MARGINS)
    assert (rule.bins, rule.precision, rule.origins) == (10, 0.9, Prepare().origins)


def test_settings_that_the_base_lacks_are_the_defaults_and_not_those_of_the_change(tmp_path):
    section = Judge().model_dump()
    section |= {"alpha": 0.01}
    section["margins"]["auc"] = 0.001
    del section["budget"], section["margins"]["brier"]
    rule = rule_of(tmp_path, base(tmp_path, yaml.safe_dump({"judge": section})))
    assert (rule.alpha, rule.margins["auc"]) == (0.01, 0.001)
    assert (rule.budget, rule.margins["brier"]) == (50, MARGINS["brier"])


def test_the_old_names_of_a_base_are_read_and_not_replaced_by_the_change(tmp_path):
    section = Judge().model_dump() | {"on_cannot_tell": "stop"}
    del section["on_inconclusive"]
    text = yaml.safe_dump({"judge": section, "challengers": [], "watch": {}})

    rule = rule_of(tmp_path, base(tmp_path, text))
    assert rule.on_inconclusive == "stop"


@pytest.mark.parametrize(
    "text",
    [
        "judge: [",
        "judge: {alpha: 0.1, alpha: 0.2}",
        "judge: {alpha: much}",
        "judge: {no_such: 1}",
        "judge: 3",
        b"judge: {alpha: 0.1} # caf\xe9",
    ],
)
def test_a_rule_that_cannot_be_read_is_not_replaced_by_that_of_the_change(tmp_path, text):
    with pytest.raises(SlipwayError, match=r"params\.yaml of the base") as refused:
        rule_of(tmp_path, base(tmp_path, text))
    assert refused.value.exit_code == 2


BY_SHOP = 'EVENT_TIME = "at"\nCLUSTERS = ["shop"]\nTIME_ZONE = "Asia/Tokyo"'
TIMES = np.arange("2030-01-01", "2030-01-05", dtype="datetime64[D]").astype("datetime64[us]")
ROWS = {"at": TIMES, "shop": np.arange(4), EVENT_TIME: TIMES}


def test_the_clusters_and_origins_of_the_base_apply_and_not_those_of_the_change(tmp_path):
    settings = yaml.safe_dump({"prepare": {"origins": 7}, "evaluate": {"bins": 20}})
    applied = rule_for(tmp_path, base(tmp_path, settings, BY_SHOP), ROWS, MONTH)
    assert (applied.rule.clusters, applied.rule.time_zone) == (["shop"], "Asia/Tokyo")
    assert (applied.rule.origins, applied.rule.bins) == (7, 20)
    assert applied.notes == []
    assert applied.rule == rule_of(tmp_path, "HEAD")


@pytest.mark.parametrize(
    "schema",
    ["EVENT_TIME = when()", BY_SHOP.replace("Asia", "Mars")],
    ids=["no constant", "no zone"],
)
def test_clusters_that_cannot_be_read_are_not_replaced_by_those_of_the_change(tmp_path, schema):
    with pytest.raises(SlipwayError, match=r"the base .*schema\.py") as refused:
        rule_for(tmp_path, base(tmp_path, None, schema), ROWS, MONTH)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "schema", ["", BY_SHOP.replace("shop", "gone")], ids=["no schema", "no such column"]
)
def test_clusters_of_the_change_apply_only_if_the_base_has_none_and_that_is_noted(tmp_path, schema):
    applied = rule_for(tmp_path, base(tmp_path, None, schema), ROWS, MONTH)
    assert applied.rule.clusters == ["day"]
    assert [note.code for note in applied.notes] == ["own clusters"]


def test_rows_that_all_have_one_time_are_independent_and_that_is_noted(tmp_path):
    rows = ROWS | {"at": np.repeat(TIMES[:1], 4)}
    applied = rule_for(tmp_path, base(tmp_path, None, 'EVENT_TIME = "at"'), rows, MONTH)
    assert applied.rule.clusters == []
    assert [note.code for note in applied.notes] == ["snapshots"]


@pytest.mark.parametrize(
    "text", ["prepare: {origins: 0}", "prepare: {origins: many}", "prepare: 3"]
)
def test_origins_that_cannot_be_read_are_not_replaced_by_those_of_the_change(tmp_path, text):
    with pytest.raises(SlipwayError, match=r"params\.yaml of the base.*(origins|prepare)"):
        rule_of(tmp_path, base(tmp_path, text))
