"""What if the limit were another: where a detector would have alarmed at any multiple of its limits.

Scoring costs time and does not depend on the limits: it is done once, and `Deciding` keeps what the decision is made
of. Each factor is then a sweep over arrays. What alarms for another reason than the limits alarms at every factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Scores
from openlookout.detection.ensemble import HOLDING_SHARE, HOLDING_SPAN, Ensemble
from openlookout.detection.evaluate import Label, Labels
from openlookout.detection.holding import holding

# What the limits may be multiplied with.
FACTOR_MIN, FACTOR_MAX = 0.5, 3.0


@dataclass(frozen=True)
class Deciding:
    """Rows of a stretch that was scored at once, arrays (n_rows,) in time order, and the limits they are held against.

    `score`: what a row says by itself; `before`: what the row before it said, infinite where a segment begins; `held`:
    what the last rows say together. `anyway`: it alarms for another reason than the limits. `run`: the same for rows
    that follow each other in a segment.
    """

    score: Floats
    before: Floats
    held: Floats
    is_scored: Booleans
    anyway: Booleans
    run: Integers
    limit: float
    peak_limit: float

    def alarm(self, factor: float) -> Booleans:
        """(n_rows,): where it alarms with both limits multiplied."""
        return (self._carried(factor) & self.is_scored) | self.anyway

    def possible(self, factor: float) -> Booleans:
        """(n_rows,): the rows that alarms at this factor or a higher one depend on."""
        return self._carried(factor) | self.anyway

    def _carried(self, factor: float) -> Booleans:
        """Alarms, also through rows without a score."""
        limit, peak_limit = self.limit * factor, self.peak_limit * factor
        begins = (self.score > peak_limit) | ((self.score > limit) & (self.before > limit))
        return holding(begins, self.held > HOLDING_SHARE * limit, self.run, goes_on=False)

    def taken(self, rows: Booleans) -> "Deciding":
        """Those of some rows; where one is left out, a run ends."""
        at = np.flatnonzero(rows)
        run = np.cumsum((np.diff(at, prepend=at[:1]) > 1) | (np.diff(self.run[at], prepend=self.run[at][:1]) != 0))
        columns = (self.score[at], self.before[at], self.held[at], self.is_scored[at], self.anyway[at])
        return Deciding(*columns, run, self.limit, self.peak_limit)


def deciding(detector: Ensemble, scores: Scores, units: Floats, segment: Integers) -> Deciding:
    """Give what decides, from what `score_and_units` gave for rows (n_rows,) scored at once, without a state."""
    score = detector.decides(units, segment, detector.span)
    before = np.full_like(score, np.inf)
    before[1:] = np.where(segment[1:] == segment[:-1], score[:-1], np.inf)
    held = detector.decides(units, segment, HOLDING_SPAN)
    nowhere, is_scored = np.zeros(len(score), bool), ~np.isnan(scores.anomaly)
    found = Deciding(score, before, held, is_scored, nowhere, segment, detector.limit, detector.peak_limit)
    return replace(found, anyway=scores.anyway | (scores.alarm & ~found.alarm(1.0)))


def with_factor(detector: Ensemble, factor: float) -> Ensemble:
    """Give the detector with both limits multiplied; it alarms as `Deciding.alarm` says."""
    return replace(detector, limit=detector.limit * factor, peak_limit=detector.peak_limit * factor)


@dataclass(frozen=True)
class Outcome:
    """What alarms come to beside labels; times in microseconds.

    `events` (n_events, 2): numbers of the first and the last row of each. `is_false` (n_events,): it touches no label
    of an anomaly, nor what is neutral. `false_us`: how long those last together. `warnings`: of each label from the
    first alarm in it to its end, None where there is none.
    """

    events: Integers
    is_false: Booleans
    false_us: int
    warnings: Sequence[int | None]

    @property
    def n_found(self) -> int:
        return sum(warning is not None for warning in self.warnings)


def outcome(timestamps: Integers, run: Integers, alarm: Booleans, labels: Labels, rate_us: int) -> Outcome:
    """Count as the metrics of an evaluation do; arrays are (n_rows,), an event stays within a run."""
    begins = alarm & np.r_[True, ~alarm[:-1] | (run[1:] != run[:-1])][: len(alarm)]
    ends = alarm & np.r_[~alarm[1:] | (run[1:] != run[:-1]), True][: len(alarm)]
    events = np.stack([np.flatnonzero(begins), np.flatnonzero(ends)], axis=1)
    firsts, lasts = timestamps[events[:, 0]], timestamps[events[:, 1]]
    known = np.zeros(len(events), bool)
    warnings: list[int | None] = []
    for label in labels.anomalies:
        touches = _touches(firsts, lasts, label)
        known |= touches
        warnings.append(label[1] - max(int(firsts[touches].min()), label[0]) if touches.any() else None)
    for label in labels.neutral:
        known |= _touches(firsts, lasts, label)
    false_us = int((lasts - firsts + rate_us)[~known].sum())
    return Outcome(events, ~known, false_us, warnings)


@dataclass(frozen=True)
class Replayed:
    """A stretch that was scored, arrays (n_rows,): `is_shown`, the rows of it that have a reading of their own."""

    timestamps: Integers
    segment: Integers
    is_shown: Booleans
    deciding: Deciding
    rate_us: int

    def outcome(self, factor: float, labels: Labels) -> Outcome:
        """What a factor comes to; its events are numbers of all rows."""
        shown = np.flatnonzero(self.is_shown)
        alarm = self.deciding.alarm(factor)[shown]
        found = outcome(self.timestamps[shown], self.segment[shown], alarm, labels, self.rate_us)
        return replace(found, events=shown[found.events])

    def curve(self, factors: Sequence[float], labels: Labels) -> list[Outcome]:
        """What ascending factors come to, without their events' rows: each looks at what the one before left."""
        found = []
        rows, left = np.arange(len(self.timestamps)), self.deciding
        shown_before = np.cumsum(self.is_shown)
        for factor in factors:
            possible = left.possible(factor)
            rows, left = rows[possible], left.taken(possible)
            here = self.is_shown[rows]
            shown = rows[here]
            follows = np.diff(shown_before[shown], prepend=0) == 1
            follows[1:] &= self.segment[shown][1:] == self.segment[shown][:-1]
            alarm = left.alarm(factor)[here]
            found.append(outcome(self.timestamps[shown], np.cumsum(~follows), alarm, labels, self.rate_us))
        return found


def _touches(firsts: Integers, lasts: Integers, label: Label) -> Booleans:
    touches: Booleans = (firsts <= label[1]) & (lasts >= label[0])
    return touches
