"""The retraining ticker: turns due retraining schedulers into versions to train. Claims with compare-and-set.

Retrainings that were missed while the service was down are made up for by one, the latest: they would all learn from
nearly the same data. One waits while another training or import of the model is under way.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from openlookout.clock import Clock
from openlookout.jobs.engine import JobQueue
from openlookout.jobs.records import version_recorded
from openlookout.store.calendar import next_occurrence, period
from openlookout.store.database import Database
from openlookout.store.lifecycles import MODEL, RETRAINING_SCHEDULER, WORKING, move
from openlookout.store.model_versions import next_version, version_id
from openlookout.store.tables import dataset, model, model_version, retraining_scheduler

TICK_SECONDS = 1.0
CLAIMS_MAX = 100


class RetrainingTicker:
    """Looks at the clock and claims what is due."""

    def __init__(self, database: Database, queue: JobQueue, clock: Clock) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock

    def tick(self) -> int:
        """Settle what was started or stopped and claim what is due now; give how many retrainings were begun."""
        now = self._clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if not self._has_work(now):
            return 0
        with self._database.writing() as connection:
            every = retraining_scheduler.c.model_id.is_not(None)
            move(connection, RETRAINING_SCHEDULER, every, "RUNNING", updated_at=now)
            move(connection, RETRAINING_SCHEDULER, every, "STOPPED", updated_at=now)
            mine = _DUE.with_for_update(skip_locked=True, of=retraining_scheduler)  # Not another ticker's.
            due = connection.execute(mine.where(retraining_scheduler.c.next_due <= now).limit(CLAIMS_MAX)).all()
            return sum(self._claim(connection, scheduler, now) for scheduler in due)

    def _has_work(self, now: datetime) -> bool:
        """A look without the write lock: most ticks find nothing."""
        with self._database.reading() as connection:
            settling = select(retraining_scheduler.c.model_id).where(
                retraining_scheduler.c.status.in_(("PENDING", "STOPPING"))
            )
            due = _DUE.where(retraining_scheduler.c.next_due <= now)
            return any(connection.execute(look.limit(1)).first() is not None for look in (settling, due))

    def _claim(self, connection: Connection, scheduler: Row[Any], now: datetime) -> bool:
        following = next_occurrence(scheduler.start_date, period(scheduler.frequency), now)
        claim = (
            update(retraining_scheduler)
            .where(
                retraining_scheduler.c.model_id == scheduler.model_id,
                retraining_scheduler.c.status == "RUNNING",
                retraining_scheduler.c.next_due == scheduler.next_due,
            )
            .values(next_due=following)
        )
        both = connection.begin_nested()
        taken = move(connection, MODEL, model.c.id == scheduler.model_id, "IN_PROGRESS", updated_at=now)
        if not taken or connection.execute(claim).rowcount != 1:
            both.rollback()
            return False
        both.commit()
        number, created_at = next_version(connection, scheduler.model_id, now)
        trained = connection.execute(
            select(model_version.c.data_schema).where(
                model_version.c.model_id == scheduler.model_id,
                model_version.c.version == (scheduler.active_version or 1),
            )
        ).scalar_one()
        row = {
            "model_id": scheduler.model_id,
            "version": number,
            "created_at": created_at,
            "updated_at": created_at,
            "status": "IN_PROGRESS",
            "source_type": "RETRAINING",
            "attempt": 0,
            "configuration": scheduler.configuration,
            "data_schema": trained,
            "ingestion_job_id": scheduler.ingestion_job_id,
            "training_data_start": now - timedelta(days=int(scheduler.lookback[1:-1])),
            "training_data_end": now,
        }
        identity = version_id(scheduler.model_id, number)
        with version_recorded(connection, now, "BeginRetraining", identity):
            connection.execute(model_version.insert(), row)
        self._queue.enqueue(connection, "train", identity)
        return True


_DUE = (
    select(retraining_scheduler, model.c.active_version, model.c.configuration, dataset.c.ingestion_job_id)
    .select_from(retraining_scheduler)
    .join(model)
    .join(dataset, dataset.c.id == model.c.dataset_id)
    .where(retraining_scheduler.c.status == "RUNNING", model.c.status.not_in(sorted(WORKING)))
    .order_by(retraining_scheduler.c.next_due)
)
