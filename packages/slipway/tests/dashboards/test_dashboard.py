"""The dashboard, by the types that Grafana itself is written in.

Grafana's server and its linter cannot be had without its own registries; its types can.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.dashboards.conftest import MONITORING
from tests.services.projects import ROOT
from tests.services.servers import program

# JSON has no enums: take the text of each.
HEAD = """\
import type { Dashboard } from '@grafana/schema';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/\
TimeSeriesPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/\
StatPanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/\
TablePanelCfg_types.gen';
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends Array<infer U> ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
type Some<T> = Partial<Plain<T>>;
"""

FLAGS = ["--noEmit", "--strict", "--moduleResolution", "bundler", "--module", "esnext"]


def typescript(dashboard: dict[str, Any]) -> str:
    lines = [HEAD, f"const all: Plain<Dashboard> = {json.dumps(dashboard)};"]
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        number, kind = panel["id"], panel["type"]
        lines.append(f"const o{number}: Some<{kind}.Options> = {json.dumps(panel['options'])};")
        if custom := panel["fieldConfig"]["defaults"].get("custom"):
            lines.append(f"const c{number}: Some<{kind}.FieldConfig> = {json.dumps(custom)};")
    return "\n".join(lines)


@pytest.fixture
def faults(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """Errors of a dashboard by Grafana's types; empty if it is valid."""
    (tmp_path / "node_modules").symlink_to(ROOT / ".services/node_modules")
    compiler = program("tsc")

    def check(dashboard: dict[str, Any]) -> str:
        (tmp_path / "dashboard.ts").write_text(typescript(dashboard))
        done = subprocess.run(
            [compiler, *FLAGS, "--target", "es2022", "--skipLibCheck", "dashboard.ts"],
            cwd=tmp_path,
            check=False,
            capture_output=True,
            text=True,
        )
        assert bool(done.returncode) == bool(done.stdout), done.stderr
        return done.stdout

    return check


def test_it_is_a_dashboard_as_grafana_knows_it(faults, dashboard):
    assert faults(dashboard) == ""


def change(dashboard: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    changed = json.loads(json.dumps(dashboard))
    *way, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = changed
    for key in way:
        place = place[key]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("refreshing", "30s"),
        ("panels.1.gridPos.w", "4"),
        ("panels.1.fieldConfig.defaults.units", "s"),
        ("panels.1.options.colorMode", "colourful"),
        ("panels.8.fieldConfig.defaults.custom.showPoints", "sometimes"),
        ("templating.list.0.type", "source"),
    ],
)
def test_a_fault_in_it_is_found(faults, dashboard, path, value):
    assert "error TS" in faults(change(dashboard, path, value))


def test_its_panels_do_not_overlap_and_have_a_description(dashboard):
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        assert panel["type"] == "row" or panel["description"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_each_panel_asks_the_data_source_that_was_chosen(dashboard):
    (variable,) = dashboard["templating"]["list"]
    chosen = {"type": "prometheus", "uid": f"${{{variable['name']}}}"}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"] == panel["datasource"] == chosen


def test_it_is_where_its_provisioning_looks_for_dashboards():
    assert [path.name for path in (MONITORING / "grafana/dashboards").iterdir()] == ["slipway.json"]
