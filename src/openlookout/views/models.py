"""What the console shows of models: finds the rows here, has arrays read in child processes. Loads no arrays."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select

from openlookout.api.caller import Caller
from openlookout.api.errors import ResourceNotFoundException
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import ObjectNotFoundError
from openlookout.console.model_ports import Evaluation, Span
from openlookout.store.database import Database
from openlookout.store.tables import model, model_version, to_microseconds

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

    def course(self, caller: Caller, name: str, version: int, sensor: str, span: Span) -> Mapping[str, Any] | None:
        """Give one sensor over a stretch of the evaluation; see `views/evaluations.py`."""
        row = self._version(caller, name, version)
        if row.object_prefix is None:
            return None
        return self._in_child("evaluations:course", row.object_prefix, sensor, span_us(span)) or None

    def _version(self, caller: Caller, name: str, version: int) -> Row[Any]:
        with self._database.reading() as connection:
            row = connection.execute(
                select(model_version)
                .join(model)
                .where(
                    model.c.account == caller.account,
                    model.c.region == caller.region,
                    model.c.name == name,
                    model_version.c.version == version,
                )
            ).one_or_none()
        if row is None:
            raise ResourceNotFoundException(f"The model '{name}' has no version {version}.")
        return row

    def _json(self, key: str) -> Any:
        try:
            return json.loads(open_buckets(self._buckets).read(SERVICE, key))
        except ObjectNotFoundError:
            return None


def span_us(span: tuple[datetime | None, datetime | None]) -> tuple[int | None, int | None]:
    start, end = (None if at is None else to_microseconds(at) for at in span)
    return start, end
