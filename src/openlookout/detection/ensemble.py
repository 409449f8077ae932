"""The detector: an ensemble of normal models, each calibrated on held-out blocks of training, and one limit.

No single model is best on every machine; cheap models that are calibrated alike and averaged never fail badly
(docs/detection.md has the figures). The limit comes from whole held-out blocks, not from rows: neighbouring rows repeat
each other, blocks tell how normal differs from one time to another.

Two questions, two answers. *Does it alarm* is decided row by row, unless labelled failures chose a span, by members
that proved steady, mostly with the slow levels of wandering sensors taken off: what is smoothed alarms late, and long
after the machine is well again. An alarm begins with two rows in a row over the limit, or one over what hardly a row
of training reached, and is held while the last rows together nearly exceed the limit, so that one fault is one event.
Readings far beyond all of training alarm by themselves, for two rows as well. *How unusual is it*, which orders rows
within alarms and within the others, is smoothed, and sees levels first of all.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Scores, Singles, State
from openlookout.detection.drifting import Drifting
from openlookout.detection.expectation import Expectation
from openlookout.detection.extremes import Extremes
from openlookout.detection.gaussian import Gaussian
from openlookout.detection.holding import holding, twice
from openlookout.detection.levels import Levels
from openlookout.detection.members import REACH_ROWS, Member, Scored
from openlookout.detection.modes import DOUBLINGS, Modes, settled
from openlookout.detection.rows import BLOCK_ROWS, on_one_thread, smoothed, times
from openlookout.detection.scaling import Scaling

RANKING_SPANS = (8, 32)
# What members say is smoothed so far before it holds an alarm and tells which sensors are meant: neither must flicker.
HOLDING_SPAN = 8
HOLDING_SHARE = 0.9
# Added before the root: next to nothing must not count as much more than nothing.
FLOOR = 0.05
CHUNK_ROWS = 8192
# Fewer readings are scored sooner than threads are there.
SHARED_CELLS_MIN = 200_000


@dataclass(frozen=True)
class View:
    """Deviations as a group of members sees them: `imputing` says what to expect where there is no reading."""

    imputing: Gaussian
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Calibration:
    """What a score of each member means, arrays (n_members,).

    `unit`: the score that counts 1, high for training. `width`: how many times more, as a logarithm, one more is: the
    scores of some members have long tails.
    """

    unit: Floats
    width: Floats

    def units(self, raw: Floats) -> Floats:
        """Member scores (n_rows, n_members) on one scale, logarithmic beyond 1. NaN becomes 0."""
        ratio = np.nan_to_num(raw, nan=0.0) / self.unit
        return np.where(ratio > 1, 1 + np.log(np.maximum(ratio, 1)) / self.width, ratio)


@dataclass(frozen=True)
class Familiar:
    """What decides in rows that are settled in a mode that training knows: `calibration` and `deciding` as those of the
    ensemble, from rows in such modes alone. `scale`: what its scores are multiplied with to be held against the
    ensemble's limits.
    """

    modes: Modes
    calibration: Calibration
    deciding: Floats
    scale: float


@dataclass(frozen=True)
class Ensemble:
    """A fitted detector.

    `views`: deviations with the levels of wandering sensors, and, where any wanders, without. Over the members of all
    views: `calibration`, and the weights (n_members,) of who decides and of who orders rows, `deciding` and `ranking`,
    each summing to 1. `limit`, `peak_limit`: what the deciding score exceeds for two rows, or for one, when an alarm
    begins. `span`: over how many rows what members say is smoothed for that, 1 for not at all. `familiar`: who decides,
    and how, in known modes; None where training has no change of regime. `extremes`: readings that alarm by themselves.
    `drifting`: how far sensors that wander go, and alarm beyond. `expectation`: what events are explained with.
    """

    scaling: Scaling
    levels: Levels
    views: tuple[View, ...]
    calibration: Calibration
    deciding: Floats
    ranking: Floats
    limit: float
    peak_limit: float
    span: int
    familiar: Familiar | None
    extremes: Extremes
    drifting: Drifting
    expectation: Expectation

    @property
    def n_sensors(self) -> int:
        return len(self.scaling.center)

    def score(self, readings: Floats, segment: Integers, state: State | None = None) -> tuple[Scores, State]:
        scores, _, state = self.score_and_units(readings, segment, state)
        return scores, state

    def units(self, readings: Floats, segment: Integers) -> Floats:
        """(n_rows, n_units): what `score_and_units` gives, of rows scored at once."""
        return self.score_and_units(readings, segment)[1]

    def score_and_units(
        self, readings: Floats, segment: Integers, state: State | None = None
    ) -> tuple[Scores, Floats, State]:
        """Give what `score` gives, and between them what each member says of the rows, (n_rows, n_units).

        Where modes are known, it is said again in the units that hold there, and last whether the row is in one.
        """
        state = {**self._fresh(), **(state or {})}  # States of earlier versions have less.
        anomaly, contribution = np.full(len(readings), np.nan), np.zeros((len(readings), self.n_sensors))
        steady, units = np.empty(readings.shape, np.float32), np.empty((len(readings), self.n_units))
        anyway = np.empty(len(readings), np.bool_)
        with on_one_thread():
            for first in range(0, len(readings), CHUNK_ROWS):
                rows = slice(first, first + CHUNK_ROWS)
                chunk, units[rows], state = self._chunk(readings[rows], segment[rows], state)
                anomaly[rows], contribution[rows] = chunk.anomaly, chunk.contribution
                steady[rows], anyway[rows] = chunk.steady, chunk.anyway
        return Scores(anomaly, contribution, steady, anyway), units, state

    @property
    def n_units(self) -> int:
        n = len(self.deciding)
        return n if self.familiar is None else 2 * n + 1

    def decides(self, units: Floats, segment: Integers, span: int) -> Floats:
        """(n_rows,): what is held against the limits, of units (n_rows, n_units) smoothed over `span` rows."""
        return self.weighed(self.spanned(units, segment, span))

    def spanned(self, units: Floats, segment: Integers, span: int) -> Floats:
        """(n_rows, n_units): what members say of the last rows, and whether the row itself is in a known mode."""
        if self.familiar is None:
            return spanned(units, segment, span)
        return np.column_stack([spanned(units[:, :-1], segment, span), units[:, -1]])

    def weighed(self, units: Floats) -> Floats:
        """(n_rows,): what is held against the limits."""
        n = len(self.deciding)
        scores = decided(units[:, :n], self.deciding)
        if self.familiar is None:
            return scores
        known = self.familiar.scale * decided(units[:, n:-1], self.familiar.deciding)
        return np.where(units[:, -1] > 0, known, scores)

    def _weights(self, units: Floats) -> Floats:
        """(n_rows, n_members): how much of the decision is each member's."""
        n = len(self.deciding)
        if self.familiar is None:
            return units * self.deciding
        return np.where(units[:, -1:] > 0, units[:, n:-1] * self.familiar.deciding, units[:, :n] * self.deciding)

    def _fresh(self) -> State:
        return {
            "features": np.empty((0, len(self.views) * self.n_sensors)),
            "units": np.empty((0, self.n_units)),
            "strange": np.empty(0, np.bool_),
            "segments": np.empty(0, np.int64),
            "segment": np.array(-1),
            "is_over": np.zeros((), np.bool_),
            "is_alarm": np.zeros((), np.bool_),
            "is_far": np.zeros((), np.bool_),
            **self.levels.fresh(),
            **self.drifting.fresh(),
        }

    def _chunk(self, readings: Floats, segment: Integers, state: State) -> tuple[Scores, Floats, State]:
        """Give the scores, what each member says (n_rows, n_units), and the state."""
        missing = np.isnan(readings)
        before = len(state["segments"])
        deviations = self.scaling.deviations(readings)
        fresh, steady, levels = self._features(deviations, segment, state)
        features = np.vstack([state["features"], fresh])
        segments = np.concatenate([state["segments"], segment])
        scored = self._members(features, segments)
        raw = np.column_stack([score for score, _ in scored])[before:]
        strange = np.concatenate([state["strange"], self._strange(features, segments, before)])
        units = np.vstack([state["units"], self._said(raw, strange, segments)])
        ranking = ranked(units[:, : len(self.deciding)], segments, self.ranking)[before:]
        deciding = self.weighed(self.spanned(units, segments, self.span)[before:])
        over = deciding > self.limit
        smooth = self.spanned(units, segments, HOLDING_SPAN)[before:]
        held = self.weighed(smooth) > HOLDING_SHARE * self.limit
        goes_on = bool(len(segment)) and bool(segment[0] == state["segment"])
        begins = (deciding > self.peak_limit) | twice(over, segment, before=bool(state["is_over"]) or not goes_on)
        alarm = holding(begins, held, segment, goes_on=goes_on and bool(state["is_alarm"]))
        beyond = self.extremes.beyond(readings, steady)
        far: Booleans = np.logical_or.reduce(beyond, axis=1)
        drifts, told, drift = self.drifting.alarms(deviations, steady, self.levels, segment, state, goes_on=goes_on)
        anyway = drifts | twice(far, segment, before=bool(state["is_far"]) or not goes_on)
        anomaly = np.where(missing.all(axis=1), np.nan, two_tiers(alarm | anyway, ranking, self.limit))
        contribution = _contribution([share[before:] for _, share in scored], self._weights(smooth), missing)
        told += beyond
        led = told.any(axis=1)
        contribution[led] = (contribution[led] + told[led] / told[led].sum(axis=1)[:, None]) / 2
        keep = max(len(segments) - REACH_ROWS, 0)
        kept = {
            "features": features[keep:],
            "units": units[keep:],
            "segments": segments[keep:],
            "strange": strange[keep:],
        }
        ends = {"segment": segment, "is_over": over, "is_alarm": alarm, "is_far": far}
        last = {name: values[-1:].reshape(()) for name, values in ends.items()} if len(segment) else {}
        scores = Scores(anomaly, contribution, steady.astype(np.float32), anyway)
        return scores, units[before:], {**state, **kept, **last, **levels, **drift}

    def _features(self, deviations: Floats, segment: Integers, state: State) -> tuple[Floats, Floats, State]:
        """(n_rows, n_views * n_sensors): what each view sees, the steadied deviations, and the state of the levels."""
        steady, levels = self.levels.steadied(deviations, segment, state)
        missing = np.isnan(deviations)
        seen = (np.where(self.levels.is_free, steady, deviations), steady)
        views = zip(self.views, seen, strict=False)
        return np.hstack([view.imputing.completed(values, missing) for view, values in views]), steady, levels

    def _strange(self, features: Floats, segments: Integers, before: int) -> Booleans:
        """(n_rows,): which of the rows after the first `before` are in no known mode."""
        if self.familiar is None:
            return np.zeros(len(segments) - before, bool)
        first = max(before - 2**DOUBLINGS, 0)
        seen = features[first:, : self.n_sensors]
        return self.familiar.modes.strange(seen, segments[first:])[before - first :]

    def _said(self, raw: Floats, strange: Booleans, segments: Integers) -> Floats:
        """(n_rows, n_units): what members say of the rows that `raw` (n_rows, n_members) is of, the last ones."""
        said = self.calibration.units(raw)
        if self.familiar is None:
            return said
        known = settled(strange, segments)[len(segments) - len(raw) :]
        return np.column_stack([said, self.familiar.calibration.units(raw), known])

    def _members(self, features: Floats, segment: Integers) -> list[Scored]:
        """What each member says; of many readings several members at once, each on a thread of its own."""
        seen = np.split(features, len(self.views), axis=1)
        tasks = [(member, values) for view, values in zip(self.views, seen, strict=True) for member in view.members]
        if features.size < SHARED_CELLS_MIN:
            return [member.score(values, segment) for member, values in tasks]
        with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
            return list(threads.map(lambda task: task[0].score(task[1], segment), tasks))


