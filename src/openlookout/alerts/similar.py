"""Past events that resemble one: by which sensors led. Reads rows; computes on dictionaries, for there are few.

An event's fingerprint is the share of each sensor. Two events are as similar as the cosine between their fingerprints:
1 when the same sensors led in the same proportions, 0 when none led in both.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from openlookout.store.tables import inference_event, inference_scheduler, label, model, model_version

LOOKED_AT_MAX = 500
SIMILARITY_MIN = 0.5

Shares = Mapping[str, float]


@dataclass(frozen=True)
class Past:
    """An event of the past: of live inference, or of a version's evaluation (`id` is None)."""

    id: str | None
    source: str
    started_at: datetime
    ended_at: datetime
    shares: Shares


def similar_events(
    connection: Connection, model_id: str, shares: Shares, before: datetime, n_max: int
) -> list[dict[str, Any]]:
    """Give the most similar events of a model that ended before a time, with what people said of them."""
    past = _live(connection, model_id, before) + _evaluated(connection, model_id, before)
    rated = [(similarity(shares, event.shares), event) for event in past]
    rated = [(rating, event) for rating, event in rated if rating >= SIMILARITY_MIN]
    rated.sort(key=lambda pair: (-pair[0], -pair[1].started_at.timestamp()))
    return [
        {
            "event_id": event.id,
            "source": event.source,
            "started_at": time_text(event.started_at),
            "ended_at": time_text(event.ended_at),
            "similarity": round(rating, 3),
            "verdict": _verdict(connection, model_id, event),
        }
        for rating, event in rated[:n_max]
    ]


def similarity(one: Shares, other: Shares) -> float:
    """The cosine between two fingerprints; 0 when one is empty."""
    both = sum(share * other.get(sensor, 0.0) for sensor, share in one.items())
    length = math.sqrt(sum(x * x for x in one.values()) * sum(x * x for x in other.values()))
    return both / length if length > 0 else 0.0


def time_text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _live(connection: Connection, model_id: str, before: datetime) -> list[Past]:
    rows = connection.execute(
        select(inference_event)
        .join(inference_scheduler)
        .where(inference_scheduler.c.model_id == model_id, inference_event.c.ended_at < before)
        .order_by(inference_event.c.started_at.desc())
        .limit(LOOKED_AT_MAX)
    )
    return [Past(row.id, "live", row.started_at, row.ended_at, row.diagnostics) for row in rows]


def _evaluated(connection: Connection, model_id: str, before: datetime) -> list[Past]:
    """The events of the active version's evaluation."""
    text = connection.execute(
        select(model_version.c.metrics)
        .join(model, (model.c.id == model_version.c.model_id) & (model.c.active_version == model_version.c.version))
        .where(model.c.id == model_id)
    ).scalar()
    if not text:
        return []
    past = []
    for found in json.loads(text)["predicted_ranges"]:
        start, end = (datetime.fromisoformat(found[side]).replace(tzinfo=UTC) for side in ("start", "end"))
        if end < before:
            shares = {sensor["name"]: sensor["value"] for sensor in found["diagnostics"]}
            past.append(Past(None, "evaluation", start, end, shares))
    past.sort(key=lambda event: event.started_at, reverse=True)
    return past[:LOOKED_AT_MAX]


def _verdict(connection: Connection, model_id: str, event: Past) -> dict[str, Any] | None:
    """The label of the model's label group that lies over the event, the latest if there are several."""
    found = connection.execute(
        select(label)
        .join(model, model.c.label_group_id == label.c.group_id)
        .where(
            model.c.id == model_id,
            label.c.started_at <= event.ended_at,
            label.c.ended_at >= event.started_at,
        )
        .order_by(label.c.created_at.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return None
    return {"rating": found.rating, "fault_code": found.fault_code, "notes": found.notes}
