"""The first tables"""

import sqlalchemy as sa
from alembic import op

from openlookout.store.tables import Instant

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "access_key",
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "client_token",
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column(
            "token",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("made", sa.String(length=96), nullable=False),
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("account", "region", "operation", "token"),
    )
    op.create_index("client_token_by_end", "client_token", ["ended_at"], unique=False)
    op.create_index("client_token_by_made", "client_token", ["made"], unique=False)
    op.create_index("client_token_by_owner", "client_token", ["owner_id"], unique=False)
    op.create_table(
        "dataset",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column(
            "name",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("data_schema", sa.Text(), nullable=True),
        sa.Column("schema_given", sa.Boolean(), nullable=False),
        sa.Column("kms_key", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("ingestion_job_id", sa.String(length=32), nullable=True),
        sa.Column("source_arn", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name"),
    )
    op.create_table(
        "label_group",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column(
            "name",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("fault_codes", sa.JSON(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name"),
    )
    op.create_table(
        "resource_policy",
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id"),
    )
    op.create_table(
        "secret",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "tag",
        sa.Column("resource_id", sa.String(length=64), nullable=False),
        sa.Column(
            "key",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("resource_id", "key"),
    )
    op.create_table(
        "ingestion_job",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("dataset_status_before", sa.String(length=32), nullable=False),
        sa.Column("input", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("role_arn", sa.Text(), nullable=True),
        sa.Column("source_arn", sa.Text(), nullable=True),
        sa.Column("source_job_id", sa.String(length=32), nullable=True),
        sa.Column("failed_reason", sa.Text(), nullable=True),
        sa.Column("status_detail", sa.Text(), nullable=True),
        sa.Column("quality", sa.JSON(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("data_start", Instant(), nullable=True),
        sa.Column("data_end", Instant(), nullable=True),
        sa.Column("manifest_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["dataset_id"], ["dataset.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ingestion_job_by_dataset", "ingestion_job", ["dataset_id", "created_at", "id"], unique=False)
    op.create_index(
        "ingestion_job_by_status", "ingestion_job", ["dataset_id", "status", "created_at", "id"], unique=False
    )
    op.create_table(
        "label",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=36), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.Column("rating", sa.String(length=16), nullable=False),
        sa.Column("fault_code", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("equipment", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["label_group.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("label_by_start", "label", ["group_id", "started_at", "id"], unique=False)
    op.create_table(
        "model",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column(
            "name",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("dataset_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("kms_key", sa.Text(), nullable=True),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("label_group_id", sa.String(length=36), nullable=True),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("active_version", sa.BigInteger(), nullable=True),
        sa.Column("active_since", Instant(), nullable=True),
        sa.Column("previous_active_version", sa.BigInteger(), nullable=True),
        sa.Column("previous_active_since", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["dataset.id"],
        ),
        sa.ForeignKeyConstraint(
            ["label_group_id"],
            ["label_group.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name"),
    )
    op.create_index("model_by_dataset", "model", ["dataset_id"], unique=False)
    op.create_index("model_by_label_group", "model", ["label_group_id"], unique=False)
    op.create_table(
        "accumulated",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("data_end", Instant(), nullable=False),
        sa.Column("data_start", Instant(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "data_end"),
    )
    op.create_index("accumulated_by_start", "accumulated", ["model_id", "data_start"], unique=False)
    op.create_table(
        "inference_scheduler",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column(
            "name",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("frequency", sa.String(length=8), nullable=False),
        sa.Column("delay_minutes", sa.Integer(), nullable=True),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.Column("role_arn", sa.Text(), nullable=False),
        sa.Column("kms_key", sa.Text(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("next_due", Instant(), nullable=True),
        sa.Column("latest_result", sa.String(length=16), nullable=True),
        sa.Column("state_key", sa.Text(), nullable=True),
        sa.Column("state_version", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("account", "region", "name"),
        sa.UniqueConstraint("model_id"),
    )
    op.create_index("inference_scheduler_by_due", "inference_scheduler", ["status", "next_due"], unique=False)
    op.create_table(
        "model_version",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("source_type", sa.String(length=16), nullable=False),
        sa.Column("quality", sa.String(length=32), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=False),
        sa.Column("data_schema", sa.Text(), nullable=False),
        sa.Column("ingestion_job_id", sa.String(length=32), nullable=True),
        sa.Column("training_started_at", Instant(), nullable=True),
        sa.Column("training_ended_at", Instant(), nullable=True),
        sa.Column("training_data_start", Instant(), nullable=True),
        sa.Column("training_data_end", Instant(), nullable=True),
        sa.Column("evaluation_data_start", Instant(), nullable=True),
        sa.Column("evaluation_data_end", Instant(), nullable=True),
        sa.Column("failed_reason", sa.Text(), nullable=True),
        sa.Column("metrics", sa.Text(), nullable=True),
        sa.Column("prior_metrics", sa.Text(), nullable=True),
        sa.Column("labelled", sa.Boolean(), nullable=True),
        sa.Column("available_days", sa.Integer(), nullable=True),
        sa.Column("promotion_result", sa.String(length=32), nullable=True),
        sa.Column("promotion_reason", sa.Text(), nullable=True),
        sa.Column("source_arn", sa.Text(), nullable=True),
        sa.Column("source_prefix", sa.Text(), nullable=True),
        sa.Column("import_strategy", sa.String(length=16), nullable=True),
        sa.Column("import_started_at", Instant(), nullable=True),
        sa.Column("import_ended_at", Instant(), nullable=True),
        sa.Column("imported_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sampling_rate_us", sa.BigInteger(), nullable=True),
        sa.Column("object_prefix", sa.Text(), nullable=True),
        sa.Column("diagnostics_bucket", sa.Text(), nullable=True),
        sa.Column("diagnostics_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["model.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("model_id", "version"),
    )
    op.create_index("model_version_by_source", "model_version", ["model_id", "source_type", "version"], unique=False)
    op.create_index("model_version_by_status", "model_version", ["model_id", "status", "version"], unique=False)
    op.create_index(
        "model_version_by_status_source",
        "model_version",
        ["model_id", "status", "source_type", "version"],
        unique=False,
    )
    op.create_index("model_version_by_time", "model_version", ["model_id", "created_at", "version"], unique=False)
    op.create_table(
        "retraining_scheduler",
        sa.Column("model_id", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("start_date", Instant(), nullable=False),
        sa.Column("frequency", sa.String(length=10), nullable=False),
        sa.Column("lookback", sa.String(length=5), nullable=False),
        sa.Column("promote_mode", sa.String(length=8), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("next_due", Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["model_id"],
            ["model.id"],
        ),
        sa.PrimaryKeyConstraint("model_id"),
    )
    op.create_index("retraining_scheduler_by_due", "retraining_scheduler", ["status", "next_due"], unique=False)
    op.create_table(
        "sensor_statistics",
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column(
            "component",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column(
            "sensor",
            sa.String(length=2048).with_variant(sa.String(length=2048, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("statistics", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["ingestion_job.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "component", "sensor"),
    )
    op.create_table(
        "inference_event",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("scheduler_id", sa.String(length=36), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.Column("n_rows", sa.Integer(), nullable=False),
        sa.Column("diagnostics", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["scheduler_id"], ["inference_scheduler.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("inference_event_by_start", "inference_event", ["scheduler_id", "started_at", "id"], unique=False)
    op.create_table(
        "inference_execution",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("scheduler_id", sa.String(length=36), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("data_start", Instant(), nullable=False),
        sa.Column("data_end", Instant(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=True),
        sa.Column("input", sa.JSON(), nullable=False),
        sa.Column("output", sa.JSON(), nullable=False),
        sa.Column("failed_reason", sa.Text(), nullable=True),
        sa.Column("result_bucket", sa.Text(), nullable=True),
        sa.Column("result_key", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["scheduler_id"], ["inference_scheduler.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("scheduler_id", "due_at"),
    )
    op.create_index(
        "inference_execution_by_status", "inference_execution", ["scheduler_id", "status", "due_at"], unique=False
    )
