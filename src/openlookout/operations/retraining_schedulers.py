"""Retraining schedulers: how often a model is trained again, on how much of the past, and who promotes the result.

One a model. Lifecycle as that of inference schedulers: PENDING -> RUNNING -> STOPPING -> STOPPED -> PENDING …; the
ticker makes PENDING into RUNNING, and STOPPING into STOPPED. Guide, "Retraining your model".
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from openlookout.api.errors import ConflictException, ResourceNotFoundException, ValidationException
from openlookout.api.types import (
    CreateRetrainingSchedulerRequest,
    CreateRetrainingSchedulerResponse,
    DeleteRetrainingSchedulerRequest,
    DescribeRetrainingSchedulerRequest,
    DescribeRetrainingSchedulerResponse,
    ListRetrainingSchedulersRequest,
    ListRetrainingSchedulersResponse,
    RetrainingSchedulerSummary,
    StartRetrainingSchedulerRequest,
    StartRetrainingSchedulerResponse,
    StopRetrainingSchedulerRequest,
    StopRetrainingSchedulerResponse,
    UpdateRetrainingSchedulerRequest,
)
from openlookout.operations.changes import changing
from openlookout.operations.idempotency import claim
from openlookout.operations.listing import Listing, page
from openlookout.operations.models import find_model, model_arn
from openlookout.operations.operation import Context, operation
from openlookout.store.calendar import DAYS_MAX, DAYS_MIN, midnight, next_occurrence, period
from openlookout.store.client_tokens import forget_made
from openlookout.store.lifecycles import RETRAINING_SCHEDULER, move
from openlookout.store.model_versions import cancel_retraining
from openlookout.store.tables import model, retraining_scheduler

PROMOTE_MODE_DEFAULT = "MANAGED"  # API reference: promoted by the service unless MANUAL is asked for.

_SCHEDULERS = select(retraining_scheduler, model.c.name).join(model)

RETRAINING_SCHEDULERS = Listing(
    source=_SCHEDULERS,
    scope="model.account = :account AND model.region = :region",
    key=("model.name",),
    filters={
        "ModelNameBeginsWith": "model.name >= :ModelNameBeginsWith AND model.name < :ModelNameBeginsWithEnd",
        "Status": "retraining_scheduler.status = :Status",
    },
)


@operation
def create_retraining_scheduler(
    context: Context, request: CreateRetrainingSchedulerRequest
) -> CreateRetrainingSchedulerResponse:
    """Create a model's retraining scheduler and start it. Without a start date it counts from today.

    Raises:
        ResourceNotFoundException: there is no such model.
        ConflictException: the model has a retraining scheduler, or the ClientToken was used with other parameters.
        ValidationException: the frequency is shorter than 30 days or longer than a year.
    """
    now = context.now()
    with changing(context, request) as connection:
        used = find_model(context, connection, request["ModelName"])
        earlier = claim(context, connection, request, made=_made(used.id), owner=used.id, ends_later=False)
        if earlier is None:
            if _find(connection, used) is not None:
                raise ConflictException(f"The model '{used.name}' has a retraining scheduler; one is allowed.")
            start = midnight(request.get("RetrainingStartDate", now))
            row = {
                "model_id": used.id,
                "status": "PENDING",
                "start_date": start,
                "frequency": request["RetrainingFrequency"],
                "lookback": request["LookbackWindow"],
                "promote_mode": request.get("PromoteMode", PROMOTE_MODE_DEFAULT),
                "created_at": now,
                "updated_at": now,
                "next_due": _next_due(start, request["RetrainingFrequency"], now),
            }
            connection.execute(retraining_scheduler.insert(), row)
        found = _existing(connection, used)
    response: CreateRetrainingSchedulerResponse = _status_response(context, used, found.status)
    return response


@operation
def describe_retraining_scheduler(
    context: Context, request: DescribeRetrainingSchedulerRequest
) -> DescribeRetrainingSchedulerResponse:
    """Describe a model's retraining scheduler.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no retraining scheduler.
    """
    with context.database.reading() as connection:
        used = find_model(context, connection, request["ModelName"])
        found = _existing(connection, used)
    return {
        "ModelName": used.name,
        "ModelArn": model_arn(context, used.name, used.id),
        "RetrainingStartDate": found.start_date,
        "RetrainingFrequency": found.frequency,
        "LookbackWindow": found.lookback,
        "Status": found.status,
        "PromoteMode": found.promote_mode,
        "CreatedAt": found.created_at,
        "UpdatedAt": found.updated_at,
    }


@operation
def list_retraining_schedulers(
    context: Context, request: ListRetrainingSchedulersRequest
) -> ListRetrainingSchedulersResponse:
    """List the retraining schedulers of the account and region, by model name; every filter given must hold.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    scope = {"account": context.account, "region": context.region}
    rows, next_token = page(context, RETRAINING_SCHEDULERS, request, scope)
    return {"RetrainingSchedulerSummaries": [_summary(context, row) for row in rows], "NextToken": next_token}


