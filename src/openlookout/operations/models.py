"""Models: what is trained from a dataset, and which of its versions is active."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, select, update

from openlookout.api.errors import ConflictException
from openlookout.api.types import (
    CreateModelRequest,
    CreateModelResponse,
    DeleteModelRequest,
    DescribeModelRequest,
    DescribeModelResponse,
    ListModelsRequest,
    ListModelsResponse,
    ModelSummary,
    UpdateModelRequest,
)
from openlookout.operations.changes import changing
from openlookout.operations.datasets import dataset_arn, find_dataset
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
from openlookout.operations.training_requests import (
    check_diagnostics_output,
    check_labels,
    check_off_condition,
    check_ranges,
    check_training_quotas,
    label_group_id,
    trained_schema,
)
from openlookout.store.client_tokens import forget_owned
from openlookout.store.lifecycles import WORKING
from openlookout.store.model_versions import version_id
from openlookout.store.tables import (
    accumulated,
    dataset,
    inference_scheduler,
    model,
    model_version,
    retraining_scheduler,
)
from openlookout.timeseries.schema import schema_text

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
        ConflictException: the name is taken, the dataset is not ACTIVE, or the ClientToken was used with other
            parameters.
        ServiceQuotaExceededException: there are as many models or trainings as there may be, or more sensors.
        ValidationException: a sensor, time range, off-condition or label configuration does not fit; the message
            names the member, the value and what is allowed.
    """
    check_ranges(request)
    check_labels(request, request.get("RoleArn"))
    check_diagnostics_output(request, request.get("RoleArn"))
    identity = new_id()
    with changing(context, request) as connection:
        made = version_id(identity, FIRST_VERSION)
        earlier = claim(context, connection, request, made=made, owner=identity, ends_later=True)
        if earlier is not None:
            found = find_model(context, connection, request["ModelName"])
            return {"ModelArn": model_arn(context, found.name, found.id), "Status": found.status}
        _insert(context, connection, request, identity)
        context.jobs.enqueue(connection, "train", made)
    return {"ModelArn": model_arn(context, request["ModelName"], identity), "Status": "IN_PROGRESS"}


def _insert(context: Context, connection: Connection, request: CreateModelRequest, identity: str) -> None:
    source = find_dataset(context, connection, request["DatasetName"])
    if source.status != "ACTIVE":
        raise ConflictException(
            f"The dataset '{source.name}' is {source.status}; a model can be made from it when it is ACTIVE."
        )
    schema = trained_schema(request, source.data_schema)
    check_training_quotas(context, schema)
    check_off_condition(request.get("OffCondition"), schema)
    now = context.now()
    configuration = {member: request[member] for member in CONFIGURATION if member in request}  # type: ignore[literal-required]  # Members of the request, by name.
    row = {
        "id": identity,
        "name": request["ModelName"],
        "dataset_id": source.id,
        "created_at": now,
        "updated_at": now,
        "kms_key": request.get("ServerSideKmsKeyId"),
        "configuration": configuration,
        "label_group_id": label_group_id(context, connection, request),
        "status": "IN_PROGRESS",
    }
    insert_model(context, connection, row)
    add_tags(context, connection, identity, request.get("Tags", []))
    version = {
        "model_id": identity,
        "version": FIRST_VERSION,
        "created_at": now,
        "updated_at": now,
        "status": "IN_PROGRESS",
        "source_type": "TRAINING",
        "attempt": 0,
        "configuration": configuration,
        "data_schema": schema_text(schema),
        "ingestion_job_id": source.ingestion_job_id,
        "training_data_start": request.get("TrainingDataStartTime"),
        "training_data_end": request.get("TrainingDataEndTime"),
        "evaluation_data_start": request.get("EvaluationDataStartTime"),
        "evaluation_data_end": request.get("EvaluationDataEndTime"),
    }
    connection.execute(model_version.insert(), version)


def insert_model(context: Context, connection: Connection, row: dict[str, Any]) -> None:
    """Insert a model's row, made now unless it has other times.

    Raises:
        ConflictException: the name is taken.
        ServiceQuotaExceededException: the account has as many models, or models in work, as it may.
    """
    insert_named(context, connection, model, row)
    mine = of_caller(context, model)
    check_quota("models", count(connection, model, mine), context.limits.models)
    check_pending(context, connection)


