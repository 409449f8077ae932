"""The rows of alerts: where they go, when they are wanted, what state each scheduler is in, and the outbox itself.

An alert and its deliveries are written in the transaction that makes an event, an execution or a version what it is.
Nothing here is part of the API that AWS defined.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import Text

from openlookout.store.tables import Instant, Name, metadata

alert_channel = Table(
    "alert_channel",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("configuration", JSON, nullable=False),  # What may be shown.
    Column("secrets", JSON, nullable=False),  # What may not: texts, or env:NAME and file:PATH.
    Column("kinds", JSON(none_as_null=True)),  # Of the alerts that it wants; absent: all.
    Column("models", JSON(none_as_null=True)),  # Their names; absent: all.
    Column("per_hour", Integer, nullable=False),
    Column("allowance", Float, nullable=False),  # Messages that it may get now; grows by `per_hour` an hour.
    Column("allowance_at", Instant, nullable=False),
    Column("n_failures", Integer, nullable=False),  # Since it was last reached.
    Column("retry_at", Instant, nullable=False),
    Column("claimed_until", Instant, nullable=False),  # By the process that serves it.
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("account", "region", "name"),
)

# What is wanted of a model's alerts; a model without a row has the defaults.
alert_rule = Table(
    "alert_rule",
    metadata,
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("rows_anomalous", Integer, nullable=False),  # k
    Column("rows_looked_at", Integer, nullable=False),  # of n
    Column("seconds_min", Integer, nullable=False),
    Column("silence_seconds", Integer),  # Absent: as many as follow from the scheduler's frequency.
    Column("snoozed_until", Instant),
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE")),  # Absent: all models.
    Column("first_start", String(32), nullable=False),  # On the wall clock of `zone`: 2026-01-31T22:00:00.
    Column("minutes", Integer, nullable=False),  # On that clock.
    Column("zone", String(64), nullable=False),  # IANA name.
    Column("recurrence", Text),  # RRULE of RFC 5545; absent: once.
    UniqueConstraint("account", "region", "name"),
    Index("maintenance_by_model", "model_id"),
)

# What a scheduler's data looks like now: the last scored row, and what has been told of it.
scheduler_alarm = Table(
    "scheduler_alarm",
    metadata,
    Column("scheduler_id", ForeignKey("inference_scheduler.id", ondelete="CASCADE"), primary_key=True),
    Column("last_at", Instant),  # Timestamp of the last scored row.
    Column("last_score", Float),  # Absent while the machine is off.
    Column("recent", JSON, nullable=False),  # The last rows: [microseconds, 0 or 1].
    Column("began_at", Instant),  # Of the alarm that goes on now: its first anomalous row,
    Column("anomalous_at", Instant),  # its last one,
    Column("is_raised", Boolean, nullable=False),  # and whether an alert was written.
    Column("failing_since", Instant),  # Due time of the first failed execution in a row, once told.
    Column("silent_since", Instant),  # Once told.
)

alert = Table(
    "alert",
    metadata,
    Column("id", String(32), primary_key=True),  # In the order in which they were written.
    Column("key", String(200), nullable=False, unique=True),  # What happened: told once.
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("model_id", String(36), nullable=False),  # No foreign key: what was told outlives the model.
    Column("model_name", Name, nullable=False),
    Column("scheduler_name", Name),
    Column("created_at", Instant, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("message", JSON(none_as_null=True)),  # As it is sent, once composed.
    Index("alert_by_time", "account", "region", "created_at"),
    Index("alert_by_age", "created_at"),
)

alert_delivery = Table(
    "alert_delivery",
    metadata,
    Column("alert_id", ForeignKey("alert.id", ondelete="CASCADE"), primary_key=True),
    Column("channel_id", ForeignKey("alert_channel.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String(16), nullable=False),  # PENDING, DELIVERED or FAILED.
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", Instant, nullable=False),
    Column("first_try_at", Instant),
    Column("ended_at", Instant),
    Column("last_error", Text),
    Index("alert_delivery_by_due", "state", "next_try_at"),
    Index("alert_delivery_by_channel", "channel_id", "state", "alert_id"),
)
