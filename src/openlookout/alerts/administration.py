"""What people set: channels, a model's rule, maintenance windows, snooze; and what they ask: the log, a test.

For the command line and the console. All within one account and region. Nothing that it gives holds a secret.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, func, insert, select, update

from openlookout.alerts.card import sample_message
from openlookout.alerts.channels import channel_of
from openlookout.alerts.delivery import envelope_of
from openlookout.alerts.kinds import KINDS
from openlookout.alerts.maintenance import BadMaintenance, Maintenance, checked
from openlookout.alerts.muting import window_of
from openlookout.alerts.persistence import Rule
from openlookout.alerts.sending import BadChannel, Rejected, Unreachable
from openlookout.alerts.similar import time_text
from openlookout.store.alert_tables import alert, alert_channel, alert_delivery, alert_rule, maintenance
from openlookout.store.audit import Entry, note
from openlookout.store.database import Database
from openlookout.store.subjects import arn
from openlookout.store.tables import EPOCH, model

PER_HOUR_DEFAULT = 60
PER_HOUR_MAX = 10_000
NAME_CHARACTERS_MAX = 200
ROWS_MAX = 1000
SECONDS_MAX = 30 * 24 * 3600
LOG_MAX = 1000
# The members of a channel's configuration that say where its secrets go.
DESTINATION = ("url", "host", "port", "security", "tls", "user", "ca_file")


class Refused(Exception):
    """What was asked for cannot be; the message is a sentence."""


@dataclass(frozen=True)
class By:
    """Who changes something, for the audit log, and when."""

    principal: str
    at: datetime
    request_id: str


@dataclass(frozen=True)
class Place:
    """Whose alerts: an account in a region of a database. Each change leaves a record in the audit log, if it is said
    who makes it: whoever records it otherwise does not say so.
    """

    database: Database
    account: str
    region: str
    transaction: Connection | None = None
    by: By | None = None

    @contextmanager
    def together(self) -> Iterator["Place"]:
        """Give a place whose changes are one transaction."""
        with self.database.writing() as connection:
            yield replace(self, transaction=connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction, or go on in the one that is open."""
        if self.transaction is not None:
            yield self.transaction
            return
        with self.database.writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Look into the transaction that is open, or into the database."""
        if self.transaction is not None:
            yield self.transaction
            return
        with self.database.reading() as connection:
            yield connection

    def note(self, connection: Connection, operation: str, what: str, request: Mapping[str, Any]) -> None:
        """Record a change in its transaction; `what` is its kind and name, and `request` has no secret."""
        if self.by is None:
            return
        entry = Entry(
            at=self.by.at,
            account=self.account,
            region=self.region,
            principal=self.by.principal,
            operation=operation,
            resource=arn(self.account, self.region, what),
            request_id=self.by.request_id,
            request=request,
        )
        note(connection, entry)


@dataclass(frozen=True)
class ChannelView:
    """A channel as it may be shown. `kinds` and `models` of None: all."""

    name: str
    kind: str
    where: str
    kinds: list[str] | None
    models: list[str] | None
    per_hour: int
    n_pending: int
    n_failures: int
    retry_at: datetime | None


@dataclass(frozen=True)
class ChannelSet:
    """A channel as it was set: `configuration` without secrets, `has_secrets` the names of those that it has."""

    name: str
    kind: str
    configuration: dict[str, Any]
    has_secrets: frozenset[str]
    kinds: list[str] | None
    models: list[str] | None
    per_hour: int


@dataclass(frozen=True)
class RuleView:
    """What is wanted of a model's alerts. `silence_seconds` of None: three windows and the delay."""

    rows_anomalous: int = 1
    rows_looked_at: int = 1
    seconds_min: int = 0
    silence_seconds: int | None = None
    snoozed_until: datetime | None = None


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


