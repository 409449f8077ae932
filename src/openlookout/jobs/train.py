"""Training and retraining: readings -> grid -> detector -> metrics -> a version, SUCCESS, or FAILED with a reason.

Steps: `fit`, `evaluate` (both in a child) and the publishing transaction. Its identity is `<model id>.<version>`. A
retraining (a version whose SourceType is RETRAINING) also learns from what inference accumulated, is compared with the
active version, and may be promoted.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import SQLAlchemyError

from openlookout.buckets import layout
from openlookout.jobs.children import ChildUnwanted
from openlookout.jobs.engine import Steps
from openlookout.jobs.label_sources import group_labels
from openlookout.jobs.promotion import Promotion, Retrained, failed, promotion
from openlookout.jobs.training_work import evaluate_version, fit_version
from openlookout.jobs.workplace import Workplace, begin, publish, reason, retried
from openlookout.store.client_tokens import note_ended
from openlookout.store.durations import duration
from openlookout.store.lifecycles import MODEL, MODEL_VERSION, move
from openlookout.store.model_versions import activate, is_version, version_parts
from openlookout.store.tables import (
    accumulated,
    ingestion_job,
    label_group,
    model,
    model_version,
    retraining_scheduler,
    to_microseconds,
)
from openlookout.store.tables import from_microseconds as instant

SECONDS_MAX = 12 * 3600.0
SHORTEST_RATE_US = 1_000_000


class Train:
    """The job behind CreateModel and behind every scheduled retraining."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        attempt = begin(self._workplace, MODEL_VERSION, is_version(identity), partial(self.abandon, identity))
        if attempt is None:
            return
        self._note_start(identity)
        try:
            fitted = steps.run("fit", self._fit, identity, attempt)
            if "failed" in fitted:
                self._end_failed(identity, fitted["failed"], is_ours=False, available_days=fitted.get("available_days"))
                return
            evaluated = steps.run("evaluate", self._evaluate, identity, fitted)
        except ChildUnwanted:  # Cancelled: the row says so already.
            return
        if "failed" in evaluated:
            self._end_failed(identity, evaluated["failed"], is_ours=False)
        else:
            self._publish(identity, attempt, fitted | evaluated)

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
            job = _labels(connection, row, asked) | _retraining(connection, row)
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
        values: dict[str, object] = {
            "updated_at": now,
            "training_ended_at": now,
            "training_data_start": instant(answer["start_us"]),
            "training_data_end": instant(answer["end_us"]),
            "metrics": answer["metrics"],
            "prior_metrics": answer["prior_metrics"],
            "quality": answer["quality"],
            "labelled": answer["labelled"],
            "sampling_rate_us": answer["rate_us"],
            "object_prefix": answer["prefix"],
            "diagnostics_bucket": answer["diagnostics_bucket"],
            "diagnostics_key": answer["diagnostics_key"],
        }
        model_id, number = version_parts(identity)
        with self._workplace.database.writing() as connection:
            decided = _decide(connection, identity, answer)
            if decided is not None:
                values |= {
                    "available_days": answer["available_days"],
                    "promotion_result": decided.result,
                    "promotion_reason": decided.reason,
                }
                if not answer["labelled"]:  # The table of the guide shows no metrics then.
                    values |= {"metrics": None, "prior_metrics": None}
            if not publish(connection, MODEL_VERSION, is_version(identity), attempt, "SUCCESS", **values):
                return
            move(connection, MODEL, model.c.id == model_id, "SUCCESS", updated_at=now)
            activate(connection, model_id, number, now, replacing=decided is not None and decided.is_promoted)
            note_ended(connection, identity, now)

    def abandon(self, identity: str, reason_text: str) -> None:
        self._end_failed(identity, reason_text, is_ours=True)

    def _end_failed(self, identity: str, reason_text: str, *, is_ours: bool, available_days: int | None = None) -> None:
        now = self._workplace.now()
        values: dict[str, object] = {
            "failed_reason": reason(reason_text),
            "updated_at": now,
            "training_ended_at": now,
        }
        with self._workplace.database.writing() as connection:
            if _is_retraining(connection, identity):
                ended = failed(reason_text, is_ours=is_ours)
                values |= {
                    "promotion_result": ended.result,
                    "promotion_reason": ended.reason,
                    "available_days": available_days,
                }
            if publish(connection, MODEL_VERSION, is_version(identity), None, "FAILED", **values):
                move(connection, MODEL, model.c.id == version_parts(identity)[0], "FAILED", updated_at=now)
                note_ended(connection, identity, now)


def _labels(connection: Connection, row: Row[Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Where labels come from: read again at each training."""
    configuration = asked.get("LabelsInputConfiguration", {})
    group = None
    if "LabelGroupName" in configuration:
        # By name: a group that was made again under it is meant. One that is gone has no labels any more.
        group_id = connection.execute(
            select(label_group.c.id).where(
                label_group.c.account == row.account,
                label_group.c.region == row.region,
                label_group.c.name == configuration["LabelGroupName"],
            )
        ).scalar()
        group = group_labels(connection, group_id or "")
    return {"labels": configuration.get("S3InputConfiguration"), "group_labels": group}


def _retraining(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """What a retraining has beside: accumulated data, and the version to compare with."""
    if row.source_type != "RETRAINING":
        return {"is_retraining": False, "accumulated": [], "prior_prefix": None, "prior_rate_us": None}
    windows = connection.execute(
        select(accumulated)
        .where(
            accumulated.c.model_id == row.model_id,
            accumulated.c.data_end > row.training_data_start,
            accumulated.c.data_start < row.training_data_end,
        )
        .order_by(accumulated.c.data_end)
    )
    prior = connection.execute(
        select(model_version.c.object_prefix, model_version.c.sampling_rate_us).where(
            model_version.c.model_id == row.model_id, model_version.c.version == row.active_version
        )
    ).one_or_none()
    return {
        "is_retraining": True,
        "accumulated": [
            (to_microseconds(window.data_start), to_microseconds(window.data_end), window.prefix) for window in windows
        ],
        "prior_prefix": None if prior is None else prior.object_prefix,
        "prior_rate_us": SHORTEST_RATE_US if prior is None else prior.sampling_rate_us,
    }


def _is_retraining(connection: Connection, identity: str) -> bool:
    return connection.execute(select(model_version.c.source_type).where(is_version(identity))).scalar() == "RETRAINING"


def _decide(connection: Connection, identity: str, answer: Mapping[str, Any]) -> Promotion | None:
    """Whether a retrained version is promoted; None for a first training."""
    if not _is_retraining(connection, identity):
        return None
    model_id, _ = version_parts(identity)
    row = connection.execute(
        select(model.c.active_version, retraining_scheduler.c.promote_mode)
        .select_from(model)
        .join(retraining_scheduler, isouter=True)
        .where(model.c.id == model_id)
    ).one()
    was_labelled = connection.execute(
        select(model_version.c.labelled).where(
            model_version.c.model_id == model_id, model_version.c.version == row.active_version
        )
    ).scalar()
    retrained = Retrained(
        was_labelled=bool(was_labelled),
        is_labelled=answer["labelled"],
        quality=answer["quality"],
        skill=answer["skill"],
        prior_skill=answer["prior_skill"],
        prior=row.active_version,
    )
    return promotion(retrained, row.promote_mode or "MANUAL")


def _us(row: Row[Any], name: str) -> int | None:
    kind, _, end = name.partition("_")
    at = row._mapping[f"{kind}_data_{end}"]
    return None if at is None else to_microseconds(at)