def two_tiers(alarm: Booleans, ranking: Floats, limit: float) -> Floats:
    """(n_rows,): scores that are over 0.5 exactly in alarms, also with the five digits that results files show."""
    rank = ranking / (ranking + limit) / 2
    return np.where(alarm, np.maximum(np.round(0.5 + rank, 5), 0.50001), np.minimum(np.round(rank, 5), 0.5))


def decided(units: Floats, weights: Floats) -> Floats:
    """(n_rows,): the weighted power mean of members, of exponent a half: several must say it, none can veto."""
    scores: Floats = times(np.sqrt(FLOOR + units), weights[:, None])[:, 0] ** 2
    return scores


def spanned(units: Floats, segment: Integers, span: int) -> Floats:
    """(n_rows, n_members): what members say of the last rows, of one row as it is."""
    return units if span == 1 else smoothed(units, segment, span)


def ranked(units: Floats, segment: Integers, weights: Floats) -> Floats:
    """(n_rows,): the weighted mean of members, each smoothed over all spans."""
    smooth = np.hstack([smoothed(units, segment, span) for span in RANKING_SPANS])
    n = len(RANKING_SPANS)
    scores: Floats = times(smooth, np.tile(weights / n, n)[:, None])[:, 0]
    return scores


def _contribution(shares: list[Floats | Singles], weights: Floats, missing: Booleans) -> Floats:
    """Mix the members' shares by what each member says; a sensor without a reading has none."""
    total = np.empty(missing.shape)
    weighty = np.flatnonzero(weights.any(axis=0))
    # Block by block all the way: the caches hold a block of what all members say, not all rows.
    for first in range(0, len(missing), BLOCK_ROWS):
        rows = slice(first, first + BLOCK_ROWS)
        total[rows] = _mixed([shares[k][rows] for k in weighty], weights[rows][:, weighty], missing[rows])
    return total


def _mixed(shares: list[Floats | Singles], weights: Floats, missing: Booleans) -> Floats:
    total = np.zeros(missing.shape)
    for k, share in enumerate(shares):
        present = np.where(missing, 0.0, share)
        sums = present.sum(axis=1, keepdims=True)
        total += weights[:, [k]] * np.divide(present, sums, out=np.zeros_like(present), where=sums > 0)
    nobody = ~(total.sum(axis=1) > 0)
    total[nobody] = ~missing[nobody]
    sums = total.sum(axis=1, keepdims=True)
    np.divide(total, sums, out=total, where=sums > 0)
    return total
