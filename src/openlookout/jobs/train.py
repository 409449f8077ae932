"""Training and retraining: readings -> grid -> detector -> metrics -> a version, SUCCESS, or FAILED with a reason.

Steps: `fit`, `evaluate` (both in a child) and the publishing transaction. Its identity is `<model id>.<version>`. A
retraining (a version whose SourceType is RETRAINING) also learns from what inference accumulated, is compared with the
active version, and may be promoted.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.exc import SQLAlchemyError

from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.buckets import layout
from openlookout.jobs.children import ChildUnwanted
from openlookout.jobs.endings import fail_version, succeed_version
from openlookout.jobs.engine import Steps
from openlookout.jobs.label_sources import label_sources
from openlookout.jobs.promotion import failed
from openlookout.jobs.retraining import decide, inputs, is_retraining
from openlookout.jobs.training_work import evaluate_version, fit_version
from openlookout.jobs.workplace import Workplace, begin, forgive, retried
from openlookout.metrics import TRAINING_SECONDS
from openlookout.store.durations import duration
from openlookout.store.lifecycles import MODEL_VERSION
from openlookout.store.model_versions import is_version
from openlookout.store.tables import ingestion_job, model, model_version

SECONDS_MAX = 12 * 3600.0


class Train:
    """The job behind CreateModel and behind every scheduled retraining."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        attempt = begin(self._workplace, steps, MODEL_VERSION, is_version(identity), partial(self.abandon, identity))
        if attempt is None:
            return
        self._note_start(identity)
        started = time.perf_counter()
        try:
            outcome = self._train(steps, identity, attempt)
        except ChildUnwanted:  # Cancelled: the row says so already.
            return
        TRAINING_SECONDS.labels(outcome).observe(time.perf_counter() - started)

    def _train(self, steps: Steps, identity: str, attempt: int) -> str:
        """Give how it ended: SUCCESS or FAILED."""
        fitted = steps.run("fit", self._fit, identity, attempt)
        if "failed" in fitted:
            days = fitted.get("available_days")
            self._end_failed(identity, fitted["failed"], attempt, is_ours=False, available_days=days)
            return "FAILED"
        evaluated = steps.run("evaluate", self._evaluate, identity, fitted)
        if "failed" in evaluated:
            self._end_failed(identity, evaluated["failed"], attempt, is_ours=False)
            return "FAILED"
        self._publish(identity, attempt, fitted | evaluated)
        return "SUCCESS"

    def _note_start(self, identity: str) -> None:
        """TrainingExecutionStartTime is when the first attempt began."""
        with self._workplace.database.writing() as connection:
            connection.execute(
                update(model_version)
                .where(is_version(identity), model_version.c.training_started_at.is_(None))
                .values(training_started_at=self._workplace.now())
            )

    @retried
    def _fit(self, identity: str, attempt: int) -> dict[str, Any]:
        job = self._job(identity)
        prefix = layout.version(job["model_id"], job["version"], attempt)
        return self._in_child(identity, fit_version, job | {"output": prefix})

    @retried
    def _evaluate(self, identity: str, fitted: dict[str, Any]) -> dict[str, Any]:
        return self._in_child(identity, evaluate_version, self._job(identity) | fitted)

    def _in_child(self, identity: str, work: Callable[..., dict[str, Any]], job: Mapping[str, Any]) -> dict[str, Any]:
        def is_wanted() -> bool:
            try:
                with self._workplace.database.reading() as connection:
                    status = connection.execute(select(model_version.c.status).where(is_version(identity))).scalar()
            except SQLAlchemyError:  # Not known just now.
                return True
            return status == "IN_PROGRESS"

        settings = self._workplace.buckets
        return self._workplace.children.run(SECONDS_MAX, work, settings, job, is_wanted=is_wanted)

    def _job(self, identity: str) -> dict[str, Any]:
        """What the children need, as plain values."""
        with self._workplace.database.reading() as connection:
            row = connection.execute(
                select(model_version, model, ingestion_job.c.manifest_key, model_version.c.configuration.label("asked"))
                .select_from(model_version)
                .join(model)
                .join(ingestion_job, ingestion_job.c.id == model_version.c.ingestion_job_id, isouter=True)
                .where(is_version(identity))
            ).one()
            asked = row.asked
            job = label_sources(connection, row, asked) | inputs(connection, row)
        rate = asked.get("DataPreProcessingConfiguration", {}).get("TargetSamplingRate")
        limits = self._workplace.limits
        return job | {
            "scratch": self._workplace.scratch,
            "model_id": row.model_id,
            "model_name": row.name,
            "version": row.version,
            "manifest_key": row.manifest_key,
            "schema": row.data_schema,
            "rate_us": None if rate is None else int(duration(rate).total_seconds() * 1e6),
            "off_condition": asked.get("OffCondition"),
            "diagnostics": asked.get("ModelDiagnosticsOutputConfiguration", {}).get("S3OutputConfiguration"),
            "training_rows_max": limits.training_rows,
            "training_days_min": limits.training_days_min,
            "evaluation_rows_max": limits.evaluation_rows,
            **{
                name: _us(row, name)
                for name in ("training_start", "training_end", "evaluation_start", "evaluation_end")
            },
        }

    def _publish(self, identity: str, attempt: int, answer: dict[str, Any]) -> None:
        now = self._workplace.now()
        values: dict[str, Any] = {
            "training_ended_at": now,
            "training_data_start": from_microseconds(answer["start_us"]),
            "training_data_end": from_microseconds(answer["end_us"]),
            "metrics": answer["metrics"],
            "prior_metrics": answer["prior_metrics"],
            "quality": answer["quality"],
            "labelled": answer["labelled"],
            "sampling_rate_us": answer["rate_us"],
            "object_prefix": answer["prefix"],
            "diagnostics_bucket": answer["diagnostics_bucket"],
            "diagnostics_key": answer["diagnostics_key"],
        }
        with self._workplace.database.writing() as connection:
            decided = decide(connection, identity, answer) if is_retraining(connection, identity) else None
            if decided is not None:
                values |= {
                    "available_days": answer["available_days"],
                    "promotion_result": decided.result,
                    "promotion_reason": decided.reason,
                }
            replacing = decided is not None and decided.is_promoted
            succeed_version(connection, identity, attempt, now, values, replacing=replacing)

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        self._end_failed(identity, reason, attempt, is_ours=True)

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, MODEL_VERSION, is_version(identity))

    def _end_failed(
        self, identity: str, reason_text: str, attempt: int | None, *, is_ours: bool, available_days: int | None = None
    ) -> None:
        now = self._workplace.now()
        values: dict[str, Any] = {"training_ended_at": now}
        with self._workplace.database.writing() as connection:
            if is_retraining(connection, identity):
                ended = failed(reason_text, is_ours=is_ours)
                values |= {
                    "promotion_result": ended.result,
                    "promotion_reason": ended.reason,
                    "available_days": available_days,
                }
            fail_version(connection, identity, attempt, now, said=reason_text, values=values)


def _us(row: Row[Any], name: str) -> int | None:
    kind, _, end = name.partition("_")
    at = row._mapping[f"{kind}_data_{end}"]
    return None if at is None else to_microseconds(at)
