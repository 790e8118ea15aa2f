"""The written part of a model card is complete and agrees with the manifest, or is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from huggingface_hub import ModelCard, ModelCardData
from tests.services.projects import FLIGHTS, ROOT
from typer.testing import CliRunner

from slipway.card.check import check_card
from slipway.card.content import Card
from slipway.card.written import CANVAS, CARD, REQUIRED, Page, new_page, write_prompts
from slipway.cli import app
from slipway.documents.markdown import to_markdown
from slipway.errors import SlipwayError
from slipway.manifest import Manifest, parse_manifest
from slipway.reports.model_card import as_file, as_json, document
from slipway.setup.starter import OF_THE_STARTER
from slipway.texts import read_yaml

TARGETS: Mapping[str, Mapping[str, Any]] = {
    "binary": {"task": "binary"},
    "multiclass": {"task": "multiclass", "classes": ["web", "mobile", "archive"]},
    "regression": {"task": "regression"},
    "quantile": {"task": "quantile", "quantile": 0.9},
}

LABELS: Mapping[str, Mapping[str, Any]] = {
    "binary": {"positives": 40},
    "multiclass": {"classes": {"web": 40, "mobile": 30, "archive": 30}},
    "regression": {"mean": 3.0, "deviation": 2.0, "lowest": 1.0, "highest": 9.0},
    "quantile": {"mean": 3.0, "deviation": 2.0, "at_quantile": 6.0, "lowest": 1.0, "highest": 9.0},
}

METRIC = {
    "binary": "auc",
    "multiclass": "accuracy",
    "regression": "mae",
    "quantile": "pinball_loss",
}

SECRET = "Ada Lovelace"


def manifest_of(task: str) -> Manifest:
    part = {"months": ["2026-01"], "rows": 100, "unlabelled": 3, **LABELS[task]}
    manifest = {
        "model": {"sha256": "ab" * 32, "format": "onnx", "bytes": 1000},
        "target": {"name": "late", "definition": "Return it.", **TARGETS[task]},
        "features": [{"name": "size"}],
        "key": "order_id",
        "event_time": "ordered",
        "data": {"md5": "cd" * 16 + ".dir"},
        "train": part,
        "holdout": {**part, "keys_sha256": "ef" * 32, "first": SECRET},
        "libraries": {"numpy": "2.4.6"},
        "requirements_sha256": "01" * 32,
        "golden": [{"row": {"size": SECRET}, "probability": 0.5}],
        **({"threshold": 0.3} if task == "binary" else {}),
    }
    return parse_manifest(json.dumps(manifest).encode())


def card_of(task: str, root: Path | None = None) -> Card:
    measured = {METRIC[task]: {"value": 0.7, "low": 0.6, "high": 0.8}}
    metrics = {"rows": 100, "confidence": 0.95, "model": measured, **LABELS[task]}
    return Card(manifest_of(task), metrics, [], Page.read(root, CARD) if root else None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a complete card."""
    (tmp_path / CARD).parent.mkdir(parents=True)
    shutil.copy(FLIGHTS / CARD, tmp_path / CARD)
    text = (tmp_path / CARD).read_text("utf-8")
    text = text.replace("event_time: scheduled_departure", "event_time: ordered")
    (tmp_path / CARD).write_text(text, "utf-8")
    return tmp_path


def edit(root: Path, old: str, new: str) -> None:
    text = (root / CARD).read_text("utf-8")
    assert old in text
    (root / CARD).write_text(text.replace(old, new), "utf-8")


def test_a_complete_card_has_no_findings(root: Path) -> None:
    assert not check_card(root, manifest_of("binary"))


def test_a_missing_card_is_named_with_the_command_that_writes_it(tmp_path: Path) -> None:
    findings = check_card(tmp_path, manifest_of("binary"))
    assert len(findings.open) == 1
    assert "slipway card --new" in findings.open[0]


@pytest.mark.parametrize("path", [CARD, CANVAS])
def test_each_prompt_of_a_new_page_is_named(tmp_path: Path, path: Path) -> None:
    new_page(tmp_path, path, 'the "target": #1', "regression")
    page = Page.read(tmp_path, path)
    assert page is not None
    findings = list(page.open())
    assert len(findings) == len(REQUIRED[path])
    assert all(title in text for title, text in zip(REQUIRED[path], findings, strict=True))


