"""Evidence of inference events"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inference_event", sa.Column("evidence", sa.JSON(none_as_null=True), nullable=True))
