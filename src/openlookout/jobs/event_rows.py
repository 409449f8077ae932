"""Events as rows: how an event that runs over windows is one event. Knows values and rows; knows no scores."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.detection.evidence_record import gone_on
from openlookout.store.tables import inference_event

Event = Mapping[str, Any]  # start_us, end_us, n_rows, diagnostics: sensor -> mean share over the rows; evidence.


def keep_event(connection: Connection, scheduler_id: str, event: Event) -> None:
    """Add an event, or let the one that ended just where this begins go on."""
    earlier = connection.execute(
        select(inference_event).where(
            inference_event.c.scheduler_id == scheduler_id,
            inference_event.c.ended_at == from_microseconds(event["start_us"]),
        )
    ).one_or_none()
    if earlier is None:
        row = {"id": uuid.uuid4().hex, "scheduler_id": scheduler_id, **columns(event)}
        connection.execute(inference_event.insert(), row)
        return
    longer = columns(continued(from_row(earlier), event))
    connection.execute(update(inference_event).where(inference_event.c.id == earlier.id).values(**longer))


def continued(earlier: Event, event: Event) -> dict[str, Any]:
    """Give the one event that two are, of which the second begins where the first ends."""
    n = earlier["n_rows"] + event["n_rows"]
    diagnostics = {
        name: (earlier["diagnostics"].get(name, 0.0) * earlier["n_rows"] + share * event["n_rows"]) / n
        for name, share in event["diagnostics"].items()
    }
    return {
        "start_us": earlier["start_us"],
        "end_us": event["end_us"],
        "n_rows": n,
        "diagnostics": diagnostics,
        "evidence": gone_on(earlier["evidence"], event["evidence"], diagnostics),
    }


def from_row(row: Row[Any]) -> dict[str, Any]:
    """Give the event of a row."""
    start, end = to_microseconds(row.started_at), to_microseconds(row.ended_at)
    return {
        "start_us": start,
        "end_us": end,
        "n_rows": row.n_rows,
        "diagnostics": row.diagnostics,
        "evidence": row.evidence,
    }


def columns(event: Event) -> dict[str, Any]:
    """Give the columns of an event."""
    return {
        "started_at": from_microseconds(event["start_us"]),
        "ended_at": from_microseconds(event["end_us"]),
        "n_rows": event["n_rows"],
        "diagnostics": event["diagnostics"],
        "evidence": event["evidence"],
    }


def open_event(connection: Connection, scheduler_id: str, since: datetime) -> dict[str, Any] | None:
    """Give the latest event, if it ended after a time: the one that the next row may continue."""
    row = connection.execute(
        select(inference_event)
        .where(inference_event.c.scheduler_id == scheduler_id, inference_event.c.ended_at > since)
        .order_by(inference_event.c.ended_at.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else from_row(row)
