"""Inference schedulers: when new data is scored, and on what.

Lifecycle: PENDING -> RUNNING -> STOPPING -> STOPPED -> PENDING …; the ticker makes PENDING into RUNNING, and STOPPING
into STOPPED once no run is under way.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from openlookout.api.errors import ConflictException, ValidationException
from openlookout.api.types import (
    CreateInferenceSchedulerRequest,
    CreateInferenceSchedulerResponse,
    DeleteInferenceSchedulerRequest,
    DescribeInferenceSchedulerRequest,
    DescribeInferenceSchedulerResponse,
    InferenceSchedulerSummary,
    ListInferenceSchedulersRequest,
    ListInferenceSchedulersResponse,
    StartInferenceSchedulerRequest,
    StartInferenceSchedulerResponse,
    StopInferenceSchedulerRequest,
    StopInferenceSchedulerResponse,
    UpdateInferenceSchedulerRequest,
)
from openlookout.operations.changes import changing
from openlookout.operations.idempotency import claim
from openlookout.operations.listing import Listing, page
from openlookout.operations.models import find_model, model_arn
from openlookout.operations.operation import Context, insert_named, new_id, not_found, of_caller, operation
from openlookout.operations.tags import add_tags, forget_tags
from openlookout.store.client_tokens import forget_owned
from openlookout.store.durations import duration
from openlookout.store.lifecycles import INFERENCE_SCHEDULER, move
from openlookout.store.schedule import first_due
from openlookout.store.tables import inference_scheduler, model, model_version

_SCHEDULERS = select(inference_scheduler, model.c.name.label("model_name")).join(model)
_SCOPE = "inference_scheduler.account = :account AND inference_scheduler.region = :region"

SCHEDULERS = Listing(
    source=_SCHEDULERS,
    scope=_SCOPE,
    key=("inference_scheduler.name",),
    filters={
        "InferenceSchedulerNameBeginsWith": "inference_scheduler.name >= :InferenceSchedulerNameBeginsWith"
        " AND inference_scheduler.name < :InferenceSchedulerNameBeginsWithEnd",
        "ModelName": "model.name = :ModelName",
        "Status": "inference_scheduler.status = :Status",
    },
)


@operation
def create_inference_scheduler(
    context: Context, request: CreateInferenceSchedulerRequest
) -> CreateInferenceSchedulerResponse:
    """Create a scheduler and start it.

    Raises:
        ResourceNotFoundException: there is no such model.
        ConflictException: the name is taken, the model has a scheduler already, no version of it is active, or the
            ClientToken was used with other parameters.
        ValidationException: data would come more often than the model's sampling rate, or the time zone is not one.
    """
    _check_input(request["DataInputConfiguration"])
    identity = new_id()
    with changing(context, request) as connection:
        earlier = claim(context, connection, request, made=identity, owner=identity, ends_later=False)
        if earlier is None:
            _insert(context, connection, request, identity)
        made = connection.execute(_SCHEDULERS.where(inference_scheduler.c.id == (earlier or identity))).one()
        used = connection.execute(select(model).where(model.c.id == made.model_id)).one()
        version = _active_version(connection, used)
    return {
        "InferenceSchedulerArn": scheduler_arn(context, made.name, made.id),
        "InferenceSchedulerName": made.name,
        "Status": made.status,
        "ModelQuality": version.quality,
    }


@operation
def describe_inference_scheduler(
    context: Context, request: DescribeInferenceSchedulerRequest
) -> DescribeInferenceSchedulerResponse:
    """Describe a scheduler; LatestInferenceResult is there after the first successful run.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
    """
    with context.database.reading() as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
    return {
        "ModelArn": model_arn(context, found.model_name, found.model_id),
        "ModelName": found.model_name,
        "InferenceSchedulerName": found.name,
        "InferenceSchedulerArn": scheduler_arn(context, found.name, found.id),
        "Status": found.status,
        "DataDelayOffsetInMinutes": found.delay_minutes or 0,
        "DataUploadFrequency": found.frequency,
        "CreatedAt": found.created_at,
        "UpdatedAt": found.updated_at,
        "DataInputConfiguration": found.input,
        "DataOutputConfiguration": found.output,
        "RoleArn": found.role_arn,
        "ServerSideKmsKeyId": found.kms_key,
        "LatestInferenceResult": found.latest_result,
    }


@operation
def list_inference_schedulers(
    context: Context, request: ListInferenceSchedulersRequest
) -> ListInferenceSchedulersResponse:
    """List the schedulers of the account and region, by name; every filter given must hold.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    rows, next_token = page(context, SCHEDULERS, request, {"account": context.account, "region": context.region})
    return {"InferenceSchedulerSummaries": [_summary(context, row) for row in rows], "NextToken": next_token}


