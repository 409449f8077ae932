"""Ingestion: files under a prefix -> Parquet parts, statistics and a manifest -> the dataset's data.

Steps: `read` (in a child: everything that costs time) and the publishing transaction. The objects are written first,
under the attempt's own prefix; the rows that mention them second.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.exc import SQLAlchemyError

from openlookout.api.instants import from_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.jobs.endings import fail_dataset, fill_dataset
from openlookout.jobs.engine import Steps
from openlookout.jobs.progress import ProgressFile, read_progress
from openlookout.jobs.workplace import Workplace, begin, forgive, reason, retried
from openlookout.limits import Limits
from openlookout.logs import logger
from openlookout.metrics import BYTES_INGESTED, ROWS_INGESTED
from openlookout.store.lifecycles import INGESTION_JOB
from openlookout.store.tables import dataset, ingestion_job, sensor_statistics
from openlookout.timeseries.ingest import Ingested, ingest
from openlookout.timeseries.key_pattern import assign, parse_key_pattern
from openlookout.timeseries.quality import quality_summary
from openlookout.timeseries.schema import Component, parse_schema, schema_text
from openlookout.timeseries.sensor_file import Allowance, BadHeader
from openlookout.timeseries.sources import IngestionError, Source

SECONDS_MAX = 24 * 3600.0
DISCARDED_NAMED_MAX = 100
REASONS_NAMED_MAX = 10
STATISTICS_BATCH = 500

log = logger(__name__)


class Ingest:
    """The job behind StartDataIngestionJob; its identity is the JobId."""

    def __init__(self, workplace: Workplace) -> None:
        self._workplace = workplace

    def run(self, steps: Steps, identity: str) -> None:
        is_this = ingestion_job.c.id == identity
        attempt = begin(self._workplace, steps, INGESTION_JOB, is_this, partial(self.abandon, identity))
        if attempt is None:
            return
        answer = steps.run("read", self._read, identity, attempt)
        if "failed" in answer:
            self.abandon(identity, answer["failed"], attempt)
        else:
            steps.run("publish", self._publish, identity, attempt, answer)

    @retried
    def _read(self, identity: str, attempt: int) -> dict[str, Any]:
        with self._workplace.database.reading() as connection:
            job = self._job(connection, identity)
        # The first pattern that a dataset was ingested with is used again when a later job gives none.
        place = job.input["S3InputConfiguration"]
        arguments = {
            "scratch": self._workplace.scratch,
            "bucket": place["Bucket"],
            "prefix": place.get("Prefix", ""),
            "pattern": place.get("KeyPattern") or self._earlier_pattern(job.dataset_id),
            "schema": job.data_schema,
            "limits": asdict(self._workplace.limits),
            "output": layout.ingestion(job.dataset_id, identity, attempt),
            "progress": str(_progress_path(self._workplace.scratch, identity, attempt)),
        }
        look = partial(self._tell_progress, identity, attempt)
        return self._workplace.children.run(SECONDS_MAX, read, self._workplace.buckets, arguments, is_wanted=look)

    def _tell_progress(self, identity: str, attempt: int) -> bool:
        """Show in StatusDetail how far the child is; whatever comes of that, its answer is wanted."""
        said = read_progress(_progress_path(self._workplace.scratch, identity, attempt))
        this = (ingestion_job.c.id == identity, ingestion_job.c.attempt == attempt)
        is_news = (ingestion_job.c.status == "IN_PROGRESS", ingestion_job.c.status_detail.is_distinct_from(said))
        if said is not None:
            try:
                with self._workplace.database.writing() as connection:
                    connection.execute(update(ingestion_job).where(*this, *is_news).values(status_detail=said))
            except SQLAlchemyError as error:
                log.warning("progress is not shown", error=str(error)[:300])
        return True

    def _job(self, connection: Any, identity: str) -> Row[Any]:
        job: Row[Any] = connection.execute(
            select(ingestion_job, dataset.c.data_schema).join(dataset).where(ingestion_job.c.id == identity)
        ).one()
        return job

    def _earlier_pattern(self, dataset_id: str) -> str | None:
        with self._workplace.database.reading() as connection:
            earlier = connection.execute(
                select(ingestion_job.c.input)
                .join(dataset, dataset.c.ingestion_job_id == ingestion_job.c.id)
                .where(dataset.c.id == dataset_id)
            ).scalar()
        pattern: str | None = earlier and earlier["S3InputConfiguration"].get("KeyPattern")
        return pattern

    @retried
    def _publish(self, identity: str, attempt: int, answer: Mapping[str, Any]) -> None:
        buckets = open_buckets(self._workplace.buckets)
        rows = json.loads(buckets.read(SERVICE, layout.statistics(answer["prefix"])))
        values = {
            "quality": answer["quality"],
            "files": answer["files"],
            "size_bytes": answer["size_bytes"],
            "data_start": from_microseconds(answer["start_us"]),
            "data_end": from_microseconds(answer["end_us"]),
            "manifest_key": layout.manifest(answer["prefix"]),
            "status_detail": answer["status_detail"],
        }
        with self._workplace.database.writing() as connection:
            now, schema = self._workplace.now(), answer["schema"]
            if not fill_dataset(connection, identity, attempt, now, values, data_schema=schema):
                return
            for first in range(0, len(rows), STATISTICS_BATCH):
                batch = [
                    {
                        "job_id": identity,
                        "component": row["ComponentName"],
                        "sensor": row["SensorName"],
                        "statistics": row,
                    }
                    for row in rows[first : first + STATISTICS_BATCH]
                ]
                connection.execute(sensor_statistics.insert(), batch)
        ROWS_INGESTED.inc(answer["n_rows"])
        BYTES_INGESTED.inc(answer["size_bytes"])

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        fail_dataset(self._workplace, identity, reason, attempt)

    def forgive(self, identity: str) -> None:
        forgive(self._workplace, INGESTION_JOB, ingestion_job.c.id == identity)


def _progress_path(scratch: str, identity: str, attempt: int) -> Path:
    return Path(scratch, f"progress-{identity}-{attempt}")


def read(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Read the files of a job and write parts, statistics and manifest under `job["output"]`; runs in a child.

    Gives what the rows need, or `failed` with a sentence for the customer.
    """
    try:
        return _read(settings, job)
    except (IngestionError, BadHeader) as error:
        return {"failed": str(error)}
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": f"The files cannot be read: {error}."}


