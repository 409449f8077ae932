"""Delivery: takes what is pending from the outbox to the channels, at least once, in order, never inside a transaction.

One process serves a channel at a time: it claims the channel for a while, so that a process that dies holds nothing up
for long. A channel that does not answer is left alone for a growing pause, with all its messages; a message that is not
taken is tried again by itself, and those of the same model wait behind it, so that an end never comes before its start.
"""

import json
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from openlookout.alerts.card import Message, compose, digest
from openlookout.alerts.channels import channel_of
from openlookout.alerts.sending import BadChannel, Envelope, Rejected, Unreachable
from openlookout.api.instants import EPOCH
from openlookout.clock import Clock
from openlookout.logs import logger
from openlookout.store.alert_tables import alert, alert_channel, alert_delivery
from openlookout.store.database import Database

LOOK_SECONDS = 0.5
CHANNELS_AT_ONCE = 4
BATCH_MAX = 100
CLAIM = timedelta(seconds=60)
PAUSE_FIRST, PAUSE_MAX = timedelta(seconds=5), timedelta(minutes=15)
# A weekend and a day: whoever could have repaired the channel was there.
TRIED_FOR = timedelta(days=3)
KEPT_FOR = timedelta(days=90)
ERROR_CHARACTERS_MAX = 500

log = logger(__name__)


class Delivery:
    """Looks for pending deliveries and sends them. `base_url`: where people reach the console."""

    def __init__(self, database: Database, clock: Clock, base_url: str) -> None:
        self._database, self._clock, self._base_url = database, clock, base_url
        self._pool = ThreadPoolExecutor(CHANNELS_AT_ONCE, thread_name_prefix="alerts")
        self._under_way: dict[str, Future[None]] = {}

    def round(self) -> None:
        """Begin to serve the channels that have something due; a slow one keeps no other waiting."""
        self._under_way = {name: future for name, future in self._under_way.items() if not future.done()}
        with self._database.reading() as connection:
            due = connection.execute(_due(self._clock.now())).scalars().all()
        for channel_id in due:
            if channel_id not in self._under_way:
                self._under_way[channel_id] = self._pool.submit(self._serve, channel_id)

    def finish(self) -> None:
        """Wait for what the rounds have begun."""
        wait(self._under_way.values())

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self, channel_id: str) -> None:
        try:
            channel = self._claim(channel_id)
            if channel is None:
                return
            held_up: set[str] = set()
            for batch in self._batches(channel):
                deliveries = [delivery for delivery in batch if delivery.model_id not in held_up]
                taken = self._send(channel, deliveries) if deliveries else True
                if taken is None:
                    break
                if not taken:
                    held_up.update(delivery.model_id for delivery in deliveries)
            self._note_channel(channel_id, claimed_until=EPOCH)
        except SQLAlchemyError:  # The claim runs out by itself.
            log.exception("alert channel not served")

    def _claim(self, channel_id: str) -> Row[Any] | None:
        now = self._clock.now()
        this = (alert_channel.c.id == channel_id) & (alert_channel.c.claimed_until <= now)
        with self._database.writing() as connection:
            if connection.execute(update(alert_channel).where(this).values(claimed_until=now + CLAIM)).rowcount != 1:
                return None
            return connection.execute(select(alert_channel).where(alert_channel.c.id == channel_id)).one()

    def _batches(self, channel: Row[Any]) -> list[list[Row[Any]]]:
        """What to send now: a message for each delivery while there is an allowance, all the rest in the last one."""
        now = self._clock.now()
        with self._database.reading() as connection:
            pending = connection.execute(
                select(alert_delivery, alert.c.model_id)
                .join(alert)
                .where(alert_delivery.c.channel_id == channel.id, alert_delivery.c.state == "PENDING")
                .order_by(alert_delivery.c.alert_id)
                .limit(BATCH_MAX)
            ).all()
        ready, waiting = [], set()
        for delivery in pending:
            if delivery.model_id in waiting:
                continue
            if delivery.next_try_at > now:
                waiting.add(delivery.model_id)
            else:
                ready.append(delivery)
        n_allowed = int(_allowance(channel, now))
        if n_allowed == 0:
            return []
        singly, together = ready[: n_allowed - 1], ready[n_allowed - 1 :]
        return [[delivery] for delivery in singly] + ([together] if together else [])

    def _send(self, channel: Row[Any], deliveries: Sequence[Row[Any]]) -> bool | None:
        """Send one message for the deliveries; False: it was not taken. None: the channel is to be left alone."""
        self._note_channel(channel.id, claimed_until=self._clock.now() + CLAIM)
        envelope = self._envelope(channel, deliveries)
        try:
            kind = channel_of(channel.kind)
            kind.send(channel.configuration | channel.secrets, envelope)
        except Unreachable as error:
            self._pause(channel, deliveries, error)
            return None
        except (Rejected, BadChannel) as error:
            self._keep_ends(deliveries, partial(self._failed, error=str(error)))
            return False
        except Exception as error:
            log.exception("alert channel failed", channel=channel.name, kind=channel.kind)
            self._keep_ends(deliveries, partial(self._failed, error=f"unexpected error {type(error).__name__}"))
            return False
        self._keep_ends(deliveries, self._delivered)
        self._spend(channel.id)
        return True

    def _envelope(self, channel: Row[Any], deliveries: Sequence[Row[Any]]) -> Envelope:
        messages = [self._message(delivery.alert_id) for delivery in deliveries]
        message = messages[0]
        if len(messages) > 1:
            # The same alerts make the same digest, so that its id tells a repetition.
            identity = uuid.uuid5(uuid.UUID(channel.id), "".join(m["id"] for m in messages)).hex
            message = digest(identity, messages, messages[-1]["created_at"], channel.per_hour, self._base_url)
        return envelope_of(message)

    def _message(self, alert_id: str) -> Message:
        """The message of an alert, composed if it was not before: what was composed first stays."""
        this = alert.c.id == alert_id
        with self._database.reading() as connection:
            found = connection.execute(select(alert).where(this)).one()
            if found.message is not None:
                return dict(found.message)
            composed = compose(connection, found, self._base_url)
        with self._database.writing() as connection:
            connection.execute(update(alert).where(this, alert.c.message.is_(None)).values(message=composed))
            sent: Message = connection.execute(select(alert.c.message).where(this)).scalar_one()
        return sent

    def _keep_ends(self, deliveries: Sequence[Row[Any]], values: Callable[[Row[Any]], dict[str, Any]]) -> None:
        with self._database.writing() as connection:
            for delivery in deliveries:
                _note(connection, delivery, values(delivery))

    def _delivered(self, delivery: Row[Any]) -> dict[str, Any]:
        now = self._clock.now()
        first = delivery.first_try_at or now
        tried = {"attempts": delivery.attempts + 1, "first_try_at": first}
        return {"state": "DELIVERED", "ended_at": now, "last_error": None, **tried}

    def _failed(self, delivery: Row[Any], error: str) -> dict[str, Any]:
        now = self._clock.now()
        first, attempts = delivery.first_try_at or now, delivery.attempts + 1
        tried = {"attempts": attempts, "first_try_at": first, "last_error": error[:ERROR_CHARACTERS_MAX]}
        if now - first >= TRIED_FOR:
            return {"state": "FAILED", "ended_at": now, **tried}
        return {"next_try_at": now + pause(attempts), **tried}

    def _pause(self, channel: Row[Any], deliveries: Sequence[Row[Any]], error: Unreachable) -> None:
        log.warning("alert channel does not answer", channel=channel.name, kind=channel.kind, reason=str(error))
        self._keep_ends(deliveries, lambda delivery: self._failed(delivery, str(error)) | {"next_try_at": EPOCH})
        self._give_up(channel.id)
        n_failures = channel.n_failures + 1
        asked = timedelta(seconds=error.retry_seconds or 0)
        self._note_channel(
            channel.id, n_failures=n_failures, retry_at=self._clock.now() + max(pause(n_failures), asked)
        )

    def _give_up(self, channel_id: str) -> None:
        """All that waits for the channel has been tried, in effect; what has been for too long is FAILED."""
        now, table = self._clock.now(), alert_delivery
        waits = (table.c.channel_id == channel_id) & (table.c.state == "PENDING")
        with self._database.writing() as connection:
            connection.execute(update(table).where(waits, table.c.first_try_at.is_(None)).values(first_try_at=now))
            too_long = waits & (table.c.first_try_at <= now - TRIED_FOR)
            ended = {"state": "FAILED", "ended_at": now, "last_error": "the channel has not answered for too long"}
            connection.execute(update(table).where(too_long).values(**ended))

    def _spend(self, channel_id: str) -> None:
        now = self._clock.now()
        with self._database.writing() as connection:
            this = alert_channel.c.id == channel_id
            found = connection.execute(select(alert_channel).where(this)).one_or_none()
            if found is not None:
                left = _allowance(found, now) - 1
                spent = {"allowance": left, "allowance_at": now, "n_failures": 0, "retry_at": EPOCH}
                connection.execute(update(alert_channel).where(this).values(**spent))

    def _note_channel(self, channel_id: str, **values: Any) -> None:
        with self._database.writing() as connection:
            connection.execute(update(alert_channel).where(alert_channel.c.id == channel_id).values(**values))


