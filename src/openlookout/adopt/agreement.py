"""How far this service agrees with the old one: alarm by alarm, over the time that both looked at. Knows intervals.

Nothing is said of times that only one of them has looked at: those alarms are counted apart.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from openlookout.adopt.old_results import LEADING, Found, Interval, merged

MONTH = timedelta(days=30.44)
# An alarm of one may end just before that of the other begins, and both mean the same.
NEAR = timedelta(minutes=5)
Span = tuple[datetime, datetime]


@dataclass(frozen=True)
class Compared:
    """One alarm of the old service. `lead_hours`: by how much this service was earlier (negative: later).

    `n_shared`: how many of the leading sensors both name, of `n_leading`. The last three are None where it found none.
    """

    start: datetime
    end: datetime
    is_found: bool
    lead_hours: float | None
    n_shared: int | None
    n_leading: int
    leading_then: tuple[str, ...]
    leading_now: tuple[str, ...]
    label_end: datetime | None


@dataclass(frozen=True)
class Agreement:
    """What is said of one model. `spans`: the time that both looked at; `months` its length."""

    model: str
    spans: list[Span]
    months: float
    alarms: list[Compared]
    n_then: int
    n_now: int
    n_only_now: int
    n_outside: int
    now: list[Interval]
    origins: list[str]
    said: list[str]

    @property
    def n_found(self) -> int:
        return sum(one.is_found for one in self.alarms)

    def a_month(self, n: int) -> float | None:
        """How many alarms a month `n` are; None where both looked at less than a day."""
        return n / self.months if self.months * MONTH >= timedelta(days=1) else None

    def as_json(self) -> dict[str, Any]:
        """Plain values; times as ISO text."""
        plain = asdict(self) | {
            "n_found": self.n_found,
            "alarms_a_month_then": self.a_month(self.n_then),
            "alarms_a_month_now": self.a_month(self.n_now),
        }
        texts: dict[str, Any] = _texts(plain)
        return texts


def compare(model: str, old: Found, new: Found, labels: Sequence[Span]) -> Agreement:
    """Compare what both services found of a model."""
    spans = _common(merged(old.spans), merged(new.spans))
    then = [one for one in old.intervals if _touches(one, spans)]
    now = [one for one in new.intervals if _touches(one, spans)]
    alarms = [_compared(one, now, labels) for one in sorted(then, key=lambda one: one.start)]
    only_now = [one for one in now if not any(_near(one, other) for other in then)]
    length = sum((end - start for start, end in spans), timedelta())
    n_outside = len(old.intervals) - len(then)
    said = []
    if not old.intervals and not old.spans:
        said.append("No results of the old service were found for this model: there is nothing to compare with.")
    elif not spans:
        said.append(
            f"The old results ({_spans(merged(old.spans))}) and what this service has looked at "
            f"({_spans(merged(new.spans))}) have no time in common: nothing can be compared."
        )
    elif n_outside:
        said.append(f"{n_outside} old alarms lie outside of what this service has looked at; they are not counted.")
    if spans and length < timedelta(days=7):
        said.append(f"Both looked at {length.total_seconds() / 86400:.1f} days only: rates a month say little.")
    return Agreement(
        model=model,
        spans=spans,
        months=length / MONTH,
        alarms=alarms,
        n_then=len(then),
        n_now=len(now),
        n_only_now=len(only_now),
        n_outside=n_outside,
        now=sorted(now, key=lambda one: one.start),
        origins=old.origins,
        said=said,
    )


def _compared(old: Interval, now: Sequence[Interval], labels: Sequence[Span]) -> Compared:
    label = next((end for start, end in labels if old.start <= end and old.end >= start), None)
    near = sorted((one for one in now if _near(one, old)), key=lambda one: one.start)
    if not near:
        return Compared(old.start, old.end, False, None, None, len(old.leading), old.leading, (), label)
    # The one that overlaps longest is the same alarm; the first one is when it was known.
    same = max(near, key=lambda one: min(one.end, old.end) - max(one.start, old.start))
    lead = (old.start - near[0].start).total_seconds() / 3600
    n = min(LEADING, len(old.leading))
    shared = len(set(old.leading[:n]) & set(same.leading[:LEADING]))
    return Compared(old.start, old.end, True, round(lead, 3), shared, n, old.leading, same.leading, label)


def _near(one: Interval, other: Interval) -> bool:
    return one.start <= other.end + NEAR and one.end + NEAR >= other.start


def _touches(one: Interval, spans: Sequence[Span]) -> bool:
    return any(one.start < end and one.end > start for start, end in spans)


def _common(one: Sequence[Span], other: Sequence[Span]) -> list[Span]:
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return sorted((start, end) for start, end in pairs if start < end)


def _spans(spans: Sequence[Span]) -> str:
    if not spans:
        return "no time"
    shown = f"{spans[0][0]:%Y-%m-%d} to {spans[-1][1]:%Y-%m-%d}"
    return shown if len(spans) == 1 else f"{shown}, in {len(spans)} parts"


def _texts(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {name: _texts(one) for name, one in value.items()}
    return [_texts(one) for one in value] if isinstance(value, list | tuple) else value
