"""Scores for a while, and the views of results that people query"""

import sqlalchemy as sa
from alembic import op

from openlookout.store.tables import Instant

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SCHEDULER = """
    s.account AS account, s.region AS region, m.name AS model, s.name AS scheduler,
"""
_JOINED = """
    JOIN inference_scheduler s ON s.id = {of}.scheduler_id JOIN model m ON m.id = s.model_id
"""


def upgrade() -> None:
    op.create_table(
        "execution_scores",
        sa.Column("execution_id", sa.String(length=32), nullable=False),
        sa.Column("data_end", Instant(), nullable=False),
        sa.Column("scored", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["execution_id"], ["inference_execution.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("execution_id"),
    )
    op.create_index("execution_scores_by_end", "execution_scores", ["data_end"], unique=False)
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    for view in (_scores(is_sqlite), _events(is_sqlite), _executions(is_sqlite)):
        op.execute(view)


def _time(column: str, is_sqlite: bool) -> str:
    """A time as people query it: on PostgreSQL timestamptz, on SQLite ISO 8601 with milliseconds, UTC."""
    if not is_sqlite:
        return f"to_timestamp({column} / 1000000.0)"
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000000.0, 'unixepoch')"


def _scores(is_sqlite: bool) -> str:
    if is_sqlite:
        rows = "JOIN json_each(x.scored) j"
        at, score, anomalous = (f"json_extract(j.value, '$[{i}]')" for i in range(3))
        score, flag = f"CAST({score} AS REAL)", anomalous
    else:
        rows = "CROSS JOIN LATERAL json_array_elements(x.scored) AS j(value)"
        at, score = "CAST(j.value ->> 0 AS bigint)", "CAST(j.value ->> 1 AS double precision)"
        anomalous = "CAST(j.value ->> 2 AS boolean)"
        flag = f"CASE WHEN {anomalous} THEN 1 ELSE 0 END"
    reason = (
        f"CASE WHEN {score} IS NULL THEN 'MACHINE_OFF' WHEN {anomalous} THEN 'ANOMALY_DETECTED' "
        "ELSE 'NO_ANOMALY_DETECTED' END"
    )
    return f"""
        CREATE VIEW openlookout_scores AS
        SELECT {_SCHEDULER} {_time(at, is_sqlite)} AS "timestamp", {score} AS anomaly_score,
            {flag} AS prediction, {reason} AS prediction_reason, x.execution_id AS execution_id
        FROM execution_scores x JOIN inference_execution e ON e.id = x.execution_id
        {_JOINED.format(of="e")} {rows}
    """


def _events(is_sqlite: bool) -> str:
    return f"""
        CREATE VIEW openlookout_events AS
        SELECT {_SCHEDULER} v.id AS event_id, {_time("v.started_at", is_sqlite)} AS started_at,
            {_time("v.ended_at", is_sqlite)} AS ended_at,
            (v.ended_at - v.started_at) / 1000000.0 AS duration_seconds,
            v.diagnostics AS diagnostics, v.evidence AS evidence
        FROM inference_event v {_JOINED.format(of="v")}
    """


def _executions(is_sqlite: bool) -> str:
    return f"""
        CREATE VIEW openlookout_executions AS
        SELECT {_SCHEDULER} e.id AS execution_id, {_time("e.due_at", is_sqlite)} AS due_at,
            {_time("e.data_start", is_sqlite)} AS data_start, {_time("e.data_end", is_sqlite)} AS data_end,
            e.status AS status, e.version AS model_version, e.failed_reason AS failed_reason,
            e.result_bucket AS result_bucket, e.result_key AS result_key
        FROM inference_execution e {_JOINED.format(of="e")}
    """
