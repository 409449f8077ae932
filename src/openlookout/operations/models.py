"""Models: what is trained from a dataset, and which of its versions is active."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select

from openlookout.api.errors import ConflictException, ValidationException
from openlookout.api.types import (
    CreateModelRequest,
    CreateModelResponse,
    DeleteModelRequest,
    DescribeModelRequest,
    DescribeModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    ModelSummary,
)
from openlookout.operations.datasets import dataset_arn, find_dataset
from openlookout.operations.listing import Listing, page
from openlookout.operations.operation import Context, add_tags, insert_named, new_id, not_found, operation
from openlookout.store.tables import dataset, inference_scheduler, model, model_version, tag
from openlookout.timeseries.off_condition import OffConditionError, parse_off_condition
from openlookout.timeseries.schema import Component, SchemaError, parse_schema, schema_text, subset

# What a version is trained with and nothing ever filters by; DescribeModel and DescribeModelVersion echo it.
CONFIGURATION = (
    "LabelsInputConfiguration",
    "RoleArn",
    "DataPreProcessingConfiguration",
    "OffCondition",
    "ModelDiagnosticsOutputConfiguration",
)
FIRST_VERSION = 1

_DESCRIBED_VERSION = func.coalesce(model.c.active_version, FIRST_VERSION)

MODELS = Listing(
    source=select(
        model,
        dataset.c.name.label("dataset_name"),
        model_version.c.quality,
        model_version.c.configuration,
    )
    .select_from(model)
    .join(dataset)
    .join(
        model_version,
        (model_version.c.model_id == model.c.id) & (model_version.c.version == _DESCRIBED_VERSION),
    ),
    scope="model.account = :account AND model.region = :region",
    key=("model.name",),
    filters={
        "Status": "model.status = :Status",
        "ModelNameBeginsWith": "model.name >= :ModelNameBeginsWith AND model.name < :ModelNameBeginsWithEnd",
        "DatasetNameBeginsWith": "model.dataset_id IN (SELECT d.id FROM dataset d"
        " WHERE d.account = :account AND d.region = :region"
        " AND d.name >= :DatasetNameBeginsWith AND d.name < :DatasetNameBeginsWithEnd)",
    },
)


@operation
def create_model(context: Context, request: CreateModelRequest) -> CreateModelResponse:
    """Create a model and start training its first version.

    Raises:
        ResourceNotFoundException: there is no such dataset or label group.
        ConflictException: the name is taken, or the dataset is not ACTIVE.
        ValidationException: a sensor, time range, off-condition or label configuration does not fit; the message
            names the member, the value and what is allowed.
    """
    check_ranges(request)
    check_labels(request)
    check_diagnostics_output(request)
    identity, now = new_id(), context.now()
    with context.database.writing() as connection:
        source = find_dataset(context, connection, request["DatasetName"])
        if source.status != "ACTIVE":
            raise ConflictException(
                f"The dataset '{source.name}' is {source.status}; a model can be made from it when it is ACTIVE."
            )
        schema = _schema(request, source.data_schema)
        check_off_condition(request.get("OffCondition"), schema)
        row = {
            "id": identity,
            "account": context.account,
            "region": context.region,
            "name": request["ModelName"],
            "dataset_id": source.id,
            "created_at": now,
            "updated_at": now,
            "kms_key": request.get("ServerSideKmsKeyId"),
            "status": "IN_PROGRESS",
        }
        insert_named(connection, model, "model", row)
        add_tags(connection, tag, identity, request.get("Tags", []))
        version = {
            "model_id": identity,
            "version": FIRST_VERSION,
            "created_at": now,
            "updated_at": now,
            "status": "IN_PROGRESS",
            "source_type": "TRAINING",
            "attempt": 0,
            "configuration": {member: request[member] for member in CONFIGURATION if member in request},  # type: ignore[literal-required]  # Members of the request, by name.
            "data_schema": schema_text(schema),
            "ingestion_job_id": source.ingestion_job_id,
            "training_data_start": request.get("TrainingDataStartTime"),
            "training_data_end": request.get("TrainingDataEndTime"),
            "evaluation_data_start": request.get("EvaluationDataStartTime"),
            "evaluation_data_end": request.get("EvaluationDataEndTime"),
        }
        connection.execute(model_version.insert(), version)
        context.jobs.enqueue(connection, "train", f"{identity}.{FIRST_VERSION}")
    return {"ModelArn": model_arn(context, request["ModelName"], identity), "Status": "IN_PROGRESS"}


@operation
def describe_model(context: Context, request: DescribeModelRequest) -> DescribeModelResponse:
    """Describe a model: its active version (until there is one, its first), and the state of its latest training.

    Raises:
        ResourceNotFoundException: there is no such model.
    """
    with context.database.reading() as connection:
        found = find_model(context, connection, request["ModelName"])
        version = connection.execute(
            select(model_version).where(
                model_version.c.model_id == found.id,
                model_version.c.version == (found.active_version or FIRST_VERSION),
            )
        ).one()
        source = connection.execute(select(dataset).where(dataset.c.id == found.dataset_id)).one()
    arn = model_arn(context, found.name, found.id)
    described: DescribeModelResponse = {
        "ModelName": found.name,
        "ModelArn": arn,
        "Status": found.status,
        "CreatedAt": found.created_at,
        "LastUpdatedTime": found.updated_at,
        "ServerSideKmsKeyId": found.kms_key,
        "ActiveModelVersion": found.active_version,
        "ActiveModelVersionArn": found.active_version and f"{arn}/model-version/{found.active_version}",
        "ModelVersionActivatedAt": found.active_since,
        "PreviousActiveModelVersion": found.previous_active_version,
        "PreviousActiveModelVersionArn": found.previous_active_version
        and f"{arn}/model-version/{found.previous_active_version}",
        "PreviousModelVersionActivatedAt": found.previous_active_since,
    }
    described.update(described_training(context, version, source))  # type: ignore[typeddict-item]  # Members of both.
    return described


@operation
def list_models(context: Context, request: ListModelsRequest) -> ListModelsResponse:
    """List the models of the account and region, by name; every filter given must hold.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    rows, next_token = page(context, MODELS, request, {"account": context.account, "region": context.region})
    return {"ModelSummaries": [_summary(context, row) for row in rows], "NextToken": next_token}


