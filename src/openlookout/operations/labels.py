"""Labels: what people say a machine did, in named groups; a model is trained and judged with those of one group."""

from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from openlookout.api.errors import ConflictException, ResourceNotFoundException, ValidationException
from openlookout.api.types import (
    CreateLabelGroupRequest,
    CreateLabelGroupResponse,
    CreateLabelRequest,
    CreateLabelResponse,
    DeleteLabelGroupRequest,
    DeleteLabelRequest,
    DescribeLabelGroupRequest,
    DescribeLabelGroupResponse,
    DescribeLabelRequest,
    DescribeLabelResponse,
    LabelGroupSummary,
    LabelSummary,
    ListLabelGroupsRequest,
    ListLabelGroupsResponse,
    ListLabelsRequest,
    ListLabelsResponse,
    UpdateLabelGroupRequest,
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
    named,
    new_hex_id,
    new_id,
    of_caller,
    operation,
)
from openlookout.operations.tags import add_tags, forget_tags
from openlookout.store.client_tokens import forget_made, forget_owned
from openlookout.store.tables import label, label_group, model

LABEL_GROUPS = Listing(
    source=select(label_group),
    scope="account = :account AND region = :region",
    key=("name",),
    filters={"LabelGroupNameBeginsWith": "name >= :LabelGroupNameBeginsWith AND name < :LabelGroupNameBeginsWithEnd"},
)

LABELS = Listing(
    source=select(label),
    scope="group_id = :group_id",
    key=("started_at", "id"),
    filters={
        "IntervalStartTime": "ended_at >= :IntervalStartTime",
        "IntervalEndTime": "started_at < :IntervalEndTime",
        "FaultCode": "fault_code = :FaultCode",
        "Equipment": "equipment = :Equipment",
    },
)


@operation
def create_label_group(context: Context, request: CreateLabelGroupRequest) -> CreateLabelGroupResponse:
    """Create an empty group; `FaultCodes` are the codes that its labels may have.

    Raises:
        ConflictException: the name is taken, or the ClientToken was used with other parameters.
        ServiceQuotaExceededException: the account has as many groups as it may.
        ValidationException: a fault code or a tag key is given twice.
    """
    identity = new_id()
    codes = _fault_codes(request.get("FaultCodes", []))
    with changing(context, request) as connection:
        earlier = claim(context, connection, request, made=identity, owner=identity, ends_later=False)
        if earlier is None:
            n = count(connection, label_group, of_caller(context, label_group))
            row = {"id": identity, "name": request["LabelGroupName"], "fault_codes": codes}
            insert_named(context, connection, label_group, row)
            check_quota("label groups", n + 1, context.limits.label_groups)
            add_tags(context, connection, identity, request.get("Tags", []))
    name = request["LabelGroupName"]
    return {"LabelGroupName": name, "LabelGroupArn": label_group_arn(context, name, earlier or identity)}


@operation
def describe_label_group(context: Context, request: DescribeLabelGroupRequest) -> DescribeLabelGroupResponse:
    """Describe a group.

    Raises:
        ResourceNotFoundException: there is no such group.
    """
    with context.database.reading() as connection:
        found = find_label_group(context, connection, request["LabelGroupName"])
    return {
        "LabelGroupName": found.name,
        "LabelGroupArn": label_group_arn(context, found.name, found.id),
        "FaultCodes": found.fault_codes,
        "CreatedAt": found.created_at,
        "UpdatedAt": found.updated_at,
    }


