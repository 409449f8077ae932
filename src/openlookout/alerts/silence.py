"""Data that has stopped: a running scheduler without a scored row for longer than its model's rule allows."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, exists, insert, select, update

from openlookout.alerts import kinds
from openlookout.alerts.muting import muted
from openlookout.alerts.outbox import Subject, put
from openlookout.api.instants import to_microseconds
from openlookout.clock import Clock
from openlookout.store.alert_tables import alert_rule, scheduler_alarm
from openlookout.store.database import Database
from openlookout.store.durations import duration
from openlookout.store.tables import inference_execution, inference_scheduler, model

LOOK_SECONDS = 15.0
# One window may be late and one may fail before anybody is told.
WINDOWS_WITHOUT_ROWS = 3


def tell_silences(database: Database, clock: Clock) -> int:
    """Write an alert for each scheduler that has become silent; give how many."""
    now = clock.now()
    with database.reading() as connection:
        silent = [row for row in connection.execute(_RUNNING) if _is_silent(row, now)]
    n_told = 0
    for found in silent:
        with database.writing() as connection:
            n_told += _tell(connection, found, now)
    return n_told


def limit(frequency: str, delay_minutes: int | None, silence_seconds: int | None) -> timedelta:
    """How long a scheduler may be without a row: as its model's rule says, or three windows and the delay."""
    if silence_seconds is not None:
        return timedelta(seconds=silence_seconds)
    return WINDOWS_WITHOUT_ROWS * duration(frequency) + timedelta(minutes=delay_minutes or 0)


def _is_silent(found: Row[Any], now: datetime) -> bool:
    return now - _since(found) > limit(found.frequency, found.delay_minutes, found.silence_seconds)


def _since(found: Row[Any]) -> datetime:
    """The last row, or when the scheduler was started or changed, if that was later."""
    since: datetime = found.updated_at if found.last_at is None else max(found.last_at, found.updated_at)
    return since


def _tell(connection: Connection, found: Row[Any], now: datetime) -> bool:
    if muted(connection, found.model_id, now)(now):
        return False
    mine = scheduler_alarm.c.scheduler_id == found.id
    if found.known is None:
        there = connection.execute(select(scheduler_alarm.c.scheduler_id).where(mine)).first()
        if there is None:
            connection.execute(insert(scheduler_alarm), {"scheduler_id": found.id, "recent": [], "is_raised": False})
    was = scheduler_alarm.c.last_at.is_(None) if found.last_at is None else scheduler_alarm.c.last_at == found.last_at
    # Nothing to tell when a row came, or another worker told it, since it was looked at.
    told = update(scheduler_alarm).where(mine, was, scheduler_alarm.c.silent_since.is_(None)).values(silent_since=now)
    if connection.execute(told).rowcount != 1:
        return False
    subject = Subject(found.account, found.region, found.model_id, found.model_name, found.name)
    facts = {
        "last_row_at": None if found.last_at is None else found.last_at.isoformat().replace("+00:00", "Z"),
        "limit_seconds": limit(found.frequency, found.delay_minutes, found.silence_seconds).total_seconds(),
    }
    what = f"{found.id}:{to_microseconds(_since(found))}"
    return put(connection, subject, kinds.DATA_SILENT, what, facts=facts, now=now)


# One whose executions are still being worked off (after downtime, or slow ones) is not silent.
_RUNNING = (
    select(
        inference_scheduler,
        model.c.name.label("model_name"),
        alert_rule.c.silence_seconds,
        scheduler_alarm.c.scheduler_id.label("known"),
        scheduler_alarm.c.last_at,
    )
    .select_from(inference_scheduler)
    .join(model)
    .join(alert_rule, alert_rule.c.model_id == model.c.id, isouter=True)
    .join(scheduler_alarm, scheduler_alarm.c.scheduler_id == inference_scheduler.c.id, isouter=True)
    .where(
        inference_scheduler.c.status == "RUNNING",
        scheduler_alarm.c.silent_since.is_(None),
        ~exists().where(
            inference_execution.c.scheduler_id == inference_scheduler.c.id,
            inference_execution.c.status == "IN_PROGRESS",
        ),
    )
)