def envelope_of(message: Message) -> Envelope:
    """A message as it goes out; its bytes are the same whenever it does."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()
    return Envelope(message["id"], message["title"], message["text"], message, body)


def pause(n_failures: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, up to a bound."""
    return min(PAUSE_FIRST * int(2 ** min(n_failures - 1, 20)), PAUSE_MAX)


def forget_old(database: Database, clock: Clock) -> int:
    """Forget alerts that are older than KEPT_FOR and not pending any more; give how many."""
    waits = exists().where(alert_delivery.c.alert_id == alert.c.id, alert_delivery.c.state == "PENDING")
    with database.writing() as connection:
        old = delete(alert).where(alert.c.created_at < clock.now() - KEPT_FOR, ~waits)
        return connection.execute(old).rowcount


def _due(now: datetime) -> Any:
    return (
        select(alert_channel.c.id)
        .join(alert_delivery)
        .where(
            alert_delivery.c.state == "PENDING",
            alert_delivery.c.next_try_at <= now,
            alert_channel.c.retry_at <= now,
            alert_channel.c.claimed_until <= now,
        )
        .group_by(alert_channel.c.id)
        .order_by(func.min(alert_delivery.c.next_try_at))
        .limit(BATCH_MAX)
    )


def _allowance(channel: Row[Any], now: datetime) -> float:
    """How many messages the channel may get now; it saves up at most those of an hour."""
    hours = max(float((now - channel.allowance_at) / timedelta(hours=1)), 0.0)
    return min(float(channel.allowance) + hours * int(channel.per_hour), float(channel.per_hour))


def _note(connection: Connection, delivery: Row[Any], values: dict[str, Any]) -> None:
    this = (alert_delivery.c.alert_id == delivery.alert_id) & (alert_delivery.c.channel_id == delivery.channel_id)
    connection.execute(update(alert_delivery).where(this, alert_delivery.c.state == "PENDING").values(**values))