@operation
def list_label_groups(context: Context, request: ListLabelGroupsRequest) -> ListLabelGroupsResponse:
    """List the groups of the account and region, by name.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    rows, next_token = page(context, LABEL_GROUPS, request, {"account": context.account, "region": context.region})
    return {"LabelGroupSummaries": [_group_summary(context, row) for row in rows], "NextToken": next_token}


@operation
def update_label_group(context: Context, request: UpdateLabelGroupRequest) -> None:
    """Replace the group's fault codes, if any are given; labels keep the code that they have.

    Raises:
        ResourceNotFoundException: there is no such group.
        ValidationException: a fault code is given twice.
    """
    codes = request.get("FaultCodes")
    with changing(context, request) as connection:
        found = find_label_group(context, connection, request["LabelGroupName"])
        if codes is not None:
            connection.execute(
                update(label_group)
                .where(label_group.c.id == found.id)
                .values(fault_codes=_fault_codes(codes), updated_at=context.now())
            )


@operation
def delete_label_group(context: Context, request: DeleteLabelGroupRequest) -> None:
    """Delete a group with its labels.

    Raises:
        ResourceNotFoundException: there is no such group.
        ConflictException: a model is trained with it.
    """
    with changing(context, request) as connection:
        found = find_label_group(context, connection, request["LabelGroupName"])
        user = connection.execute(select(model.c.name).where(model.c.label_group_id == found.id).limit(1)).scalar()
        if user is not None:
            raise ConflictException(f"The label group '{found.name}' is used by the model '{user}'.")
        forget_tags(connection, found.id)
        forget_owned(connection, found.id)
        connection.execute(delete(label_group).where(label_group.c.id == found.id))


@operation
def create_label(context: Context, request: CreateLabelRequest) -> CreateLabelResponse:
    """Create a label: what the machine did from StartTime to EndTime, both included.

    Raises:
        ResourceNotFoundException: there is no such group.
        ConflictException: the ClientToken was used with other parameters.
        ServiceQuotaExceededException: the group has as many labels as it may.
        ValidationException: it ends before it starts, or its fault code is not one of the group's.
    """
    if request["StartTime"] > request["EndTime"]:
        raise ValidationException("StartTime must not be after EndTime.")
    identity, code = new_hex_id(), request.get("FaultCode")
    with changing(context, request, identity) as connection:
        group = find_label_group(context, connection, request["LabelGroupName"])
        earlier = claim(context, connection, request, made=identity, owner=group.id, ends_later=False)
        if earlier is not None:
            return {"LabelId": earlier}
        if code is not None and code not in group.fault_codes:
            known = ", ".join(f"'{each}'" for each in group.fault_codes) or "none"
            raise ValidationException(
                f"FaultCode '{code}' is not one of the label group '{group.name}'; its codes are: {known}."
            )
        n = count(connection, label, label.c.group_id == group.id)
        check_quota(f"labels in the label group '{group.name}'", n + 1, context.limits.labels)
        row = {
            "id": identity,
            "group_id": group.id,
            "started_at": request["StartTime"],
            "ended_at": request["EndTime"],
            "rating": request["Rating"],
            "fault_code": code,
            "notes": request.get("Notes"),
            "equipment": request.get("Equipment"),
            "created_at": context.now(),
        }
        connection.execute(label.insert(), row)
    return {"LabelId": identity}


@operation
def describe_label(context: Context, request: DescribeLabelRequest) -> DescribeLabelResponse:
    """Describe a label.

    Raises:
        ResourceNotFoundException: there is no such group, or it has no such label.
    """
    with context.database.reading() as connection:
        group = find_label_group(context, connection, request["LabelGroupName"])
        found = _find_label(connection, group, request["LabelId"])
    described: DescribeLabelResponse = {
        "LabelGroupName": group.name,
        "LabelGroupArn": label_group_arn(context, group.name, group.id),
        "Notes": found.notes,
    }
    described.update(_members(found))  # type: ignore[typeddict-item]  # Members of both.
    return described


@operation
def list_labels(context: Context, request: ListLabelsRequest) -> ListLabelsResponse:
    """List the labels of a group by start; every filter given must hold. An unknown group has none.

    Raises:
        ValidationException: NextToken was issued for another account or for other filters.
    """
    name = request["LabelGroupName"]
    with context.database.reading() as connection:
        group = named(context, connection, label_group, name)
    identity = "" if group is None else group.id
    rows, next_token = page(context, LABELS, request, {"group_id": identity})
    arn = label_group_arn(context, name, identity)
    summaries: list[Any] = [{"LabelGroupName": name, "LabelGroupArn": arn, **_members(row)} for row in rows]
    return {"LabelSummaries": summaries, "NextToken": next_token}


@operation
def delete_label(context: Context, request: DeleteLabelRequest) -> None:
    """Delete a label.

    Raises:
        ResourceNotFoundException: there is no such group, or it has no such label.
    """
    with changing(context, request) as connection:
        group = find_label_group(context, connection, request["LabelGroupName"])
        found = _find_label(connection, group, request["LabelId"])
        forget_made(connection, found.id)
        connection.execute(delete(label).where(label.c.id == found.id))


def find_label_group(context: Context, connection: Connection, name: str) -> Row[Any]:
    """Give the group's row.

    Raises:
        ResourceNotFoundException: the account has no label group of that name in that region.
    """
    return find_named(context, connection, label_group, name)


def label_group_arn(context: Context, name: str, identity: str) -> str:
    return context.arn(f"label-group/{name}/{identity}")


def _find_label(connection: Connection, group: Row[Any], label_id: str) -> Row[Any]:
    found = connection.execute(
        select(label).where(label.c.group_id == group.id, label.c.id == label_id.lower())
    ).one_or_none()
    if found is None:
        raise ResourceNotFoundException(f"The label group '{group.name}' has no label '{label_id}'.")
    return found


def _fault_codes(codes: list[str]) -> list[str]:
    for code in codes:
        if codes.count(code) > 1:
            raise ValidationException(f"The fault code '{code}' is given {codes.count(code)} times; once is allowed.")
    return codes


def _group_summary(context: Context, row: Row[Any]) -> LabelGroupSummary:
    return {
        "LabelGroupName": row.name,
        "LabelGroupArn": label_group_arn(context, row.name, row.id),
        "CreatedAt": row.created_at,
        "UpdatedAt": row.updated_at,
    }


def _members(row: Row[Any]) -> LabelSummary:
    """The members that DescribeLabel and ListLabels share."""
    return {
        "LabelId": row.id,
        "StartTime": row.started_at,
        "EndTime": row.ended_at,
        "Rating": row.rating,
        "FaultCode": row.fault_code,
        "Equipment": row.equipment,
        "CreatedAt": row.created_at,
    }
