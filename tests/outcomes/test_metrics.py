"""The metrics of models are what the database says when they are asked for; the dashboard and the docs name no others."""

import json
import re
from datetime import timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from alerts.conftest import NOW, STEP, Plant
from openlookout.alerts.silence import tell_silences
from openlookout.app import model_metrics
from openlookout.app.model_metrics import ModelMetrics
from openlookout.store.database import Database

ROOT = Path(__file__).parents[2]
OF = {"account": "123456789012", "region": "us-east-1", "model": "pump", "scheduler": "live"}


def asked(database: Database) -> dict[str, list[tuple[dict[str, str], float]]]:
    registry = CollectorRegistry()
    registry.register(ModelMetrics(database))
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {family.name: [(sample.labels, sample.value) for sample in family.samples] for family in families}


def test_a_model_is_told_with_its_score_its_alarm_and_its_freshness(plant: Plant) -> None:
    before = asked(plant.database)
    assert before["openlookout_model_anomaly_score"] == []
    assert before["openlookout_model_running"] == [(OF, 1.0)]
    plant.score(NOW, 0, 1)
    plant.clock.advance(timedelta(hours=1))
    tell_silences(plant.database, plant.clock)
    after = asked(plant.database)
    assert after["openlookout_model_anomaly_score"] == [(OF, 0.9)]
    assert after["openlookout_model_last_row_timestamp_seconds"] == [(OF, NOW.timestamp())]
    assert {name: after[f"openlookout_model_{name}"][0][1] for name in ("alarm", "anomalous", "silent", "failing")} == {
        "alarm": 1.0,
        "anomalous": 1.0,
        "silent": 1.0,
        "failing": 0.0,
    }
    plant.score(NOW + STEP, 0)
    assert asked(plant.database)["openlookout_model_alarm"] == [(OF, 0.0)]


def test_alerts_that_wait_are_counted_by_channel(plant: Plant) -> None:
    plant.add_channel("http://127.0.0.1:1/")
    plant.score(NOW, 1)
    pending = asked(plant.database)["openlookout_alerts_pending"]
    assert pending == [({"account": OF["account"], "region": OF["region"], "channel": "ops"}, 1.0)]


def test_the_number_of_series_is_bounded_and_says_so(plant: Plant, monkeypatch) -> None:
    monkeypatch.setattr(model_metrics, "MODELS_MAX", 0)
    told = asked(plant.database)
    assert told["openlookout_model_running"] == []
    assert told["openlookout_models_left_out"] == [({}, 1.0)]


def test_a_database_that_does_not_answer_leaves_the_other_metrics(tmp_path: Path) -> None:
    assert asked(Database(f"sqlite:///{tmp_path / 'empty.db'}")) == {"openlookout_models_readable": [({}, 0.0)]}


def test_the_dashboard_and_the_docs_name_the_metrics_that_there_are(plant: Plant) -> None:
    dashboard = (ROOT / "deploy" / "grafana" / "models.json").read_text()
    there = set(asked(plant.database))
    panels = json.loads(dashboard)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    used = {name for expression in expressions for name in re.findall(r"openlookout_\w+", expression)}
    assert used <= there
    assert {"openlookout_model_anomaly_score", "openlookout_model_alarm"} < used
    documented = (ROOT / "docs" / "results.md").read_text()
    assert {name for name in there if f"`{name}`" not in documented} == set()
