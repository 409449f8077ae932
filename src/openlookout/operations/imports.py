"""Imports: copies of datasets and model versions, within an account or from another one that allows it.

Labels, inference schedulers and retraining schedulers are not copied (guide, "Importing a model").
"""

from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.api.errors import ConflictException, ValidationException
from openlookout.api.types import (
    ImportDatasetRequest,
    ImportDatasetResponse,
    ImportModelVersionRequest,
    ImportModelVersionResponse,
)
from openlookout.operations.changes import changing
from openlookout.operations.datasets import dataset_arn, find_dataset, insert_dataset
from openlookout.operations.idempotency import claim
from openlookout.operations.ingestion import occupy
from openlookout.operations.models import check_pending, insert_model, model_arn
from openlookout.operations.operation import Context, named, new_hex_id, new_id, operation
from openlookout.operations.resource_policies import importable
from openlookout.operations.resources import Resource
from openlookout.operations.tags import add_tags
from openlookout.operations.training_requests import check_labels, label_group_id
from openlookout.store.lifecycles import MODEL, move
from openlookout.store.model_versions import is_version, next_version, version_id, version_parts
from openlookout.store.tables import dataset, ingestion_job, model, model_version
from openlookout.timeseries.schema import SchemaError, parse_schema, subset

STRATEGY_DEFAULT = "NO_IMPORT"
# What an imported version keeps of its source: how it was trained and how good it is.
COPIED = (
    "quality",
    "data_schema",
    "training_started_at",
    "training_ended_at",
    "training_data_start",
    "training_data_end",
    "evaluation_data_start",
    "evaluation_data_end",
    "metrics",
    "labelled",
    "sampling_rate_us",
)
COPIED_CONFIGURATION = ("DataPreProcessingConfiguration", "OffCondition")  # Labels, role, buckets are the place's.


@operation
def import_dataset(context: Context, request: ImportDatasetRequest) -> ImportDatasetResponse:
    """Copy a dataset's data into a new dataset or over an existing one. Repeated with its token it tells how it goes.

    DatasetStatus has no word for it, but a repeated call answers SUCCESS once the import has ended (FAILED, if it
    failed): AWS's own script waits for that word.

    Raises:
        ResourceNotFoundException: the caller's account has no such dataset.
        AccessDeniedException: another account's policy does not allow it.
        ConflictException: the source has no data, the target is being ingested or imported, or the ClientToken was
            used with other parameters.
        ServiceQuotaExceededException: there are as many datasets or imports as there may be.
        ValidationException: source and target are the same.
    """
    arn, job_id = request["SourceDatasetArn"], new_hex_id()
    name = request.get("DatasetName") or arn.split("/")[1]
    with changing(context, request, job_id) as connection:
        target = named(context, connection, dataset, name)
        identity = new_id() if target is None else target.id
        earlier = claim(context, connection, request, made=job_id, owner=identity, ends_later=True)
        if earlier is not None:
            return _import_state(context, connection, earlier)
        source = importable(context, connection, arn, "dataset").row
        if source.ingestion_job_id is None:
            raise ConflictException(f"The dataset '{arn}' is {source.status} and has no data to import.")
        if source.id == identity:
            raise ValidationException("DatasetName must not name the dataset that is imported.")
        before = "CREATED" if target is None else target.status
        if target is None:
            _insert_importing(context, connection, request, identity, name)
        else:
            occupy(context, connection, target, "IMPORT_IN_PROGRESS")
        row = {
            "id": job_id,
            "dataset_id": identity,
            "created_at": context.now(),
            "status": "IMPORT_IN_PROGRESS",
            "attempt": 0,
            "dataset_status_before": before,
            "source_arn": arn,
            "source_job_id": source.ingestion_job_id,
        }
        connection.execute(ingestion_job.insert(), row)
        context.jobs.enqueue(connection, "import-dataset", job_id)
    return {
        "DatasetName": name,
        "DatasetArn": dataset_arn(context, name, identity),
        "Status": "IMPORT_IN_PROGRESS",
        "JobId": job_id,
    }


