"""What-ifs, and the factor of a version that was made by one"""

import sqlalchemy as sa
from alembic import op

from openlookout.store.tables import Instant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("model_version", sa.Column("limit_factor", sa.Float(), nullable=True))
    op.create_table(
        "what_if",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("data_start", Instant(), nullable=False),
        sa.Column("data_end", Instant(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("forgiven", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("failed_reason", sa.Text(), nullable=True),
        sa.Column("percent", sa.Integer(), server_default="0", nullable=False),
        sa.Column("object_prefix", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("what_if_by_model", "what_if", ["model_id", "created_at", "id"], unique=False)
    op.create_index("what_if_by_status", "what_if", ["status", "created_at"], unique=False)
