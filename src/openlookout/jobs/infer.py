"""Inference: the files of one window -> results.jsonl, events, the scheduler's latest result.

Steps: `score` (in a child; a crash repeats it, for it is short) and the publishing transaction, which also enqueues the
scheduler's next execution: the runs of one scheduler follow each other, oldest first, because each looks back on the
one before. Its identity is the id of the execution.
"""

from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from openlookout.alerts.notes import note_failed, note_scored
from openlookout.api.instants import to_microseconds
from openlookout.buckets.buckets import SERVICE, open_buckets
from openlookout.jobs.checkpoints import keep_live
from openlookout.jobs.engine import Steps
from openlookout.jobs.event_rows import keep_event
from openlookout.jobs.inference_work import infer_window
from openlookout.jobs.turns import enqueue_next, hold
from openlookout.jobs.workplace import Workplace, begin, forgive, publish, retried
from openlookout.jobs.workplace import reason as sentence
from openlookout.metrics import EXECUTION_LAG_SECONDS
from openlookout.store.lifecycles import INFERENCE_EXECUTION
from openlookout.store.score_tables import keep_scores
from openlookout.store.tables import (
    accumulated,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
)

# Statements made once: to make one costs as much as to carry it out, and each execution needs them.
_EXECUTION = select(inference_execution).where(inference_execution.c.id == bindparam("execution"))
_WITH_VERSION = (
    select(
        inference_execution,
        inference_scheduler.c.state_key,
        inference_scheduler.c.state_version,
        model_version.c.version.label("active_version"),
        model_version.c.object_prefix,
        model_version.c.model_id,
    )
    .join(inference_scheduler, inference_scheduler.c.id == inference_execution.c.scheduler_id)
    .join(model, model.c.id == inference_scheduler.c.model_id)
    .join(model_version, (model_version.c.model_id == model.c.id) & (model_version.c.version == model.c.active_version))
    .where(
        inference_execution.c.id == bindparam("execution"),
        inference_execution.c.status == "IN_PROGRESS",
        inference_execution.c.attempt == bindparam("attempt"),
    )
)
_KNOWN = (
    update(inference_scheduler)
    .where(inference_scheduler.c.id == bindparam("scheduler"))
    .values({name: bindparam(name) for name in ("latest_result", "state_key", "state_version")})
)
_SAME_WINDOW = delete(accumulated).where(
    accumulated.c.model_id == bindparam("model"), accumulated.c.data_end == bindparam("end")
)

SECONDS_MAX = 300.0
MINUTE = timedelta(minutes=1)


