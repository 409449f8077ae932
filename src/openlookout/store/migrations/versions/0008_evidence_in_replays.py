"""The evidence of the events that a replay has found so far"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("replay_event", sa.Column("evidence", sa.JSON(none_as_null=True), nullable=True))
