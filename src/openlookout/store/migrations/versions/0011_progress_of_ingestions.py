"""How far an ingestion is"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ingestion_job", sa.Column("bytes_read", sa.BigInteger(), nullable=True))
    op.add_column("ingestion_job", sa.Column("bytes_found", sa.BigInteger(), nullable=True))
