"""Ingestion jobs and what they found: the quality of every sensor."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.api.errors import ConflictException, ValidationException
from openlookout.api.instants import from_microseconds
from openlookout.api.types import (
    DataIngestionJobSummary,
    DescribeDataIngestionJobRequest,
    DescribeDataIngestionJobResponse,
    ListDataIngestionJobsRequest,
    ListDataIngestionJobsResponse,
    ListSensorStatisticsRequest,
    ListSensorStatisticsResponse,
    SensorStatisticsSummary,
    StartDataIngestionJobRequest,
    StartDataIngestionJobResponse,
)
from openlookout.operations.changes import changing
from openlookout.operations.datasets import dataset_arn, find_dataset
from openlookout.operations.idempotency import claim
from openlookout.operations.listing import Listing, page
from openlookout.operations.operation import Context, check_quota, count, new_hex_id, not_found, of_caller, operation
from openlookout.store.lifecycles import DATASET, WORKING, move
from openlookout.store.tables import dataset, ingestion_job, sensor_statistics
from openlookout.timeseries.key_pattern import KeyPatternError, parse_key_pattern

_JOBS = select(ingestion_job, dataset.c.name.label("dataset_name")).join(dataset)

INGESTION_JOBS = Listing(
    source=_JOBS,
    scope="dataset.account = :account AND dataset.region = :region",
    key=("ingestion_job.created_at", "ingestion_job.id"),
    filters={"DatasetName": "dataset.name = :DatasetName", "Status": "ingestion_job.status = :Status"},
    is_descending=True,
)

SENSOR_STATISTICS = Listing(
    source=select(sensor_statistics),
    scope="job_id = :job_id",
    key=("component", "sensor"),
    filters={},
)


@operation
def start_data_ingestion_job(context: Context, request: StartDataIngestionJobRequest) -> StartDataIngestionJobResponse:
    """Start reading the files under a prefix into the dataset; what it held is replaced when the job succeeds.

    Raises:
        ResourceNotFoundException: there is no such dataset.
        ConflictException: the dataset is being ingested or imported already, or the ClientToken was used with other
            parameters.
        ServiceQuotaExceededException: as many ingestions are under way in the account as may be.
        ValidationException: the KeyPattern is none of the three forms.
    """
    configuration = request["IngestionInputConfiguration"]
    pattern = configuration["S3InputConfiguration"].get("KeyPattern")
    try:
        if pattern is not None:
            parse_key_pattern(pattern)
    except KeyPatternError as error:
        raise ValidationException(f"KeyPattern: {error}") from None
    job_id = new_hex_id()
    with changing(context, request, job_id) as connection:
        found = find_dataset(context, connection, request["DatasetName"])
        earlier = claim(context, connection, request, made=job_id, owner=found.id, ends_later=True)
        if earlier is not None:
            status = connection.execute(
                select(ingestion_job.c.status).where(ingestion_job.c.id == earlier)
            ).scalar_one()
            return {"JobId": earlier, "Status": status}
        occupy(context, connection, found, "INGESTION_IN_PROGRESS")
        row = {
            "id": job_id,
            "dataset_id": found.id,
            "created_at": context.now(),
            "status": "IN_PROGRESS",
            "attempt": 0,
            "dataset_status_before": found.status,
            "input": configuration,
            "role_arn": request["RoleArn"],
        }
        connection.execute(ingestion_job.insert(), row)
        context.jobs.enqueue(connection, "ingest", job_id)
    return {"JobId": job_id, "Status": "IN_PROGRESS"}


def occupy(context: Context, connection: Connection, found: Row[Any], status: str) -> None:
    """Take a dataset for an ingestion or an import; one at a time.

    Raises:
        ConflictException: the dataset is being ingested or imported already.
        ServiceQuotaExceededException: as many are under way in the account as may be.
    """
    pending = count(connection, dataset, of_caller(context, dataset), dataset.c.status.in_(sorted(WORKING)))
    if not move(connection, DATASET, dataset.c.id == found.id, status, updated_at=context.now()):
        raise ConflictException(f"The dataset '{found.name}' is {found.status}; one ingestion or import at a time.")
    check_quota("ingestions and imports under way", pending + 1, context.limits.pending_ingestions)


@operation
def describe_data_ingestion_job(
    context: Context, request: DescribeDataIngestionJobRequest
) -> DescribeDataIngestionJobResponse:
    """Describe an ingestion job: its state, and once it has succeeded what it read.

    Raises:
        ResourceNotFoundException: there is no such job.
    """
    with context.database.reading() as connection:
        job = connection.execute(
            _JOBS.where(
                ingestion_job.c.id == request["JobId"].lower(),
                dataset.c.account == context.account,
                dataset.c.region == context.region,
            )
        ).one_or_none()
    if job is None:
        raise not_found("ingestion job", request["JobId"])
    return {
        "JobId": job.id,
        "DatasetArn": dataset_arn(context, job.dataset_name, job.dataset_id),
        "IngestionInputConfiguration": job.input,
        "RoleArn": job.role_arn,
        "CreatedAt": job.created_at,
        "Status": job.status,
        "FailedReason": job.failed_reason,
        "DataQualitySummary": job.quality,
        "IngestedFilesSummary": job.files,
        "StatusDetail": job.status_detail,
        "IngestedDataSize": job.size_bytes,
        "DataStartTime": job.data_start,
        "DataEndTime": job.data_end,
        "SourceDatasetArn": job.source_arn,
    }


@operation
def list_data_ingestion_jobs(context: Context, request: ListDataIngestionJobsRequest) -> ListDataIngestionJobsResponse:
    """List ingestion jobs, newest first; every filter given must hold.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    rows, next_token = page(context, INGESTION_JOBS, request, {"account": context.account, "region": context.region})
    return {"DataIngestionJobSummaries": [_summary(context, row) for row in rows], "NextToken": next_token}