def put_channel(
    place: Place,
    name: str,
    kind: str,
    configuration: Mapping[str, Any],
    now: datetime,
    *,
    kinds: Sequence[str] | None = None,
    models: Sequence[str] | None = None,
    per_hour: int = PER_HOUR_DEFAULT,
) -> None:
    """Make a channel, or change the one of that name; what waits for it stays.

    Raises:
        Refused: a value is none that it can have.
    """
    _check_name("channel", name)
    unknown = [kind for kind in kinds or () if kind not in KINDS]
    if unknown:
        raise Refused(f"'{unknown[0]}' is no kind of alert; there are {', '.join(KINDS)}")
    if not 1 <= per_hour <= PER_HOUR_MAX:
        raise Refused(f"{per_hour} messages an hour; 1 to {PER_HOUR_MAX} are possible")
    try:
        of = channel_of(kind)
        full = of.check(configuration)
    except BadChannel as error:
        raise Refused(f"channel '{name}': {error}") from None
    secrets = {key: value for key, value in full.items() if key in of.secrets}
    row = {
        "kind": kind,
        "configuration": {key: value for key, value in full.items() if key not in of.secrets},
        "secrets": secrets,
        "kinds": None if kinds is None else list(kinds),
        "models": None if models is None else list(models),
        "per_hour": per_hour,
        "allowance": float(per_hour),
        "allowance_at": now,
        "n_failures": 0,
        "retry_at": EPOCH,  # Changed: what did not answer may now.
    }
    with place.writing() as connection:
        this = _named(place, alert_channel, name)
        if connection.execute(update(alert_channel).where(this).values(**row)).rowcount == 0:
            made = {"id": uuid.uuid4().hex, "name": name, "claimed_until": EPOCH, "created_at": now}
            connection.execute(insert(alert_channel), {**made, **_of(place), **row})
        shown = {member: row[member] for member in ("kind", "configuration", "kinds", "models", "per_hour")}
        place.note(connection, "PutAlertChannel", f"alert-channel/{name}", shown | {"secrets": sorted(secrets)})


def channel_set(place: Place, name: str) -> ChannelSet:
    """What was set for a channel, but for its secrets.

    Raises:
        Refused: there is none of that name.
    """
    with place.reading() as connection:
        row = connection.execute(select(alert_channel).where(_named(place, alert_channel, name))).one_or_none()
    if row is None:
        raise Refused(f"there is no channel '{name}'")
    has = frozenset(key for key, value in row.secrets.items() if value)
    return ChannelSet(row.name, row.kind, dict(row.configuration), has, row.kinds, row.models, row.per_hour)


