"""The rows: one table per noun of the API. Knows columns and indexes; knows no rule of the service.

Times are kept as whole microseconds since the epoch, so that SQLite and PostgreSQL order and compare them alike; names
are compared byte by byte on both. What a client sent as a structure, and nothing ever filters by, is kept as JSON text.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.types import Text

from openlookout.api.instants import EPOCH, MICROSECOND, to_microseconds


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as whole microseconds since the epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else to_microseconds(value)

    # Not process_result_value: SQLAlchemy would wrap it twice, and a page of rows is made of many times.
    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None]:  # noqa: ARG002
        return _from_column


def _from_column(value: int | None) -> datetime | None:
    return None if value is None else EPOCH + value * MICROSECOND


# Without COLLATE "C" PostgreSQL orders names by the locale, and pages would differ from SQLite's.
Name = String(2048).with_variant(String(2048, collation="C"), "postgresql")

metadata = MetaData()

tag = Table(
    "tag",
    metadata,
    Column("resource_id", String(64), primary_key=True),  # Of a model version: `<model id>.<version>`.
    Column("key", Name, primary_key=True),
    Column("value", Text, nullable=False),
)

resource_policy = Table(
    "resource_policy",
    metadata,
    Column("resource_id", String(64), primary_key=True),  # Of a model version: `<model id>.<version>`.
    Column("policy", Text, nullable=False),
    Column("revision", String(32), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

dataset = Table(
    "dataset",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("status", String(32), nullable=False),
    Column("data_schema", Text),  # The JSON that clients see; absent until given or detected.
    Column("schema_given", Boolean, nullable=False),
    Column("kms_key", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("ingestion_job_id", String(32)),  # The last successful one: its data is the dataset's.
    Column("source_arn", Text),  # The dataset that it was imported from last.
    UniqueConstraint("account", "region", "name"),
)

ingestion_job = Table(
    "ingestion_job",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("dataset_id", ForeignKey("dataset.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("forgiven", Integer, nullable=False, server_default="0"),  # Attempts that do not count.
    Column("dataset_status_before", String(32), nullable=False),
    Column("input", JSON(none_as_null=True)),  # IngestionInputConfiguration as sent; of an import the source's.
    Column("role_arn", Text),
    Column("source_arn", Text),  # Of an import: the dataset that it copies,
    Column("source_job_id", String(32)),  # and the ingestion whose data that is.
    Column("failed_reason", Text),
    Column("status_detail", Text),
    Column("quality", JSON),
    Column("files", JSON),
    Column("size_bytes", BigInteger),
    Column("data_start", Instant),
    Column("data_end", Instant),
    Column("manifest_key", Text),
    Index("ingestion_job_by_dataset", "dataset_id", "created_at", "id"),
    Index("ingestion_job_by_status", "dataset_id", "status", "created_at", "id"),
)

sensor_statistics = Table(
    "sensor_statistics",
    metadata,
    Column("job_id", ForeignKey("ingestion_job.id", ondelete="CASCADE"), primary_key=True),
    Column("component", Name, primary_key=True),
    Column("sensor", Name, primary_key=True),
    Column("statistics", JSON, nullable=False),  # The API's summary; times in whole microseconds.
)

label_group = Table(
    "label_group",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("fault_codes", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("account", "region", "name"),
)

label = Table(
    "label",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("group_id", ForeignKey("label_group.id", ondelete="CASCADE"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("rating", String(16), nullable=False),
    Column("fault_code", Text),
    Column("notes", Text),
    Column("equipment", Text),
    Column("created_at", Instant, nullable=False),
    Index("label_by_start", "group_id", "started_at", "id"),
)

model = Table(
    "model",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("dataset_id", ForeignKey("dataset.id"), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("kms_key", Text),
    Column(
        "configuration", JSON, nullable=False, default=dict
    ),  # What the next version is trained with; see model_version.
    Column("label_group_id", ForeignKey("label_group.id")),  # Where that names one.
    Column("status", String(32), nullable=False),  # Of the latest action.
    Column("active_version", BigInteger),
    Column("active_since", Instant),
    Column("previous_active_version", BigInteger),
    Column("previous_active_since", Instant),
    UniqueConstraint("account", "region", "name"),
    Index("model_by_dataset", "dataset_id"),
    Index("model_by_label_group", "label_group_id"),
)

model_version = Table(
    "model_version",
    metadata,
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("created_at", Instant, nullable=False),  # Strictly increases with the version within a model.
    Column("updated_at", Instant, nullable=False),
    Column("status", String(32), nullable=False),
    Column("source_type", String(16), nullable=False),
    Column("quality", String(32)),
    Column("attempt", Integer, nullable=False),
    Column("forgiven", Integer, nullable=False, server_default="0"),  # Attempts that do not count.
    Column("configuration", JSON, nullable=False),  # The members of CreateModel that are structures or plain texts.
    Column("data_schema", Text, nullable=False),  # Components and sensors trained on.
    Column("ingestion_job_id", String(32)),  # The data trained on.
    Column("training_started_at", Instant),
    Column("training_ended_at", Instant),
    Column("training_data_start", Instant),  # As asked for; once trained, as used.
    Column("training_data_end", Instant),
    Column("evaluation_data_start", Instant),
    Column("evaluation_data_end", Instant),
    Column("failed_reason", Text),
    Column("metrics", Text),
    Column("prior_metrics", Text),  # Of a retraining: the version active before, on the same data.
    Column("labelled", Boolean),  # Whether labels lay in its ranges.
    Column("available_days", Integer),  # Of a retraining: the days of data in its look-back window.
    Column("promotion_result", String(32)),
    Column("promotion_reason", Text),
    Column("source_arn", Text),  # Of an import: the version that was copied,
    Column("source_prefix", Text),  # its objects,
    Column("import_strategy", String(16)),  # and what is done with the source's accumulated data.
    Column("import_started_at", Instant),
    Column("import_ended_at", Instant),
    Column("imported_bytes", BigInteger),
    Column("limit_factor", Float),  # Of an import within the model: what the limits of the source were multiplied with.
    Column("sampling_rate_us", BigInteger),  # Of the grid trained on.
    Column("object_prefix", Text),  # Where this version's model file lies.
    Column("diagnostics_bucket", Text),
    Column("diagnostics_key", Text),
    Index("model_version_by_time", "model_id", "created_at", "version"),
    # Whole pages of a listing, for every filter: a row itself is long, and lies beside no other of its model.
    Index("model_version_by_version", "model_id", "version", "created_at", "status", "source_type", "quality"),
    Index("model_version_by_status", "model_id", "status", "version", "created_at", "source_type", "quality"),
    Index("model_version_by_source", "model_id", "source_type", "version", "created_at", "status", "quality"),
    Index("model_version_by_status_source", "model_id", "status", "source_type", "version", "created_at", "quality"),
)

inference_scheduler = Table(
    "inference_scheduler",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("account", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("name", Name, nullable=False),
    Column("model_id", ForeignKey("model.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("frequency", String(8), nullable=False),
    Column("delay_minutes", Integer),
    Column("input", JSON, nullable=False),
    Column("output", JSON, nullable=False),
    Column("role_arn", Text, nullable=False),
    Column("kms_key", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("next_due", Instant),  # Absent while stopped.
    Column("latest_result", String(16)),
    Column("state_key", Text),  # What the model remembers of this scheduler's data, an object.
    Column("state_version", BigInteger),  # The model version that the state belongs to.
    UniqueConstraint("account", "region", "name"),
    UniqueConstraint("model_id"),
    Index("inference_scheduler_by_due", "status", "next_due"),
)

inference_execution = Table(
    "inference_execution",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scheduler_id", ForeignKey("inference_scheduler.id", ondelete="CASCADE"), nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("data_start", Instant, nullable=False),
    Column("data_end", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("forgiven", Integer, nullable=False, server_default="0"),  # Attempts that do not count.
    Column("version", BigInteger),  # The version that was active when it ran.
    Column("input", JSON, nullable=False),
    Column("output", JSON, nullable=False),
    Column("failed_reason", Text),
    Column("result_bucket", Text),
    Column("result_key", Text),
    Column("score_max", Float),  # Of its rows; absent where none has a score.
    Column("revision", Integer, nullable=False, server_default="0"),  # How often its results were corrected.
    Column("inputs", JSON(none_as_null=True)),  # Marks of the files that it found; see jobs/late.py.
    UniqueConstraint("scheduler_id", "due_at"),
    Index("inference_execution_by_status", "scheduler_id", "status", "due_at"),
)

inference_event = Table(
    "inference_event",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scheduler_id", ForeignKey("inference_scheduler.id", ondelete="CASCADE"), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, nullable=False),
    Column("n_rows", Integer, nullable=False),
    Column("diagnostics", JSON, nullable=False),  # Sensor -> mean share over the rows.
    Column("evidence", JSON(none_as_null=True)),  # The record of detection/evidence.py.
    Index("inference_event_by_start", "scheduler_id", "started_at", "id"),
)

retraining_scheduler = Table(
    "retraining_scheduler",
    metadata,
    Column("model_id", ForeignKey("model.id"), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("start_date", Instant, nullable=False),  # Midnight UTC.
    Column("frequency", String(10), nullable=False),
    Column("lookback", String(5), nullable=False),
    Column("promote_mode", String(8), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("next_due", Instant),  # Absent while stopped.
    Index("retraining_scheduler_by_due", "status", "next_due"),
)

# Inference data that was scored, for retraining: one row for each successful execution.
accumulated = Table(
    "accumulated",
    metadata,
    Column("model_id", ForeignKey("model.id", ondelete="CASCADE"), primary_key=True),
    Column("data_end", Instant, primary_key=True),
    Column("data_start", Instant, nullable=False),
    Column("prefix", Text, nullable=False),  # Of its objects, one for each component.
    Index("accumulated_by_start", "model_id", "data_start"),
)

# What a scheduler remembered at some moments of its past, so that late data is scored without beginning at the start.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("scheduler_id", ForeignKey("inference_scheduler.id", ondelete="CASCADE"), primary_key=True),
    Column("data_end", Instant, primary_key=True),  # Of the last window that the state has seen.
    Column("version", BigInteger, nullable=False),  # The model version that the state belongs to.
    Column("state_key", Text, nullable=False),
    Column("open_event", JSON(none_as_null=True)),  # The event that the next row may continue, as it was then.
)

# Windows scored again, or for the first time long after they ended: by a command, or because a file came late.
replay = Table(
    "replay",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("scheduler_id", ForeignKey("inference_scheduler.id", ondelete="CASCADE"), nullable=False),
    Column("origin", String(8), nullable=False),  # COMMAND or LATE.
    Column("data_start", Instant, nullable=False),  # The files of these windows are read,
    Column("data_end", Instant, nullable=False),  # whatever was read before.
    Column("status", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("forgiven", Integer, nullable=False, server_default="0"),  # Attempts that do not count.
    Column("created_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("failed_reason", Text),
    Column("progress", JSON(none_as_null=True)),  # How far it came; see jobs/replay_plan.py.
    Index("replay_by_status", "scheduler_id", "status", "created_at", "id"),
)

# The events that a replay has found so far; they take the place of the scheduler's when it ends.
replay_event = Table(
    "replay_event",
    metadata,
    Column("replay_id", ForeignKey("replay.id", ondelete="CASCADE"), primary_key=True),
    Column("started_at", Instant, primary_key=True),
    Column("ended_at", Instant, nullable=False),
    Column("n_rows", Integer, nullable=False),
    Column("diagnostics", JSON, nullable=False),
    Column("evidence", JSON(none_as_null=True)),
)
