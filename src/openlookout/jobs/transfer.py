"""Transfer: the objects behind an imported dataset or model version, copied; then the rows that mention them.

A copy shares nothing with its source, which may be deleted meanwhile: then the import FAILED, and says what is missing.
"""

import json
import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.jobs.endings import fail_dataset, fail_version, fill_dataset, succeed_version
from openlookout.jobs.engine import Steps
from openlookout.jobs.workplace import Workplace, begin, forgive, retried
from openlookout.store.lifecycles import INGESTION_JOB, MODEL_VERSION
from openlookout.store.model_versions import is_version, version_parts
from openlookout.store.tables import accumulated, ingestion_job, model_version, sensor_statistics

# What an import takes over from the ingestion that it copies.
COPIED = ("quality", "files", "size_bytes", "data_start", "data_end", "status_detail")


class ImportDataset:
    """The job behind ImportDataset; its identity is the JobId."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        this = ingestion_job.c.id == identity
        attempt = begin(self._workplace, steps, INGESTION_JOB, this, partial(self.abandon, identity))
        if attempt is None:
            return
        answer = steps.run("copy", self._copy, identity, attempt)
        if "failed" in answer:
            self.abandon(identity, answer["failed"], attempt)
        else:
            steps.run("publish", self._publish, identity, attempt, answer["manifest_key"])

    @retried
    def _copy(self, identity: str, attempt: int) -> dict[str, Any]:
        with self._workplace.database.reading() as connection:
            job = connection.execute(select(ingestion_job).where(ingestion_job.c.id == identity)).one()
            source = _source_job(connection, job.source_job_id)
        if source is None:
            return {"failed": f"The dataset {job.source_arn} was deleted before its data was copied."}
        output = layout.ingestion(job.dataset_id, identity, attempt)
        try:
            return {"manifest_key": self._copied(source.manifest_key, output)}
        except BucketUnavailableError:
            raise
        except BucketError as error:
            return {"failed": f"The data of {job.source_arn} cannot be copied: {error}."}

    def _copied(self, manifest_key: str, output: str) -> str:
        """Copy the parts and give the key of the manifest that names the copies."""
        buckets = open_buckets(self._workplace.buckets)
        manifest = json.loads(buckets.read(SERVICE, manifest_key))
        parts = []
        for number, part in enumerate(manifest["parts"]):
            key = layout.part(output, part["component"], number)
            _copy_object(buckets, part["path"], key, self._workplace.scratch)
            parts.append({**part, "path": key})
        buckets.write(SERVICE, layout.manifest(output), json.dumps({**manifest, "parts": parts}).encode())
        return layout.manifest(output)

    @retried
    def _publish(self, identity: str, attempt: int, manifest_key: str) -> None:
        now = self._workplace.now()
        buckets = open_buckets(self._workplace.buckets)
        schema = json.loads(buckets.read(SERVICE, manifest_key))["schema"]
        with self._workplace.database.writing() as connection:
            job = connection.execute(select(ingestion_job).where(ingestion_job.c.id == identity)).one()
            source = _source_job(connection, job.source_job_id)
            if source is not None:
                values = {column: source._mapping[column] for column in COPIED} | {"manifest_key": manifest_key}
                told = {"data_schema": schema, "source_arn": job.source_arn}
                if fill_dataset(connection, identity, attempt, now, values, **told):
                    _copy_statistics(connection, job.source_job_id, identity)
        if source is None:
            self.abandon(identity, f"The dataset {job.source_arn} was deleted while its data was copied.", attempt)

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        fail_dataset(self._workplace, identity, reason, attempt)

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, INGESTION_JOB, ingestion_job.c.id == identity)


class ImportVersion:
    """The job behind ImportModelVersion; its identity is `<model id>.<version>`."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        attempt = begin(self._workplace, steps, MODEL_VERSION, is_version(identity), partial(self.abandon, identity))
        if attempt is None:
            return
        answer = steps.run("copy", self._copy, identity, attempt)
        if "failed" in answer:
            self.abandon(identity, answer["failed"], attempt)
            return
        replaced = self._publish(identity, attempt, answer)
        steps.run("tidy", self._tidy, replaced)

    @retried
    def _copy(self, identity: str, attempt: int) -> dict[str, Any]:
        buckets = open_buckets(self._workplace.buckets)
        with self._workplace.database.reading() as connection:
            version = connection.execute(select(model_version).where(is_version(identity))).one()
            windows = _windows(connection, version)
        output = layout.version(version.model_id, version.version, attempt)
        n_bytes, kept = 0, []
        try:
            for found in [*buckets.list(SERVICE, version.source_prefix)]:
                key = output + found.key.removeprefix(version.source_prefix)
                n_bytes += _copy_object(buckets, found.key, key, self._workplace.scratch)
            if not all(
                buckets.exists(SERVICE, key) for key in (layout.detector(output), layout.training_summary(output))
            ):
                return {"failed": f"The model version {version.source_arn} was deleted before it was copied."}
            copied: dict[str, str] = {}  # The windows of a replay share a prefix.
            for window in windows:
                prefix = layout.imported(version.model_id, version.version, attempt, window.data_end)
                prefix = copied.setdefault(window.prefix, prefix)
                kept.append([to_microseconds(window.data_start), to_microseconds(window.data_end), prefix])
            for source, prefix in copied.items():
                for found in [*buckets.list(SERVICE, source)]:
                    key = prefix + found.key.removeprefix(source)
                    n_bytes += _copy_object(buckets, found.key, key, self._workplace.scratch)
        except BucketUnavailableError:
            raise
        except BucketError as error:
            return {"failed": f"The objects of {version.source_arn} cannot be copied: {error}."}
        return {"prefix": output, "n_bytes": n_bytes, "accumulated": kept}

    def _publish(self, identity: str, attempt: int, answer: dict[str, Any]) -> list[str]:
        """Give the prefixes of the accumulated data that the import replaced."""
        now = self._workplace.now()
        values = {
            "object_prefix": answer["prefix"],
            "imported_bytes": answer["n_bytes"],
            "import_ended_at": now,
        }
        with self._workplace.database.writing() as connection:
            if not succeed_version(connection, identity, attempt, now, values, replacing=False):
                return []
            return _replace_accumulated(connection, identity, answer["accumulated"])

    @retried
    def _tidy(self, prefixes: list[str]) -> None:
        buckets = open_buckets(self._workplace.buckets)
        for prefix in prefixes:
            buckets.delete_prefix(SERVICE, prefix)

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        now = self._workplace.now()
        with self._workplace.database.writing() as connection:
            fail_version(connection, identity, attempt, now, said=reason, values={"import_ended_at": now})

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, MODEL_VERSION, is_version(identity))


