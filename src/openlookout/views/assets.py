"""Every asset (a model and its scheduler) as one look shows it. Knows rows; loads no arrays."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Connection, Row, Select, and_, func, select, type_coerce

from openlookout.api.caller import Caller
from openlookout.api.instants import to_microseconds
from openlookout.console.ports import Asset
from openlookout.store.alert_tables import alert_rule, scheduler_alarm
from openlookout.store.database import Database
from openlookout.store.durations import duration
from openlookout.store.tables import (
    dataset,
    inference_event,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
    retraining_scheduler,
)

SPARK_DAYS = 7
SPARK_BUCKETS = 56  # Three hours each.
BUCKET = timedelta(days=SPARK_DAYS) / SPARK_BUCKETS
# Data later than this many upload frequencies after its time is said to be late.
LATE_FREQUENCIES = 3


def assets(database: Database, caller: Caller, now: datetime) -> list[Asset]:
    """Give all assets of the caller, worst first."""
    with database.reading() as connection:
        rows = connection.execute(_assets_of(caller)).all()
        events = _events(connection, (row.scheduler_id for row in rows), now - timedelta(days=SPARK_DAYS))
        latest = _latest(connection, caller)
    found = [_asset(row, events.get(row.scheduler_id, 0), latest.get(row.scheduler_id), now) for row in rows]
    return sorted(found, key=lambda one: (one.rank, -one.n_events, one.model))


def sparks(
    database: Database, caller: Caller, schedulers: Sequence[str], now: datetime
) -> dict[str, list[float | None]]:
    """Give of each scheduler (by name) the highest score in each of SPARK_BUCKETS up to now; None: no score."""
    start = now - timedelta(days=SPARK_DAYS)
    width = int(BUCKET.total_seconds() * 1_000_000)
    bucket = (type_coerce(inference_execution.c.data_end, BigInteger) - to_microseconds(start)) // width
    query = (
        select(inference_scheduler.c.name, bucket.label("bucket"), func.max(inference_execution.c.score_max))
        .join(inference_scheduler, inference_scheduler.c.id == inference_execution.c.scheduler_id)
        .where(
            inference_scheduler.c.account == caller.account,
            inference_scheduler.c.region == caller.region,
            inference_scheduler.c.name.in_(schedulers),
            inference_execution.c.due_at > start,
            inference_execution.c.data_end > start,
            inference_execution.c.data_end <= now,
        )
        .group_by(inference_scheduler.c.name, "bucket")
    )
    spark: dict[str, list[float | None]] = defaultdict(lambda: [None] * SPARK_BUCKETS)
    with database.reading() as connection:
        for name, at, score in connection.execute(query):
            spark[name][min(at, SPARK_BUCKETS - 1)] = score
    return spark


def _assets_of(caller: Caller) -> Select[Any]:
    return (
        select(
            model.c.name.label("model"),
            model.c.status.label("model_status"),
            model.c.active_version,
            dataset.c.name.label("dataset"),
            model_version.c.quality,
            model_version.c.failed_reason,
            inference_scheduler.c.id.label("scheduler_id"),
            inference_scheduler.c.name.label("scheduler"),
            inference_scheduler.c.status.label("scheduler_status"),
            inference_scheduler.c.frequency,
            inference_scheduler.c.delay_minutes,
            inference_scheduler.c.latest_result,
            scheduler_alarm.c.last_at,
            scheduler_alarm.c.last_score,
            scheduler_alarm.c.began_at,
            scheduler_alarm.c.is_raised,
            alert_rule.c.snoozed_until,
            retraining_scheduler.c.status.label("retraining_status"),
            retraining_scheduler.c.next_due.label("retraining_due"),
        )
        .join(dataset, dataset.c.id == model.c.dataset_id)
        .outerjoin(
            model_version,
            and_(
                model_version.c.model_id == model.c.id,
                model_version.c.version == func.coalesce(model.c.active_version, 1),
            ),
        )
        .outerjoin(inference_scheduler, inference_scheduler.c.model_id == model.c.id)
        .outerjoin(scheduler_alarm, scheduler_alarm.c.scheduler_id == inference_scheduler.c.id)
        .outerjoin(alert_rule, alert_rule.c.model_id == model.c.id)
        .outerjoin(retraining_scheduler, retraining_scheduler.c.model_id == model.c.id)
        .where(model.c.account == caller.account, model.c.region == caller.region)
    )


def _events(connection: Connection, schedulers: Iterable[str | None], since: datetime) -> dict[str, int]:
    wanted = [one for one in schedulers if one is not None]
    if not wanted:
        return {}
    query = (
        select(inference_event.c.scheduler_id, func.count())
        .where(inference_event.c.started_at > since)
        .group_by(inference_event.c.scheduler_id)
    )
    return {scheduler_id: n for scheduler_id, n in connection.execute(query) if scheduler_id in set(wanted)}


def _latest(connection: Connection, caller: Caller) -> dict[str, Row[Any]]:
    """The last execution of each scheduler that has ended."""
    last = (
        select(inference_execution.c.scheduler_id, func.max(inference_execution.c.due_at).label("due_at"))
        .join(inference_scheduler, inference_scheduler.c.id == inference_execution.c.scheduler_id)
        .where(
            inference_scheduler.c.account == caller.account,
            inference_scheduler.c.region == caller.region,
            inference_execution.c.status.in_(("SUCCESS", "FAILED")),
        )
        .group_by(inference_execution.c.scheduler_id)
        .subquery()
    )
    query = select(
        inference_execution.c.scheduler_id,
        inference_execution.c.status,
        inference_execution.c.failed_reason,
        inference_execution.c.data_end,
    ).join(
        last,
        and_(last.c.scheduler_id == inference_execution.c.scheduler_id, last.c.due_at == inference_execution.c.due_at),
    )
    rows: list[Any] = list(connection.execute(query))
    return {row.scheduler_id: row for row in rows}


def _asset(row: Row[Any], n_events: int, latest: Row[Any] | None, now: datetime) -> Asset:
    state, why = _judged(row, latest, now)
    return Asset(
        model=row.model,
        dataset=row.dataset,
        version=row.active_version,
        quality=row.quality,
        scheduler=row.scheduler,
        scheduler_status=row.scheduler_status,
        state=state,
        why=why,
        since=row.began_at if state == "ANOMALOUS" else None,
        last_at=_newest(row, latest),
        last_score=row.last_score,
        n_events=n_events,
        snoozed_until=row.snoozed_until if row.snoozed_until and row.snoozed_until > now else None,
        retraining_due=row.retraining_due,
        retraining_status=row.retraining_status,
    )


def _judged(row: Row[Any], latest: Row[Any] | None, now: datetime) -> tuple[str, str]:
    """The one thing to know about an asset, and a sentence about it: the first that holds."""
    is_running = row.scheduler_status == "RUNNING"
    is_trained = row.active_version is not None
    is_training = row.model_status in {"IN_PROGRESS", "IMPORT_IN_PROGRESS"}
    is_failing = latest is not None and latest.status == "FAILED"
    newest = _newest(row, latest)
    is_old = is_running and newest is not None and now - newest > _patience(row)
    is_silent, is_waiting = is_old and row.last_at is not None, is_old and row.last_at is None
    kinds = (
        (is_running and row.latest_result == "ANOMALOUS", "ANOMALOUS", "The latest readings are anomalous."),
        (not is_trained and is_training, "TRAINING", "The first version is being made."),
        (not is_trained, "FAILED", f"No version could be trained: {row.failed_reason or 'see the model.'}"),
        (row.scheduler is None, "UNWATCHED", "No scheduler watches it: results come once one is made."),
        (not is_running, "STOPPED", f"Its scheduler is {str(row.scheduler_status).lower()}."),
        (is_failing, "FAILING", f"The last execution failed: {latest and latest.failed_reason}"),
        (newest is None, "WAITING", "No readings have come yet."),
        (is_waiting, "WAITING", "No readings have come since its scheduler was started."),
        (is_silent, "SILENT", "No new readings come."),
        (True, "NORMAL", "Within what it learned as normal."),
    )
    return next((state, why) for holds, state, why in kinds if holds)


def _newest(row: Row[Any], latest: Row[Any] | None) -> datetime | None:
    """Until when it was scored: alerts follow no history, so after a replay of that it is the execution that tells."""
    newest: datetime | None = row.last_at
    if newest is None and latest is not None and latest.status == "SUCCESS":
        newest = latest.data_end
    return newest


def _patience(row: Row[Any]) -> timedelta:
    """How old the newest reading may be before it is missed."""
    return LATE_FREQUENCIES * duration(row.frequency) + timedelta(minutes=row.delay_minutes or 0)
