"""The outbox: an alert and its deliveries, written in the transaction that makes them true. Sends nothing itself."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from openlookout.api.instants import EPOCH
from openlookout.store.alert_tables import alert, alert_channel, alert_delivery

RANDOM_BYTES = 8

_ids = threading.Lock()
_last_ns = 0


@dataclass(frozen=True)
class Subject:
    """Whom an alert is about."""

    account: str
    region: str
    model_id: str
    model_name: str
    scheduler_name: str | None = None


def put(
    connection: Connection, subject: Subject, kind: str, what: str, *, facts: Mapping[str, Any], now: datetime
) -> bool:
    """Write an alert for every channel that wants it; False: `what` was told before."""
    identity, key = _next_id(), f"{kind}:{what}"
    row = {
        "id": identity,
        "key": key,
        "account": subject.account,
        "region": subject.region,
        "kind": kind,
        "model_id": subject.model_id,
        "model_name": subject.model_name,
        "scheduler_name": subject.scheduler_name,
        "created_at": now,
        "facts": dict(facts),
    }
    if connection.execute(select(alert.c.id).where(alert.c.key == key)).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(alert.insert(), row)
    except IntegrityError:  # Another worker was first.
        return False
    channels = connection.execute(
        select(alert_channel.c.id, alert_channel.c.kinds, alert_channel.c.models).where(
            alert_channel.c.account == subject.account, alert_channel.c.region == subject.region
        )
    )
    deliveries = [
        {
            "alert_id": identity,
            "channel_id": channel.id,
            "state": "PENDING",
            "attempts": 0,
            "next_try_at": EPOCH,  # At once, whatever clock the sender goes by.
        }
        for channel in channels
        if (channel.kinds is None or kind in channel.kinds)
        and (channel.models is None or subject.model_name in channel.models)
    ]
    if deliveries:
        connection.execute(alert_delivery.insert(), deliveries)
    return True


def _next_id() -> str:
    """A fresh identity, greater than every one before it: the order of an end and its start, written at one time."""
    global _last_ns  # noqa: PLW0603  # One order a process.
    with _ids:
        _last_ns = max(_last_ns + 1, time.time_ns())
        return f"{_last_ns:016x}{secrets.token_hex(RANDOM_BYTES)}"