@operation
def import_model_version(context: Context, request: ImportModelVersionRequest) -> ImportModelVersionResponse:
    """Copy a model version into a new model (as version 1, active) or as the next version of an existing one.

    Raises:
        ResourceNotFoundException: the caller's account has no such version, dataset or label group.
        AccessDeniedException: another account's policies do not allow it.
        ConflictException: the source is not SUCCESS, the target model is being trained or imported or belongs to
            another dataset, or the ClientToken was used with other parameters.
        ServiceQuotaExceededException: there are as many models or imports as there may be.
        ValidationException: the dataset lacks a sensor of the version, or the labels' configuration does not fit.
    """
    check_labels(request, request.get("RoleArn"))
    arn = request["SourceModelVersionArn"]
    strategy = request.get("InferenceDataImportStrategy", STRATEGY_DEFAULT)
    name = request.get("ModelName") or arn.split("/")[1]
    with changing(context, request) as connection:
        target = named(context, connection, model, name)
        identity = new_id() if target is None else target.id
        number, created_at = next_version(connection, identity, context.now())
        made = version_id(identity, number)
        earlier = claim(context, connection, request, made=made, owner=identity, ends_later=True)
        if earlier is not None:
            return _version_state(context, connection, earlier)
        is_importing_data = strategy != STRATEGY_DEFAULT
        source = importable(context, connection, arn, "model-version", is_importing_data=is_importing_data)
        assert source.version is not None
        if source.version.status != "SUCCESS":
            raise ConflictException(f"The model version '{arn}' is {source.version.status}; only SUCCESS is imported.")
        into = find_dataset(context, connection, request["DatasetName"])
        _check_sensors(into, source.version)
        configuration = _configuration(request, source)
        if target is None:
            row = {"id": identity, "name": name, "dataset_id": into.id, "configuration": configuration}
            _insert_model(context, connection, request, row)
        else:
            _occupy_model(context, connection, target, into)
            label_group_id(context, connection, request)
        version = {
            **{column: source.version._mapping[column] for column in COPIED},
            "model_id": identity,
            "version": number,
            "created_at": created_at,
            "updated_at": created_at,
            "status": "IMPORT_IN_PROGRESS",
            "source_type": "IMPORT",
            "attempt": 0,
            "configuration": configuration,
            "ingestion_job_id": into.ingestion_job_id,
            "source_arn": arn,
            "source_prefix": source.version.object_prefix,
            "import_strategy": strategy,
            "import_started_at": context.now(),
        }
        connection.execute(model_version.insert(), version)
        context.jobs.enqueue(connection, "import-version", made)
        return _version_state(context, connection, made)


def _insert_importing(
    context: Context, connection: Connection, request: ImportDatasetRequest, identity: str, name: str
) -> None:
    row = {
        "id": identity,
        "name": name,
        "status": "CREATED",
        "schema_given": False,
        "kms_key": request.get("ServerSideKmsKeyId"),
    }
    insert_dataset(context, connection, row)
    add_tags(context, connection, identity, request.get("Tags", []))
    occupy(context, connection, find_dataset(context, connection, name), "IMPORT_IN_PROGRESS")


def _import_state(context: Context, connection: Connection, job_id: str) -> ImportDatasetResponse:
    job = connection.execute(
        select(ingestion_job, dataset.c.name).join(dataset).where(ingestion_job.c.id == job_id)
    ).one()
    return {
        "DatasetName": job.name,
        "DatasetArn": dataset_arn(context, job.name, job.dataset_id),
        "Status": job.status,
        "JobId": job.id,
    }


def _version_state(context: Context, connection: Connection, made: str) -> ImportModelVersionResponse:
    model_id, number = version_parts(made)
    found = connection.execute(select(model_version.c.status, model.c.name).join(model).where(is_version(made))).one()
    arn = model_arn(context, found.name, model_id)
    return {
        "ModelName": found.name,
        "ModelArn": arn,
        "ModelVersionArn": f"{arn}/model-version/{number}",
        "ModelVersion": number,
        "Status": found.status,
    }


def _configuration(request: ImportModelVersionRequest, source: Resource) -> dict[str, Any]:
    assert source.version is not None
    said: dict[str, Any] = source.version.configuration
    kept = {member: said[member] for member in COPIED_CONFIGURATION if member in said}
    for member in ("LabelsInputConfiguration", "RoleArn"):
        if member in request:
            kept[member] = request[member]
    return kept


def _insert_model(
    context: Context,
    connection: Connection,
    request: ImportModelVersionRequest,
    row: dict[str, Any],
) -> None:
    row |= {
        "kms_key": request.get("ServerSideKmsKeyId"),
        "label_group_id": label_group_id(context, connection, request),
        "status": "IMPORT_IN_PROGRESS",
    }
    insert_model(context, connection, row)
    add_tags(context, connection, row["id"], request.get("Tags", []))


def _occupy_model(context: Context, connection: Connection, target: Row[Any], into: Row[Any]) -> None:
    if target.dataset_id != into.id:
        raise ConflictException(f"The model '{target.name}' belongs to another dataset than '{into.name}'.")
    this = model.c.id == target.id
    if not move(connection, MODEL, this, "IMPORT_IN_PROGRESS", updated_at=context.now()):
        raise ConflictException(f"The model '{target.name}' is {target.status}; import when that has ended.")
    check_pending(context, connection)


def _check_sensors(into: Row[Any], version: Row[Any]) -> None:
    """A dataset that has a schema must have the version's sensors: it will be trained again from it."""
    if into.data_schema is None:
        return
    try:
        subset(parse_schema(into.data_schema), parse_schema(version.data_schema))
    except SchemaError as error:
        raise ValidationException(f"The dataset '{into.name}' does not fit the model version: {error}") from None