@operation
def update_retraining_scheduler(context: Context, request: UpdateRetrainingSchedulerRequest) -> None:
    """Change what is given; the rest stays. The next retraining is then counted anew from the start date.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no retraining scheduler.
        ConflictException: it is being stopped.
        ValidationException: the frequency is shorter than 30 days or longer than a year.
    """
    with changing(context, request) as connection:
        used = find_model(context, connection, request["ModelName"])
        found = _existing(connection, used)
        _check_not_stopping(used, found, "change")
        start = midnight(request.get("RetrainingStartDate", found.start_date))
        frequency = request.get("RetrainingFrequency", found.frequency)
        due = _next_due(start, frequency, context.now())
        values = {
            "start_date": start,
            "frequency": frequency,
            "lookback": request.get("LookbackWindow", found.lookback),
            "promote_mode": request.get("PromoteMode", found.promote_mode),
            "updated_at": context.now(),
            "next_due": None if found.next_due is None else due,
        }
        this = retraining_scheduler.c.model_id == used.id
        connection.execute(update(retraining_scheduler).where(this).values(**values))


@operation
def start_retraining_scheduler(
    context: Context, request: StartRetrainingSchedulerRequest
) -> StartRetrainingSchedulerResponse:
    """Start a retraining scheduler; one that runs already goes on.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no retraining scheduler.
        ConflictException: it is being stopped.
    """
    now = context.now()
    with changing(context, request) as connection:
        used = find_model(context, connection, request["ModelName"])
        found = _existing(connection, used)
        _check_not_stopping(used, found, "start")
        this, due = retraining_scheduler.c.model_id == used.id, _next_due(found.start_date, found.frequency, now)
        started = move(connection, RETRAINING_SCHEDULER, this, "PENDING", updated_at=now, next_due=due)
    response: StartRetrainingSchedulerResponse = _status_response(context, used, "PENDING" if started else found.status)
    return response


@operation
def stop_retraining_scheduler(
    context: Context, request: StopRetrainingSchedulerRequest
) -> StopRetrainingSchedulerResponse:
    """Stop a retraining scheduler; a retraining under way is cancelled. One that is stopped stays so.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no retraining scheduler.
    """
    now = context.now()
    with changing(context, request) as connection:
        used = find_model(context, connection, request["ModelName"])
        found = _existing(connection, used)
        this = retraining_scheduler.c.model_id == used.id
        stopped = move(connection, RETRAINING_SCHEDULER, this, "STOPPING", updated_at=now, next_due=None)
        if stopped:
            cancel_retraining(connection, used.id, now)
    response: StopRetrainingSchedulerResponse = _status_response(context, used, "STOPPING" if stopped else found.status)
    return response


@operation
def delete_retraining_scheduler(context: Context, request: DeleteRetrainingSchedulerRequest) -> None:
    """Delete a stopped retraining scheduler; the versions that it made stay.

    Raises:
        ResourceNotFoundException: there is no such model, or it has no retraining scheduler.
        ConflictException: it is not STOPPED.
    """
    with changing(context, request) as connection:
        used = find_model(context, connection, request["ModelName"])
        found = _existing(connection, used)
        if found.status != "STOPPED":
            raise ConflictException(
                f"The retraining scheduler of '{used.name}' is {found.status}; it can be deleted when it is STOPPED."
            )
        forget_made(connection, _made(used.id))
        connection.execute(delete(retraining_scheduler).where(retraining_scheduler.c.model_id == used.id))


def _next_due(start: datetime, frequency: str, now: datetime) -> datetime:
    """The next retraining: the start date while it lies ahead, then a whole number of periods after it."""
    every = period(frequency)
    if not every.is_allowed:
        raise ValidationException(
            f"RetrainingFrequency '{frequency}' is {every.length_days:.0f} days; {DAYS_MIN} to {DAYS_MAX} are possible."
        )
    try:
        return next_occurrence(start, every, now)
    except OverflowError as error:
        raise ValidationException(f"RetrainingStartDate is too late: {error}.") from None


def _find(connection: Connection, used: Row[Any]) -> Row[Any] | None:
    return connection.execute(
        select(retraining_scheduler).where(retraining_scheduler.c.model_id == used.id)
    ).one_or_none()


def _existing(connection: Connection, used: Row[Any]) -> Row[Any]:
    found = _find(connection, used)
    if found is None:
        raise ResourceNotFoundException(f"The model '{used.name}' has no retraining scheduler.")
    return found


def _check_not_stopping(used: Row[Any], found: Row[Any], verb: str) -> None:
    if found.status == "STOPPING":
        raise ConflictException(f"The retraining scheduler of '{used.name}' is STOPPING; {verb} it when it is STOPPED.")


def _made(model_id: str) -> str:
    return f"retraining/{model_id}"


def _status_response(context: Context, used: Row[Any], status: str) -> Any:
    return {"ModelName": used.name, "ModelArn": model_arn(context, used.name, used.id), "Status": status}


def _summary(context: Context, row: Row[Any]) -> RetrainingSchedulerSummary:
    return {
        "ModelName": row.name,
        "ModelArn": model_arn(context, row.name, row.model_id),
        "Status": row.status,
        "RetrainingStartDate": row.start_date,
        "RetrainingFrequency": row.frequency,
        "LookbackWindow": row.lookback,
    }
