"""The message of an alert: one JSON document, the same for every channel. Its schema is `schema.json` beside this.

Composed once, when it is first sent, and kept: every channel and every repetition says the same.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Row, select

from openlookout.alerts import kinds
from openlookout.alerts.similar import similar_events, time_text
from openlookout.alerts.words import text, title
from openlookout.store.tables import inference_event

SCHEMA = "openlookout.alert/1"
SENSORS_MAX = 15
SIMILAR_MAX = 3

Message = dict[str, Any]


def compose(connection: Connection, alert: Row[Any], base_url: str) -> Message:
    """Give the message of an alert's row; `base_url` is where people reach the console."""
    facts = alert.facts
    message: Message = {
        "schema": SCHEMA,
        "id": alert.id,
        "kind": alert.kind,
        "created_at": time_text(alert.created_at),
        "account": alert.account,
        "region": alert.region,
        "model": alert.model_name,
        "scheduler": alert.scheduler_name,
        "link": _link(base_url, alert),
    }
    if alert.kind in {kinds.EVENT_STARTED, kinds.EVENT_ENDED}:
        message |= _event(connection, alert)
    elif alert.kind in {kinds.TRAINING_FINISHED, kinds.TRAINING_FAILED, kinds.VERSION_PROMOTED}:
        message["version"] = dict(facts)
    elif alert.kind in {kinds.EXECUTION_FAILED, kinds.EXECUTION_RECOVERED}:
        message["execution"] = dict(facts)
    else:
        message["silence"] = dict(facts)
    return message | {"title": title(message), "text": text(message)}


def sample_message(
    message_id: str, channel_name: str, *, account: str, region: str, now: str, base_url: str
) -> Message:
    """What a test sends: nothing has happened."""
    return {
        "schema": SCHEMA,
        "id": message_id,
        "kind": kinds.TEST,
        "created_at": now,
        "account": account,
        "region": region,
        "model": None,
        "scheduler": None,
        "link": base_url or None,
        "title": f"Test of the channel {channel_name}",
        "text": "This is a test: nothing has happened. Alerts of OpenLookout reach you here.",
    }


def digest(message_id: str, messages: Sequence[Message], now: str, per_hour: int, base_url: str) -> Message:
    """Many alerts in one message, for a channel that has had as many as it may."""
    titles = "\n".join(f"{message['created_at']} {message['title']}" for message in messages)
    return {
        "schema": SCHEMA,
        "id": message_id,
        "kind": kinds.DIGEST,
        "created_at": now,
        "account": messages[0]["account"],
        "region": messages[0]["region"],
        "model": None,
        "scheduler": None,
        "link": base_url or None,
        "title": f"{len(messages)} alerts in one message",
        "text": f"More than {per_hour} messages an hour are held back and put together.\n{titles}",
        "alerts": [{name: message[name] for name in ("id", "kind", "model", "title", "link")} for message in messages],
    }


def _event(connection: Connection, alert: Row[Any]) -> Message:
    facts = alert.facts
    found = connection.execute(select(inference_event).where(inference_event.c.id == facts["event_id"])).one_or_none()
    evidence = _evidence(found)
    started = facts["started_at"]
    return {
        "event": {
            "id": facts["event_id"],
            "started_at": started,
            "ended_at": facts["ended_at"],
            "last_row_at": facts["last_row_at"],
            "duration_seconds": facts["duration_seconds"],
            "late": facts.get("late", False),
            "kind": evidence.get("kind"),
            "reason": evidence.get("reason"),
            "onset_order": evidence.get("onset_order", []),
            "sensors": _sensors(evidence, facts["shares"]),
        },
        "similar": similar_events(
            connection, alert.model_id, facts["shares"], datetime.fromisoformat(started), SIMILAR_MAX
        ),
    }


def _evidence(found: Row[Any] | None) -> Mapping[str, Any]:
    """The evidence record of an event; empty where none was written."""
    kept = None if found is None else found._mapping.get("evidence")
    record: Mapping[str, Any] = json.loads(kept) if isinstance(kept, str) else (kept or {})
    return record


def _sensors(evidence: Mapping[str, Any], shares: Mapping[str, float]) -> list[Message]:
    """The leading sensors: as the evidence has them, else by their share of the event alone."""
    names = ("sensor", "contribution", "onset", "measured", "expected", "low", "high")
    known = [{name: sensor.get(name) for name in names} for sensor in evidence.get("sensors", [])[:SENSORS_MAX]]
    leading = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return known or [
        dict.fromkeys(names) | {"sensor": sensor, "contribution": round(share, 5)}
        for sensor, share in leading[:SENSORS_MAX]
        if share > 0
    ]


def _link(base_url: str, alert: Row[Any]) -> str | None:
    if not base_url:
        return None
    model, event = quote(alert.model_name, safe=""), alert.facts.get("event_id")
    return f"{base_url.rstrip('/')}/models/{model}" + (f"/events/{event}" if event else "")