def with_kept_secrets(place: Place, name: str, kind: str, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Give a configuration with those secrets that it leaves out and the channel of that name has.

    A secret goes only where it went: whoever may change a channel must not send its password somewhere else.

    Raises:
        Refused: a secret is left out, and the place that it goes to is another one now.
    """
    with place.reading() as connection:
        row = connection.execute(select(alert_channel).where(_named(place, alert_channel, name))).one_or_none()
    if row is None or row.kind != kind:
        return dict(configuration)
    kept = {key: value for key, value in row.secrets.items() if value and not configuration.get(key)}
    whole = {**configuration, **kept}
    try:
        full = channel_of(kind).check(whole)
    except BadChannel as error:
        raise Refused(f"channel '{name}': {error}") from None
    before = row.configuration | row.secrets
    moved = [field for field in DESTINATION if full.get(field) != before.get(field)]
    if kept and moved:
        raise Refused(f"channel '{name}': its {moved[0]} is another one now, so give its {' and '.join(kept)} again")
    return whole


def delete_channel(place: Place, name: str) -> None:
    """Delete a channel, with what waits for it.

    Raises:
        Refused: there is none of that name.
    """
    with place.writing() as connection:
        if connection.execute(delete(alert_channel).where(_named(place, alert_channel, name))).rowcount == 0:
            raise Refused(f"there is no channel '{name}'")
        place.note(connection, "DeleteAlertChannel", f"alert-channel/{name}", {})


def channels(place: Place) -> list[ChannelView]:
    """The channels, by name."""
    with place.database.reading() as connection:
        rows = connection.execute(select(alert_channel).where(_mine(place, alert_channel))).all()
        channel_id = alert_delivery.c.channel_id
        pending = select(channel_id, func.count()).where(alert_delivery.c.state == "PENDING").group_by(channel_id)
        waiting = {row[0]: row[1] for row in connection.execute(pending)}
    return [
        ChannelView(
            name=row.name,
            kind=row.kind,
            where=channel_of(row.kind).shown(row.configuration | row.secrets),
            kinds=row.kinds,
            models=row.models,
            per_hour=row.per_hour,
            n_pending=waiting.get(row.id, 0),
            n_failures=row.n_failures,
            retry_at=None if row.retry_at == EPOCH else row.retry_at,
        )
        for row in sorted(rows, key=lambda row: row.name)
    ]


def send_test(place: Place, name: str, now: datetime, base_url: str) -> str:
    """Send a test over a channel at once; give where it went.

    Raises:
        Refused: there is no such channel, it does not answer, or it does not take the message.
    """
    with place.database.reading() as connection:
        row = connection.execute(select(alert_channel).where(_named(place, alert_channel, name))).one_or_none()
    if row is None:
        raise Refused(f"there is no channel '{name}'")
    message = sample_message(
        uuid.uuid4().hex, name, account=place.account, region=place.region, now=time_text(now), base_url=base_url
    )
    kind, configuration = channel_of(row.kind), row.configuration | row.secrets
    try:
        kind.send(configuration, envelope_of(message))
    except (Unreachable, Rejected, BadChannel) as error:
        raise Refused(f"channel '{name}': {error}") from None
    return kind.shown(configuration)


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
    _check_name("maintenance window", window.name)
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
        this = _named(place, maintenance, window.name)
        if connection.execute(update(maintenance).where(this).values(**row)).rowcount == 0:
            made = {"id": uuid.uuid4().hex, "name": window.name, **_of(place)}
            connection.execute(insert(maintenance), made | row)
        place.note(connection, "PutMaintenance", f"maintenance/{window.name}", {**row, "model": model_name})


def delete_maintenance(place: Place, name: str) -> None:
    """Delete a maintenance window.

    Raises:
        Refused: there is none of that name.
    """
    with place.writing() as connection:
        if connection.execute(delete(maintenance).where(_named(place, maintenance, name))).rowcount == 0:
            raise Refused(f"there is no maintenance window '{name}'")
        place.note(connection, "DeleteMaintenance", f"maintenance/{name}", {})


def maintenances(place: Place) -> list[tuple[Maintenance, str | None]]:
    """The maintenance windows by name, each with the name of its model, None for all."""
    with place.database.reading() as connection:
        rows = connection.execute(
            select(maintenance, model.c.name.label("model_name"))
            .join(model, model.c.id == maintenance.c.model_id, isouter=True)
            .where(_mine(place, maintenance))
        ).all()
    return [(window_of(row), row.model_name) for row in sorted(rows, key=lambda row: row.name)]


def alert_log(place: Place, n_max: int = 50, model_name: str | None = None) -> list[AlertView]:
    """The newest alerts first, with what became of each delivery."""
    with place.database.reading() as connection:
        asked = select(alert).where(_mine(place, alert))
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


def _put_rule(connection: Connection, model_id: str, values: Mapping[str, Any]) -> None:
    this = alert_rule.c.model_id == model_id
    if connection.execute(update(alert_rule).where(this).values(**values)).rowcount == 0:
        plain = Rule()
        row = {"rows_anomalous": plain.k, "rows_looked_at": plain.n, "seconds_min": plain.minimum_us}
        connection.execute(insert(alert_rule), {"model_id": model_id, **row, **values})


def _model_id(place: Place, connection: Connection, name: str) -> str:
    found: Row[Any] | None = connection.execute(select(model.c.id).where(_named(place, model, name))).one_or_none()
    if found is None:
        raise Refused(f"there is no model '{name}' in account {place.account}, region {place.region}")
    return str(found.id)


def _check_name(what: str, name: str) -> None:
    if not name.strip() or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise Refused(f"the name of a {what} has 1 to {NAME_CHARACTERS_MAX} printable characters")


def _of(place: Place) -> dict[str, str]:
    return {"account": place.account, "region": place.region}


def _mine(place: Place, table: Table) -> Any:
    return (table.c.account == place.account) & (table.c.region == place.region)


def _named(place: Place, table: Table, name: str) -> Any:
    return _mine(place, table) & (table.c.name == name)
