"""Applying a limit: a version of the same model that alarms at another limit, with an evaluation of its own.

Steps: `limit`, which saves the source's detector with other limits, and `evaluate`, both in a child; then the
publishing transaction. Its identity is `<model id>.<version>`. It never replaces the active version by itself.
"""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, select

from openlookout.api.instants import to_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.detection.model_file import save
from openlookout.detection.what_if import with_factor
from openlookout.jobs.endings import fail_version, succeed_version
from openlookout.jobs.engine import Steps
from openlookout.jobs.label_sources import label_sources
from openlookout.jobs.retraining import accumulated_windows
from openlookout.jobs.training_work import evaluate_version
from openlookout.jobs.version_files import read_version
from openlookout.jobs.workplace import Workplace, begin, forgive, retried
from openlookout.store.lifecycles import MODEL_VERSION
from openlookout.store.model_versions import is_version
from openlookout.store.tables import dataset, ingestion_job, model, model_version

SECONDS_MAX = 12 * 3600.0


class ApplyLimit:
    """The job behind «apply as a new version»."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        attempt = begin(self._workplace, steps, MODEL_VERSION, is_version(identity), partial(self.abandon, identity))
        if attempt is None:
            return
        limited = steps.run("limit", self._limit, identity, attempt)
        evaluated = limited if "failed" in limited else steps.run("evaluate", self._evaluate, identity, limited)
        if "failed" in evaluated:
            self.abandon(identity, evaluated["failed"], attempt)
            return
        now = self._workplace.now()
        values = {
            "object_prefix": limited["prefix"],
            "imported_bytes": limited["n_bytes"],
            "import_ended_at": now,
            "metrics": evaluated["metrics"],
            "quality": evaluated["quality"],
            "labelled": evaluated["labelled"],
        }
        with self._workplace.database.writing() as connection:
            succeed_version(connection, identity, attempt, now, values, replacing=False)

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        now = self._workplace.now()
        with self._workplace.database.writing() as connection:
            fail_version(connection, identity, attempt, now, said=reason, values={"import_ended_at": now})

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, MODEL_VERSION, is_version(identity))

    @retried
    def _limit(self, identity: str, attempt: int) -> dict[str, Any]:
        with self._workplace.database.reading() as connection:
            row = connection.execute(select(model_version).where(is_version(identity))).one()
        job = {
            "source": row.source_prefix,
            "factor": row.limit_factor,
            "output": layout.version(row.model_id, row.version, attempt),
        }
        return self._workplace.children.run(SECONDS_MAX, limited_version, self._workplace.buckets, job)

    @retried
    def _evaluate(self, identity: str, limited: Mapping[str, Any]) -> dict[str, Any]:
        with self._workplace.database.reading() as connection:
            job = {**self._job(connection, identity), **limited}
        return self._workplace.children.run(SECONDS_MAX, evaluate_version, self._workplace.buckets, job)

    def _job(self, connection: Connection, identity: str) -> dict[str, Any]:
        """What `evaluate_version` needs, as plain values: of all readings that there are, by the labels of now."""
        row = connection.execute(
            select(model_version, model.c.name, model.c.account, model.c.region, ingestion_job.c.manifest_key)
            .select_from(model_version)
            .join(model)
            .join(dataset, dataset.c.id == model.c.dataset_id)
            .join(ingestion_job, ingestion_job.c.id == dataset.c.ingestion_job_id, isouter=True)
            .where(is_version(identity))
        ).one()
        start, end = row.evaluation_data_start, row.evaluation_data_end
        return label_sources(connection, row, row.configuration) | {
            "is_retraining": True,
            "accumulated": accumulated_windows(connection, row.model_id, start, end),
            "prior_prefix": None,
            "scratch": self._workplace.scratch,
            "model_name": row.name,
            "version": row.version,
            "manifest_key": row.manifest_key,
            "diagnostics": None,
            "evaluation_rows_max": self._workplace.limits.evaluation_rows,
            "evaluation_start": to_microseconds(start),
            "evaluation_end": to_microseconds(end),
        }


def limited_version(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Write the detector of `job["source"]` with its limits multiplied, and its summary, under `job["output"]`."""
    buckets, source, output = open_buckets(settings), job["source"], job["output"]
    try:
        summary = buckets.read(SERVICE, layout.training_summary(source))
        detector = save(with_factor(read_version(buckets, source).detector, job["factor"]))
        buckets.write(SERVICE, layout.detector(output), detector)
        buckets.write(SERVICE, layout.training_summary(output), summary)
        carry_detectability(buckets, source, output, job["factor"])
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The version that it comes from cannot be read: {error}."}
    return {"prefix": output, "n_bytes": len(detector) + len(summary)}


def carry_detectability(buckets: Buckets, source: str, output: str, factor: float) -> None:
    """Let the version have its source's report, which says at which multiple of its limits the version itself alarms.

    To examine it anew would take the fit on a part of the training data that the report comes from, which is not kept.
    A higher limit alarms on no row that a lower one leaves alone, so the report still bounds what is found.
    """
    key = layout.detectability(source)
    if buckets.exists(SERVICE, key):
        report = json.loads(buckets.read(SERVICE, key))
        report["limit_factor"] = factor * report.get("limit_factor", 1.0)
        buckets.write(SERVICE, layout.detectability(output), json.dumps(report).encode())
