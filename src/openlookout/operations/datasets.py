"""Datasets: the named place where one machine's sensor data is ingested to."""

from typing import Any

from sqlalchemy import Connection, Row, delete, select

from openlookout.api.errors import ConflictException, ValidationException
from openlookout.api.types import (
    CreateDatasetRequest,
    CreateDatasetResponse,
    DatasetSummary,
    DeleteDatasetRequest,
    DescribeDatasetRequest,
    DescribeDatasetResponse,
    ListDatasetsRequest,
    ListDatasetsResponse,
)
from openlookout.operations.listing import Listing, page
from openlookout.operations.operation import Context, add_tags, insert_named, new_id, not_found, operation
from openlookout.store.tables import dataset, ingestion_job, model, tag
from openlookout.timeseries.schema import SchemaError, parse_schema, schema_text

BUSY = frozenset({"INGESTION_IN_PROGRESS", "IMPORT_IN_PROGRESS"})

DATASETS = Listing(
    source=select(dataset),
    scope="account = :account AND region = :region",
    key=("name",),
    filters={"DatasetNameBeginsWith": "name >= :DatasetNameBeginsWith AND name < :DatasetNameBeginsWithEnd"},
)


@operation
def create_dataset(context: Context, request: CreateDatasetRequest) -> CreateDatasetResponse:
    """Create an empty dataset; its schema is given here or detected by the first ingestion.

    Raises:
        ValidationException: the schema is not one; the message names component, column and reason.
        ConflictException: the name is taken.
    """
    inline = request.get("DatasetSchema", {}).get("InlineDataSchema")
    try:
        schema = None if inline is None else schema_text(parse_schema(inline))
    except SchemaError as error:
        raise ValidationException(f"DatasetSchema: {error}") from None
    identity, now = new_id(), context.now()
    with context.database.writing() as connection:
        row = {
            "id": identity,
            "account": context.account,
            "region": context.region,
            "name": request["DatasetName"],
            "status": "CREATED",
            "data_schema": schema,
            "schema_given": schema is not None,
            "kms_key": request.get("ServerSideKmsKeyId"),
            "created_at": now,
            "updated_at": now,
        }
        insert_named(connection, dataset, "dataset", row)
        add_tags(connection, tag, identity, request.get("Tags", []))
    return {
        "DatasetName": request["DatasetName"],
        "DatasetArn": dataset_arn(context, request["DatasetName"], identity),
        "Status": "CREATED",
    }


@operation
def describe_dataset(context: Context, request: DescribeDatasetRequest) -> DescribeDatasetResponse:
    """Describe a dataset, with the summaries of its last successful ingestion.

    Raises:
        ResourceNotFoundException: there is no such dataset.
    """
    with context.database.reading() as connection:
        found = find_dataset(context, connection, request["DatasetName"])
        job = connection.execute(
            select(ingestion_job).where(ingestion_job.c.id == found.ingestion_job_id)
        ).one_or_none()
    response: DescribeDatasetResponse = {
        "DatasetName": found.name,
        "DatasetArn": dataset_arn(context, found.name, found.id),
        "CreatedAt": found.created_at,
        "LastUpdatedAt": found.updated_at,
        "Status": found.status,
        "Schema": found.data_schema,
        "ServerSideKmsKeyId": found.kms_key,
    }
    if job is not None:
        response |= {
            "IngestionInputConfiguration": job.input,
            "DataQualitySummary": job.quality,
            "IngestedFilesSummary": job.files,
            "RoleArn": job.role_arn,
            "DataStartTime": job.data_start,
            "DataEndTime": job.data_end,
        }
    return response


@operation
def list_datasets(context: Context, request: ListDatasetsRequest) -> ListDatasetsResponse:
    """List the datasets of the account and region, by name.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    rows, next_token = page(context, DATASETS, request, {"account": context.account, "region": context.region})
    return {"DatasetSummaries": [_summary(context, row) for row in rows], "NextToken": next_token}


@operation
def delete_dataset(context: Context, request: DeleteDatasetRequest) -> None:
    """Delete a dataset with its data and ingestion jobs.

    Raises:
        ResourceNotFoundException: there is no such dataset.
        ConflictException: it is being ingested or imported, or a model was made from it.
    """
    with context.database.writing() as connection:
        found = find_dataset(context, connection, request["DatasetName"])
        if found.status in BUSY:
            raise ConflictException(f"The dataset '{found.name}' is {found.status}; delete it when that has ended.")
        user = connection.execute(select(model.c.name).where(model.c.dataset_id == found.id).limit(1)).scalar()
        if user is not None:
            raise ConflictException(f"The dataset '{found.name}' is used by the model '{user}'; delete that first.")
        connection.execute(delete(tag).where(tag.c.resource_id == found.id))
        connection.execute(delete(dataset).where(dataset.c.id == found.id))
        context.jobs.enqueue(connection, "discard", f"datasets/{found.id}")


def find_dataset(context: Context, connection: Connection, name: str) -> Row[Any]:
    """Give the dataset's row.

    Raises:
        ResourceNotFoundException: the account has no dataset of that name in that region.
    """
    found = connection.execute(
        select(dataset).where(
            dataset.c.account == context.account, dataset.c.region == context.region, dataset.c.name == name
        )
    ).one_or_none()
    if found is None:
        raise not_found("dataset", name)
    return found


def dataset_arn(context: Context, name: str, identity: str) -> str:
    return context.arn(f"dataset/{name}/{identity}")


def _summary(context: Context, row: Row[Any]) -> DatasetSummary:
    return {
        "DatasetName": row.name,
        "DatasetArn": dataset_arn(context, row.name, row.id),
        "Status": row.status,
        "CreatedAt": row.created_at,
    }
