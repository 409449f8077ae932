"""Metrics of models for Prometheus: what the database says when it is asked, for at most MODELS_MAX schedulers."""

from collections.abc import Iterable
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Row, func, select
from sqlalchemy.exc import SQLAlchemyError

from openlookout.logs import logger
from openlookout.store.alert_tables import alert_channel, alert_delivery, scheduler_alarm
from openlookout.store.database import Database
from openlookout.store.tables import inference_scheduler, model

MODELS_MAX = 2000
log = logger(__name__)

LABELS = ("account", "region", "model", "scheduler")


class ModelMetrics(Collector):
    """A gauge family for each thing that is known of a model's live data."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def describe(self) -> Iterable[Metric]:
        """Nothing before it is asked: the database is not looked at when it is registered."""
        return []

    def collect(self) -> Iterable[Metric]:
        readable = GaugeMetricFamily("openlookout_models_readable", "Whether the database answered for these metrics")
        try:
            families = [*self._families()]
        except SQLAlchemyError as error:  # Other metrics are told all the same, now more than ever.
            log.warning("metrics of models cannot be read", reason=type(error).__name__)
            families = []
        readable.add_metric((), float(bool(families)))
        yield readable
        yield from families

    def _families(self) -> Iterable[Metric]:
        with self._database.reading() as connection:
            rows = connection.execute(_SCHEDULERS.limit(MODELS_MAX)).all()
            n_schedulers = connection.execute(select(func.count()).select_from(inference_scheduler)).scalar_one()
            waiting = connection.execute(_WAITING).all()
        yield from _families(rows)
        left_out = GaugeMetricFamily("openlookout_models_left_out", f"Schedulers beyond the first {MODELS_MAX}")
        left_out.add_metric((), max(0, n_schedulers - MODELS_MAX))
        yield left_out
        pending = GaugeMetricFamily(
            "openlookout_alerts_pending", "Alerts that wait for a channel", labels=("account", "region", "channel")
        )
        failures = GaugeMetricFamily(
            "openlookout_alert_channel_failures",
            "Failures in a row of a channel",
            labels=("account", "region", "channel"),
        )
        for row in waiting:
            labels = (row.account, row.region, row.name)
            pending.add_metric(labels, row.n_pending)
            failures.add_metric(labels, row.n_failures)
        yield from (pending, failures)


def _families(rows: Iterable[Row[Any]]) -> Iterable[Metric]:
    """A family for each gauge; a model without a scored row has none of those that need one."""
    families = {name: GaugeMetricFamily(name, said, labels=LABELS) for name, said in _GAUGES.items()}
    for row in rows:
        labels = (row.account, row.region, row.model_name, row.name)
        values = {
            "openlookout_model_anomaly_score": row.last_score,
            "openlookout_model_last_row_timestamp_seconds": None if row.last_at is None else row.last_at.timestamp(),
            "openlookout_model_anomalous": row.recent and row.recent[-1][1],
            "openlookout_model_alarm": bool(row.is_raised),
            "openlookout_model_failing": row.failing_since is not None,
            "openlookout_model_silent": row.silent_since is not None,
            "openlookout_model_running": row.status == "RUNNING",
        }
        for name, value in values.items():
            if value is not None and value != []:
                families[name].add_metric(labels, float(value))
    return families.values()


_GAUGES = {
    "openlookout_model_anomaly_score": "Score of the last scored row, above 0.5 anomalous; absent while off",
    "openlookout_model_last_row_timestamp_seconds": "Time of the last scored row; time() minus this is its age",
    "openlookout_model_anomalous": "Whether the last scored row is anomalous",
    "openlookout_model_alarm": "Whether an alarm was told and goes on",
    "openlookout_model_failing": "Whether executions fail, once told",
    "openlookout_model_silent": "Whether data is missing for longer than the rule allows, once told",
    "openlookout_model_running": "Whether the model's scheduler runs",
}
_SCHEDULERS = (
    select(
        inference_scheduler, model.c.name.label("model_name"), *(c for c in scheduler_alarm.c if c.name[-3:] != "_id")
    )
    .select_from(inference_scheduler)
    .join(model)
    .join(scheduler_alarm, scheduler_alarm.c.scheduler_id == inference_scheduler.c.id, isouter=True)
    .order_by(inference_scheduler.c.account, inference_scheduler.c.region, inference_scheduler.c.name)
)
_WAITING = (
    select(
        alert_channel.c.account,
        alert_channel.c.region,
        alert_channel.c.name,
        alert_channel.c.n_failures,
        func.count(alert_delivery.c.alert_id).label("n_pending"),
    )
    .select_from(alert_channel)
    .join(
        alert_delivery,
        (alert_delivery.c.channel_id == alert_channel.c.id) & (alert_delivery.c.state == "PENDING"),
        isouter=True,
    )
    .group_by(alert_channel.c.id)
    .limit(MODELS_MAX)
)
