"""The alert rules: each fires when it should and is quiet when it should be."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from tests.dashboards.conftest import MONITORING, RULES
from tests.services.projects import FLIGHTS
from tests.services.servers import program

from slipway.settings import read_params

ROOT = MONITORING.parents[1]
CASES = sorted((MONITORING / "prometheus").glob("*.tests.yml"))


def rules(kind: str) -> dict[str, str]:
    """The expressions of the rules of a kind, by name."""
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return {rule[kind]: rule["expr"] for rule in group["rules"] if kind in rule}


def promtool(*arguments: str, folder: Path = MONITORING / "prometheus"):
    command = [program("promtool"), *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.name)
def test_each_alert_does_what_its_cases_expect(cases):
    done = promtool("test", "rules", cases.name)

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_quiet():
    outcomes: dict[str, set[bool]] = {}
    for path in CASES:
        for case in yaml.safe_load(path.read_text())["tests"]:
            (test,) = case["promql_expr_test"]
            name = re.search(r'alertname="(\w+)"', test["expr"])
            assert name
            assert case["name"].split()[0] == name[1]
            outcomes.setdefault(name[1], set()).add(bool(test["exp_samples"]))

    assert outcomes == {name: {True, False} for name in rules("alert")}


@pytest.mark.parametrize(
    ("alert", "of", "becomes"),
    [
        ("SlipwayErrors", "slipway:errors:share5m > 0.01", "slipway:errors:share5m > 0.10"),
        ("SlipwayLogNotWritable", "slipway_log_writable == 0", "slipway_log_writable == 2"),
        ("SlipwayErrors", 'status=~"5.."', 'status=~"[45].."'),
        ("SlipwayPilesUp", "sum(slipway_in_flight) > 200", "sum(slipway_in_flight) > 20"),
    ],
)
def test_a_rule_that_was_spoiled_is_found(alert, of, becomes, tmp_path):
    cases = yaml.safe_load((MONITORING / "prometheus/slipway.tests.yml").read_text())
    cases["tests"] = [case for case in cases["tests"] if case["name"].split()[0] == alert]
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    text = RULES.read_text()
    assert of in text

    (tmp_path / RULES.name).write_text(text)
    assert promtool("test", "rules", "cases.yml", folder=tmp_path).returncode == 0
    (tmp_path / RULES.name).write_text(text.replace(of, becomes))
    assert promtool("test", "rules", "cases.yml", folder=tmp_path).returncode != 0


def test_prometheus_takes_the_example_of_a_configuration(tmp_path):
    shutil.copytree(MONITORING / "prometheus", tmp_path / "it")
    (tmp_path / "it/token").write_text("a")

    assert promtool("check", "config", "prometheus.yml", folder=tmp_path / "it").returncode == 0

    (tmp_path / "it" / RULES.name).write_text("groups: [{name: a, rules: [{alert: A, expr: ')'}]}]")
    assert promtool("check", "config", "prometheus.yml", folder=tmp_path / "it").returncode != 0


def test_each_alert_is_explained():
    page = (ROOT / "docs/monitoring.md").read_text("utf-8")
    assert [name for name in rules("alert") if f"`{name}`" not in page] == []


def test_slow_is_what_a_release_may_not_be():
    limit = read_params(FLIGHTS / "params.yaml").deploy.canary.max_latency_ms / 1000
    assert rules("alert")["SlipwaySlow"].endswith(f" > {limit:g}")
