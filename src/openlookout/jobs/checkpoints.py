"""Checkpoints: what a scheduler remembered at each full hour, as long as late files may still correct its results.

Scoring late data begins at the checkpoint before it. Knows rows and the keys of states, not what is in a state.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select

from openlookout.api.instants import EPOCH, to_microseconds
from openlookout.jobs.event_rows import open_event
from openlookout.store.tables import checkpoint

EVERY_US = 3_600_000_000
# A file may correct the window before the one that it is named after, and that one's checkpoint lies before it.
SPARE = timedelta(hours=3)


def is_due(data_start: datetime, data_end: datetime) -> bool:
    """Whether a window reaches the full hour, or passes it."""
    return to_microseconds(data_start) // EVERY_US != to_microseconds(data_end) // EVERY_US


def keep(
    connection: Connection, scheduler_id: str, data_end: datetime, after: tuple[int, str, Mapping[str, Any] | None]
) -> None:
    """Keep what there is `after` a window: the model version, the key of its state, and the event that is open."""
    forget(connection, scheduler_id, data_end, data_end)
    version, state_key, event = after
    row = {"scheduler_id": scheduler_id, "data_end": data_end, "version": version}
    connection.execute(checkpoint.insert(), {**row, "state_key": state_key, "open_event": event})


def keep_live(connection: Connection, execution: Row[Any], answer: dict[str, Any], late: timedelta) -> list[str]:
    """Keep the state after an execution if one is due; give the keys of the states that no row names any more.

    `answer` is what its child gave. The state that the execution began with is among them unless it is kept.
    """
    gone = []
    if late and is_due(execution.data_start, execution.data_end):
        event = open_event(connection, execution.scheduler_id, execution.data_start)
        keep(connection, execution.scheduler_id, execution.data_end, (answer["version"], answer["state_key"], event))
        gone = forget(connection, execution.scheduler_id, EPOCH, execution.data_end - late - SPARE)
    earlier = answer["earlier_state_key"]
    if earlier is not None and not is_kept(connection, earlier):
        gone.append(earlier)
    return [key for key in gone if key != answer["state_key"]]


def forget(connection: Connection, scheduler_id: str, first: datetime, last: datetime) -> list[str]:
    """Forget the checkpoints of a scheduler from one time to another; give the keys of their states."""
    mine = (checkpoint.c.scheduler_id == scheduler_id) & checkpoint.c.data_end.between(first, last)
    keys = list(connection.execute(select(checkpoint.c.state_key).where(mine)).scalars())
    connection.execute(delete(checkpoint).where(mine))
    return keys


def is_kept(connection: Connection, state_key: str) -> bool:
    """Whether a checkpoint names the state."""
    return (
        connection.execute(select(checkpoint.c.version).where(checkpoint.c.state_key == state_key)).first() is not None
    )


def newest(connection: Connection, scheduler_id: str, version: int, before: datetime) -> Row[Any] | None:
    """Give the newest checkpoint of a model version whose state has seen nothing after a time."""
    return connection.execute(
        select(checkpoint)
        .where(
            checkpoint.c.scheduler_id == scheduler_id,
            checkpoint.c.version == version,
            checkpoint.c.data_end <= before,
        )
        .order_by(checkpoint.c.data_end.desc())
        .limit(1)
    ).one_or_none()