@operation
def update_inference_scheduler(context: Context, request: UpdateInferenceSchedulerRequest) -> None:
    """Change what is given; the rest stays. A running scheduler may be changed: its next run uses the new values.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
        ConflictException: it is being stopped.
        ValidationException: as in CreateInferenceScheduler.
    """
    columns = {
        "DataDelayOffsetInMinutes": "delay_minutes",
        "DataUploadFrequency": "frequency",
        "DataInputConfiguration": "input",
        "DataOutputConfiguration": "output",
        "RoleArn": "role_arn",
    }
    given: Mapping[str, Any] = request
    changes = {column: given[member] for member, column in columns.items() if member in given}
    _check_input(request.get("DataInputConfiguration", {}))
    with changing(context, request) as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
        if found.status == "STOPPING":
            raise ConflictException(
                f"The inference scheduler '{found.name}' is STOPPING; change it when it is STOPPED."
            )
        if "DataUploadFrequency" in request:
            used = connection.execute(select(model).where(model.c.id == found.model_id)).one()
            _check_frequency(request["DataUploadFrequency"], _active_version(connection, used))
        if found.next_due is not None and {"frequency", "delay_minutes"} & set(changes):
            changes["next_due"] = first_due(
                context.ports.clock.now(),
                duration(changes.get("frequency", found.frequency)),
                changes.get("delay_minutes", found.delay_minutes),
            )
        connection.execute(
            update(inference_scheduler)
            .where(inference_scheduler.c.id == found.id)
            .values(**changes, updated_at=context.now())
        )


@operation
def start_inference_scheduler(
    context: Context, request: StartInferenceSchedulerRequest
) -> StartInferenceSchedulerResponse:
    """Start a scheduler. One that runs already goes on: clients call this right after Create.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
        ConflictException: it is being stopped.
    """
    with changing(context, request) as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
        if found.status == "STOPPING":
            raise ConflictException(f"The inference scheduler '{found.name}' is STOPPING; start it when it is STOPPED.")
        due = first_due(context.ports.clock.now(), duration(found.frequency), found.delay_minutes)
        this, now = inference_scheduler.c.id == found.id, context.now()
        started = move(connection, INFERENCE_SCHEDULER, this, "PENDING", updated_at=now, next_due=due)
    response: StartInferenceSchedulerResponse = _status_response(context, found, "PENDING" if started else found.status)
    return response


@operation
def stop_inference_scheduler(
    context: Context, request: StopInferenceSchedulerRequest
) -> StopInferenceSchedulerResponse:
    """Stop a scheduler; a run under way still ends. One that is stopped stays so.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
    """
    with changing(context, request) as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
        this, now = inference_scheduler.c.id == found.id, context.now()
        stopped = move(connection, INFERENCE_SCHEDULER, this, "STOPPING", updated_at=now, next_due=None)
    response: StopInferenceSchedulerResponse = _status_response(context, found, "STOPPING" if stopped else found.status)
    return response


@operation
def delete_inference_scheduler(context: Context, request: DeleteInferenceSchedulerRequest) -> None:
    """Delete a stopped scheduler with its executions and events; the results in the bucket stay.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
        ConflictException: it is not STOPPED.
    """
    with changing(context, request) as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
        if found.status != "STOPPED":
            raise ConflictException(
                f"The inference scheduler '{found.name}' is {found.status}; it can be deleted when it is STOPPED."
            )
        forget_tags(connection, found.id)
        forget_owned(connection, found.id)
        connection.execute(delete(inference_scheduler).where(inference_scheduler.c.id == found.id))
        context.jobs.enqueue(connection, "discard", f"schedulers/{found.id}")


