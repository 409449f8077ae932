"""How the work on a dataset or on a model version ends: every row that says so, in the caller's transaction.

One row is published, guarded by status and attempt; only then do the others follow it: the dataset or the model, and
the client token of the request behind the work.
"""

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from openlookout.alerts.notes import note_promoted, note_version
from openlookout.jobs.records import recorded, version_recorded
from openlookout.jobs.workplace import Workplace, publish, reason
from openlookout.store.client_tokens import note_ended
from openlookout.store.lifecycles import DATASET, INGESTION_JOB, MODEL, MODEL_VERSION, move
from openlookout.store.model_versions import activate, is_version, version_parts
from openlookout.store.subjects import ingestion_subject
from openlookout.store.tables import dataset, ingestion_job, model


def fill_dataset(
    connection: Connection,
    job_id: str,
    attempt: int,
    now: datetime,
    values: dict[str, Any],
    *,
    data_schema: str,
    source_arn: str | None = None,
) -> bool:
    """End an ingestion or dataset import with SUCCESS: its data is the dataset's. False: it was not to be ended."""
    this = ingestion_job.c.id == job_id
    with _recorded_job(connection, now, job_id):
        if not publish(connection, INGESTION_JOB, this, attempt, "SUCCESS", **values):
            return False
        of = connection.execute(select(ingestion_job.c.dataset_id).where(this)).scalar_one()
        filled = {"ingestion_job_id": job_id, "data_schema": data_schema, "source_arn": source_arn}
        move(connection, DATASET, dataset.c.id == of, "ACTIVE", updated_at=now, **filled)
    note_ended(connection, job_id, now)
    return True


def fail_dataset(workplace: Workplace, job_id: str, reason_text: str, attempt: int | None) -> None:
    """End an ingestion or dataset import with FAILED: the dataset is as it was before."""
    now = workplace.now()
    this = ingestion_job.c.id == job_id
    with workplace.database.writing() as connection, _recorded_job(connection, now, job_id):
        job = connection.execute(select(ingestion_job).where(this)).one()
        said = {"failed_reason": reason(reason_text), "status_detail": None}  # How far it was is no news any more.
        if publish(connection, INGESTION_JOB, this, attempt, "FAILED", **said):
            move(connection, DATASET, dataset.c.id == job.dataset_id, job.dataset_status_before, updated_at=now)
            note_ended(connection, job_id, now)


def succeed_version(
    connection: Connection, identity: str, attempt: int, now: datetime, values: dict[str, Any], *, replacing: bool
) -> bool:
    """End a version's work with SUCCESS; active, if none is or it is `replacing`. False: it was not to be ended."""
    with version_recorded(connection, now, "EndModelVersion", identity):
        this = is_version(identity)
        if not publish(connection, MODEL_VERSION, this, attempt, "SUCCESS", updated_at=now, **values):
            return False
        model_id, number = version_parts(identity)
        move(connection, MODEL, model.c.id == model_id, "SUCCESS", updated_at=now)
        is_active_now = activate(connection, model_id, number, now, replacing=replacing)
    note_ended(connection, identity, now)
    note_version(connection, model_id, number, now)
    if is_active_now:
        note_promoted(connection, model_id, now, by_hand=False)
    return True


def fail_version(
    connection: Connection,
    identity: str,
    attempt: int | None,
    now: datetime,
    *,
    said: str,
    values: dict[str, Any],
) -> None:
    """End a version's work with FAILED."""
    ended = {"failed_reason": reason(said), "updated_at": now, **values}
    with version_recorded(connection, now, "EndModelVersion", identity):
        if publish(connection, MODEL_VERSION, is_version(identity), attempt, "FAILED", **ended):
            model_id, number = version_parts(identity)
            move(connection, MODEL, model.c.id == model_id, "FAILED", updated_at=now)
            note_ended(connection, identity, now)
            note_version(connection, model_id, number, now)


def _recorded_job(connection: Connection, now: datetime, job_id: str) -> AbstractContextManager[None]:
    return recorded(connection, now, "EndDataIngestionJob", job_id, lambda: ingestion_subject(connection, job_id))
