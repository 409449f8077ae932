"""Whose turn it is: the runs of a scheduler, executions and replays, follow each other, one at a time.

Each looks back on the one before. A run that ends enqueues the next; whoever adds one to an idle scheduler enqueues it.
"""

from sqlalchemy import Connection, bindparam, select

from openlookout.jobs.engine import JobQueue
from openlookout.store.tables import inference_execution, inference_scheduler, replay

# Made once: every execution asks them.
_HELD = select(inference_scheduler.c.id).where(inference_scheduler.c.id == bindparam("scheduler")).with_for_update()
_OPEN_EXECUTION = (
    select(inference_execution.c.id)
    .where(inference_execution.c.scheduler_id == bindparam("scheduler"), inference_execution.c.status == "IN_PROGRESS")
    .order_by(inference_execution.c.due_at)
    .limit(1)
)
_OPEN_REPLAY = (
    select(replay.c.id)
    .where(replay.c.scheduler_id == bindparam("scheduler"), replay.c.status == "IN_PROGRESS")
    .order_by(replay.c.created_at, replay.c.id)
    .limit(1)
)


def hold(connection: Connection, scheduler_id: str) -> None:
    """Let no other transaction look whose turn it is until this one ends."""
    connection.execute(_HELD, {"scheduler": scheduler_id})


def is_idle(connection: Connection, scheduler_id: str) -> bool:
    """Whether no run of the scheduler is under way or waits."""
    return open_execution(connection, scheduler_id) is None and open_replay(connection, scheduler_id) is None


def enqueue_next(connection: Connection, queue: JobQueue, scheduler_id: str) -> None:
    """Enqueue the run after one that ends: the oldest replay that waits, else the oldest execution."""
    hold(connection, scheduler_id)
    replay_id = open_replay(connection, scheduler_id)
    if replay_id is not None:
        queue.enqueue(connection, "replay", replay_id)
        return
    execution_id = open_execution(connection, scheduler_id)
    if execution_id is not None:
        queue.enqueue(connection, "infer", execution_id)


def open_execution(connection: Connection, scheduler_id: str) -> str | None:
    """Give the id of the scheduler's oldest execution that has not ended."""
    found: str | None = connection.execute(_OPEN_EXECUTION, {"scheduler": scheduler_id}).scalar()
    return found


def open_replay(connection: Connection, scheduler_id: str) -> str | None:
    """Give the id of the scheduler's oldest replay that has not ended."""
    found: str | None = connection.execute(_OPEN_REPLAY, {"scheduler": scheduler_id}).scalar()
    return found
