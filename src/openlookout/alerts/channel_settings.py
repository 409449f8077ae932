"""The channels that people set, change, look at, delete and test. Nothing that it gives holds a secret.

For the command line and the console. All within one account and region.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from openlookout.alerts.card import sample_message
from openlookout.alerts.channels import channel_of
from openlookout.alerts.delivery import envelope_of
from openlookout.alerts.kinds import KINDS
from openlookout.alerts.place import Place, Refused, check_name, forget, mine, named, owner
from openlookout.alerts.sending import BadChannel, Rejected, Unreachable
from openlookout.alerts.similar import time_text
from openlookout.api.instants import EPOCH
from openlookout.store.alert_tables import alert_channel, alert_delivery

PER_HOUR_DEFAULT = 60
PER_HOUR_MAX = 10_000
# The members of a channel's configuration that say where its secrets go.
DESTINATION = ("url", "host", "port", "security", "tls", "user", "ca_file")


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
    check_name("channel", name)
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
        this = named(place, alert_channel, name)
        if connection.execute(update(alert_channel).where(this).values(**row)).rowcount == 0:
            made = {"id": uuid.uuid4().hex, "name": name, "claimed_until": EPOCH, "created_at": now}
            connection.execute(insert(alert_channel), {**made, **owner(place), **row})
        shown = {member: row[member] for member in ("kind", "configuration", "kinds", "models", "per_hour")}
        place.note(connection, "PutAlertChannel", f"alert-channel/{name}", shown | {"secrets": sorted(secrets)})


def channel_set(place: Place, name: str) -> ChannelSet:
    """What was set for a channel, but for its secrets.

    Raises:
        Refused: there is none of that name.
    """
    with place.reading() as connection:
        row = connection.execute(select(alert_channel).where(named(place, alert_channel, name))).one_or_none()
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
        row = connection.execute(select(alert_channel).where(named(place, alert_channel, name))).one_or_none()
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
    forget(place, alert_channel, name, what="channel", operation="DeleteAlertChannel", kind="alert-channel")


def channels(place: Place) -> list[ChannelView]:
    """The channels, by name."""
    with place.database.reading() as connection:
        rows = connection.execute(select(alert_channel).where(mine(place, alert_channel))).all()
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
        row = connection.execute(select(alert_channel).where(named(place, alert_channel, name))).one_or_none()
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
