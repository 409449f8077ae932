"""Replays: corrected results, what a scheduler remembered, and the replays themselves"""

import sqlalchemy as sa
from alembic import op

from openlookout.store.tables import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inference_execution", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("inference_execution", sa.Column("inputs", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "checkpoint",
        sa.Column("scheduler_id", sa.String(length=36), nullable=False),
        sa.Column("data_end", Instant(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("state_key", sa.Text(), nullable=False),
        sa.Column("open_event", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["scheduler_id"], ["inference_scheduler.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scheduler_id", "data_end"),
    )
    op.create_table(
        "replay",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("scheduler_id", sa.String(length=36), nullable=False),
        sa.Column("origin", sa.String(length=8), nullable=False),
        sa.Column("data_start", Instant(), nullable=False),
        sa.Column("data_end", Instant(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("failed_reason", sa.Text(), nullable=True),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["scheduler_id"], ["inference_scheduler.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("replay_by_status", "replay", ["scheduler_id", "status", "created_at", "id"], unique=False)
    op.create_table(
        "replay_event",
        sa.Column("replay_id", sa.String(length=32), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("diagnostics", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["replay_id"], ["replay.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("replay_id", "started_at"),
    )