def test_a_new_card_agrees_with_the_model_it_is_written_for(tmp_path: Path) -> None:
    name = 'the "target": #1'
    write_prompts(tmp_path, CARD, name, "regression")
    manifest = manifest_of("regression")
    manifest["target"]["name"] = name
    assert check_card(tmp_path, manifest).wrong == []


def test_a_page_that_exists_is_not_replaced(root: Path) -> None:
    with pytest.raises(SlipwayError):
        new_page(root, CARD, "late", "binary")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("## Out of scope\n\nEverything else.\n", ""),
        ("Everything else.", ""),
        ("Everything else.", "<!-- later -->"),
        ("Everything else.", "> To fill in: which rows?"),
        ("Everything else.", "Some.\n\nTo fill in: which others?"),
    ],
)
def test_a_part_that_is_not_written_is_named(root: Path, old: str, new: str) -> None:
    edit(root, old, new)
    findings = check_card(root, manifest_of("binary"))
    assert len(findings.open) == 1
    assert "Out of scope" in findings.open[0]
    assert findings.wrong == []


@pytest.mark.parametrize(
    ("task", "claim"),
    [
        ("binary", "target: early"),
        ("binary", "task: regression"),
        ("binary", "threshold: 0.5"),
        ("binary", "threshold: high"),
        ("binary", "quantile: 0.9"),
        ("binary", "key: customer_id"),
        ("binary", "event_time: shipped"),
        ("binary", "event_time: none"),
        ("multiclass", "classes: [web, mobile]"),
        ("multiclass", "threshold: 0.3"),
        ("quantile", "quantile: 0.8"),
    ],
)
def test_a_claim_that_contradicts_the_manifest_is_named_with_both_values(
    root: Path, task: str, claim: str
) -> None:
    edit(root, "task: binary", f"task: {task}")
    edit(root, "Everything else.", f"A row with `{claim}` and others.")
    (finding,) = check_card(root, manifest_of(task)).wrong
    assert claim.partition(":")[0] in finding
    assert claim.partition(": ")[2] in finding


@pytest.mark.parametrize("claim", ["threshold: 0.4", "target: early", "task: multiclass"])
def test_a_claim_at_the_top_is_compared_too(root: Path, claim: str) -> None:
    key = claim.partition(":")[0]
    text = (root / CARD).read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith(f"{key}:")]
    (root / CARD).write_text("\n".join([lines[0], claim, *lines[1:]]), "utf-8")
    assert len(check_card(root, manifest_of("binary")).wrong) == 1


@pytest.mark.parametrize(
    ("task", "claim"),
    [
        ("binary", "threshold: 0.30"),
        ("binary", "threshold: .3"),
        ("multiclass", "classes: [mobile, 'archive', web]"),
        ("quantile", "quantile: 0.90"),
        ("binary", "key: order_id"),
    ],
)
def test_a_claim_that_agrees_is_no_finding_however_it_is_written(
    root: Path, task: str, claim: str
) -> None:
    edit(root, "task: binary", f"task: {task}")
    edit(root, "Everything else.", f"A row with `{claim}`.")
    assert check_card(root, manifest_of(task)).wrong == []


def test_an_unknown_key_at_the_top_is_refused_with_those_that_are_known(root: Path) -> None:
    edit(root, "task: binary", "tresholt: 0.3")
    with pytest.raises(SlipwayError, match="tresholt") as refused:
        check_card(root, manifest_of("binary"))
    assert "threshold" in refused.value.do


@pytest.mark.parametrize("task", TARGETS)
def test_the_metadata_is_what_the_hugging_face_hub_reads(root: Path, task: str) -> None:
    edit(root, "license: mit", "license: mit\nlanguage: en\ntags: [orders]")
    edit(root, "task: binary", f"task: {task}")
    read = ModelCard(as_file(card_of(task, root)))
    data = read.data
    assert isinstance(data, ModelCardData)
    assert (data.license, data.library_name) == ("mit", "onnx")
    kind = "classification" if task in ("binary", "multiclass") else "regression"
    assert data.pipeline_tag == f"tabular-{kind}"
    assert {"orders", data.pipeline_tag} <= set(data.tags or [])
    (result,) = data.eval_results or []
    assert (result.metric_value, result.dataset_split) == (0.7, "holdout")
    assert data.to_dict()["model-index"][0]["name"] == "late"
    assert read.text.strip().startswith("###")


