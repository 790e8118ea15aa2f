"""By whose rule a change is judged, where the base commit's is incomplete or cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.services.repository import commit

from slipway.errors import SlipwayError
from slipway.judge.run import rule_of
from slipway.settings import Params, read_params
from slipway.workspace import run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def own() -> Params:
    return read_params(ROOT / "params.yaml")


def base(root: Path, text: str | bytes | None) -> str:
    """Make a repository whose only commit has these settings."""
    run(["git", "init", "-q"], root)
    (root / "other").touch()
    if text is not None:
        (root / "params.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return commit(root, "The base")


def test_a_base_without_a_rule_leaves_it_to_the_change_and_a_note_says_so(tmp_path, own):
    rule, note = rule_of(tmp_path, base(tmp_path, None), own)
    assert rule["alpha"] == own.judge.alpha
    assert note


def test_what_the_base_does_not_set_yet_is_taken_from_the_change_and_nothing_else(tmp_path, own):
    section = own.judge.model_dump()
    section |= {"alpha": 0.01}
    section["margins"]["auc"] = 0.001
    del section["budget"], section["margins"]["brier"]
    rule, note = rule_of(tmp_path, base(tmp_path, yaml.safe_dump({"judge": section})), own)
    assert (rule["alpha"], rule["margins"]["auc"]) == (0.01, 0.001)
    assert (rule["budget"], rule["margins"]["brier"]) == (50, own.judge.margins.brier)
    assert note


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
def test_a_rule_that_cannot_be_read_is_not_replaced_by_that_of_the_change(tmp_path, own, text):
    with pytest.raises(SlipwayError, match=r"params\.yaml of the base") as refused:
        rule_of(tmp_path, base(tmp_path, text), own)
    assert refused.value.exit_code == 2