def _insert(context: Context, connection: Connection, request: CreateInferenceSchedulerRequest, identity: str) -> None:
    used = find_model(context, connection, request["ModelName"])
    version = _active_version(connection, used)
    other = connection.execute(
        select(inference_scheduler.c.name).where(inference_scheduler.c.model_id == used.id)
    ).scalar()
    if other is not None:
        raise ConflictException(f"The model '{used.name}' has the inference scheduler '{other}'; one is allowed.")
    frequency, delay = request["DataUploadFrequency"], request.get("DataDelayOffsetInMinutes")
    _check_frequency(frequency, version)
    row = {
        "id": identity,
        "name": request["InferenceSchedulerName"],
        "model_id": used.id,
        "status": "PENDING",
        "frequency": frequency,
        "delay_minutes": delay,
        "input": request["DataInputConfiguration"],
        "output": request["DataOutputConfiguration"],
        "role_arn": request["RoleArn"],
        "kms_key": request.get("ServerSideKmsKeyId"),
        "next_due": first_due(context.ports.clock.now(), duration(frequency), delay),
    }
    insert_named(context, connection, inference_scheduler, row)
    add_tags(context, connection, identity, request.get("Tags", []))


def find_scheduler(context: Context, connection: Connection, name: str) -> Row[Any]:
    """Give the scheduler's row, with `model_name`.

    Raises:
        ResourceNotFoundException: the account has no scheduler of that name in that region.
    """
    found = connection.execute(
        _SCHEDULERS.where(of_caller(context, inference_scheduler), inference_scheduler.c.name == name)
    ).one_or_none()
    if found is None:
        raise not_found("inference scheduler", name)
    return found


def _active_version(connection: Connection, used: Row[Any]) -> Row[Any]:
    version = connection.execute(
        select(model_version).where(model_version.c.model_id == used.id, model_version.c.version == used.active_version)
    ).one_or_none()
    if version is None:
        raise ConflictException(f"The model '{used.name}' is {used.status} and has no active version to score with.")
    return version


def _check_frequency(frequency: str, version: Row[Any]) -> None:
    rate = timedelta(microseconds=version.sampling_rate_us)
    if duration(frequency) < rate:
        raise ValidationException(
            f"DataUploadFrequency {frequency} must not be shorter than the model's sampling rate of "
            f"{rate.total_seconds():g} seconds."
        )


def _check_input(configuration: Mapping[str, Any]) -> None:
    offset = configuration.get("InputTimeZoneOffset")
    if offset is not None and not re.fullmatch(r"[+-](0\d|1[01]):[03]0|[+-]12:00", offset):
        raise ValidationException(f"InputTimeZoneOffset '{offset}' must be a whole or half hour from -12:00 to +12:00.")


def _status_response(context: Context, found: Row[Any], status: str) -> Any:
    return {
        "ModelArn": model_arn(context, found.model_name, found.model_id),
        "ModelName": found.model_name,
        "InferenceSchedulerName": found.name,
        "InferenceSchedulerArn": scheduler_arn(context, found.name, found.id),
        "Status": status,
    }


def scheduler_arn(context: Context, name: str, identity: str) -> str:
    return context.arn(f"inference-scheduler/{name}/{identity}")


def _summary(context: Context, row: Row[Any]) -> InferenceSchedulerSummary:
    return {
        "ModelName": row.model_name,
        "ModelArn": model_arn(context, row.model_name, row.model_id),
        "InferenceSchedulerName": row.name,
        "InferenceSchedulerArn": scheduler_arn(context, row.name, row.id),
        "Status": row.status,
        "DataDelayOffsetInMinutes": row.delay_minutes or 0,
        "DataUploadFrequency": row.frequency,
        "LatestInferenceResult": row.latest_result,
    }