def _source_job(connection: Connection, job_id: str) -> Any:
    return connection.execute(select(ingestion_job).where(ingestion_job.c.id == job_id)).one_or_none()


def _copy_statistics(connection: Connection, source_job_id: str, job_id: str) -> None:
    """Within the database: a dataset has up to thousands of sensors."""
    others = [column for column in sensor_statistics.c if column.name != "job_id"]
    rows = connection.execute(select(*others).where(sensor_statistics.c.job_id == source_job_id)).all()
    if rows:
        connection.execute(insert(sensor_statistics), [{"job_id": job_id, **row._mapping} for row in rows])


def _copy_object(buckets: Buckets, source: str, target: str, scratch: str) -> int:
    """Copy an object of ours by way of a file; give its bytes."""
    with TemporaryDirectory(prefix="copy-", dir=scratch) as folder:
        path = Path(folder) / "object"
        with buckets.open(SERVICE, source) as stream, path.open("wb") as file:
            shutil.copyfileobj(stream, file)
        buckets.write_file(SERVICE, target, path)
        return path.stat().st_size


def _windows(connection: Connection, version: Any) -> list[Any]:
    """The source's accumulated data, if it is to be imported."""
    mine = accumulated.c.model_id == version.model_id
    has_some = connection.execute(select(accumulated.c.data_end).where(mine).limit(1)).first() is not None
    if version.import_strategy == "NO_IMPORT" or (version.import_strategy == "ADD_WHEN_EMPTY" and has_some):
        return []
    source_id = version.source_arn.split("/")[2]
    return list(connection.execute(select(accumulated).where(accumulated.c.model_id == source_id)).all())


def _replace_accumulated(connection: Connection, identity: str, kept: list[Any]) -> list[str]:
    """Note what was imported; under OVERWRITE instead of what was there. Give the prefixes that no row names now."""
    model_id, _ = version_parts(identity)
    mine = accumulated.c.model_id == model_id
    strategy = connection.execute(select(model_version.c.import_strategy).where(is_version(identity))).scalar()
    there = list(connection.execute(select(accumulated.c.prefix).where(mine)).scalars())
    if strategy == "NO_IMPORT" or (strategy == "ADD_WHEN_EMPTY" and there):
        return [prefix for _, _, prefix in kept]
    connection.execute(delete(accumulated).where(mine))
    for start, end, prefix in kept:
        row = {"model_id": model_id, "data_start": from_microseconds(start), "data_end": from_microseconds(end)}
        connection.execute(accumulated.insert(), {**row, "prefix": prefix})
    return there
