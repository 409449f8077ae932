"""Gauges of a whole installation, read from its rows when a process is scraped: what waits, and who is behind.

Every process of an installation shows the same figures: take their maximum, not their sum.
"""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from openlookout.clock import Clock
from openlookout.jobs.engine import JobQueue
from openlookout.store.database import Database
from openlookout.store.service_tables import audit_head
from openlookout.store.tables import inference_scheduler, model, retraining_scheduler


class InstallationGauges(Collector):
    """For a CollectorRegistry. A database that does not answer leaves one figure: that it does not."""

    def __init__(self, database: Database, queue: JobQueue, clock: Clock) -> None:
        self._database, self._queue, self._clock = database, queue, clock

    def describe(self) -> Iterator[Metric]:
        """Names and meanings, without a look at the database."""
        yield from families().values()

    def collect(self) -> Iterator[Metric]:
        filled = families()
        try:
            self._fill(filled, self._clock.now())
        except SQLAlchemyError:
            filled = {"up": families()["up"]}
            filled["up"].add_metric([], 0)
        yield from filled.values()

    def _fill(self, filled: dict[str, GaugeMetricFamily], now: datetime) -> None:
        with self._database.reading() as connection:
            for waiting in self._queue.waiting(connection):
                filled["depth"].add_metric([waiting.queue], waiting.n_waiting)
                filled["running"].add_metric([waiting.queue], waiting.n_running)
                filled["age"].add_metric([waiting.queue], waiting.oldest_seconds)
            counted = select(inference_scheduler.c.status, func.count()).group_by(inference_scheduler.c.status)
            for status, n in connection.execute(counted):
                filled["schedulers"].add_metric([status], n)
            counted = select(model.c.status, func.count()).group_by(model.c.status)
            for status, n in connection.execute(counted):
                filled["models"].add_metric([status], n)
            for kind, table in (("inference", inference_scheduler), ("retraining", retraining_scheduler)):
                first = connection.execute(
                    select(func.min(table.c.next_due)).where(table.c.status == "RUNNING")
                ).scalar()
                late = 0.0 if first is None else max(0.0, (now - first).total_seconds())
                filled["behind"].add_metric([kind], late)
            filled["audit"].add_metric([], connection.execute(select(audit_head.c.sequence)).scalar_one())
        filled["up"].add_metric([], 1)


def families() -> dict[str, GaugeMetricFamily]:
    """Give the families without figures."""
    return {
        "up": GaugeMetricFamily("openlookout_database_up", "1 while the database answers, otherwise 0"),
        "depth": GaugeMetricFamily("openlookout_queue_depth", "Jobs that wait, by queue", labels=["queue"]),
        "running": GaugeMetricFamily("openlookout_queue_running", "Jobs under way, by queue", labels=["queue"]),
        "age": GaugeMetricFamily(
            "openlookout_queue_age_seconds",
            "How long the job that waits longest has waited, by queue",
            labels=["queue"],
        ),
        "schedulers": GaugeMetricFamily(
            "openlookout_schedulers", "Inference schedulers of all accounts, by status", labels=["status"]
        ),
        "models": GaugeMetricFamily("openlookout_models", "Models of all accounts, by status", labels=["status"]),
        "behind": GaugeMetricFamily(
            "openlookout_scheduler_behind_seconds",
            "How long the scheduler that is most behind has been due and not taken up, by kind",
            labels=["kind"],
        ),
        "audit": GaugeMetricFamily("openlookout_audit_records", "Records of the audit log"),
    }