@operation
def delete_model(context: Context, request: DeleteModelRequest) -> None:
    """Delete a model with all its versions.

    Raises:
        ResourceNotFoundException: there is no such model.
        ConflictException: a version is being trained, or an inference scheduler uses the model, even a stopped one.
    """
    with context.database.writing() as connection:
        found = find_model(context, connection, request["ModelName"])
        if found.status in {"IN_PROGRESS", "IMPORT_IN_PROGRESS"}:
            raise ConflictException(f"The model '{found.name}' is {found.status}; delete it when that has ended.")
        scheduler = connection.execute(
            select(inference_scheduler.c.name).where(inference_scheduler.c.model_id == found.id)
        ).scalar()
        if scheduler is not None:
            raise ConflictException(
                f"The model '{found.name}' is used by the inference scheduler '{scheduler}'; delete that first."
            )
        connection.execute(delete(tag).where(tag.c.resource_id == found.id))
        connection.execute(delete(model).where(model.c.id == found.id))
        context.jobs.enqueue(connection, "discard", f"models/{found.id}")


def find_model(context: Context, connection: Connection, name: str) -> Row[Any]:
    """Give the model's row.

    Raises:
        ResourceNotFoundException: the account has no model of that name in that region.
    """
    found = connection.execute(
        select(model).where(model.c.account == context.account, model.c.region == context.region, model.c.name == name)
    ).one_or_none()
    if found is None:
        raise not_found("model", name)
    return found


def model_arn(context: Context, name: str, identity: str) -> str:
    return context.arn(f"model/{name}/{identity}")


