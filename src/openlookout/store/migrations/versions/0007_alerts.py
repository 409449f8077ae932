"""Alerts: channels, rules, maintenance windows, what schedulers stand at, and the outbox"""

import sqlalchemy as sa
from alembic import op

from openlookout.store.tables import Instant, Name

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("model_name", Name, nullable=False),
        sa.Column("scheduler_name", Name, nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("message", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("alert_by_age", "alert", ["created_at"], unique=False)
    op.create_index("alert_by_time", "alert", ["account", "region", "created_at"], unique=False)
    op.create_table(
        "alert_channel",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("kinds", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("models", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("per_hour", sa.Integer(), nullable=False),
        sa.Column("allowance", sa.Float(), nullable=False),
        sa.Column("allowance_at", Instant(), nullable=False),
        sa.Column("n_failures", sa.Integer(), nullable=False),
        sa.Column("retry_at", Instant(), nullable=False),
        sa.Column("claimed_until", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name"),
    )
    op.create_table(
        "alert_delivery",
        sa.Column("alert_id", sa.String(length=32), nullable=False),
        sa.Column("channel_id", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", Instant(), nullable=False),
        sa.Column("first_try_at", Instant(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["channel_id"], ["alert_channel.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("alert_id", "channel_id"),
    )
    op.create_index("alert_delivery_by_channel", "alert_delivery", ["channel_id", "state", "alert_id"], unique=False)
    op.create_index("alert_delivery_by_due", "alert_delivery", ["state", "next_try_at"], unique=False)
    op.create_table(
        "alert_rule",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("rows_anomalous", sa.Integer(), nullable=False),
        sa.Column("rows_looked_at", sa.Integer(), nullable=False),
        sa.Column("seconds_min", sa.Integer(), nullable=False),
        sa.Column("silence_seconds", sa.Integer(), nullable=True),
        sa.Column("snoozed_until", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id"),
    )
    op.create_table(
        "maintenance",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=True),
        sa.Column("first_start", sa.String(length=32), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("recurrence", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name"),
    )
    op.create_index("maintenance_by_model", "maintenance", ["model_id"], unique=False)
    op.create_table(
        "scheduler_alarm",
        sa.Column("scheduler_id", sa.String(length=36), nullable=False),
        sa.Column("last_at", Instant(), nullable=True),
        sa.Column("last_score", sa.Float(), nullable=True),
        sa.Column("recent", sa.JSON(), nullable=False),
        sa.Column("began_at", Instant(), nullable=True),
        sa.Column("anomalous_at", Instant(), nullable=True),
        sa.Column("is_raised", sa.Boolean(), nullable=False),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("silent_since", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["scheduler_id"], ["inference_scheduler.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scheduler_id"),
    )
