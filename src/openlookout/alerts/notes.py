"""The small calls where something happens: a scored window, a failed one, a version that ended or became active.

Each runs in the caller's transaction and writes alerts only; none computes anything large or reaches out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, insert, select, update

from openlookout.alerts import kinds
from openlookout.alerts.muting import muted
from openlookout.alerts.outbox import Subject, put
from openlookout.alerts.persistence import Alarm, Change, Rule, follow
from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.store.alert_tables import alert, alert_rule, scheduler_alarm
from openlookout.store.model_versions import version_id
from openlookout.store.score_tables import execution_scores
from openlookout.store.tables import (
    inference_event,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
)

SECOND_US = 1_000_000
LATE_EXECUTIONS_MAX = 1000
NEVER_US = 1 << 62

ScoredRow = tuple[int, float | None, bool]
"""Timestamp in microseconds, score (None while the machine is off), whether it is anomalous."""


# Made once: every execution asks for it.
_STANDING: Select[Any] = (
    select(
        inference_scheduler.c.id.label("scheduler_id"),
        inference_scheduler.c.name.label("scheduler_name"),
        inference_scheduler.c.account,
        inference_scheduler.c.region,
        inference_scheduler.c.created_at,
        inference_scheduler.c.updated_at,
        model.c.id.label("model_id"),
        model.c.name.label("model_name"),
        alert_rule.c.rows_anomalous,
        alert_rule.c.rows_looked_at,
        alert_rule.c.seconds_min,
        scheduler_alarm.c.scheduler_id.label("known"),
        *(column for column in scheduler_alarm.c if column.name != "scheduler_id"),
    )
    .select_from(inference_scheduler)
    .join(model)
    .join(alert_rule, alert_rule.c.model_id == model.c.id, isouter=True)
    .join(scheduler_alarm, scheduler_alarm.c.scheduler_id == inference_scheduler.c.id, isouter=True)
    .where(inference_scheduler.c.id == bindparam("scheduler"))
)


def note_scored(connection: Connection, execution: Row[Any], rows: Sequence[ScoredRow], now: datetime) -> None:
    """An execution succeeded; its events are written. Rows that were looked at before tell nothing."""
    found = _standing(connection, execution.scheduler_id)
    values = _follow(connection, found, rows, now)
    if found.failing_since is not None:
        facts = {"failing_since": _text(found.failing_since), "execution_id": execution.id}
        what = f"{found.scheduler_id}:{to_microseconds(found.failing_since)}"
        put(connection, _subject(found), kinds.EXECUTION_RECOVERED, what, facts=facts, now=now)
    _keep(connection, found, values | {"failing_since": None})


def note_replayed(connection: Connection, scheduler_id: str, now: datetime, late: timedelta) -> None:
    """A replay ended; its events are written. Rows after the last one that was looked at are told as those of an
    execution: their files were late. Rows before it that nobody has told of are told as late, as long as late files
    count. History is not told: rows before that, or before the scheduler was started.
    """
    found = _standing(connection, scheduler_id)
    if found.last_at is not None:
        _follow_late(connection, found, max(now - late, found.created_at), now)
        found = _standing(connection, scheduler_id)
    since = found.updated_at if found.last_at is None else found.last_at
    fresh = _scored_rows(connection, scheduler_id, since, None)
    if fresh:
        _keep(connection, found, _follow(connection, found, fresh, now))


def _scored_rows(connection: Connection, scheduler_id: str, since: datetime, until: datetime | None) -> list[ScoredRow]:
    """The rows after a time, up to another, that are kept in the database."""
    scored = connection.execute(
        select(execution_scores.c.scored)
        .join(inference_execution, inference_execution.c.id == execution_scores.c.execution_id)
        .where(inference_execution.c.scheduler_id == scheduler_id, execution_scores.c.data_end > since)
        .order_by(execution_scores.c.data_end)
        .limit(LATE_EXECUTIONS_MAX)
    ).scalars()
    last_us = None if until is None else to_microseconds(until)
    return [
        (at, score, is_anomalous)
        for rows in scored
        for at, score, is_anomalous in rows
        if at > to_microseconds(since) and (last_us is None or at <= last_us)
    ]


def _follow_late(connection: Connection, found: Row[Any], since: datetime, now: datetime) -> None:
    """Tell what rows begin and end that were looked at before or should have been, and that nobody told of."""
    rows = _scored_rows(connection, found.scheduler_id, since, found.last_at)
    if not any(is_anomalous for _, _, is_anomalous in rows):
        return
    is_muted = muted(connection, found.model_id, now)
    alarm, changes = follow(
        Alarm(),
        [(at, is_anomalous) for at, _, is_anomalous in rows],
        _rule(found),
        lambda at: is_muted(from_microseconds(at)),
    )
    told = _told(connection, found.scheduler_id)
    for change in changes:
        last = max(other.last_us for other in changes if other.began_us == change.began_us)
        if not any(first <= last and end >= change.began_us for first, end in told):
            _tell(connection, _subject(found), found.scheduler_id, change, now, is_late=True)
    if alarm.is_raised and found.began_at is None:  # It goes on: the next rows tell its end.
        _keep(connection, found, _kept(alarm))


def _told(connection: Connection, scheduler_id: str) -> list[tuple[int, int]]:
    """From when to when there were alarms that were told of; one that goes on has no end yet."""
    keys = {kind: f"{kind}:{scheduler_id}:" for kind in (kinds.EVENT_STARTED, kinds.EVENT_ENDED)}
    found: dict[str, dict[int, Mapping[str, Any]]] = {}
    for kind, prefix in keys.items():
        rows = connection.execute(select(alert.c.key, alert.c.facts).where(alert.c.key.startswith(prefix)))
        found[kind] = {int(row.key.removeprefix(prefix)): row.facts for row in rows}
    ended = found[kinds.EVENT_ENDED]
    spans = []
    for began_us in found[kinds.EVENT_STARTED]:
        end = ended[began_us]["ended_at"] if began_us in ended else None
        spans.append((began_us, NEVER_US if end is None else to_microseconds(datetime.fromisoformat(end))))
    return spans


def _follow(connection: Connection, found: Row[Any], rows: Sequence[ScoredRow], now: datetime) -> dict[str, Any]:
    """Tell what rows in time order begin and end; give the values that are to be kept of the scheduler."""
    fresh = [row for row in rows if found.last_at is None or row[0] > to_microseconds(found.last_at)]
    # Not asked before it matters: most executions have nothing to tell.
    is_muted = lru_cache(maxsize=1)(lambda: muted(connection, found.model_id, now))
    alarm, changes = follow(
        _alarm(found),
        [(at, is_anomalous) for at, _, is_anomalous in fresh],
        _rule(found),
        lambda at: is_muted()(from_microseconds(at)),
    )
    subject = _subject(found)
    for change in changes:
        _tell(connection, subject, found.scheduler_id, change, now)
    values = _kept(alarm)
    if not fresh:
        return values
    row_at = from_microseconds(fresh[-1][0])
    if found.silent_since is not None:
        facts = {"silent_since": _text(found.last_at), "row_at": _text(row_at)}
        what = f"{found.scheduler_id}:{to_microseconds(found.silent_since)}"
        put(connection, subject, kinds.DATA_RETURNED, what, facts=facts, now=now)
    return values | {"last_at": row_at, "last_score": fresh[-1][1], "silent_since": None}


def note_failed(connection: Connection, execution: Row[Any], reason: str, now: datetime) -> None:
    """An execution failed. Only the first in a row is told, or the first after a maintenance window or snooze."""
    found = _standing(connection, execution.scheduler_id)
    if found.failing_since is not None or muted(connection, found.model_id, now)(now):
        return
    facts = {
        "execution_id": execution.id,
        "data_start": _text(execution.data_start),
        "data_end": _text(execution.data_end),
        "reason": reason,
    }
    put(
        connection,
        _subject(found),
        kinds.EXECUTION_FAILED,
        f"{execution.id}",
        facts=facts,
        now=now,
    )
    _keep(connection, found, {"failing_since": execution.due_at})


def note_version(connection: Connection, model_id: str, number: int, now: datetime) -> None:
    """A training or retraining ended; imports are no trainings."""
    version = connection.execute(
        select(model_version, model.c.account, model.c.region, model.c.name)
        .join(model)
        .where(model_version.c.model_id == model_id, model_version.c.version == number)
    ).one()
    if version.source_type == "IMPORT":
        return
    kind = kinds.TRAINING_FINISHED if version.status == "SUCCESS" else kinds.TRAINING_FAILED
    facts = {
        "number": number,
        "source": version.source_type,
        "quality": version.quality,
        "reason": version.failed_reason,
        "promotion": version.promotion_result,
        "promotion_reason": version.promotion_reason,
    }
    subject = Subject(version.account, version.region, model_id, version.name)
    put(connection, subject, kind, f"{version_id(model_id, number)}", facts=facts, now=now)


def note_promoted(connection: Connection, model_id: str, now: datetime, *, by_hand: bool) -> None:
    """Another version became the active one; the first version of a model replaces none and is not told."""
    found = connection.execute(select(model).where(model.c.id == model_id)).one()
    if found.previous_active_version is None:
        return
    facts = {
        "number": found.active_version,
        "previous": found.previous_active_version,
        "by": "hand" if by_hand else "retraining",
    }
    what = f"{version_id(model_id, found.active_version)}:{to_microseconds(now)}"
    subject = Subject(found.account, found.region, model_id, found.name)
    put(connection, subject, kinds.VERSION_PROMOTED, what, facts=facts, now=now)


def _standing(connection: Connection, scheduler_id: str) -> Row[Any]:
    """The scheduler, its model, its rule and what has been told of it."""
    return connection.execute(_STANDING, {"scheduler": scheduler_id}).one()


def _subject(found: Row[Any]) -> Subject:
    return Subject(found.account, found.region, found.model_id, found.model_name, found.scheduler_name)


def _alarm(found: Row[Any]) -> Alarm:
    return Alarm(
        tuple((at, bool(flag)) for at, flag in found.recent or ()),
        None if found.began_at is None else to_microseconds(found.began_at),
        None if found.anomalous_at is None else to_microseconds(found.anomalous_at),
        bool(found.is_raised),
    )


def _rule(found: Row[Any]) -> Rule:
    return Rule(found.rows_anomalous or 1, found.rows_looked_at or 1, (found.seconds_min or 0) * SECOND_US)


def _kept(alarm: Alarm) -> dict[str, Any]:
    """An alarm as it is kept of its scheduler."""
    return {
        "recent": [list(row) for row in alarm.recent],
        "began_at": _instant(alarm.began_us),
        "anomalous_at": _instant(alarm.anomalous_us),
        "is_raised": alarm.is_raised,
    }


def _keep(connection: Connection, found: Row[Any], values: dict[str, Any]) -> None:
    if found.known is None:
        nothing: dict[str, Any] = {"scheduler_id": found.scheduler_id, "recent": [], "is_raised": False}
        connection.execute(insert(scheduler_alarm), nothing | values)
    else:
        mine = scheduler_alarm.c.scheduler_id == found.scheduler_id
        connection.execute(update(scheduler_alarm).where(mine).values(**values))


def _tell(
    connection: Connection, subject: Subject, scheduler_id: str, change: Change, now: datetime, *, is_late: bool = False
) -> None:
    began, last = from_microseconds(change.began_us), from_microseconds(change.last_us)
    events = connection.execute(
        select(inference_event)
        .where(
            inference_event.c.scheduler_id == scheduler_id,
            inference_event.c.ended_at >= began,
            inference_event.c.started_at < last,
        )
        .order_by(inference_event.c.started_at)
    ).all()
    started = events[0].started_at if events else began
    facts: dict[str, Any] = {
        "scheduler_id": scheduler_id,
        "event_id": events[0].id if events else None,
        "started_at": _text(started),
        "ended_at": _text(last) if change.is_end else None,
        "last_row_at": _text(last),
        "duration_seconds": (last - started) / timedelta(seconds=1),
        "shares": _shares(events),
        "late": is_late,
    }
    kind = kinds.EVENT_ENDED if change.is_end else kinds.EVENT_STARTED
    put(connection, subject, kind, f"{scheduler_id}:{change.began_us}", facts=facts, now=now)


def _shares(events: Sequence[Row[Any]]) -> dict[str, float]:
    """The mean share of each sensor over the rows of the events."""
    n_rows = sum(event.n_rows for event in events)
    shares: dict[str, float] = {}
    for event in events:
        for sensor, share in event.diagnostics.items():
            shares[sensor] = shares.get(sensor, 0.0) + share * event.n_rows / n_rows
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))


def _instant(us: int | None) -> datetime | None:
    return None if us is None else from_microseconds(us)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
