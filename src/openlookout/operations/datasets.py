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
from openlookout.operations.changes import changing
from openlookout.operations.idempotency import claim
from openlookout.operations.listing import Listing, page
from openlookout.operations.operation import (
    Context,
    check_quota,
    count,
    find_named,
    insert_named,
    new_id,
    of_caller,
    operation,
)
from openlookout.operations.resource_policies import forget_policies
from openlookout.operations.tags import add_tags, forget_tags
from openlookout.store.client_tokens import forget_owned
from openlookout.store.lifecycles import WORKING
from openlookout.store.tables import dataset, ingestion_job, model
from openlookout.timeseries.schema import Component, SchemaError, parse_schema, schema_text

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
        ConflictException: the name is taken, or the ClientToken was used with other parameters.
        ServiceQuotaExceededException: the account has as many datasets, or the schema more columns, than it may.
    """
    schema = _schema(context, request)
    identity = new_id()
    with changing(context, request) as connection:
        earlier = claim(context, connection, request, made=identity, owner=identity, ends_later=False)
        if earlier is None:
            row = {
                "id": identity,
                "name": request["DatasetName"],
                "status": "CREATED",
                "data_schema": schema,
                "schema_given": schema is not None,
                "kms_key": request.get("ServerSideKmsKeyId"),
            }
            insert_dataset(context, connection, row)
            add_tags(context, connection, identity, request.get("Tags", []))
        made = connection.execute(select(dataset).where(dataset.c.id == (earlier or identity))).one()
    return {
        "DatasetName": made.name,
        "DatasetArn": dataset_arn(context, made.name, made.id),
        "Status": made.status,
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
        "SourceDatasetArn": found.source_arn,
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
    with changing(context, request) as connection:
        found = find_dataset(context, connection, request["DatasetName"])
        if found.status in WORKING:
            raise ConflictException(f"The dataset '{found.name}' is {found.status}; delete it when that has ended.")
        user = connection.execute(select(model.c.name).where(model.c.dataset_id == found.id).limit(1)).scalar()
        if user is not None:
            raise ConflictException(f"The dataset '{found.name}' is used by the model '{user}'; delete that first.")
        forget_tags(connection, found.id)
        forget_policies(connection, found.id)
        forget_owned(connection, found.id)
        connection.execute(delete(dataset).where(dataset.c.id == found.id))
        context.jobs.enqueue(connection, "discard", f"datasets/{found.id}")


def find_dataset(context: Context, connection: Connection, name: str) -> Row[Any]:
    """Give the dataset's row.

    Raises:
        ResourceNotFoundException: the account has no dataset of that name in that region.
    """
    return find_named(context, connection, dataset, name)


def insert_dataset(context: Context, connection: Connection, row: dict[str, Any]) -> None:
    """Insert a dataset's row, made now.

    Raises:
        ConflictException: the name is taken.
        ServiceQuotaExceededException: the account has as many datasets as it may.
    """
    insert_named(context, connection, dataset, row)
    check_quota("datasets", count(connection, dataset, of_caller(context, dataset)), context.limits.datasets)


def dataset_arn(context: Context, name: str, identity: str) -> str:
    return context.arn(f"dataset/{name}/{identity}")


def _schema(context: Context, request: CreateDatasetRequest) -> str | None:
    inline = request.get("DatasetSchema", {}).get("InlineDataSchema")
    if inline is None:
        return None
    try:
        schema = parse_schema(inline)
    except SchemaError as error:
        raise ValidationException(f"DatasetSchema: {error}") from None
    check_quota("components in the schema", len(schema), context.limits.components)
    check_quota("columns in the schema", n_columns(schema), context.limits.columns)
    return schema_text(schema)


def n_columns(schema: tuple[Component, ...]) -> int:
    """Columns as the quota counts them: the sensors and each component's timestamps."""
    return sum(1 + len(component.full_names) for component in schema)


def _summary(context: Context, row: Row[Any]) -> DatasetSummary:
    return {
        "DatasetName": row.name,
        "DatasetArn": dataset_arn(context, row.name, row.id),
        "Status": row.status,
        "CreatedAt": row.created_at,
    }
