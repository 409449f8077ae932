"""Asking for a replay: a row and a job in the caller's transaction, and what is told of it meanwhile."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from openlookout.api.instants import from_microseconds
from openlookout.jobs.engine import JobQueue
from openlookout.jobs.turns import hold, is_idle
from openlookout.store.audit import LOCAL, SYSTEM, Entry, note
from openlookout.store.database import Database
from openlookout.store.subjects import arn
from openlookout.store.tables import inference_scheduler, model, replay


class ReplayRefused(Exception):
    """There is nothing that could be replayed; the message is a sentence for whoever asked."""


@dataclass(frozen=True)
class Told:
    """What there is to tell of a replay. `position`: up to where results are corrected, None before it has begun."""

    status: str
    position: datetime | None
    counts: Mapping[str, int]
    failed_reason: str | None


def find_scheduler(connection: Connection, account: str, region: str, name: str) -> str:
    """Give the id of a scheduler whose model can score.

    Raises:
        ReplayRefused: there is none.
    """
    found = connection.execute(
        select(inference_scheduler.c.id, model.c.active_version)
        .join(model, model.c.id == inference_scheduler.c.model_id)
        .where(
            inference_scheduler.c.account == account,
            inference_scheduler.c.region == region,
            inference_scheduler.c.name == name,
        )
    ).one_or_none()
    if found is None:
        raise ReplayRefused(f"account {account} has no inference scheduler '{name}' in {region}")
    if found.active_version is None:
        raise ReplayRefused(f"the model of the inference scheduler '{name}' has no active version to score with")
    identity: str = found.id
    return identity


def request_replay(
    connection: Connection,
    queue: JobQueue,
    scheduler_id: str,
    span: tuple[datetime, datetime],
    *,
    origin: Literal["COMMAND", "LATE"],
    now: datetime,
) -> str:
    """Ask for the windows that touch a span of time; give the id of the replay. It begins when its turn comes.

    Leaves a record in the audit log: results that were published will change.
    """
    hold(connection, scheduler_id)
    is_first = is_idle(connection, scheduler_id)
    identity = uuid.uuid4().hex
    row = {
        "id": identity,
        "scheduler_id": scheduler_id,
        "origin": origin,
        "data_start": span[0],
        "data_end": span[1],
        "status": "IN_PROGRESS",
        "attempt": 0,
        "created_at": now,
    }
    connection.execute(replay.insert(), row)
    if is_first:
        queue.enqueue(connection, "replay", identity)
    of = connection.execute(select(inference_scheduler).where(inference_scheduler.c.id == scheduler_id)).one()
    request = {"InferenceSchedulerName": of.name, "StartTime": span[0], "EndTime": span[1], "Origin": origin}
    entry = Entry(
        at=now,
        account=of.account,
        region=of.region,
        principal=LOCAL if origin == "COMMAND" else SYSTEM,
        operation="StartReplay",
        resource=arn(of.account, of.region, f"inference-scheduler/{of.name}/{of.id}"),
        request_id=identity,
        request=request,
    )
    note(connection, entry)
    return identity


def told(database: Database, identity: str) -> Told:
    """Tell how far a replay is.

    Raises:
        ReplayRefused: its scheduler was deleted.
    """
    with database.reading() as connection:
        row = connection.execute(select(replay).where(replay.c.id == identity)).one_or_none()
    if row is None:
        raise ReplayRefused("the inference scheduler was deleted")
    progress: dict[str, Any] = row.progress or {}
    position = from_microseconds(progress["position_us"]) if progress else None
    counts = {name: progress.get(name, 0) for name in ("n_scored", "n_revised", "n_failed")}
    return Told(row.status, position, counts, row.failed_reason)
