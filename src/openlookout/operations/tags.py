"""Tags: keys and values that users attach to resources; the service stores them and acts on none."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, delete, select

from openlookout.api.errors import ValidationException
from openlookout.api.types import (
    ListTagsForResourceRequest,
    ListTagsForResourceResponse,
    Tag,
    TagResourceRequest,
    TagResourceResponse,
    UntagResourceRequest,
    UntagResourceResponse,
)
from openlookout.operations.changes import changing
from openlookout.operations.operation import Context, check_quota, operation
from openlookout.operations.resources import of_resource, own_resource
from openlookout.store.tables import tag


@operation
def tag_resource(context: Context, request: TagResourceRequest) -> TagResourceResponse:
    """Add tags; a key that is there gets the new value.

    Raises:
        ResourceNotFoundException: the account has no such resource.
        ServiceQuotaExceededException: it would have more tags than a resource may.
        ValidationException: a key is given twice.
    """
    with changing(context, request) as connection:
        found = own_resource(context, connection, request["ResourceArn"])
        tags = _read(connection, found.id) | _mapping(request["Tags"])
        check_quota("tags on the resource", len(tags), context.limits.tags)
        connection.execute(delete(tag).where(tag.c.resource_id == found.id))
        _insert(connection, found.id, tags)
    return {}


@operation
def untag_resource(context: Context, request: UntagResourceRequest) -> UntagResourceResponse:
    """Take tags away; a key that is not there is no error.

    Raises:
        ResourceNotFoundException: the account has no such resource.
    """
    with changing(context, request) as connection:
        found = own_resource(context, connection, request["ResourceArn"])
        connection.execute(delete(tag).where(tag.c.resource_id == found.id, tag.c.key.in_(request["TagKeys"])))
    return {}


@operation
def list_tags_for_resource(context: Context, request: ListTagsForResourceRequest) -> ListTagsForResourceResponse:
    """List a resource's tags, by key.

    Raises:
        ResourceNotFoundException: the account has no such resource.
    """
    with context.database.reading() as connection:
        found = own_resource(context, connection, request["ResourceArn"])
        tags = _read(connection, found.id)
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def add_tags(context: Context, connection: Connection, resource_id: str, tags: Iterable[Tag]) -> None:
    """Store the tags that a Create request brought.

    Raises:
        ServiceQuotaExceededException: there are more than a resource may have.
        ValidationException: a key is given twice.
    """
    given = _mapping(tags)
    check_quota("tags on the resource", len(given), context.limits.tags)
    _insert(connection, resource_id, given)


def forget_tags(connection: Connection, resource_id: str) -> None:
    """Delete the tags of a resource that is deleted, and those of a model's versions."""
    connection.execute(delete(tag).where(of_resource(tag.c.resource_id, resource_id)))


def _mapping(tags: Iterable[Tag]) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in tags:
        if each["Key"] in given:
            raise ValidationException(f"The tag key '{each['Key']}' is given more than once.")
        given[each["Key"]] = each["Value"]
    return given


def _read(connection: Connection, resource_id: str) -> dict[str, str]:
    rows = connection.execute(select(tag).where(tag.c.resource_id == resource_id).order_by(tag.c.key))
    return {row.key: row.value for row in rows}


def _insert(connection: Connection, resource_id: str, tags: Mapping[str, str]) -> None:
    if tags:
        rows = [{"resource_id": resource_id, "key": key, "value": value} for key, value in tags.items()]
        connection.execute(tag.insert(), rows)
