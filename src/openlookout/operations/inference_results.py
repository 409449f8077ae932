"""What came of inference: the executions of a scheduler and the events it found."""

import json
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, select

from openlookout.api.errors import ValidationException
from openlookout.api.types import (
    InferenceEventSummary,
    InferenceExecutionSummary,
    ListInferenceEventsRequest,
    ListInferenceEventsResponse,
    ListInferenceExecutionsRequest,
    ListInferenceExecutionsResponse,
)
from openlookout.operations.inference_schedulers import find_scheduler, scheduler_arn
from openlookout.operations.listing import Listing, page
from openlookout.operations.models import model_arn
from openlookout.operations.operation import Context, operation, s3_object
from openlookout.store.tables import inference_event, inference_execution

# Guide, "Viewing inference results": events longer than five minutes are recorded.
EVENT_SECONDS_MIN = 300

EXECUTIONS = Listing(
    source=select(inference_execution),
    scope="scheduler_id = :scheduler_id",
    key=("due_at",),
    filters={
        "DataStartTimeAfter": "data_start > :DataStartTimeAfter",
        "DataEndTimeBefore": "data_end < :DataEndTimeBefore",
        "Status": "status = :Status",
    },
    is_descending=True,
)

EVENTS = Listing(
    source=select(inference_event),
    scope=f"scheduler_id = :scheduler_id AND ended_at - started_at > {EVENT_SECONDS_MIN * 1_000_000}",
    key=("started_at", "id"),
    filters={
        "IntervalStartTime": "ended_at >= :IntervalStartTime",
        "IntervalEndTime": "started_at < :IntervalEndTime",
    },
    is_descending=True,
)


@operation
def list_inference_executions(
    context: Context, request: ListInferenceExecutionsRequest
) -> ListInferenceExecutionsResponse:
    """List the runs of a scheduler, newest first; every filter given must hold.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
        ValidationException: NextToken was issued for another account or for other filters.
    """
    with context.database.reading() as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
    rows, next_token = page(context, EXECUTIONS, request, {"scheduler_id": found.id})
    return {
        "InferenceExecutionSummaries": [_execution(context, found, row) for row in rows],
        "NextToken": next_token,
    }


@operation
def list_inference_events(context: Context, request: ListInferenceEventsRequest) -> ListInferenceEventsResponse:
    """List the events longer than five minutes that touch the interval, newest first.

    Raises:
        ResourceNotFoundException: there is no such scheduler.
        ValidationException: the interval ends before it starts; NextToken was issued for other filters.
    """
    if request["IntervalStartTime"] >= request["IntervalEndTime"]:
        raise ValidationException("IntervalStartTime must be before IntervalEndTime.")
    with context.database.reading() as connection:
        found = find_scheduler(context, connection, request["InferenceSchedulerName"])
    rows, next_token = page(context, EVENTS, request, {"scheduler_id": found.id})
    return {"InferenceEventSummaries": [_event(context, found, row) for row in rows], "NextToken": next_token}


def _execution(context: Context, scheduler: Row[Any], row: Row[Any]) -> InferenceExecutionSummary:
    arn = model_arn(context, scheduler.model_name, scheduler.model_id)
    return {
        "ModelName": scheduler.model_name,
        "ModelArn": arn,
        "InferenceSchedulerName": scheduler.name,
        "InferenceSchedulerArn": scheduler_arn(context, scheduler.name, scheduler.id),
        "ScheduledStartTime": row.due_at,
        "DataStartTime": row.data_start,
        "DataEndTime": row.data_end,
        "DataInputConfiguration": row.input,
        "DataOutputConfiguration": row.output,
        "CustomerResultObject": s3_object(row.result_bucket, row.result_key),
        "Status": row.status,
        "FailedReason": row.failed_reason,
        "ModelVersion": row.version,
        "ModelVersionArn": row.version and f"{arn}/model-version/{row.version}",
    }


def _event(context: Context, scheduler: Row[Any], row: Row[Any]) -> InferenceEventSummary:
    diagnostics = [{"name": name, "value": round(share, 5)} for name, share in row.diagnostics.items()]
    return {
        "InferenceSchedulerArn": scheduler_arn(context, scheduler.name, scheduler.id),
        "InferenceSchedulerName": scheduler.name,
        "EventStartTime": row.started_at,
        "EventEndTime": row.ended_at,
        "Diagnostics": json.dumps(diagnostics, separators=(",", ":")),
        "EventDurationInSeconds": (row.ended_at - row.started_at) // timedelta(seconds=1),
    }
