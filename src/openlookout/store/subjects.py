"""Subjects: what a change is made to, as the audit log shows it: its ARN and its row at one moment. Knows rows only."""

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.store.model_versions import is_version, version_parts
from openlookout.store.tables import dataset, inference_scheduler, ingestion_job, model, model_version, replay


@dataclass(frozen=True)
class Subject:
    """A resource at one moment; `state` is JSON, or None while there is no such thing."""

    account: str
    region: str
    arn: str
    state: dict[str, Any] | None


def arn(account: str, region: str, path: str) -> str:
    return f"arn:aws:lookoutequipment:{region}:{account}:{path}"


def state(row: Row[Any] | None) -> dict[str, Any] | None:
    """A row as JSON, by its columns."""
    return None if row is None else dict(row._mapping)


def subject_of(kind: str, row: Row[Any]) -> Subject:
    """Give a row that has an ARN of its own; `kind` as in the ARN."""
    return Subject(row.account, row.region, arn(row.account, row.region, f"{kind}/{row.name}/{row.id}"), state(row))


def ingestion_subject(connection: Connection, job_id: str) -> Subject | None:
    """The dataset and the ingestion or import job that fills it."""
    job = connection.execute(select(ingestion_job).where(ingestion_job.c.id == job_id)).one_or_none()
    if job is None:
        return None
    of = connection.execute(select(dataset).where(dataset.c.id == job.dataset_id)).one()
    found = subject_of("dataset", of)
    return Subject(found.account, found.region, found.arn, {"dataset": found.state, "job": state(job)})


def replay_subject(connection: Connection, identity: str) -> Subject | None:
    """The inference scheduler whose results a replay corrects, and the replay."""
    found = connection.execute(select(replay).where(replay.c.id == identity)).one_or_none()
    if found is None:
        return None
    of = connection.execute(select(inference_scheduler).where(inference_scheduler.c.id == found.scheduler_id)).one()
    return replace(subject_of("inference-scheduler", of), state=state(found))


def version_subject(connection: Connection, identity: str) -> Subject | None:
    """The model version that `version_id` named, and its model."""
    version = connection.execute(select(model_version).where(is_version(identity))).one_or_none()
    if version is None:
        return None
    model_id, number = version_parts(identity)
    found = subject_of("model", connection.execute(select(model).where(model.c.id == model_id)).one())
    return Subject(
        found.account,
        found.region,
        f"{found.arn}/model-version/{number}",
        {"model": found.state, "version": state(version)},
    )