def described_training(context: Context, version: Row[Any], source: Row[Any]) -> dict[str, Any]:
    """The members that DescribeModel and DescribeModelVersion share: what a version was trained with and became."""
    return {
        "DatasetName": source.name,
        "DatasetArn": dataset_arn(context, source.name, source.id),
        "Schema": version.data_schema,
        **version.configuration,
        "TrainingDataStartTime": version.training_data_start,
        "TrainingDataEndTime": version.training_data_end,
        "EvaluationDataStartTime": version.evaluation_data_start,
        "EvaluationDataEndTime": version.evaluation_data_end,
        "TrainingExecutionStartTime": version.training_started_at,
        "TrainingExecutionEndTime": version.training_ended_at,
        "FailedReason": version.failed_reason,
        "ModelMetrics": version.metrics,
        "ModelQuality": version.quality,
    }


def check_ranges(request: Mapping[str, Any]) -> None:
    """Raises ValidationException: a range is half given or ends before it starts, or evaluation is before training."""
    for kind in ("Training", "Evaluation"):
        start, end = _times(request, kind)
        if start is not None and end is not None and start >= end:
            raise ValidationException(
                f"{kind}DataStartTime {_text(start)} must be before {kind}DataEndTime {_text(end)}."
            )
    evaluation_start, evaluation_end = _times(request, "Evaluation")
    if (evaluation_start is None) != (evaluation_end is None):
        missing = "EvaluationDataStartTime" if evaluation_start is None else "EvaluationDataEndTime"
        raise ValidationException(f"An evaluation range needs both ends: {missing} is missing.")
    training_start, training_end = _times(request, "Training")
    last = training_end or training_start
    if evaluation_start is not None and last is not None and evaluation_start < last:
        raise ValidationException(
            f"EvaluationDataStartTime {_text(evaluation_start)} must not be before the training range's {_text(last)}."
        )


def check_labels(request: Mapping[str, Any]) -> None:
    """Raises ValidationException: labels come from S3 without a role, or from two places."""
    labels = request.get("LabelsInputConfiguration", {})
    if "S3InputConfiguration" in labels and "LabelGroupName" in labels:
        raise ValidationException("LabelsInputConfiguration takes S3InputConfiguration or LabelGroupName, not both.")
    if "S3InputConfiguration" in labels and "RoleArn" not in request:
        raise ValidationException("LabelsInputConfiguration.S3InputConfiguration needs a RoleArn.")
    if "LabelGroupName" in labels:
        raise not_found("label group", labels["LabelGroupName"])


def check_diagnostics_output(request: Mapping[str, Any]) -> None:
    """Raises ValidationException: diagnostics are to be written without a role."""
    if "ModelDiagnosticsOutputConfiguration" in request and "RoleArn" not in request:
        raise ValidationException("ModelDiagnosticsOutputConfiguration needs a RoleArn.")


def check_off_condition(condition: str | None, schema: tuple[Component, ...]) -> None:
    """Raises ValidationException: the off-condition cannot be read, or its sensor is not one of the model's."""
    try:
        if condition is not None:
            parse_off_condition(condition, schema)
    except OffConditionError as error:
        raise ValidationException(f"OffCondition: {error}") from None


def _schema(request: CreateModelRequest, dataset_schema: str) -> tuple[Component, ...]:
    inline = request.get("DatasetSchema", {}).get("InlineDataSchema")
    whole = parse_schema(dataset_schema)
    try:
        return whole if inline is None else subset(whole, parse_schema(inline))
    except SchemaError as error:
        raise ValidationException(f"DatasetSchema: {error}") from None


def _times(request: Mapping[str, Any], kind: str) -> tuple[datetime | None, datetime | None]:
    return request.get(f"{kind}DataStartTime"), request.get(f"{kind}DataEndTime")


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _summary(context: Context, row: Row[Any]) -> ModelSummary:
    arn = model_arn(context, row.name, row.id)
    return {
        "ModelName": row.name,
        "ModelArn": arn,
        "DatasetName": row.dataset_name,
        "DatasetArn": dataset_arn(context, row.dataset_name, row.dataset_id),
        "Status": row.status,
        "CreatedAt": row.created_at,
        "ActiveModelVersion": row.active_version,
        "ActiveModelVersionArn": row.active_version and f"{arn}/model-version/{row.active_version}",
        "ModelDiagnosticsOutputConfiguration": row.configuration.get("ModelDiagnosticsOutputConfiguration"),
        "ModelQuality": row.quality,
    }
