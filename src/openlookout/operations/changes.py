"""Changes: the transaction of every operation that changes something, and its record in the audit log.

A change and its record are one transaction. A refusal changed nothing: its record is a transaction of its own.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Table, select

from openlookout.api.caller import Caller
from openlookout.api.service_error import ServiceError
from openlookout.operations.operation import Context, Ports, named
from openlookout.operations.resources import own_resource
from openlookout.store.audit import LOCAL, Entry, note
from openlookout.store.subjects import Subject, arn, ingestion_subject, state, subject_of
from openlookout.store.tables import (
    dataset,
    inference_scheduler,
    label,
    label_group,
    model,
    resource_policy,
    retraining_scheduler,
    tag,
)

# Gives what a request is about, None when there is no such thing; the last argument is the id of what it makes.
Find = Callable[[Context, Connection, Mapping[str, Any], str | None], Subject | None]


def _named(table: Table, kind: str, *members: str) -> Find:
    def find(context: Context, connection: Connection, request: Mapping[str, Any], _made: str | None) -> Subject | None:
        row = named(context, connection, table, _name(request, members))
        return None if row is None else subject_of(kind, row)

    return find


def _name(request: Mapping[str, Any], members: tuple[str, ...]) -> str:
    """The name that a request gives; imports may leave it to the ARN of the source."""
    name, *sources = members
    return str(request[name] if name in request else request[sources[0]].split("/")[1])


def _ingestion(
    context: Context, connection: Connection, request: Mapping[str, Any], made: str | None
) -> Subject | None:
    return (made and ingestion_subject(connection, made)) or _DATASET(context, connection, request, made)


def _label(context: Context, connection: Connection, request: Mapping[str, Any], made: str | None) -> Subject | None:
    group = _GROUP(context, connection, request, None)
    if group is None or group.state is None:
        return None
    identity = made or request["LabelId"].lower()
    row = connection.execute(
        select(label).where(label.c.group_id == group.state["id"], label.c.id == identity)
    ).one_or_none()
    return Subject(group.account, group.region, group.arn, state(row))


def _retraining(
    context: Context, connection: Connection, request: Mapping[str, Any], _made: str | None
) -> Subject | None:
    of = _MODEL(context, connection, request, None)
    if of is None or of.state is None:
        return None
    row = connection.execute(
        select(retraining_scheduler).where(retraining_scheduler.c.model_id == of.state["id"])
    ).one_or_none()
    return Subject(of.account, of.region, of.arn, state(row))


def _tags(context: Context, connection: Connection, request: Mapping[str, Any], _made: str | None) -> Subject:
    found = own_resource(context, connection, request["ResourceArn"])
    rows = connection.execute(select(tag).where(tag.c.resource_id == found.id).order_by(tag.c.key))
    tags = {row.key: row.value for row in rows}
    return Subject(found.account, context.region, request["ResourceArn"], {"tags": tags})


def _policy(context: Context, connection: Connection, request: Mapping[str, Any], _made: str | None) -> Subject:
    found = own_resource(context, connection, request["ResourceArn"])
    row = connection.execute(select(resource_policy).where(resource_policy.c.resource_id == found.id)).one_or_none()
    return Subject(found.account, context.region, request["ResourceArn"], state(row))


_DATASET = _named(dataset, "dataset", "DatasetName", "SourceDatasetArn")
_IMPORTED_MODEL = _named(model, "model", "ModelName", "SourceModelVersionArn")
_MODEL = _named(model, "model", "ModelName")
_GROUP = _named(label_group, "label-group", "LabelGroupName")
_SCHEDULER = _named(inference_scheduler, "inference-scheduler", "InferenceSchedulerName")

# Every operation that changes something: what finds its subject, and how its ARN begins when only the name is known.
SUBJECTS: dict[str, tuple[Find, str, str]] = {
    "CreateDataset": (_DATASET, "dataset", "DatasetName"),
    "DeleteDataset": (_DATASET, "dataset", "DatasetName"),
    "ImportDataset": (_ingestion, "dataset", "DatasetName"),
    "StartDataIngestionJob": (_ingestion, "dataset", "DatasetName"),
    "CreateLabelGroup": (_GROUP, "label-group", "LabelGroupName"),
    "UpdateLabelGroup": (_GROUP, "label-group", "LabelGroupName"),
    "DeleteLabelGroup": (_GROUP, "label-group", "LabelGroupName"),
    "CreateLabel": (_label, "label-group", "LabelGroupName"),
    "DeleteLabel": (_label, "label-group", "LabelGroupName"),
    "CreateModel": (_MODEL, "model", "ModelName"),
    "UpdateModel": (_MODEL, "model", "ModelName"),
    "DeleteModel": (_MODEL, "model", "ModelName"),
    "ImportModelVersion": (_IMPORTED_MODEL, "model", "ModelName"),
    "UpdateActiveModelVersion": (_MODEL, "model", "ModelName"),
    "CreateInferenceScheduler": (_SCHEDULER, "inference-scheduler", "InferenceSchedulerName"),
    "UpdateInferenceScheduler": (_SCHEDULER, "inference-scheduler", "InferenceSchedulerName"),
    "StartInferenceScheduler": (_SCHEDULER, "inference-scheduler", "InferenceSchedulerName"),
    "StopInferenceScheduler": (_SCHEDULER, "inference-scheduler", "InferenceSchedulerName"),
    "DeleteInferenceScheduler": (_SCHEDULER, "inference-scheduler", "InferenceSchedulerName"),
    "CreateRetrainingScheduler": (_retraining, "model", "ModelName"),
    "UpdateRetrainingScheduler": (_retraining, "model", "ModelName"),
    "StartRetrainingScheduler": (_retraining, "model", "ModelName"),
    "StopRetrainingScheduler": (_retraining, "model", "ModelName"),
    "DeleteRetrainingScheduler": (_retraining, "model", "ModelName"),
    "TagResource": (_tags, "", "ResourceArn"),
    "UntagResource": (_tags, "", "ResourceArn"),
    "PutResourcePolicy": (_policy, "", "ResourceArn"),
    "DeleteResourcePolicy": (_policy, "", "ResourceArn"),
}


@contextmanager
def changing(context: Context, request: Mapping[str, Any], made: str | None = None) -> Iterator[Connection]:
    """Open the transaction of a change, and record it: who, what was asked, and the subject before and after.

    `made`: the id of what the request is to make, where that has no name of its own.
    """
    find, _, _ = SUBJECTS[context.operation]
    with context.database.writing() as connection:
        before = find(context, connection, request, made)
        yield connection
        after = find(context, connection, request, made)
        entry = Entry(
            at=context.now(),
            account=context.account,
            region=context.region,
            principal=context.principal or LOCAL,
            operation=context.operation,
            resource=next((seen.arn for seen in (after, before) if seen is not None), None),
            request_id=context.request_id,
            request=request,
            before=before and before.state,
            after=after and after.state,
        )
        note(connection, entry)


def refusals(ports: Ports) -> Callable[[str, Caller, Any, ServiceError], None]:
    """Give the function that records that an authenticated request was refused; what only reads leaves no record."""

    def refused(name: str, caller: Caller, request: Any, error: ServiceError) -> None:
        if name not in SUBJECTS:
            return
        context = Context(name, caller.account, caller.region, caller.request_id, ports, caller.principal)
        entry = Entry(
            at=context.now(),
            account=caller.account,
            region=caller.region,
            principal=caller.principal or LOCAL,
            operation=name,
            resource=_as_named(context, request),
            request_id=caller.request_id,
            outcome=error.code,
            message=error.message,
            request=request,
        )
        with ports.database.writing() as connection:
            note(connection, entry)

    return refused


def _as_named(context: Context, request: Any) -> str | None:
    """The ARN of what a refused request was about, as far as it says: nothing of it need be there, or valid."""
    _, kind, member = SUBJECTS[context.operation]
    said = request.get(member) if isinstance(request, Mapping) else None
    if not isinstance(said, str):
        return None
    return arn(context.account, context.region, f"{kind}/{said}") if kind else said
