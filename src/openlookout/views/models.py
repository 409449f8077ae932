"""What the console shows of models: finds the rows here, has arrays read in child processes. Loads no arrays."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, func, select

from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException, ThrottlingException, ValidationException
from openlookout.api.instants import from_microseconds, to_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import ObjectNotFoundError
from openlookout.console.model_ports import Evaluation, LiveEvent, Similar, Span
from openlookout.operations.bucket_owners import BucketOwners
from openlookout.store.database import Database
from openlookout.store.tables import (
    accumulated,
    inference_event,
    inference_execution,
    inference_scheduler,
    ingestion_job,
    model,
    model_version,
)
from openlookout.views.live_stretches import AROUND_MAX, stretch_around

# Of live events the newest are compared.
COMPARED_MAX = 1000
SIMILAR_MIN, SIMILAR_SHOWN = 0.5, 6
EVENT_MIN = timedelta(minutes=5)  # As ListInferenceEvents.
LIVE_SPAN = timedelta(days=7)
# Of more executions the highest score is shown, of fewer every row.
FILES_READ_MAX = 48
EXECUTIONS_MAX = 20_000
# Of a version with thousands of events some megabytes.
OBJECTS_KEPT = 8
InChild = Callable[..., Mapping[str, Any]]


class ModelViews:
    """Answers for one process; `in_child` is `Views.in_child`."""

    def __init__(
        self, database: Database, buckets: BucketSettings, in_child: InChild, owners: BucketOwners | None = None
    ) -> None:
        self._database, self._buckets, self._in_child, self._owners = database, buckets, in_child, owners
        # Objects of ours never change, and pages and figures ask for the same ones again and again.
        self._kept = lru_cache(maxsize=OBJECTS_KEPT)(self._json)
        self._read_ahead: set[str] = set()

    def evaluation(self, caller: Caller, name: str, version: int) -> Evaluation:
        """Give what is known of a version's evaluation.

        Raises:
            ResourceNotFoundException: there is no such version.
        """
        row = self._version(caller, name, version)
        place = row.object_prefix and layout.diagnostics(row.object_prefix)
        found = self._kept(layout.events(place)) if place else None
        report = self._kept(layout.detectability(row.object_prefix)) if place else None
        return Evaluation(found and found["events"], report, row.sampling_rate_us)

    def scores(self, caller: Caller, name: str, version: int, span: Span) -> Mapping[str, Any] | None:
        """Give the scores of a version's evaluation, reduced for a chart; see `views/evaluations.py`."""
        overview = self.overview(caller, name, version) if span == (None, None) else None
        if overview is not None:
            return overview
        row = self._version(caller, name, version)
        if row.object_prefix is None:
            return None
        return self._in_child("evaluations:scores", row.object_prefix, span_us(span)) or None

    def overview(self, caller: Caller, name: str, version: int) -> Mapping[str, Any] | None:
        """Give the scores of the whole evaluation as training kept them ready; None: by an earlier release."""
        prefix = self._version(caller, name, version).object_prefix
        found = None if prefix is None else self._kept(layout.overview(layout.diagnostics(prefix)))
        if found is not None:
            self._ahead(prefix)
        return cast("Mapping[str, Any] | None", found)

    def similar(
        self, caller: Caller, name: str, version: int, evidence: Mapping[str, Any], this: tuple[str, datetime]
    ) -> list[Similar]:
        """Give the events most like `this` (source, begin): of the version's evaluation and of live inference."""
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
        others = [one for one in others if one[:2] != this]
        if not others:
            return []
        rated = self._in_child("similar:rated", dict(evidence), [one[3] for one in others])["similarity"]
        found = [Similar(*one[:3], rating) for one, rating in zip(others, rated, strict=True) if rating >= SIMILAR_MIN]
        return sorted(found, key=lambda one: (-one.similarity, one.start))[:SIMILAR_SHOWN]

    def live_events(self, caller: Caller, scheduler: str) -> list[LiveEvent]:
        """Give the newest events longer than five minutes, the newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(inference_event)
                .join(inference_scheduler, inference_scheduler.c.id == inference_event.c.scheduler_id)
                .where(*_my_scheduler(caller, scheduler))
                .order_by(inference_event.c.started_at.desc())
                .limit(COMPARED_MAX)
            ).all()
        events = [LiveEvent(row.started_at, row.ended_at, row.diagnostics, row.evidence) for row in rows]
        return [one for one in events if one.end - one.start > EVENT_MIN]

    def live_event_of(self, caller: Caller, model_name: str, identity: str) -> tuple[str, datetime, datetime] | None:
        """Give scheduler, begin and end of a live event; see `console/model_ports.py`."""
        query = (
            select(inference_scheduler.c.name, inference_event.c.started_at, inference_event.c.ended_at)
            .join(inference_scheduler, inference_scheduler.c.id == inference_event.c.scheduler_id)
            .join(model, model.c.id == inference_scheduler.c.model_id)
            .where(
                inference_event.c.id == identity,
                model.c.name == model_name,
                model.c.account == caller.account,
                model.c.region == caller.region,
            )
        )
        with self._database.reading() as connection:
            found = connection.execute(query).one_or_none()
        return None if found is None else (found.name, found.started_at, found.ended_at)

    def live_scores(self, caller: Caller, scheduler: str, span: Span) -> Mapping[str, Any]:
        """Give scores over a span, by default the last week of data; see `console/model_ports.py`."""
        mine = (*_my_scheduler(caller, scheduler), inference_execution.c.status == "SUCCESS")
        of = inference_execution.join(
            inference_scheduler, inference_scheduler.c.id == inference_execution.c.scheduler_id
        )
        ends = inference_execution.c.data_end
        with self._database.reading() as connection:
            first = connection.execute(
                select(func.min(inference_execution.c.data_start)).select_from(of).where(*mine)
            ).scalar()
            last = connection.execute(select(func.max(ends)).select_from(of).where(*mine)).scalar()
            if first is None or last is None:
                raise ResourceNotFoundException(f"The scheduler '{scheduler}' has no results yet.")
            start, end = span[0] or max(first, last - LIVE_SPAN), span[1] or last
            rows = connection.execute(
                select(inference_execution)
                .select_from(of)
                .where(*mine, ends > start, inference_execution.c.data_start < end)
                .order_by(ends)
                .limit(EXECUTIONS_MAX)
            ).all()
        edges = {
            name: to_microseconds(at) // 1000
            for name, at in (("start", start), ("end", end), ("first", first), ("last", last))
        }
        if len(rows) <= FILES_READ_MAX:
            places = [(row.result_bucket, row.result_key) for row in rows if row.result_key is not None]
            return {**edges, "is_coarse": False, **self._in_child("live:results", places)}
        x = [to_microseconds(row.data_end) // 1000 for row in rows]
        return {**edges, "is_coarse": True, "x": x, "y": [row.score_max for row in rows]}

    def live_course(
        self, caller: Caller, scheduler: str, sensor: str, event: datetime, span: tuple[datetime, datetime]
    ) -> Mapping[str, Any] | None:
        """Give one sensor around a live event; see `views/live_courses.py`."""
        start, end = max(span[0], event - AROUND_MAX), min(span[1], event + AROUND_MAX)
        with self._database.reading() as connection:
            stretch = stretch_around(connection, _my_scheduler(caller, scheduler), event, (start, end))
        if stretch is None or start >= end:
            return None
        shown = (to_microseconds(start), to_microseconds(end))
        return self._in_child("live_courses:course", stretch, sensor, shown) or None

    def histogram(self, caller: Caller, scheduler: str, sensor: str) -> Mapping[str, Any]:
        """Give how a sensor's readings are spread, in training and in the last week of inference."""
        with self._database.reading() as connection:
            version = connection.execute(
                select(model_version, ingestion_job.c.manifest_key)
                .select_from(
                    model_version.join(model, model.c.id == model_version.c.model_id)
                    .join(inference_scheduler, inference_scheduler.c.model_id == model.c.id)
                    .outerjoin(ingestion_job, ingestion_job.c.id == model_version.c.ingestion_job_id)
                )
                .where(*_my_scheduler(caller, scheduler), model_version.c.version == model.c.active_version)
            ).one_or_none()
            if version is None:
                raise ResourceNotFoundException(f"There is no scheduler '{scheduler}' with a model that is active.")
            mine = accumulated.c.model_id == version.model_id
            last = connection.execute(select(func.max(accumulated.c.data_end)).where(mine)).scalar()
            windows = (
                []
                if last is None
                else connection.execute(
                    select(accumulated)
                    .where(mine, accumulated.c.data_end > last - LIVE_SPAN)
                    .order_by(accumulated.c.data_end)
                ).all()
            )
        training = {
            "manifest_key": version.manifest_key,
            "start": version.training_data_start and to_microseconds(version.training_data_start),
            "end": version.training_data_end and to_microseconds(version.training_data_end),
        }
        spans = [(to_microseconds(one.data_start), to_microseconds(one.data_end), one.prefix) for one in windows]
        return self._in_child("live:histogram", sensor, training, spans)

    def file_labels(self, caller: Caller, place: Mapping[str, Any]) -> list[tuple[datetime, datetime]]:
        """Give the ranges that label files in a bucket hold.

        Raises:
            AccessDeniedException: the bucket is another account's.
            ValidationException: there is no such file, or one cannot be read.
        """
        if self._owners is not None:
            self._owners.check(caller.account, place)
        read = self._in_child("similar:file_labels", dict(place))
        if "failed" in read:
            raise ValidationException(f"The label files cannot be read: {read['failed']}.")
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

    def _ahead(self, prefix: str) -> None:
        """Let a child read what whoever looks closer asks for next, once a version; nobody waits for it."""
        if prefix in self._read_ahead:
            return
        self._read_ahead.add(prefix)
        threading.Thread(target=self._read_in_vain, args=(prefix,), daemon=True, name="reading-ahead").start()

    def _read_in_vain(self, prefix: str) -> None:
        # The machine is busy, or the service ends: then the first closer look takes a moment longer.
        with suppress(ThrottlingException, RuntimeError):
            self._in_child("evaluations:scores", prefix, (0, 0))

    def _json(self, key: str) -> Any:
        try:
            return json.loads(open_buckets(self._buckets).read(SERVICE, key))
        except ObjectNotFoundError:
            return None


def _mine(caller: Caller, name: str) -> tuple[ColumnElement[bool], ...]:
    return model.c.account == caller.account, model.c.region == caller.region, model.c.name == name


def _my_scheduler(caller: Caller, name: str) -> tuple[ColumnElement[bool], ...]:
    of = inference_scheduler.c
    return of.account == caller.account, of.region == caller.region, of.name == name


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def span_us(span: tuple[datetime | None, datetime | None]) -> tuple[int | None, int | None]:
    start, end = (None if at is None else to_microseconds(at) for at in span)
    return start, end
