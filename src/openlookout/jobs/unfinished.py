"""Unfinished work: rows that say that work is under way while no job does it get a new job.

The row is the truth, the job only carries it out. It should never happen; it may after a restore from a backup that
lacks the engine's rows, or when somebody deletes jobs by hand. Then nothing stays IN_PROGRESS for ever.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from openlookout.jobs.engine import JobQueue, job_id
from openlookout.logs import logger
from openlookout.store.database import Database
from openlookout.store.lifecycles import WORKING
from openlookout.store.model_versions import version_id
from openlookout.store.tables import (
    dataset,
    inference_execution,
    inference_scheduler,
    ingestion_job,
    model,
    model_version,
    replay,
)
from openlookout.store.what_if_tables import what_if

LOOK_SECONDS = 30.0
LOOKED_AT_MAX = 1000

log = logger(__name__)


@dataclass(frozen=True)
class Work:
    """One row's work, after so many attempts; `or_else` is as good: of the two only one has a job."""

    kind: str
    identity: str
    attempt: int
    or_else: "Work | None" = None


class Unfinished:
    """Looks for work without a job, and gives it one."""

    def __init__(self, database: Database, queue: JobQueue) -> None:
        self._database, self._queue = database, queue

    def look(self) -> int:
        """Give how many works got a new job."""
        with self._database.reading() as connection:
            jobs = {work: self._ids(work) for work in _under_way(connection)}
        alive = self._queue.alive([job for ids in jobs.values() for job in ids])
        suspects = [work for work, ids in jobs.items() if alive.isdisjoint(ids)]
        if not suspects:
            return 0
        with self._database.writing() as connection:
            # Looked at again: a job ends after its row, so a row that is still under way now had none before.
            lost = set(suspects) & set(_under_way(connection))
            for work in lost:
                log.warning("work was under way without a job", kind=work.kind, identity=work.identity)
                self._queue.enqueue(connection, work.kind, work.identity, again=work.attempt + 1)
        return len(lost)

    def _ids(self, work: Work) -> list[str]:
        """The job of its first attempts, and what it was given after any of them."""
        ids = [job_id(work.kind, work.identity, again) for again in range(work.attempt + 2)]
        return ids if work.or_else is None else [*ids, *self._ids(work.or_else)]


def _under_way(connection: Connection) -> Iterator[Work]:
    """By way of the datasets, models and schedulers that are busy: there are few, and of ended work there is much."""
    ingestions = (
        select(ingestion_job.c.id, ingestion_job.c.status, ingestion_job.c.attempt)
        .join(dataset)
        .where(dataset.c.status.in_(WORKING), ingestion_job.c.status.in_(WORKING))
    )
    for identity, status, attempt in connection.execute(ingestions.limit(LOOKED_AT_MAX)):
        yield Work("ingest" if status == "IN_PROGRESS" else "import-dataset", identity, attempt)
    numbers = (model_version.c.model_id, model_version.c.version, model_version.c.status, model_version.c.attempt)
    columns = (*numbers, model_version.c.limit_factor)
    versions = select(*columns).join(model).where(model.c.status.in_(WORKING), model_version.c.status.in_(WORKING))
    for model_id, number, status, attempt, factor in connection.execute(versions.limit(LOOKED_AT_MAX)):
        importing = "import-version" if factor is None else "apply-limit"
        yield Work("train" if status == "IN_PROGRESS" else importing, version_id(model_id, number), attempt)
    replayed = select(what_if.c.id, what_if.c.attempt).where(what_if.c.status == "IN_PROGRESS")
    for identity, attempt in connection.execute(replayed.order_by(what_if.c.created_at).limit(LOOKED_AT_MAX)):
        yield Work("what-if", identity, attempt)
    yield from _turns(connection)


def _turns(connection: Connection) -> Iterator[Work]:
    """The runs of a scheduler follow each other: one of its oldest replay and its oldest execution has a job."""
    replays = {
        row.scheduler_id: Work("replay", row.id, row.attempt) for row in _oldest(connection, replay, "created_at")
    }
    for row in _oldest(connection, inference_execution, "due_at"):
        execution, before = Work("infer", row.id, row.attempt), replays.pop(row.scheduler_id, None)
        yield execution if before is None else replace(before, or_else=execution)
    yield from replays.values()


def _oldest(connection: Connection, runs: Table, by: str) -> Iterable[Row[Any]]:
    run = runs.alias()
    is_open = (run.c.scheduler_id == inference_scheduler.c.id, run.c.status == "IN_PROGRESS")
    oldest = select(func.min(run.c[by])).where(*is_open).scalar_subquery()
    found = (
        select(runs.c.scheduler_id, runs.c.id, runs.c.attempt)
        .join(inference_scheduler, runs.c.scheduler_id == inference_scheduler.c.id)
        .where(runs.c[by] == oldest, runs.c.status == "IN_PROGRESS")
    )
    return connection.execute(found)
