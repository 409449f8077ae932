"""Model versions as rows: a model's next number, its active one, and a retraining that is not wanted any more."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, case, func, select, update

from openlookout.store.lifecycles import MODEL, MODEL_VERSION, move
from openlookout.store.tables import model, model_version


def version_id(model_id: str, number: int) -> str:
    """What a model version is called wherever one text has to name it."""
    return f"{model_id}.{number}"


def version_parts(identity: str) -> tuple[str, int]:
    """The model's id and the number of what `version_id` named."""
    model_id, _, number = identity.rpartition(".")
    return model_id, int(number)


def is_version(identity: str) -> ColumnElement[bool]:
    """The condition that a row is the version that `version_id` named."""
    model_id, number = version_parts(identity)
    return (model_version.c.model_id == model_id) & (model_version.c.version == number)


def next_version(connection: Connection, model_id: str, now: datetime) -> tuple[int, datetime]:
    """Give number and CreatedAt of a model's next version.

    CreatedAt strictly increases with the version, also when the clock was set back: listings rely on it.
    """
    last = connection.execute(
        select(
            func.max(model_version.c.version).label("version"), func.max(model_version.c.created_at).label("at")
        ).where(model_version.c.model_id == model_id)
    ).one()
    if last.version is None:
        return 1, now
    return last.version + 1, max(now, last.at + timedelta(milliseconds=1))


def cancel_retraining(connection: Connection, model_id: str, now: datetime) -> None:
    """Cancel the retraining of a model that is under way, if one is; the job notices and publishes nothing."""
    retraining = (model_version.c.model_id == model_id) & (model_version.c.source_type == "RETRAINING")
    cancelled = move(
        connection,
        MODEL_VERSION,
        retraining,
        "CANCELED",
        updated_at=now,
        training_ended_at=now,
        promotion_result="RETRAINING_CANCELLED",
        promotion_reason="The retraining scheduler was stopped.",
    )
    if cancelled:
        # As before the retraining: SUCCESS, unless no version ever was.
        before = connection.execute(
            select(case((model.c.active_version.is_(None), "FAILED"), else_="SUCCESS")).where(model.c.id == model_id)
        ).scalar_one()
        move(connection, MODEL, model.c.id == model_id, before, updated_at=now)


def activate(connection: Connection, model_id: str, number: int, now: datetime, *, replacing: bool) -> bool:
    """Make a version the active one, which the next inference uses; without `replacing` only if none is.

    False: it was, or another one is; nothing was changed.
    """
    found = connection.execute(select(model).where(model.c.id == model_id)).one()
    if found.active_version == number or (found.active_version is not None and not replacing):
        return False
    connection.execute(
        update(model)
        .where(model.c.id == model_id)
        .values(
            active_version=number,
            active_since=now,
            previous_active_version=found.active_version,
            previous_active_since=found.active_since,
            updated_at=now,
        )
    )
    return True
