"""Scores as rows of the database, for a while: one row for each execution that succeeded, read by people as SQL views.

The views `openlookout_scores`, `openlookout_events` and `openlookout_executions` (docs/results.md) are made by a
migration; their columns are a promise to those who query them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, Connection, ForeignKey, Index, Table, bindparam, delete, insert, select

from openlookout.store.tables import Instant, metadata

execution_scores = Table(
    "execution_scores",
    metadata,
    Column("execution_id", ForeignKey("inference_execution.id", ondelete="CASCADE"), primary_key=True),
    Column("data_end", Instant, nullable=False),
    Column("scored", JSON, nullable=False),  # [microseconds, score or null while off, whether it is anomalous] each.
    Index("execution_scores_by_end", "data_end"),
)

# Made once: every execution needs them.
_EARLIER = delete(execution_scores).where(execution_scores.c.execution_id == bindparam("this"))
_ADDED = insert(execution_scores)


def keep_scores(connection: Connection, scored: Sequence[tuple[str, datetime, Sequence[Any]]]) -> None:
    """Keep the rows of executions (id, end of the data, rows); of one that is scored again the new ones."""
    if not scored:
        return
    connection.execute(_EARLIER, [{"this": identity} for identity, _, _ in scored])
    made = [{"execution_id": identity, "data_end": end, "scored": list(rows)} for identity, end, rows in scored]
    connection.execute(_ADDED, made)


def forget_scores(connection: Connection, before: datetime, n_max: int) -> int:
    """Forget the rows of at most `n_max` executions whose data ended before a time; give of how many."""
    old = select(execution_scores.c.execution_id).where(execution_scores.c.data_end < before).limit(n_max)
    return connection.execute(delete(execution_scores).where(execution_scores.c.execution_id.in_(old))).rowcount
