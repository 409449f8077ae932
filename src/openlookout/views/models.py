"""What the console shows of models: finds the rows here, has arrays read in child processes. Loads no arrays."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select

from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException, ValidationException
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import ObjectNotFoundError
from openlookout.console.model_ports import Evaluation, Similar, Span
from openlookout.store.database import Database
from openlookout.store.tables import (
    from_microseconds,
    inference_event,
    inference_scheduler,
    model,
    model_version,
    to_microseconds,
)

# Of live events the newest are compared.
COMPARED_MAX = 1000
SIMILAR_MIN, SIMILAR_SHOWN = 0.5, 6
InChild = Callable[..., Mapping[str, Any]]


class ModelViews:
    """Answers for one process; `in_child` is `Views.in_child`."""

    def __init__(self, database: Database, buckets: BucketSettings, in_child: InChild) -> None:
        self._database, self._buckets, self._in_child = database, buckets, in_child

    def evaluation(self, caller: Caller, name: str, version: int) -> Evaluation:
        """Give what is known of a version's evaluation.

        Raises:
            ResourceNotFoundException: there is no such version.
        """
        row = self._version(caller, name, version)
        place = row.object_prefix and layout.diagnostics(row.object_prefix)
        found = self._json(layout.events(place)) if place else None
        report = self._json(layout.detectability(row.object_prefix)) if place else None
        return Evaluation(found and found["events"], report, row.sampling_rate_us)

    def scores(self, caller: Caller, name: str, version: int, span: Span) -> Mapping[str, Any] | None:
        """Give the scores of a version's evaluation, reduced for a chart; see `views/evaluations.py`."""
        row = self._version(caller, name, version)
        if row.object_prefix is None:
            return None
        return self._in_child("evaluations:scores", row.object_prefix, span_us(span)) or None

    def similar(
        self, caller: Caller, name: str, version: int, evidence: Mapping[str, Any], start: datetime
    ) -> list[Similar]:
        """Give the events most like one that began at `start`: of the version's evaluation and of live inference."""
        kept = self.evaluation(caller, name, version).events or ()
        others = [("evaluation", _moment(one["start"]), _moment(one["end"]), one["evidence"]) for one in kept]
        with self._database.reading() as connection:
            rows = connection.execute(
                select(inference_event)
                .join(inference_scheduler, inference_scheduler.c.id == inference_event.c.scheduler_id)
                .join(model, model.c.id == inference_scheduler.c.model_id)
                .where(*_mine(caller, name), inference_event.c.evidence.is_not(None))
                .order_by(inference_event.c.started_at.desc())
                .limit(COMPARED_MAX)
            )
            others += [("live", row.started_at, row.ended_at, row.evidence) for row in rows]
        others = [one for one in others if one[1] != start]
        if not others:
            return []
        rated = self._in_child("similar:rated", dict(evidence), [one[3] for one in others])["similarity"]
        found = [Similar(*one[:3], rating) for one, rating in zip(others, rated, strict=True) if rating >= SIMILAR_MIN]
        return sorted(found, key=lambda one: (-one.similarity, one.start))[:SIMILAR_SHOWN]

    def file_labels(self, place: Mapping[str, Any]) -> list[tuple[datetime, datetime]]:
        """Give the ranges that label files in a bucket hold.

        Raises:
            ValidationException: there is no such file, or one cannot be read.
        """
        read = self._in_child("similar:file_labels", dict(place))
        if "failed" in read:
            raise ValidationException(f"The labels in S3 cannot be copied: {read['failed']}.")
        return [(from_microseconds(start), from_microseconds(end)) for start, end in read["ranges"]]

    def course(self, caller: Caller, name: str, version: int, sensor: str, span: Span) -> Mapping[str, Any] | None:
        """Give one sensor over a stretch of the evaluation; see `views/evaluations.py`."""
        row = self._version(caller, name, version)
        if row.object_prefix is None:
            return None
        return self._in_child("evaluations:course", row.object_prefix, sensor, span_us(span)) or None

    def _version(self, caller: Caller, name: str, version: int) -> Row[Any]:
        with self._database.reading() as connection:
            row = connection.execute(
                select(model_version).join(model).where(*_mine(caller, name), model_version.c.version == version)
            ).one_or_none()
        if row is None:
            raise ResourceNotFoundException(f"The model '{name}' has no version {version}.")
        return row

    def _json(self, key: str) -> Any:
        try:
            return json.loads(open_buckets(self._buckets).read(SERVICE, key))
        except ObjectNotFoundError:
            return None


def _mine(caller: Caller, name: str) -> tuple[ColumnElement[bool], ...]:
    return model.c.account == caller.account, model.c.region == caller.region, model.c.name == name


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span_us(span: tuple[datetime | None, datetime | None]) -> tuple[int | None, int | None]:
    start, end = (None if at is None else to_microseconds(at) for at in span)
    return start, end