def _read(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    buckets = open_buckets(settings)
    bucket, prefix = job["bucket"], job["prefix"]
    schema = None if job["schema"] is None else parse_schema(job["schema"])
    found = {info.key: info.size for info in buckets.list(bucket, prefix)}
    pattern = None if job["pattern"] is None else parse_key_pattern(job["pattern"])
    names = None if schema is None else [component.name for component in schema]
    assigned = assign(list(found), prefix, pattern, names)
    if not assigned.components:
        shown = job["pattern"] or "{prefix}/{component_name}/*"
        known = "" if names is None else f" of the components {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"
        raise IngestionError(
            f"No file{known} was found under s3://{bucket}/{prefix} by the key pattern {shown}; "
            f"{len(found)} objects are there."
        )
    _check_files(assigned.components, found, Limits(**job["limits"]))
    sources = [
        Source(key, component, found[key], partial(buckets.open, bucket, key)) for key, component in assigned.components
    ]
    progress = Path(job["progress"])
    with ExitStack() as stack:
        stack.callback(progress.unlink, missing_ok=True)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ingest-", dir=job["scratch"]))
        out, scratch = Path(folder) / "out", Path(folder) / "scratch"
        out.mkdir()
        scratch.mkdir()
        limits = Limits(**job["limits"])
        note, allowance = ProgressFile(progress).note, Allowance(limits.dataset_unpacked_bytes)
        ingested = ingest(sources, schema, out, scratch, progress=note, allowance=allowance)
        _check_columns(ingested.schema, limits)
        return _keep(
            settings, job, ingested, discarded=(*assigned.unmatched, *ingested.discarded.keys()), n_found=len(found)
        )


def _check_files(components: Sequence[tuple[str, str]], sizes: Mapping[str, int], limits: Limits) -> None:
    """Raises IngestionError: a file, the files of a component, or all files together are more than may be."""
    for key, _ in components:
        if sizes[key] > limits.file_bytes:
            raise IngestionError(f"File '{key}' has {sizes[key]} bytes; {limits.file_bytes} is the quota.")
    n_bytes = sum(sizes[key] for key, _ in components)
    if n_bytes > limits.dataset_bytes:
        raise IngestionError(f"The files have {n_bytes} bytes; {limits.dataset_bytes} is the quota of a dataset.")
    for component, n_files in Counter(component for _, component in components).items():
        if n_files > limits.files:
            raise IngestionError(f"Component '{component}' has {n_files} files; {limits.files} is the quota.")


def _check_columns(schema: Sequence[Component], limits: Limits) -> None:
    """Raises IngestionError: the schema that was found has more components or columns than may be."""
    n_columns = sum(1 + len(component.sensors) for component in schema)
    if len(schema) > limits.components:
        raise IngestionError(f"The files have {len(schema)} components; {limits.components} is the quota.")
    if n_columns > limits.columns:
        raise IngestionError(f"The files have {n_columns} columns; {limits.columns} is the quota.")


def _keep(
    settings: BucketSettings, job: Mapping[str, Any], ingested: Ingested, *, discarded: tuple[str, ...], n_found: int
) -> dict[str, Any]:
    buckets, output = open_buckets(settings), job["output"]
    parts = []
    for number, part in enumerate(ingested.parts):
        key = layout.part(output, part.component, number)
        buckets.write_file(SERVICE, key, part.path)
        parts.append({**asdict(part), "path": key})
    statistics = [row.summary() for row in ingested.statistics]
    schema = schema_text(ingested.schema)
    marks = {name: asdict(one) for name, one in ingested.marks.items()}
    buckets.write(SERVICE, layout.marks(output), json.dumps(marks).encode())
    buckets.write(SERVICE, layout.statistics(output), json.dumps(statistics).encode())
    buckets.write(SERVICE, layout.manifest(output), json.dumps({"schema": schema, "parts": parts}).encode())
    n_markers = n_found - ingested.n_files - (len(discarded) - len(ingested.discarded))
    return {
        "prefix": output,
        "schema": schema,
        "quality": quality_summary(ingested.statistics),
        "files": {
            "TotalNumberOfFiles": n_found - n_markers,
            "IngestedNumberOfFiles": ingested.n_files_ingested,
            "DiscardedFiles": [{"Bucket": job["bucket"], "Key": key} for key in discarded[:DISCARDED_NAMED_MAX]],
        },
        "size_bytes": ingested.n_bytes,
        "n_rows": sum(part.n_rows for part in ingested.parts),
        "status_detail": _detail(ingested.discarded),
        "start_us": ingested.start_us,
        "end_us": ingested.end_us,
    }


def _detail(discarded: Mapping[str, str]) -> str | None:
    """Say why files were left out; None when none was."""
    if not discarded:
        return None
    named = [f"'{key}': {why}" for key, why in list(discarded.items())[:REASONS_NAMED_MAX]]
    more = f"; and {len(discarded) - len(named)} more" if len(discarded) > len(named) else ""
    return reason(f"{len(discarded)} files were left out: {'; '.join(named)}{more}")