class Infer:
    """The job behind every tick of a scheduler."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        is_this = inference_execution.c.id == identity
        attempt = begin(self._workplace, steps, INFERENCE_EXECUTION, is_this, partial(self.abandon, identity))
        if attempt is None:
            return
        answer = steps.again("score", self._score, identity, attempt)
        if answer is None:
            return
        if "failed" in answer:
            self._end_failed(identity, answer["failed"], attempt, answer["inputs"])
        else:
            self.finish(steps, identity, attempt, answer)

    def finish(self, steps: Steps, identity: str, attempt: int, answer: dict[str, Any]) -> None:
        """Publish what was scored and delete the states before it; an attempt that may not publish deletes none."""
        unnamed = self._publish(identity, attempt, answer)
        if unnamed:
            steps.again("tidy", self._tidy, unnamed)

    @retried
    def _tidy(self, state_keys: list[str]) -> None:
        """Delete states that no row mentions any more."""
        open_buckets(self._workplace.buckets).delete(SERVICE, state_keys)

    @retried
    def _score(self, identity: str, attempt: int) -> dict[str, Any] | None:
        """Give what the child gave; None when the execution is another attempt's by now, or has ended.

        The state is read together with that: a worker that wakes after its successor published would begin with the
        state after the window, find no row in it, and write results of none over those that are there.
        """
        with self._workplace.database.reading() as connection:
            row = connection.execute(_WITH_VERSION, {"execution": identity, "attempt": attempt}).one_or_none()
        if row is None:
            return None
        # Another version learned other things of the past: it starts anew.
        state_key = row.state_key if row.state_version == row.active_version else None
        job = {
            "id": identity,
            "attempt": attempt,
            "scheduler_id": row.scheduler_id,
            "model_id": row.model_id,
            "start_us": to_microseconds(row.data_start),
            "end_us": to_microseconds(row.data_end),
            "input": row.input,
            "output": row.output["S3OutputConfiguration"],
            "version_prefix": row.object_prefix,
            "state_key": state_key,
            "is_parquet_wanted": self._workplace.is_parquet_wanted,
            "limits": self._limits((row.data_end - row.data_start) // MINUTE),
        }
        answer = self._workplace.children.run(SECONDS_MAX, infer_window, self._workplace.buckets, job)
        more = {"version": row.active_version, "model_id": row.model_id, "earlier_state_key": row.state_key}
        return {**answer, **more}

    def _limits(self, minutes: int) -> dict[str, int]:
        limits = self._workplace.limits
        return {
            "files": limits.inference_files,
            "bytes": limits.inference_bytes_a_minute * minutes,
            "unpacked_bytes": limits.inference_unpacked_bytes_a_minute * minutes,
            "rows": limits.inference_rows_a_minute * minutes,
        }

    def _publish(self, identity: str, attempt: int, answer: dict[str, Any]) -> list[str]:
        """Give the keys of the states that no row mentions any more; nothing is published by an attempt given up."""
        with self._workplace.database.writing() as connection:
            execution = _locked(connection, identity)
            values: dict[str, object] = {
                "version": answer["version"],
                "result_bucket": execution.output["S3OutputConfiguration"]["Bucket"],
                "result_key": answer["result_key"],
                "inputs": answer["inputs"],
                "score_max": max((score for _, score, _ in answer["rows"] if score is not None), default=None),
            }
            this = inference_execution.c.id == identity
            if not publish(connection, INFERENCE_EXECUTION, this, attempt, "SUCCESS", **values):
                return []
            _accumulate(connection, execution, answer)
            for event in answer["events"]:
                keep_event(connection, execution.scheduler_id, event)
            note_scored(connection, execution, answer["rows"], self._workplace.now())
            keep_scores(connection, [(identity, execution.data_end, answer["rows"])])
            known = {"state_key": answer["state_key"], "state_version": answer["version"]}
            known["latest_result"] = "ANOMALOUS" if answer["events"] else "NORMAL"
            connection.execute(_KNOWN, {"scheduler": execution.scheduler_id, **known})
            unnamed = keep_live(connection, execution, answer, self._workplace.late)
            enqueue_next(connection, self._workplace.queue, execution.scheduler_id)
        self._measure("SUCCESS", execution)
        return unnamed

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        self._end_failed(identity, reason, attempt, None)

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, INFERENCE_EXECUTION, inference_execution.c.id == identity)

    def _end_failed(self, identity: str, reason: str, attempt: int | None, inputs: list[str] | None) -> None:
        with self._workplace.database.writing() as connection:
            execution = _locked(connection, identity)
            this = inference_execution.c.id == identity
            values = {"failed_reason": sentence(reason), "inputs": inputs}
            if publish(connection, INFERENCE_EXECUTION, this, attempt, "FAILED", **values):
                note_failed(connection, execution, sentence(reason), self._workplace.now())
                enqueue_next(connection, self._workplace.queue, execution.scheduler_id)
                self._measure("FAILED", execution)

    def _measure(self, outcome: str, execution: Row[Any]) -> None:
        late = self._workplace.clock.now() - execution.due_at
        EXECUTION_LAG_SECONDS.labels(outcome).observe(late.total_seconds())


def _locked(connection: Connection, identity: str) -> Row[Any]:
    """Give the execution, its scheduler held first: a ticker holds it too, and both take their locks in one order."""
    found: Row[Any] = connection.execute(_EXECUTION, {"execution": identity}).one()
    hold(connection, found.scheduler_id)
    return found


def _accumulate(connection: Connection, execution: Row[Any], answer: dict[str, Any]) -> None:
    """Note the readings for retraining; of a window that was scored before (by an earlier scheduler) the newer ones."""
    window = {"model_id": answer["model_id"], "data_end": execution.data_end}
    connection.execute(_SAME_WINDOW, {"model": answer["model_id"], "end": execution.data_end})
    row = {**window, "data_start": execution.data_start, "prefix": answer["accumulated"]}
    connection.execute(accumulated.insert(), row)
