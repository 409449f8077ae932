"""Access keys that may look and not change"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("access_key", sa.Column("is_read_only", sa.Boolean(), nullable=False, server_default=sa.false()))
