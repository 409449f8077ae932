"""Workers that tell that they live, and attempts that do not count"""

import sqlalchemy as sa
from alembic import op

from openlookout.store.tables import Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
phase = "pre"


def upgrade() -> None:
    op.create_table(
        "worker",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("beat", sa.BigInteger(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for table in ("ingestion_job", "model_version", "inference_execution", "replay"):
        op.add_column(table, sa.Column("forgiven", sa.Integer(), nullable=False, server_default="0"))
