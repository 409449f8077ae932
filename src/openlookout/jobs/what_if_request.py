"""Asking for a what-if: a row and a job in the caller's transaction; stopping it, forgetting old ones."""

import uuid
from datetime import datetime

from sqlalchemy import Connection, delete, select

from openlookout.buckets import layout
from openlookout.jobs.engine import JobQueue
from openlookout.store.lifecycles import WHAT_IF, move
from openlookout.store.what_if_tables import what_if

# Of a model; the oldest give way to new ones.
KEPT_MAX = 24
STOPPED = "It was stopped by hand."


def request_what_if(
    connection: Connection,
    queue: JobQueue,
    model_id: str,
    version: int,
    span: tuple[datetime, datetime],
    *,
    now: datetime,
) -> str:
    """Ask for a stretch to be scored with a version; give the what-if's id."""
    forget_what_ifs(connection, queue, model_id, KEPT_MAX - 1)
    identity = uuid.uuid4().hex
    row = {
        "id": identity,
        "model_id": model_id,
        "version": version,
        "data_start": span[0],
        "data_end": span[1],
        "status": "IN_PROGRESS",
        "attempt": 0,
        "created_at": now,
    }
    connection.execute(what_if.insert(), row)
    queue.enqueue(connection, "what-if", identity)
    return identity


def stop_what_if(connection: Connection, identity: str, now: datetime) -> bool:
    """End a what-if that is under way; its child is killed within a moment. False: it has ended already."""
    values = {"failed_reason": STOPPED, "ended_at": now}
    return move(connection, WHAT_IF, what_if.c.id == identity, "FAILED", **values) == 1


def forget_what_ifs(connection: Connection, queue: JobQueue, model_id: str, n_kept: int) -> None:
    """Delete the oldest what-ifs of a model that have ended, beyond the newest of all."""
    rows = connection.execute(
        select(what_if.c.id, what_if.c.status)
        .where(what_if.c.model_id == model_id)
        .order_by(what_if.c.created_at.desc(), what_if.c.id)
        .offset(n_kept)
    ).all()
    for row in rows:
        if row.status != "IN_PROGRESS":
            forget_what_if(connection, queue, model_id, row.id)


def forget_what_if(connection: Connection, queue: JobQueue, model_id: str, identity: str) -> None:
    """Delete a what-if and have its objects deleted."""
    connection.execute(delete(what_if).where(what_if.c.id == identity))
    queue.enqueue(connection, "discard", layout.what_if(model_id, identity))
