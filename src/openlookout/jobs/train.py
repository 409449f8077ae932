"""Training: readings -> grid -> detector -> metrics -> a version that is SUCCESS, or FAILED with a reason.

Steps: `fit`, `evaluate` (both in a child) and the publishing transaction. Its identity is `<model id>.<version>`.
"""

from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select, update

from openlookout.buckets import layout
from openlookout.jobs.engine import Steps
from openlookout.jobs.training_work import evaluate_version, fit_version
from openlookout.jobs.workplace import Workplace, begin, publish, reason, retried
from openlookout.store.durations import duration
from openlookout.store.tables import from_microseconds as instant
from openlookout.store.tables import ingestion_job, model, model_version, to_microseconds

SECONDS_MAX = 12 * 3600.0


class Train:
    """The job behind CreateModel."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        attempt = begin(self._workplace, model_version, _is(identity), partial(self.abandon, identity))
        if attempt is None:
            return
        self._note_start(identity)
        fitted = steps.run("fit", self._fit, identity, attempt)
        if "failed" in fitted:
            self.abandon(identity, fitted["failed"])
            return
        evaluated = steps.run("evaluate", self._evaluate, identity, fitted)
        if "failed" in evaluated:
            self.abandon(identity, evaluated["failed"])
        else:
            self._publish(identity, attempt, fitted | evaluated)

    def _note_start(self, identity: str) -> None:
        """TrainingExecutionStartTime is when the first attempt began."""
        with self._workplace.database.writing() as connection:
            connection.execute(
                update(model_version)
                .where(_is(identity), model_version.c.training_started_at.is_(None))
                .values(training_started_at=self._workplace.now())
            )

    @retried
    def _fit(self, identity: str, attempt: int) -> dict[str, Any]:
        job = self._job(identity)
        prefix = layout.version(job["model_id"], job["version"], attempt)
        return self._workplace.children.run(SECONDS_MAX, fit_version, self._workplace.buckets, job | {"output": prefix})

    @retried
    def _evaluate(self, identity: str, fitted: dict[str, Any]) -> dict[str, Any]:
        job = self._job(identity) | fitted
        return self._workplace.children.run(SECONDS_MAX, evaluate_version, self._workplace.buckets, job)

    def _job(self, identity: str) -> dict[str, Any]:
        """What the children need, as plain values."""
        with self._workplace.database.reading() as connection:
            row = connection.execute(
                select(model_version, model.c.name, ingestion_job.c.manifest_key)
                .join(model)
                .join(ingestion_job, ingestion_job.c.id == model_version.c.ingestion_job_id)
                .where(_is(identity))
            ).one()
        configuration = row.configuration
        rate = configuration.get("DataPreProcessingConfiguration", {}).get("TargetSamplingRate")
        labels = configuration.get("LabelsInputConfiguration", {}).get("S3InputConfiguration")
        output = configuration.get("ModelDiagnosticsOutputConfiguration", {}).get("S3OutputConfiguration")
        return {
            "scratch": self._workplace.scratch,
            "model_id": row.model_id,
            "model_name": row.name,
            "version": row.version,
            "manifest_key": row.manifest_key,
            "schema": row.data_schema,
            "rate_us": None if rate is None else int(duration(rate).total_seconds() * 1e6),
            "off_condition": configuration.get("OffCondition"),
            "labels": labels,
            "diagnostics": output,
            **{
                name: _us(row, name)
                for name in ("training_start", "training_end", "evaluation_start", "evaluation_end")
            },
        }

    def _publish(self, identity: str, attempt: int, answer: dict[str, Any]) -> None:
        now = self._workplace.now()
        values: dict[str, object] = {
            "status": "SUCCESS",
            "updated_at": now,
            "training_ended_at": now,
            "training_data_start": instant(answer["start_us"]),
            "training_data_end": instant(answer["end_us"]),
            "metrics": answer["metrics"],
            "quality": answer["quality"],
            "sampling_rate_us": answer["rate_us"],
            "object_prefix": answer["prefix"],
            "diagnostics_bucket": answer["diagnostics_bucket"],
            "diagnostics_key": answer["diagnostics_key"],
        }
        model_id, number = _parts(identity)
        with self._workplace.database.writing() as connection:
            if not publish(connection, model_version, _is(identity), attempt, values):
                return
            connection.execute(update(model).where(model.c.id == model_id).values(status="SUCCESS", updated_at=now))
            connection.execute(
                update(model)
                .where(model.c.id == model_id, model.c.active_version.is_(None))
                .values(active_version=number, active_since=now)
            )

    def abandon(self, identity: str, reason_text: str) -> None:
        now = self._workplace.now()
        values: dict[str, object] = {
            "status": "FAILED",
            "failed_reason": reason(reason_text),
            "updated_at": now,
            "training_ended_at": now,
        }
        with self._workplace.database.writing() as connection:
            if publish(connection, model_version, _is(identity), None, values):
                connection.execute(
                    update(model).where(model.c.id == _parts(identity)[0]).values(status="FAILED", updated_at=now)
                )


def _parts(identity: str) -> tuple[str, int]:
    model_id, _, number = identity.rpartition(".")
    return model_id, int(number)


def _is(identity: str) -> ColumnElement[bool]:
    model_id, number = _parts(identity)
    return and_(model_version.c.model_id == model_id, model_version.c.version == number)


def _us(row: Row[Any], name: str) -> int | None:
    kind, _, end = name.partition("_")
    at = row._mapping[f"{kind}_data_{end}"]
    return None if at is None else to_microseconds(at)
