"""What an evaluation comes to: its events beside the labels. Knows the API's texts and the evidence; draws nothing."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from statistics import median
from typing import Any

from openlookout.console.model_ports import Evaluation


@dataclass(frozen=True)
class Verdict:
    """What somebody said of a stretch of time: a label."""

    start: datetime
    end: datetime
    rating: str
    fault_code: str | None
    id: str

    @property
    def words(self) -> str:
        said = {"ANOMALY": "confirmed", "NO_ANOMALY": "normal", "NEUTRAL": "left out"}[self.rating]
        return f"{said}: {self.fault_code}" if self.fault_code else said


@dataclass(frozen=True)
class Leading:
    """A sensor that led an event; what is not known of it is None."""

    name: str
    share: float
    onset: datetime | None = None
    measured: float | None = None
    expected: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def side(self) -> str | None:
        """Where the reading stood to its band."""
        if self.measured is None or self.low is None or self.high is None:
            return None
        return "above" if self.measured > self.high else "below" if self.measured < self.low else "within"


@dataclass(frozen=True)
class Event:
    """`record`: the evidence as it is kept, None without; `shares`: of each sensor, `{"name", "value"}`.

    `is_labelled`: it touches a labelled range; None where nothing was labelled.
    """

    start: datetime
    end: datetime
    record: Mapping[str, Any] | None
    shares: Sequence[Mapping[str, Any]] = ()
    is_labelled: bool | None = None
    verdict: Verdict | None = None

    @property
    def kind(self) -> str | None:
        return self.record["kind"] if self.record else None

    @property
    def reason(self) -> str | None:
        return self.record["reason"] if self.record else None

    @property
    def onset_order(self) -> Sequence[str]:
        return self.record["onset_order"] if self.record else ()

    @cached_property
    def sensors(self) -> Sequence[Leading]:
        """Those that led, the first most. Read when asked for: of thousands of events a page shows a few."""
        return leading(self.record, self.shares)

    @property
    def key(self) -> str:
        """How addresses name it: when it began."""
        return event_key(self.start)

    @property
    def lasted(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True)
class Labelled:
    """A labelled range: `warning`, how long before its end the first alarm came; None: missed."""

    start: datetime
    end: datetime
    warning: timedelta | None


@dataclass(frozen=True)
class Score:
    """What an evaluation found: of the labelled ranges, and beside them."""

    events: Sequence[Event]
    labelled: Sequence[Labelled]
    n_false: int
    false_time: timedelta

    @property
    def n_found(self) -> int:
        return sum(one.warning is not None for one in self.labelled)

    @property
    def n_missed(self) -> int:
        return len(self.labelled) - self.n_found

    @property
    def warning(self) -> timedelta | None:
        """The forewarning of a labelled range that was found, in the median."""
        found = [one.warning.total_seconds() for one in self.labelled if one.warning is not None]
        return timedelta(seconds=median(found)) if found else None


def event_key(start: datetime) -> str:
    """How addresses name an event: by when it began."""
    return f"{start.astimezone(UTC):%Y%m%dT%H%M%S.%f}"


def moment(text: str) -> datetime:
    """A time of metrics or evidence; those without a zone are UTC."""
    at = datetime.fromisoformat(text)
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def score(metrics: str | None, kept: Evaluation, verdicts: Sequence[Verdict] = ()) -> Score | None:
    """Give what an evaluation found; None where there was none."""
    if metrics is None and kept.events is None:
        return None
    said: Mapping[str, Any] = json.loads(metrics) if metrics else {}
    ranges = [(moment(one["start"]), moment(one["end"])) for one in said.get("labeled_ranges", ())]
    step = timedelta(microseconds=kept.rate_us or 0)
    shares = {one["start"]: one["diagnostics"] for one in said.get("predicted_ranges", ())}
    if kept.events is None:
        events = [
            Event(moment(one["start"]), moment(one["end"]), None, one["diagnostics"])
            for one in said["predicted_ranges"]
        ]
    else:
        events = [
            Event(moment(one["start"]), moment(one["end"]), one["evidence"], shares.get(one["start"], ()))
            for one in kept.events
        ]
    judged = [_judged(event, ranges, verdicts) for event in events]
    unknown = said.get("unknown_event_metrics", {})
    return Score(
        events=judged,
        labelled=[Labelled(start, end, _warning((start, end), events, step)) for start, end in ranges],
        n_false=unknown.get("num_identified", 0),
        false_time=timedelta(seconds=unknown.get("total_duration_in_seconds", 0.0)),
    )


def leading(evidence: Mapping[str, Any] | None, shares: Iterable[Mapping[str, Any]]) -> list[Leading]:
    """Give the sensors of an event, the first most: with their evidence where there is any, else by their shares."""
    known = {
        one["sensor"]: Leading(
            one["sensor"],
            one["contribution"],
            one["onset"] and moment(one["onset"]),
            one["measured"],
            one["expected"],
            one["low"],
            one["high"],
        )
        for one in (evidence["sensors"] if evidence else ())
    }
    others = {one["name"]: Leading(one["name"], one["value"]) for one in shares}
    return sorted((others | known).values(), key=lambda one: -one.share)


def _judged(event: Event, ranges: Sequence[tuple[datetime, datetime]], verdicts: Sequence[Verdict]) -> Event:
    touches = any(event.start < end and event.end >= start for start, end in ranges) if ranges else None
    return replace(event, is_labelled=touches, verdict=verdict_on(event.start, event.end, verdicts))


def verdict_on(start: datetime, end: datetime, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The verdict that touches a stretch; the last of several."""
    touching = [one for one in verdicts if one.start <= end and one.end >= start]
    return touching[-1] if touching else None


def _warning(label: tuple[datetime, datetime], events: Sequence[Event], step: timedelta) -> timedelta | None:
    """From the first alarm inside a label to its end, as the metrics count it: a step after the start."""
    firsts = [
        max(event.start + step, label[0])
        for event in events
        if event.start + step <= label[1] and event.end >= label[0]
    ]
    return label[1] - min(firsts) if firsts else None
