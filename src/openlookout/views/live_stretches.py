"""Which rows of live inference are scored once more to be shown: finds version, state and readings. Knows rows only."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, select

from openlookout.api.instants import to_microseconds
from openlookout.jobs import checkpoints
from openlookout.store.tables import (
    accumulated,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
)

# Without a state of before, the rows that the slow levels settle in.
SETTLING = timedelta(days=3)
# What is shown at most around an event, to either side: rows of two weeks at least are scored in a moment.
AROUND_MAX = timedelta(days=7)
WINDOWS_MAX = 8_000


@dataclass(frozen=True)
class Stretch:
    """Which rows are scored: of `windows` (start, end, prefix of their readings), in time order, times in microseconds.

    `state_key`: the state that was kept where the first window begins.
    """

    version_prefix: str
    state_key: str | None
    windows: tuple[tuple[int, int, str], ...]


def stretch_around(
    connection: Connection, mine: tuple[ColumnElement[bool], ...], event: datetime, span: tuple[datetime, datetime]
) -> Stretch | None:
    """Give what is scored to show a span around an event (its begin); None where nothing was kept.

    `mine`: which scheduler. The version is the one that scored the event.
    """
    found = connection.execute(
        select(inference_scheduler.c.id, inference_scheduler.c.model_id, model.c.active_version)
        .join(model, model.c.id == inference_scheduler.c.model_id)
        .where(*mine)
    ).one_or_none()
    if found is None:
        return None
    then = connection.execute(
        select(inference_execution.c.version)
        .where(
            inference_execution.c.scheduler_id == found.id,
            inference_execution.c.status == "SUCCESS",
            inference_execution.c.data_start < event,
            inference_execution.c.data_end >= event,
        )
        .limit(1)
    ).scalar()
    number = then or found.active_version
    prefix = connection.execute(
        select(model_version.c.object_prefix).where(
            model_version.c.model_id == found.model_id, model_version.c.version == number
        )
    ).scalar()
    kept = checkpoints.newest(connection, found.id, number, span[0])
    if kept is not None and span[0] - kept.data_end > SETTLING:
        kept = None
    begin = span[0] - SETTLING if kept is None else kept.data_end
    rows = connection.execute(
        select(accumulated)
        .where(
            accumulated.c.model_id == found.model_id,
            accumulated.c.data_start >= begin,
            accumulated.c.data_start < span[1],
        )
        .order_by(accumulated.c.data_end)
        .limit(WINDOWS_MAX)
    ).all()
    if prefix is None or not rows:
        return None
    windows = tuple((to_microseconds(one.data_start), to_microseconds(one.data_end), one.prefix) for one in rows)
    return Stretch(prefix, None if kept is None else kept.state_key, windows)