@operation
def list_sensor_statistics(context: Context, request: ListSensorStatisticsRequest) -> ListSensorStatisticsResponse:
    """List the statistics of each sensor, by component and name, of one job or of the last successful one.

    A dataset without a successful ingestion has none.

    Raises:
        ResourceNotFoundException: there is no such dataset, or no such job of it.
        ValidationException: NextToken was issued for another account or for other filters.
    """
    wanted = request.get("IngestionJobId")
    with context.database.reading() as connection:
        found = find_dataset(context, connection, request["DatasetName"])
        job_id = found.ingestion_job_id if wanted is None else wanted.lower()
        if wanted is not None:
            of_dataset = select(ingestion_job.c.id).where(
                ingestion_job.c.id == job_id, ingestion_job.c.dataset_id == found.id
            )
            if connection.execute(of_dataset).scalar() is None:
                raise not_found("ingestion job", wanted)
    rows, next_token = page(context, SENSOR_STATISTICS, request, {"job_id": job_id or ""})
    return {"SensorStatisticsSummaries": [_statistics(row.statistics) for row in rows], "NextToken": next_token}


def _summary(context: Context, row: Row[Any]) -> DataIngestionJobSummary:
    return {
        "JobId": row.id,
        "DatasetName": row.dataset_name,
        "DatasetArn": dataset_arn(context, row.dataset_name, row.dataset_id),
        "IngestionInputConfiguration": row.input,
        "Status": row.status,
    }


def _statistics(stored: Mapping[str, Any]) -> SensorStatisticsSummary:
    times = {
        member: from_microseconds(stored[member])
        for member in ("DataStartTime", "DataEndTime")
        if stored.get(member) is not None
    }
    summary: SensorStatisticsSummary = {**stored, **times}  # type: ignore[typeddict-item]  # Stored as the API shows it.
    return summary
