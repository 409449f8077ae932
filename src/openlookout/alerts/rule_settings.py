"""When alerts are wanted: a model's rule and snooze, and maintenance windows.

For the command line and the console. All within one account and region.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from openlookout.alerts.maintenance import BadMaintenance, Maintenance, checked
from openlookout.alerts.muting import window_of
from openlookout.alerts.persistence import Rule
from openlookout.alerts.place import Place, Refused, check_name, forget, mine, named, owner
from openlookout.store.alert_tables import alert_rule, maintenance
from openlookout.store.tables import model

ROWS_MAX = 1000
SECONDS_MAX = 30 * 24 * 3600


@dataclass(frozen=True)
class RuleView:
    """What is wanted of a model's alerts. `silence_seconds` of None: three windows and the delay."""

    rows_anomalous: int = 1
    rows_looked_at: int = 1
    seconds_min: int = 0
    silence_seconds: int | None = None
    snoozed_until: datetime | None = None


def set_rule(place: Place, model_name: str, rule: RuleView) -> None:
    """Say when a model's alerts are wanted; a snooze is kept as it is.

    Raises:
        Refused: there is no such model, or a value is out of its range.
    """
    if not 1 <= rule.rows_anomalous <= rule.rows_looked_at <= ROWS_MAX:
        raise Refused(
            f"{rule.rows_anomalous} of {rule.rows_looked_at} rows; at least 1, and at most {ROWS_MAX} are looked at"
        )
    for what, seconds in (("minimum duration", rule.seconds_min), ("silence", rule.silence_seconds or 0)):
        if not 0 <= seconds <= SECONDS_MAX:
            raise Refused(f"a {what} of {seconds} s; {SECONDS_MAX} are the most")
    values = {
        "rows_anomalous": rule.rows_anomalous,
        "rows_looked_at": rule.rows_looked_at,
        "seconds_min": rule.seconds_min,
        "silence_seconds": rule.silence_seconds,
    }
    with place.writing() as connection:
        _put_rule(connection, _model_id(place, connection, model_name), values)
        place.note(connection, "PutAlertRule", f"model/{model_name}", values)


def rule_of(place: Place, model_name: str) -> RuleView:
    """What is set for a model, or the defaults.

    Raises:
        Refused: there is no such model.
    """
    with place.database.reading() as connection:
        model_id = _model_id(place, connection, model_name)
        row = connection.execute(select(alert_rule).where(alert_rule.c.model_id == model_id)).one_or_none()
    if row is None:
        return RuleView()
    return RuleView(row.rows_anomalous, row.rows_looked_at, row.seconds_min, row.silence_seconds, row.snoozed_until)


def snooze(place: Place, model_name: str, until: datetime | None) -> None:
    """Be quiet about a model's machine until a time; None: no longer.

    Raises:
        Refused: there is no such model.
    """
    with place.writing() as connection:
        _put_rule(connection, _model_id(place, connection, model_name), {"snoozed_until": until})
        place.note(connection, "SnoozeAlerts", f"model/{model_name}", {"ModelName": model_name, "Until": until})


def put_maintenance(place: Place, window: Maintenance, model_name: str | None) -> None:
    """Make a maintenance window, or change the one of that name; without a model it is for all.

    Raises:
        Refused: it is none that can be, or there is no such model.
    """
    check_name("maintenance window", window.name)
    try:
        checked(window)
    except BadMaintenance as error:
        raise Refused(f"maintenance '{window.name}': {error}") from None
    with place.writing() as connection:
        row = {
            "model_id": None if model_name is None else _model_id(place, connection, model_name),
            "first_start": window.start.isoformat(),
            "minutes": window.minutes,
            "zone": window.zone,
            "recurrence": window.recurrence,
        }
        this = named(place, maintenance, window.name)
        if connection.execute(update(maintenance).where(this).values(**row)).rowcount == 0:
            made = {"id": uuid.uuid4().hex, "name": window.name, **owner(place)}
            connection.execute(insert(maintenance), made | row)
        place.note(connection, "PutMaintenance", f"maintenance/{window.name}", {**row, "model": model_name})


def delete_maintenance(place: Place, name: str) -> None:
    """Delete a maintenance window.

    Raises:
        Refused: there is none of that name.
    """
    forget(place, maintenance, name, what="maintenance window", operation="DeleteMaintenance", kind="maintenance")


def maintenances(place: Place) -> list[tuple[Maintenance, str | None]]:
    """The maintenance windows by name, each with the name of its model, None for all."""
    with place.database.reading() as connection:
        rows = connection.execute(
            select(maintenance, model.c.name.label("model_name"))
            .join(model, model.c.id == maintenance.c.model_id, isouter=True)
            .where(mine(place, maintenance))
        ).all()
    return [(window_of(row), row.model_name) for row in sorted(rows, key=lambda row: row.name)]


def _put_rule(connection: Connection, model_id: str, values: Mapping[str, Any]) -> None:
    this = alert_rule.c.model_id == model_id
    if connection.execute(update(alert_rule).where(this).values(**values)).rowcount == 0:
        plain = Rule()
        row = {"rows_anomalous": plain.k, "rows_looked_at": plain.n, "seconds_min": plain.minimum_us}
        connection.execute(insert(alert_rule), {"model_id": model_id, **row, **values})


def _model_id(place: Place, connection: Connection, name: str) -> str:
    found: Row[Any] | None = connection.execute(select(model.c.id).where(named(place, model, name))).one_or_none()
    if found is None:
        raise Refused(f"there is no model '{name}' in account {place.account}, region {place.region}")
    return str(found.id)
