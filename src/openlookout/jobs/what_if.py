"""What-if: a stretch of data scored with a version of choice, once, so that every limit can be tried on it at once.

Steps: `score` in a child, which writes its objects under its attempt's prefix; then the row that mentions them.
"""

from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import SQLAlchemyError

from openlookout.api.instants import to_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, open_buckets
from openlookout.jobs.children import ChildUnwanted
from openlookout.jobs.engine import Steps
from openlookout.jobs.progress import read_percent
from openlookout.jobs.retraining import accumulated_windows
from openlookout.jobs.what_if_work import score_stretch
from openlookout.jobs.workplace import Workplace, begin, forgive, publish, reason, retried
from openlookout.store.lifecycles import WHAT_IF
from openlookout.store.tables import dataset, ingestion_job, model, model_version
from openlookout.store.what_if_tables import what_if

SECONDS_MAX = 12 * 3600.0


class WhatIf:
    """The job behind a what-if; its identity is that of the row."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        this = what_if.c.id == identity
        attempt = begin(self._workplace, steps, WHAT_IF, this, partial(self.abandon, identity))
        if attempt is None:
            return
        answer = steps.run("score", self._score, identity, attempt)
        if "failed" in answer:
            self.abandon(identity, answer["failed"], attempt)
            return
        if "output" in answer and not self._publish(identity, attempt, answer["output"]):
            steps.run("tidy", self._tidy, answer["output"])  # Stopped, or its model was deleted.

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, WHAT_IF, what_if.c.id == identity)

    def abandon(self, identity: str, reason_text: str, attempt: int | None) -> None:
        values = {"failed_reason": reason(reason_text), "ended_at": self._workplace.now()}
        with self._workplace.database.writing() as connection:
            publish(connection, WHAT_IF, what_if.c.id == identity, attempt, "FAILED", **values)

    @retried
    def _score(self, identity: str, attempt: int) -> dict[str, Any]:
        """Give `output`, the prefix of what was kept; nothing, if nobody wants it any more; or `failed`."""
        with self._workplace.database.reading() as connection:
            row = _subject(connection, identity)
            if row is None:
                return {}
            windows = accumulated_windows(connection, row.model_id, row.data_start, row.data_end)
        output = f"{layout.what_if(row.model_id, identity)}/{attempt}/"
        progress = Path(self._workplace.scratch, f"what-if-{identity}-{attempt}")
        job = {
            "scratch": self._workplace.scratch,
            "progress": str(progress),
            "version_prefix": row.version_prefix,
            "manifest_key": row.manifest_key,
            "accumulated": windows,
            "start_us": to_microseconds(row.data_start),
            "end_us": to_microseconds(row.data_end),
            "rows_max": self._workplace.limits.evaluation_rows,
            "output": output,
        }
        look = partial(self._is_wanted, identity, attempt, progress)
        try:
            answer = self._workplace.children.run(
                SECONDS_MAX, score_stretch, self._workplace.buckets, job, is_wanted=look
            )
        except ChildUnwanted:
            self._tidy(output)
            return {}
        return answer or {"output": output}

    def _is_wanted(self, identity: str, attempt: int, progress: Path) -> bool:
        """Whether it is still under way; tells how far it is."""
        mine = (what_if.c.id == identity, what_if.c.attempt == attempt, what_if.c.status == "IN_PROGRESS")
        percent = read_percent(progress)
        try:
            with self._workplace.database.reading() as connection:
                before = connection.execute(select(what_if.c.percent).where(*mine)).scalar()
            if before is not None and percent is not None and percent != before:
                with self._workplace.database.writing() as connection:
                    connection.execute(update(what_if).where(*mine).values(percent=percent))
        except SQLAlchemyError:  # Not known just now.
            return True
        return before is not None

    def _publish(self, identity: str, attempt: int, output: str) -> bool:
        values = {"object_prefix": output, "percent": 100, "ended_at": self._workplace.now()}
        with self._workplace.database.writing() as connection:
            return publish(connection, WHAT_IF, what_if.c.id == identity, attempt, "SUCCESS", **values)

    @retried
    def _tidy(self, output: str) -> None:
        open_buckets(self._workplace.buckets).delete_prefix(SERVICE, output)


def _subject(connection: Connection, identity: str) -> Row[Any] | None:
    """The what-if with its version's objects and the readings that its model's dataset has now."""
    return connection.execute(
        select(what_if, model_version.c.object_prefix.label("version_prefix"), ingestion_job.c.manifest_key)
        .select_from(what_if)
        .join(model, model.c.id == what_if.c.model_id)
        .join(dataset, dataset.c.id == model.c.dataset_id)
        .join(
            model_version,
            (model_version.c.model_id == what_if.c.model_id) & (model_version.c.version == what_if.c.version),
        )
        .join(ingestion_job, ingestion_job.c.id == dataset.c.ingestion_job_id, isouter=True)
        .where(what_if.c.id == identity)
    ).one_or_none()
