"""The ticker: turns the time into work. Due schedulers get an execution; started ones run; stopping ones stop.

It claims with compare-and-set in one transaction, so that two tickers make one execution.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, select, update

from openlookout.clock import Clock
from openlookout.jobs.engine import JobQueue
from openlookout.jobs.turns import is_idle
from openlookout.metrics import SCHEDULER_LAG_SECONDS
from openlookout.store.database import Database
from openlookout.store.durations import duration
from openlookout.store.lifecycles import INFERENCE_SCHEDULER, move
from openlookout.store.schedule import first_due, window
from openlookout.store.tables import inference_execution, inference_scheduler

TICK_SECONDS = 0.25
CLAIMS_MAX = 500
# After downtime the missed runs are worked off, oldest first; of a longer one only the newest.
MISSED_MAX = 288

# Made once: thousands of schedulers are due at the same time.
_CLAIM = (
    update(inference_scheduler)
    .where(
        inference_scheduler.c.id == bindparam("scheduler"),
        inference_scheduler.c.status == "RUNNING",
        inference_scheduler.c.next_due == bindparam("due"),
    )
    .values(next_due=bindparam("following"))
)
_MADE = select(inference_execution.c.due_at).where(
    inference_execution.c.scheduler_id == bindparam("scheduler"), inference_execution.c.due_at >= bindparam("due")
)
_ADDED = inference_execution.insert()


class Ticker:
    """Looks at the clock and claims what is due."""

    def __init__(self, database: Database, queue: JobQueue, clock: Clock) -> None:
        self._database = database
        self._queue = queue
        self._clock = clock

    def tick(self) -> int:
        """Claim what is due now; give how many executions were made."""
        now, n_made = self._clock.now(), 0
        if not self._has_work(now):
            return 0
        with self._database.writing() as connection:
            self._settle(connection, now)
            due = connection.execute(
                select(inference_scheduler)
                .where(inference_scheduler.c.status == "RUNNING", inference_scheduler.c.next_due <= now)
                .order_by(inference_scheduler.c.next_due)
                .limit(CLAIMS_MAX)
                .with_for_update(skip_locked=True)  # Another ticker's; SQLite has one writer, and ignores it.
            ).all()
            for scheduler in due:
                n_made += self._claim(connection, scheduler, now)
        return n_made

    def _has_work(self, now: datetime) -> bool:
        """A look without the write lock: most ticks find nothing."""
        with self._database.reading() as connection:
            waiting = select(inference_scheduler.c.id).where(
                inference_scheduler.c.status.in_(("PENDING", "STOPPING"))
                | ((inference_scheduler.c.status == "RUNNING") & (inference_scheduler.c.next_due <= now))
            )
            return connection.execute(waiting.limit(1)).first() is not None

    def _settle(self, connection: Connection, now: datetime) -> None:
        every = inference_scheduler.c.id.is_not(None)
        move(connection, INFERENCE_SCHEDULER, every, "RUNNING", updated_at=now)
        is_busy = exists().where(
            inference_execution.c.scheduler_id == inference_scheduler.c.id,
            inference_execution.c.status == "IN_PROGRESS",
        )
        move(connection, INFERENCE_SCHEDULER, ~is_busy, "STOPPED", updated_at=now)

    def _claim(self, connection: Connection, scheduler: Row[Any], now: datetime) -> int:
        frequency = duration(scheduler.frequency)
        following = first_due(now, frequency, scheduler.delay_minutes)
        this = {"scheduler": scheduler.id, "due": scheduler.next_due}
        claimed = connection.execute(_CLAIM, {**this, "following": following})
        if claimed.rowcount != 1:
            return 0
        SCHEDULER_LAG_SECONDS.observe((now - scheduler.next_due).total_seconds())
        done = set(connection.execute(_MADE, this).scalars())  # After a clock was set back.
        dues = [due for due in _dues(scheduler.next_due, following, frequency) if due not in done]
        idle = is_idle(connection, scheduler.id)
        for due in dues:
            start, end = window(due, frequency, scheduler.delay_minutes)
            row = {
                "id": uuid.uuid4().hex,
                "scheduler_id": scheduler.id,
                "due_at": due,
                "data_start": start,
                "data_end": end,
                "status": "IN_PROGRESS",
                "attempt": 0,
                "input": scheduler.input,
                "output": scheduler.output,
            }
            connection.execute(_ADDED, row)
            if idle:  # One at a time, oldest first: each ends by enqueuing the next.
                self._queue.enqueue(connection, "infer", row["id"])
                idle = False
        return len(dues)


def _dues(first: datetime, following: datetime, frequency: timedelta) -> list[datetime]:
    n = (following - first) // frequency
    return [first + i * frequency for i in range(max(0, n - MISSED_MAX), n)]
