"""Indexes that hold whole pages of listed model versions"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BEFORE = {
    "model_version_by_status": ["model_id", "status", "version"],
    "model_version_by_source": ["model_id", "source_type", "version"],
    "model_version_by_status_source": ["model_id", "status", "source_type", "version"],
}
NOW = {
    "model_version_by_version": ["model_id", "version", "created_at", "status", "source_type", "quality"],
    "model_version_by_status": ["model_id", "status", "version", "created_at", "source_type", "quality"],
    "model_version_by_source": ["model_id", "source_type", "version", "created_at", "status", "quality"],
    "model_version_by_status_source": ["model_id", "status", "source_type", "version", "created_at", "quality"],
}


def upgrade() -> None:
    for name in BEFORE:
        op.drop_index(name, table_name="model_version")
    for name, columns in NOW.items():
        op.create_index(name, "model_version", columns, unique=False)
