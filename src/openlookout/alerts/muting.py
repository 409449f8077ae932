"""Whether a model's alerts are wanted at a time: maintenance windows and snooze, read from the rows."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_, select

from openlookout.alerts.maintenance import Maintenance
from openlookout.store.alert_tables import alert_rule, maintenance
from openlookout.store.tables import model

Muted = Callable[[datetime], bool]


def muted(connection: Connection, model_id: str, now: datetime) -> Muted:
    """Give what tells, for a time of data, whether it is muted; a snooze goes by `now`, whatever the data."""
    snoozed = connection.execute(select(alert_rule.c.snoozed_until).where(alert_rule.c.model_id == model_id)).scalar()
    if snoozed is not None and now < snoozed:
        return lambda _at: True
    windows = windows_of(connection, model_id)
    return lambda at: any(window.covers(at) for window in windows)


def windows_of(connection: Connection, model_id: str) -> list[Maintenance]:
    """The maintenance windows of a model, those for all models among them."""
    rows = connection.execute(
        select(maintenance)
        .join(model, (model.c.account == maintenance.c.account) & (model.c.region == maintenance.c.region))
        .where(model.c.id == model_id, or_(maintenance.c.model_id.is_(None), maintenance.c.model_id == model_id))
    )
    return [window_of(row) for row in rows]


def window_of(row: Row[Any]) -> Maintenance:
    return Maintenance(row.name, datetime.fromisoformat(row.first_start), row.minutes, row.zone, row.recurrence)
