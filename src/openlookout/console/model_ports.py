"""What the console is given to show models with, beyond the API's own answers. Knows no implementation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from openlookout.api.caller import Caller

Span = tuple[datetime | None, datetime | None]
Series = Mapping[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """What a version's training kept beside its metrics.

    `events`: each `{"start", "end", "evidence"}` as in detection/evidence_record.py; None where the version has none.
    `detectability`: the report on which faults it would find, None without one. `rate_us`: of the grid.
    """

    events: Sequence[Mapping[str, Any]] | None
    detectability: Mapping[str, Any] | None
    rate_us: int | None


@dataclass(frozen=True)
class Similar:
    """A past event that resembles another: `source` is `live` or `evaluation`; `similarity` from 0 to 1."""

    source: str
    start: datetime
    end: datetime
    similarity: float


@dataclass(frozen=True)
class LiveEvent:
    """An event of live inference: the share of each sensor, and its evidence where there is any."""

    start: datetime
    end: datetime
    shares: Mapping[str, float]
    evidence: Mapping[str, Any] | None


class ModelViews(Protocol):
    """Reads for pictures of models."""

    def evaluation(self, caller: Caller, model: str, version: int) -> Evaluation:
        """Give what is known of a version's evaluation.

        Raises:
            ResourceNotFoundException: there is no such version.
        """
        ...

    def scores(self, caller: Caller, model: str, version: int, span: Span) -> Series | None:
        """Give the scores of a version's evaluation, reduced for a chart; None where it has none.

        `start`, `end` (shown), `first`, `last` (of all), `x` in ms, `y`, `n_rows`.
        """
        ...

    def overview(self, caller: Caller, model: str, version: int) -> Series | None:
        """Give the scores of a version's whole evaluation as `scores` does, at once; None where none was kept ready."""
        ...

    def similar(
        self, caller: Caller, model: str, version: int, evidence: Mapping[str, Any], this: tuple[str, datetime]
    ) -> Sequence[Similar]:
        """Give the events most like `this` (source, begin): of the version's evaluation and of live inference."""
        ...

    def live_events(self, caller: Caller, scheduler: str) -> Sequence[LiveEvent]:
        """Give the newest events longer than five minutes, the newest first."""
        ...

    def live_event_of(self, caller: Caller, model: str, identity: str) -> tuple[str, datetime, datetime] | None:
        """Give scheduler, begin and end of the live event that an alert names, as they are now; None: it is no more."""
        ...

    def live_scores(self, caller: Caller, scheduler: str, span: Span) -> Series:
        """Give scores over a span, by default the last week of data: `start`, `end`, `first`, `last`, `x` in ms, `y`.

        `is_coarse`: the highest of each execution, for there are too many rows.
        """
        ...

    def histogram(self, caller: Caller, scheduler: str, sensor: str) -> Series:
        """Give how a sensor's readings are spread: `edges`, shares `then` (training) and `now`, `n_then`, `n_now`."""
        ...

    def file_labels(self, caller: Caller, place: Mapping[str, Any]) -> Sequence[tuple[datetime, datetime]]:
        """Give the ranges that label files in a bucket hold (an S3InputConfiguration).

        Raises:
            AccessDeniedException: the bucket is another account's.
            ValidationException: there is no such file, or one cannot be read.
        """
        ...

    def course(self, caller: Caller, model: str, version: int, sensor: str, span: Span) -> Series | None:
        """Give one sensor over a stretch of the evaluation, measured and expected with its band; None: not known.

        `start`, `end`, `x` and `measured`; `band_x` with `expected`, `low` and `high`; `unsteady`: in how
        many rows what is expected jumps, and is what their neighbours say together.
        """
        ...

    def live_course(
        self, caller: Caller, scheduler: str, sensor: str, event: datetime, span: tuple[datetime, datetime]
    ) -> Series | None:
        """Give one sensor around a live event (its begin) as `course` does, at most a week to either side."""
        ...
