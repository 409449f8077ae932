"""The highest score of each execution, for the overview"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inference_execution", sa.Column("score_max", sa.Float(), nullable=True))
