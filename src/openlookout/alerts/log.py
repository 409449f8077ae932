"""What was told: the newest alerts, and what became of each delivery."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from openlookout.alerts.place import Place, mine
from openlookout.store.alert_tables import alert, alert_channel, alert_delivery

LOG_MAX = 1000


@dataclass(frozen=True)
class DeliveryView:
    channel: str
    state: str
    attempts: int
    last_error: str | None


@dataclass(frozen=True)
class AlertView:
    """An alert of the log; `message` is None until it is first sent."""

    id: str
    kind: str
    model: str
    created_at: datetime
    message: dict[str, Any] | None
    deliveries: list[DeliveryView]


def alert_log(place: Place, n_max: int = 50, model_name: str | None = None) -> list[AlertView]:
    """The newest alerts first, with what became of each delivery."""
    with place.database.reading() as connection:
        asked = select(alert).where(mine(place, alert))
        if model_name is not None:
            asked = asked.where(alert.c.model_name == model_name)
        newest = asked.order_by(alert.c.id.desc()).limit(min(n_max, LOG_MAX))
        rows = connection.execute(newest).all()
        ends = connection.execute(
            select(alert_delivery, alert_channel.c.name)
            .join(alert_channel)
            .where(alert_delivery.c.alert_id.in_([row.id for row in rows]))
            .order_by(alert_channel.c.name)
        ).all()
    return [
        AlertView(
            row.id,
            row.kind,
            row.model_name,
            row.created_at,
            row.message,
            [DeliveryView(d.name, d.state, d.attempts, d.last_error) for d in ends if d.alert_id == row.id],
        )
        for row in rows
    ]
