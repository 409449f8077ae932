"""Metrics are documented, the dashboard shows only what exists, and an installation's figures are those of its rows."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from openlookout.clock import ManualClock
from openlookout.jobs import engine
from openlookout.jobs.gauges import InstallationGauges, families
from openlookout.jobs.ticker import Ticker
from openlookout.metrics import REGISTRY, SCHEDULER_LAG_SECONDS
from openlookout.store.database import Database
from openlookout.store.tables import inference_scheduler
from operations.rows import add_dataset, add_model, scheduler_request, unique
from served import Api

ROOT = Path(__file__).parents[1]
DASHBOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))


def exposed(database: Database, clock: ManualClock) -> dict[str, dict[tuple[str, ...], float]]:
    """What an installation shows beside a process's own metrics: name -> label values -> figure."""
    registry = CollectorRegistry()
    queue = engine.JobQueue(database)
    registry.register(InstallationGauges(database, queue, clock))
    found = text_string_to_metric_families(generate_latest(registry).decode())
    shown = {family.name: {tuple(each.labels.values()): each.value for each in family.samples} for family in found}
    queue.close()
    return shown


def names() -> set[str]:
    """The names of all metrics, as Prometheus has them."""
    every = [*REGISTRY.collect(), *families().values()]
    return {family.name + ("_total" if family.type == "counter" else "") for family in every}


def series(name: str) -> str:
    """The metric of a series: a histogram has three."""
    return re.sub(r"_(bucket|count|sum)$", "", name)


def test_every_metric_is_documented_and_nothing_else_is() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(openlookout_\w+)` \|", text, re.MULTILINE))
    assert documented == {name for name in names() if name.startswith("openlookout_")}


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_a_dashboard_shows_only_metrics_that_exist_by_labels_that_they_have(path: Path) -> None:
    dashboard = json.loads(path.read_text())
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    shown = {series(name) for text in expressions for name in re.findall(r"(?:openlookout|process)_\w+", text)}
    shown -= set(re.findall(r'"(openlookout_\w+)"', (ROOT / "src/openlookout/app/model_metrics.py").read_text()))
    assert expressions
    assert shown <= names(), shown - names()
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    labels = {
        label for text in expressions for each in re.findall(r"by \(([\w, ]+)\)", text) for label in each.split(", ")
    }
    of_models = {"account", "region", "model", "scheduler", "channel"}
    assert labels <= {"operation", "outcome", "queue", "kind", "reason", "status", "le"} | of_models


def test_every_metric_of_ours_is_on_a_dashboard() -> None:
    text = "".join(path.read_text() for path in DASHBOARDS)
    assert DASHBOARDS
    assert {name for name in names() if name.startswith("openlookout_") and name not in text} == set()


@pytest.fixture
def clock(api: Api) -> Iterator[ManualClock]:
    start = api.clock.now()
    yield api.clock
    api.clock.set(start)


def test_figures_of_an_installation_are_those_of_its_rows(api: Api, clock: ManualClock) -> None:
    before = exposed(api.database, clock)
    name, scheduler = add_model(api, add_dataset(api)), unique("s")
    api.client.create_model(ModelName=unique("m"), DatasetName=add_dataset(api))
    api.client.create_inference_scheduler(**scheduler_request(name, scheduler))
    after = exposed(api.database, clock)

    def grown(metric: str, *labels: str) -> float:
        return after[metric][labels] - before[metric].get(labels, 0.0)

    assert grown("openlookout_queue_depth", "train") == 1
    assert grown("openlookout_models", "IN_PROGRESS") == 1
    assert grown("openlookout_schedulers", "PENDING") == 1
    assert grown("openlookout_audit_records") == 2
    assert after["openlookout_database_up"][()] == 1
    assert after["openlookout_queue_age_seconds"]["train",] >= 0
    assert after["openlookout_queue_running"]["train",] == 0


def test_a_scheduler_that_is_not_taken_up_is_behind_and_late_when_it_is(api: Api, clock: ManualClock) -> None:
    queue = engine.JobQueue(api.database)
    ticker = Ticker(api.database, queue, clock)
    api.client.create_inference_scheduler(**scheduler_request(add_model(api, add_dataset(api)), unique("s")))
    while ticker.tick():
        pass
    with api.database.reading() as connection:
        rows = connection.execute(inference_scheduler.select()).all()
    due = min(row.next_due for row in rows if row.next_due is not None)
    clock.set(due + timedelta(seconds=90))
    assert exposed(api.database, clock)["openlookout_scheduler_behind_seconds"]["inference",] == 90
    total = REGISTRY.get_sample_value("openlookout_scheduler_lag_seconds_sum") or 0
    while ticker.tick():
        pass
    assert (REGISTRY.get_sample_value("openlookout_scheduler_lag_seconds_sum") or 0) >= total + 90
    assert exposed(api.database, clock)["openlookout_scheduler_behind_seconds"]["inference",] == 0
    assert SCHEDULER_LAG_SECONDS is not None
    queue.close()


def test_without_its_database_an_installation_still_says_so(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'none.db'}")
    assert exposed(database, ManualClock(datetime(2026, 1, 1, tzinfo=UTC))) == {
        "openlookout_database_up": {(): 0.0},
    }
    database.close()
