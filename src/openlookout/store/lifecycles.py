"""Lifecycles: which status may follow which, for everything that has one. Every change of a status goes through `move`.

Knows rows; knows not why a status changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, update

from openlookout.store.tables import (
    dataset,
    inference_execution,
    inference_scheduler,
    ingestion_job,
    model,
    model_version,
    replay,
    retraining_scheduler,
)
from openlookout.store.what_if_tables import what_if

# Statuses in which a job is at work.
WORKING = frozenset({"IN_PROGRESS", "INGESTION_IN_PROGRESS", "IMPORT_IN_PROGRESS"})


@dataclass(frozen=True, eq=False)
class Lifecycle:
    """`steps`: status -> the statuses that may follow it."""

    table: Table
    steps: Mapping[str, frozenset[str]]

    def before(self, status: str) -> frozenset[str]:
        """The statuses that `status` may follow."""
        found = frozenset(earlier for earlier, following in self.steps.items() if status in following)
        assert found, f"{self.table.name} never becomes {status}"
        return found


def _lifecycle(table: Table, **steps: str) -> Lifecycle:
    return Lifecycle(table, {status: frozenset(text.split()) for status, text in steps.items()})


DATASET = _lifecycle(
    dataset,
    CREATED="INGESTION_IN_PROGRESS IMPORT_IN_PROGRESS",
    ACTIVE="INGESTION_IN_PROGRESS IMPORT_IN_PROGRESS",
    INGESTION_IN_PROGRESS="ACTIVE CREATED",  # CREATED or ACTIVE again when it failed.
    IMPORT_IN_PROGRESS="ACTIVE CREATED",
)
INGESTION_JOB = _lifecycle(
    ingestion_job,
    IN_PROGRESS="SUCCESS FAILED",
    IMPORT_IN_PROGRESS="SUCCESS FAILED",
)
# A model's status is that of the latest action on it; a retraining that was cancelled leaves what was before.
MODEL = _lifecycle(
    model,
    IN_PROGRESS="SUCCESS FAILED",
    IMPORT_IN_PROGRESS="SUCCESS FAILED",
    SUCCESS="IN_PROGRESS IMPORT_IN_PROGRESS",
    FAILED="IN_PROGRESS IMPORT_IN_PROGRESS",
)
MODEL_VERSION = _lifecycle(
    model_version,
    IN_PROGRESS="SUCCESS FAILED CANCELED",
    IMPORT_IN_PROGRESS="SUCCESS FAILED",
)
_SCHEDULER = {"PENDING": "RUNNING STOPPING", "RUNNING": "STOPPING", "STOPPING": "STOPPED", "STOPPED": "PENDING"}
INFERENCE_SCHEDULER = _lifecycle(inference_scheduler, **_SCHEDULER)
RETRAINING_SCHEDULER = _lifecycle(retraining_scheduler, **_SCHEDULER)
# A replay takes up what failed, and ends it in the same transaction.
INFERENCE_EXECUTION = _lifecycle(inference_execution, IN_PROGRESS="SUCCESS FAILED", FAILED="IN_PROGRESS")
REPLAY = _lifecycle(replay, IN_PROGRESS="SUCCESS FAILED")
WHAT_IF = _lifecycle(what_if, IN_PROGRESS="SUCCESS FAILED")

LIFECYCLES = (
    DATASET,
    INGESTION_JOB,
    MODEL,
    MODEL_VERSION,
    INFERENCE_SCHEDULER,
    RETRAINING_SCHEDULER,
    INFERENCE_EXECUTION,
    REPLAY,
    WHAT_IF,
)


def move(connection: Connection, lifecycle: Lifecycle, which: ColumnElement[bool], to: str, /, **values: Any) -> int:
    """Give `to` to the rows whose status it may follow, with other values; give how many there were."""
    table = lifecycle.table
    changed = update(table).where(which, table.c.status.in_(sorted(lifecycle.before(to)))).values(status=to, **values)
    return connection.execute(changed).rowcount
