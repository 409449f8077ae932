"""What a retraining has beside a training: accumulated data, the version to compare with, and the promotion."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from openlookout.api.instants import to_microseconds
from openlookout.jobs.promotion import Promotion, Retrained, promotion
from openlookout.store.model_versions import is_version, version_parts
from openlookout.store.tables import accumulated, model, model_version, retraining_scheduler

SHORTEST_RATE_US = 1_000_000
NONE = {"is_retraining": False, "accumulated": [], "prior_prefix": None, "prior_rate_us": None}


def inputs(connection: Connection, row: Row[Any]) -> dict[str, Any]:
    """Give what the children need, as plain values; `row`: the version joined with its model."""
    if row.source_type != "RETRAINING":
        return NONE
    prior = connection.execute(
        select(model_version.c.object_prefix, model_version.c.sampling_rate_us).where(
            model_version.c.model_id == row.model_id, model_version.c.version == row.active_version
        )
    ).one_or_none()
    return {
        "is_retraining": True,
        "accumulated": accumulated_windows(connection, row.model_id, row.training_data_start, row.training_data_end),
        "prior_prefix": None if prior is None else prior.object_prefix,
        "prior_rate_us": SHORTEST_RATE_US if prior is None else prior.sampling_rate_us,
    }


def accumulated_windows(
    connection: Connection, model_id: str, start: datetime, end: datetime
) -> list[tuple[int, int, str]]:
    """Give the windows of accumulated data that touch a stretch, in time order: start and end (us), and prefix."""
    windows = connection.execute(
        select(accumulated)
        .where(accumulated.c.model_id == model_id, accumulated.c.data_end > start, accumulated.c.data_start < end)
        .order_by(accumulated.c.data_end)
    )
    return [(to_microseconds(window.data_start), to_microseconds(window.data_end), window.prefix) for window in windows]


def is_retraining(connection: Connection, identity: str) -> bool:
    return connection.execute(select(model_version.c.source_type).where(is_version(identity))).scalar() == "RETRAINING"


def decide(connection: Connection, identity: str, answer: Mapping[str, Any]) -> Promotion:
    """Whether a retrained version is promoted; `answer`: what its children gave."""
    model_id, _ = version_parts(identity)
    row = connection.execute(
        select(model.c.active_version, retraining_scheduler.c.promote_mode)
        .select_from(model)
        .join(retraining_scheduler, isouter=True)
        .where(model.c.id == model_id)
    ).one()
    was_labelled = connection.execute(
        select(model_version.c.labelled).where(
            model_version.c.model_id == model_id, model_version.c.version == row.active_version
        )
    ).scalar()
    retrained = Retrained(
        was_labelled=bool(was_labelled),
        is_labelled=answer["labelled"],
        quality=answer["quality"],
        skill=answer["skill"],
        prior_skill=answer["prior_skill"],
        prior=row.active_version,
        is_prior_usable=answer.get("is_prior_usable", True),  # Absent: the release before had evaluated it.
    )
    return promotion(retrained, row.promote_mode or "MANUAL")
