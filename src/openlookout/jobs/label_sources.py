"""Where the labels of a training are, as the model's configuration says: files under a prefix, or a label group."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.api.instants import to_microseconds
from openlookout.store.tables import label, label_group

# Rating -> the ranges with it, [start_us, end_us] each: plain, for it is sent to a child.
GroupLabels = Mapping[str, Sequence[Sequence[int]]]


def label_sources(connection: Connection, row: Row[Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give what a child reads labels from, as plain values; `row`: of the model, `asked`: the configuration."""
    configuration = asked.get("LabelsInputConfiguration", {})
    group = None
    if "LabelGroupName" in configuration:
        # By name: a group that was made again under it is meant. One that is gone has no labels any more.
        group_id = connection.execute(
            select(label_group.c.id).where(
                label_group.c.account == row.account,
                label_group.c.region == row.region,
                label_group.c.name == configuration["LabelGroupName"],
            )
        ).scalar()
        group = _group_labels(connection, group_id or "")
    return {"labels": configuration.get("S3InputConfiguration"), "group_labels": group}


def _group_labels(connection: Connection, group_id: str) -> GroupLabels:
    """Read the labels of a group, as they are now, in time order."""
    found: dict[str, list[list[int]]] = {"ANOMALY": [], "NO_ANOMALY": [], "NEUTRAL": []}
    rows = connection.execute(select(label).where(label.c.group_id == group_id).order_by(label.c.started_at))
    for row in rows:
        found[row.rating].append([to_microseconds(row.started_at), to_microseconds(row.ended_at)])
    return found