def check_pending(context: Context, connection: Connection) -> None:
    """Raises ServiceQuotaExceededException: more models are being trained or imported than may be."""
    n = count(connection, model, of_caller(context, model), model.c.status.in_(sorted(WORKING)))
    check_quota("models in training or import", n, context.limits.pending_models)


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
        retraining = _retraining(connection, found)
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
    described.update(found.configuration)  # As UpdateModel left it.
    described.update(retraining)
    return described


def _retraining(connection: Connection, found: Row[Any]) -> DescribeModelResponse:
    """The members of DescribeModel about retraining: the latest, the next, and the data that waits for it."""
    latest = connection.execute(
        select(model_version)
        .where(model_version.c.model_id == found.id, model_version.c.source_type == "RETRAINING")
        .order_by(model_version.c.version.desc())
        .limit(1)
    ).one_or_none()
    scheduler = connection.execute(
        select(retraining_scheduler).where(retraining_scheduler.c.model_id == found.id)
    ).one_or_none()
    mine = accumulated.c.model_id == found.id
    # Each on its own is one look into an index; together they would be a walk over years of executions.
    described: DescribeModelResponse = {
        "AccumulatedInferenceDataStartTime": connection.execute(
            select(func.min(accumulated.c.data_start)).where(mine)
        ).scalar(),
        "AccumulatedInferenceDataEndTime": connection.execute(
            select(func.max(accumulated.c.data_end)).where(mine)
        ).scalar(),
    }
    if scheduler is not None:
        described["RetrainingSchedulerStatus"] = scheduler.status
        described["NextScheduledRetrainingStartDate"] = scheduler.next_due
    if latest is not None:
        described |= {
            "LatestScheduledRetrainingStatus": latest.status,
            "LatestScheduledRetrainingModelVersion": latest.version,
            "LatestScheduledRetrainingStartTime": latest.training_started_at or latest.created_at,
            "LatestScheduledRetrainingAvailableDataInDays": latest.available_days,
            "LatestScheduledRetrainingFailedReason": latest.failed_reason,
        }
    return described


@operation
def update_model(context: Context, request: UpdateModelRequest) -> None:
    """Change what the next versions are trained with: labels, role, diagnostics output. What is not given stays.

    Raises:
        ResourceNotFoundException: there is no such model or label group.
        ValidationException: labels or diagnostics lie in S3 and no role was ever given, or labels come from two places.
    """
    given: Mapping[str, Any] = request
    changes = {member: given[member] for member in CONFIGURATION if member in given}
    with changing(context, request) as connection:
        found = find_model(context, connection, request["ModelName"])
        configuration = {**found.configuration, **changes}
        check_labels(configuration, configuration.get("RoleArn"))
        check_diagnostics_output(configuration, configuration.get("RoleArn"))
        connection.execute(
            update(model)
            .where(model.c.id == found.id)
            .values(
                configuration=configuration,
                label_group_id=label_group_id(context, connection, configuration),
                updated_at=context.now(),
            )
        )


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
        ConflictException: a version is being trained or imported, or the model has an inference or retraining
            scheduler, even a stopped one.
    """
    with changing(context, request) as connection:
        found = find_model(context, connection, request["ModelName"])
        if found.status in WORKING:
            raise ConflictException(f"The model '{found.name}' is {found.status}; delete it when that has ended.")
        scheduler = connection.execute(
            select(inference_scheduler.c.name).where(inference_scheduler.c.model_id == found.id)
        ).scalar()
        if scheduler is not None:
            raise ConflictException(
                f"The model '{found.name}' is used by the inference scheduler '{scheduler}'; delete that first."
            )
        if count(connection, retraining_scheduler, retraining_scheduler.c.model_id == found.id):
            raise ConflictException(f"The model '{found.name}' has a retraining scheduler; delete that first.")
        forget_tags(connection, found.id)
        forget_policies(connection, found.id)
        forget_owned(connection, found.id)
        connection.execute(delete(model).where(model.c.id == found.id))
        context.jobs.enqueue(connection, "discard", f"models/{found.id}")


def find_model(context: Context, connection: Connection, name: str) -> Row[Any]:
    """Give the model's row.

    Raises:
        ResourceNotFoundException: the account has no model of that name in that region.
    """
    return find_named(context, connection, model, name)


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
        "PriorModelMetrics": version.prior_metrics,
        "ModelQuality": version.quality,
        "SourceModelVersionArn": version.source_arn,
        "ImportJobStartTime": version.import_started_at,
        "ImportJobEndTime": version.import_ended_at,
    }


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
