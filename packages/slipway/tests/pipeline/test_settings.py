from __future__ import annotations

import re

import pytest
import yaml

from slipway.errors import SlipwayError
from slipway.predictions.files import MOST_RECORD
from slipway.settings import MARGINS, RENAMED, Params, Section, read_params


def broken(project, change):
    params = yaml.safe_load((project / "params.yaml").read_text())
    change(params)
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def insert(project, heading, lines):
    """Insert lines at the beginning of a section."""
    text = (project / "params.yaml").read_text()
    changed, count = re.subn(rf"^{heading}.*\n", rf"\g<0>{lines}", text, flags=re.MULTILINE)
    assert count == 1
    (project / "params.yaml").write_text(changed)


def test_an_unknown_key_is_refused_by_name(project):
    broken(project, lambda params: params["evaluate"].update(treshold=0.5))

    with pytest.raises(SlipwayError, match=r"`evaluate\.treshold`: no such setting") as error:
        read_params()
    assert "did you mean `evaluate.threshold`?" in str(error.value)


@pytest.mark.parametrize(
    ("old", "value", "new"),
    [
        ("challengers", [], "search.candidates"),
        ("evaluate.min_slice_rows", 200, "judge.min_slice_rows"),
        ("judge.on_cannot_tell", "go", "judge.on_inconclusive"),
        ("serve.review_band", 0.1, "serve.uncertainty_band"),
        ("watch", {"retrain": "never"}, "monitoring"),
    ],
)
def test_a_renamed_key_is_refused_with_its_new_name(project, old, value, new):
    section, _, key = old.rpartition(".")

    def set_old(params):
        (params[section] if section else params)[key] = value

    broken(project, set_old)

    with pytest.raises(SlipwayError, match=rf"`{old}`: renamed: set `{new}` instead"):
        read_params()


def test_every_new_name_is_that_of_a_setting():
    for new in RENAMED.values():
        section, _, key = new.partition(".")
        kind = Params.model_fields[section].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Section)
        assert not key or key in kind.model_fields


def test_a_setting_that_is_not_there_has_its_default(project):
    broken(project, lambda params: params["prepare"].pop("holdout_months"))

    assert read_params().prepare.rule.periods == 1


@pytest.mark.parametrize(
    "remove",
    [lambda params: params["deploy"].pop("base_image"), lambda params: params.pop("deploy")],
    ids=["key", "section"],
)
def test_a_setting_without_a_default_is_named_where_it_is_missing(project, remove):
    broken(project, remove)

    with pytest.raises(
        SlipwayError, match=r"`deploy\.base_image`: this setting is missing"
    ) as error:
        read_params()
    assert error.value.do == "add it: it has no default"


def test_an_unknown_key_unlike_any_setting_gets_no_suggestion(project):
    broken(project, lambda params: params.update(zebra=1))

    with pytest.raises(SlipwayError, match=r"`zebra`: no such setting$") as error:
        read_params()
    assert "rename or remove it" in error.value.do


@pytest.mark.parametrize(
    ("setting", "value"),
    [("primary", "gini"), ("primary", "recall"), ("guards", ["gini"]), ("margins", {"gini": 0.1})],
)
def test_an_unknown_metric_is_refused_by_name_with_those_that_exist(project, setting, value):
    broken(project, lambda params: params["judge"].update({setting: value}))

    with pytest.raises(SlipwayError, match=rf"`judge\.{setting}.*no metric '.*'; expected .*auc"):
        read_params()


def test_a_margin_that_is_not_set_has_the_default_of_its_metric(project):
    broken(project, lambda params: params["judge"].update(margins={"auc": 0.5}))

    assert read_params().judge.margins == MARGINS | {"auc": 0.5}


def test_a_value_out_of_range_is_named(project):
    broken(project, lambda params: params["evaluate"].update(confidence=95))

    with pytest.raises(SlipwayError, match=r"`evaluate\.confidence`: .*less than 1"):
        read_params()


def test_the_holdout_is_the_fewest_origins_and_four_the_default(project):
    broken(project, lambda params: params["prepare"].pop("origins"))
    assert read_params().prepare.origins == 4
    broken(project, lambda params: params["prepare"].update(origins=1))
    assert read_params().prepare.origins == 1

    broken(project, lambda params: params["prepare"].update(origins=0))
    with pytest.raises(SlipwayError, match=r"`prepare\.origins`: .*greater than or equal to 1"):
        read_params()


def test_a_request_whose_record_no_reader_takes_is_not_allowed(project):
    broken(project, lambda params: params["serve"].update(max_body_bytes=MOST_RECORD))

    with pytest.raises(SlipwayError, match=r"`serve\.max_body_bytes`: .*less than or equal"):
        read_params()


def test_every_fault_is_named_at_once(project):
    broken(project, lambda params: params["evaluate"].update(confidence=95, bins="many"))

    with pytest.raises(SlipwayError) as error:
        read_params()
    assert "evaluate.confidence" in str(error.value)
    assert "evaluate.bins" in str(error.value)


@pytest.mark.parametrize(
    ("text", "got"),
    [("", "nothing"), ("# train\n", "nothing"), ("- train\n", "a list"), ("train\n", "text")],
    ids=["empty", "comment", "list", "text"],
)
def test_a_file_without_settings_is_refused_in_plain_words(project, text, got):
    (project / "params.yaml").write_text(text)

    with pytest.raises(SlipwayError, match=f"^params.yaml: expected .*, got {got}") as error:
        read_params()
    assert error.value.do == "restore the file: `git checkout params.yaml`"


def test_a_file_that_is_not_yaml_is_refused(project):
    (project / "params.yaml").write_text("train: [")

    with pytest.raises(SlipwayError, match=r"params\.yaml: not YAML"):
        read_params()


def test_standing_in_the_wrong_folder_is_explained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SlipwayError, match="no such file") as error:
        read_params()
    assert "top folder" in error.value.do


def test_a_key_that_is_set_twice_is_refused_with_its_section_and_line(project):
    insert(project, "  margins:", "    auc: 0.5\n")

    with pytest.raises(SlipwayError, match=r"`judge\.margins\.auc` is set twice \(line \d+"):
        read_params()


def test_a_number_reaches_the_estimator_as_dvc_records_it(project):
    insert(project, "train:", "  a: 1e-2\n  b: 010\n")

    assert read_params().train["a"] == 0.01
    assert read_params().train["b"] == 10


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("2013-01-01", "is a date: put text in quotes"),
        (".nan", "not a finite number"),
        ("{1: a}", "the key 1 is not text"),
        ("!!set {x}", "is a set"),
        ("[!!binary aGk=]", "is a bytes"),
    ],
)
def test_a_setting_that_the_manifest_cannot_hold_is_refused_by_name(project, setting, reason):
    insert(project, "train:", f"  mine: {setting}\n")

    with pytest.raises(SlipwayError, match=rf"`train\.mine`: .*{reason}"):
        read_params()


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("prepare", "holdout_months", True),
        ("evaluate", "threshold", "0.30"),
        ("validate", "rows_per_month", ["1", 2]),
        ("deploy", "port", "8080"),
        ("deploy", "smoke_requests", "700"),
        ("deploy", "start_seconds", float("inf")),
    ],
)
def test_a_number_is_written_as_one(project, section, key, value):
    broken(project, lambda params: params[section].update({key: value}))

    with pytest.raises(SlipwayError, match=rf"`{section}\.{key}[`.]"):
        read_params()
