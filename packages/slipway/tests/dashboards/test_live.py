"""A real Prometheus scrapes the real service: the queries find data, the alerts come and go."""

from __future__ import annotations

import re
import shutil

import pytest
import yaml
from tests.dashboards.conftest import (
    MONITORING,
    RULES,
    TOKEN,
    Prometheus,
    scraping,
    traffic,
    wait_until,
)

METRIC = re.compile(r"\bslipway_\w+")


def queries(dashboard) -> dict[str, str]:
    """Every query of the dashboard, by the title of its panel and its letter."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m")
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    }


def test_every_query_of_the_dashboard_finds_data(prometheus: Prometheus, dashboard):
    empty = queries(dashboard)
    assert len(empty) >= 20

    def all_found() -> bool:
        for name in [name for name, query in empty.items() if prometheus.ask(query)]:
            del empty[name]
        return not empty

    wait_until(all_found, f"no data: {empty}")


def test_every_number_that_a_rule_or_a_panel_names_is_one_that_the_service_shows(
    prometheus: Prometheus, dashboard
):
    shown = set(METRIC.findall(prometheus.service.client.get("/metrics").text))
    named = set(METRIC.findall(RULES.read_text() + " ".join(queries(dashboard).values())))

    assert named - shown == set()


def test_every_rule_can_be_evaluated_and_a_healthy_service_sets_off_no_alert(
    prometheus: Prometheus,
):
    wait_until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"}, "not evaluated")

    firing = {name for name, rule in prometheus.alerts().items() if rule["state"] != "inactive"}
    # Whatever the disk of this machine is like.
    assert firing - {"SlipwayLogDiskFull", "SlipwayLogDiskFills", "SlipwayLogLags"} == set()


def test_all_workers_are_counted_whichever_answers_the_scrape(prometheus: Prometheus):
    query = 'sum(slipway_requests_total{path="/predict",status="200"})'

    def counted() -> float:
        (found,) = prometheus.ask(query)
        return float(found["value"][1])

    seen = [counted()]
    for _ in range(5):
        last = seen[-1]
        wait_until(lambda last=last: counted() > last, "the count does not grow")
        seen.append(counted())

    # A scrape that saw one worker only would now and then see less than the one before.
    assert seen == sorted(seen)
    (resets,) = prometheus.ask(f"sum(resets({query.removeprefix('sum(').removesuffix(')')}[1m]))")
    assert float(resets["value"][1]) == 0


def test_a_log_that_cannot_be_written_sets_off_the_alerts_for_that(start, golden, tmp_path):
    rows = [golden[0]["row"]]
    (tmp_path / "prometheus").mkdir()
    with (
        start(tmp_path / "log", tokens=TOKEN) as service,
        scraping(service, tmp_path / "prometheus") as prometheus,
        traffic(service, rows),
    ):
        wait_until(lambda: prometheus.ask("slipway:requests:rate5m"), "nothing was scraped")
        shutil.rmtree(service.log)
        wait_until(
            lambda: prometheus.alerts()["SlipwayLogRefused"]["state"] == "firing", "no alert"
        )
        wait_until(
            lambda: prometheus.alerts()["SlipwayLogNotWritable"]["state"] == "pending", "no alert"
        )
        wait_until(
            lambda: prometheus.alerts()["SlipwayErrors"]["state"] in ("pending", "firing"),
            "no alert",
        )
        (alert,) = prometheus.alerts()["SlipwayLogRefused"]["alerts"]

    instance = service.url.removeprefix("http://")
    assert f"broken on {instance}" in alert["annotations"]["description"]


def test_a_service_that_is_gone_sets_off_the_alert_for_that(start, golden, tmp_path):
    (tmp_path / "prometheus").mkdir()
    with (
        start(tmp_path / "log", tokens=TOKEN) as service,
        scraping(service, tmp_path / "prometheus") as prometheus,
    ):
        wait_until(lambda: prometheus.ask("up == 1"), "nothing was scraped")
        (tmp_path / "prometheus/token").write_text("another token")
        wait_until(lambda: prometheus.alerts()["SlipwayDown"]["state"] == "pending", "no alert")


@pytest.mark.parametrize("place", ["datasources", "dashboards"])
def test_grafana_is_provisioned_from_files(place):
    (path,) = (MONITORING / "grafana/provisioning" / place).glob("*.yml")
    found = yaml.safe_load(path.read_text())
    assert found["apiVersion"] == 1
    (one,) = found["datasources" if place == "datasources" else "providers"]
    assert one["type"] == ("prometheus" if place == "datasources" else "file")