@pytest.mark.parametrize("task", TARGETS)
def test_a_card_shows_no_value_of_a_row(task: str, root: Path) -> None:
    card = card_of(task, root)
    assert SECRET.encode() not in as_json(card)
    assert SECRET not in as_file(card)


def test_the_same_content_gives_the_same_json(root: Path) -> None:
    assert as_json(card_of("binary", root)) == as_json(card_of("binary", root))
    found = orjson.loads(as_json(card_of("binary", root)))
    assert found["written"]["Out of scope"] == "Everything else."
    assert found["target"]["threshold"] == 0.3


def test_what_people_wrote_is_text_that_cannot_notify_or_break_out(root: Path) -> None:
    edit(root, "Everything else.", "@team <script>alert(1)</script> ![x](https://x.example/y)")
    text = to_markdown(document(card_of("binary", root)))
    assert "<script>" not in text
    assert "![x]" not in text
    assert "@team" not in text


def test_fairness_is_shown_if_it_was_measured(root: Path) -> None:
    card = card_of("binary", root)
    assert "Fairness" not in to_markdown(document(card))
    estimate = {"value": 0.1, "low": 0.05, "high": 0.2}
    measured = {**card.metrics, "fairness": {"origin": {"selection_rate_difference": estimate}}}
    shown = to_markdown(document(Card(card.manifest, measured, [], None)))
    assert "selection_rate_difference" in shown
    assert "0.1000 (0.0500 to 0.2000)" in shown


def test_groups_that_are_all_too_small_are_named_as_not_measured(root: Path) -> None:
    card = card_of("binary", root)
    none = {"value": None, "low": None, "high": None}
    measured = {**card.metrics, "fairness": {"origin": {"equalized_odds_difference": none}}}
    shown = to_markdown(document(Card(card.manifest, measured, [], None)))
    assert "equalized_odds_difference" in shown
    assert "not measured" in shown


def test_a_release_checks_the_card_after_the_model_was_rebuilt() -> None:
    steps = read_yaml(ROOT / ".github/workflows/deploy.yml")["jobs"]["verify"]["steps"]
    commands = [step.get("run", "") for step in steps]
    (check,) = [at for at, text in enumerate(commands) if text.endswith("slipway card --check")]
    assert any("slipway verify" in text for text in commands[:check])
    assert steps[check]["if"] == "vars.SLIPWAY_PRODUCTION_TARGET != ''"


def test_card_and_canvas_of_the_starter_are_written() -> None:
    if not OF_THE_STARTER.search((ROOT / CANVAS).read_text("utf-8")):
        return  # another model was adopted
    for path in (CARD, CANVAS):
        page = Page.read(ROOT, path)
        assert page is not None
        assert list(page.open()) == []


def test_the_command_checks_shows_and_writes_the_card(
    small_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shutil.copytree(small_repository, tmp_path / "repository", symlinks=True)
    monkeypatch.chdir(root)
    files = {name: str(tmp_path / f"card.{name}") for name in ("json", "html")}
    shown = CliRunner().invoke(
        app, ["card", "--json", files["json"], "--html", files["html"], "--markdown", "build/c.md"]
    )
    assert shown.exit_code == 0, shown.output
    assert "Everything else." in shown.output
    assert orjson.loads(Path(files["json"]).read_bytes())["metrics"]["model"]["auc"]
    assert ModelCard.load("build/c.md").data.license == "mit"
    assert "Everything else." in Path(files["html"]).read_text("utf-8")
    assert CliRunner().invoke(app, ["card", "--check"]).exit_code == 0
    text = CARD.read_text("utf-8")
    CARD.write_text(text.replace("Everything else.", "`threshold: 0.9`"), "utf-8")
    assert CliRunner().invoke(app, ["card", "--check"]).exit_code == 1
    CARD.unlink()
    assert CliRunner().invoke(app, ["card", "--check"]).exit_code == 1
    assert CliRunner().invoke(app, ["card", "--new"]).exit_code == 0
    assert CliRunner().invoke(app, ["card", "--check"]).exit_code == 1
