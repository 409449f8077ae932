"""Resources by their ARN, in whatever account: what tags, policies and imports name them by."""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, or_, select

from openlookout.api.errors import ResourceNotFoundException
from openlookout.operations.listing import INTEGER_MAX
from openlookout.operations.operation import Context
from openlookout.store.model_versions import version_id
from openlookout.store.tables import dataset, inference_scheduler, label_group, model, model_version

_ARN = re.compile(
    r"arn:aws[^:]*:lookoutequipment:(?P<region>[^:]*):(?P<account>\d{12}):"
    r"(?P<kind>dataset|model|inference-scheduler|label-group)/(?P<name>[^/]+)/(?P<id>[^/]+)"
    r"(/model-version/(?P<version>\d{1,30}))?"
)
_TABLES: dict[str, Table] = {
    "dataset": dataset,
    "model": model,
    "inference-scheduler": inference_scheduler,
    "label-group": label_group,
}


@dataclass(frozen=True)
class Resource:
    """`kind`: as in the ARN, `model-version` for a version. `id`: what tags and policies are kept under.

    `row`: the resource's own. `version`: of a model version its row, otherwise None.
    """

    kind: str
    id: str
    account: str
    row: Row[Any]
    version: Row[Any] | None = None


def own_resource(context: Context, connection: Connection, arn: str) -> Resource:
    """Give what an ARN names.

    Raises:
        ResourceNotFoundException: there is no such thing in the caller's account and region.
    """
    found = find_resource(connection, arn)
    if found is None or (found.account, found.row.region) != (context.account, context.region):
        raise ResourceNotFoundException(f"The resource '{arn}' does not exist.")
    return found


def of_resource(column: ColumnElement[str], resource_id: str) -> ColumnElement[bool]:
    """The condition that something is kept under a resource or, of a model, under one of its versions."""
    return or_(column == resource_id, and_(column >= f"{resource_id}.", column < f"{resource_id}/"))


def find_resource(connection: Connection, arn: str) -> Resource | None:
    """Give what an ARN names, in any account; None when there is no such thing."""
    said = _ARN.fullmatch(arn)
    if said is None or (said["version"] and said["kind"] != "model"):
        return None
    table = _TABLES[said["kind"]]
    row = connection.execute(
        select(table).where(
            table.c.id == said["id"],
            table.c.account == said["account"],
            table.c.region == said["region"],
            table.c.name == said["name"],
        )
    ).one_or_none()
    if said["version"] is None:
        return None if row is None else Resource(said["kind"], row.id, row.account, row)
    number = min(int(said["version"]), INTEGER_MAX)
    # Asked for also where there is no such model: how long an answer takes must not tell what others have.
    version = connection.execute(
        select(model_version).where(
            model_version.c.model_id == ("" if row is None else row.id), model_version.c.version == number
        )
    ).one_or_none()
    if row is None or version is None:
        return None
    return Resource("model-version", version_id(row.id, number), row.account, row, version)
