"""The detector: an ensemble of normal models, each calibrated on held-out blocks of training, and one limit.

No single model is best on every machine; cheap models that are calibrated alike and averaged never fail badly
(docs/detection.md has the figures). The limit comes from whole held-out blocks, not from rows: neighbouring rows repeat
each other, blocks tell how normal differs from one time to another.

Two questions, two answers: *does it alarm* is decided by members that proved steady, with the slow levels of wandering
sensors taken off; *how unusual is it*, which orders rows within alarms and within the others, by all that see levels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Scores, State
from openlookout.detection.expectation import Expectation
from openlookout.detection.gaussian import Gaussian
from openlookout.detection.levels import Levels
from openlookout.detection.members import REACH_ROWS, Member, Scored
from openlookout.detection.rows import smoothed, times
from openlookout.detection.scaling import Scaling

SPANS = (8, 32)
# Added before the logarithm: a member that sees nothing must not veto the others.
FLOOR = 0.05
CHUNK_ROWS = 8192


@dataclass(frozen=True)
class View:
    """Deviations as a group of members sees them: `imputing` says what to expect where there is no reading."""

    imputing: Gaussian
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Ensemble:
    """A fitted detector.

    `views`: deviations with the levels of wandering sensors, and, where any wanders, without. Over the members of all
    views, (n_members,): `calibration`, the score that counts 1; `deciding`, the weights of who decides, summing to 1.
    `limit`: what the deciding score exceeds in an alarm. `expectation`: what events are explained with.
    """

    scaling: Scaling
    levels: Levels
    views: tuple[View, ...]
    calibration: Floats
    deciding: Floats
    limit: float
    expectation: Expectation

    @property
    def n_sensors(self) -> int:
        return len(self.scaling.center)

    @property
    def ranking(self) -> Floats:
        """(n_members,): the weights of who orders rows, summing to 1: the members that see levels, all alike."""
        n = len(self.views[0].members)
        weights = np.zeros(len(self.calibration))
        weights[:n] = 1 / n
        return weights

    def score(self, readings: Floats, segment: Integers, state: State | None = None) -> tuple[Scores, State]:
        state = self._fresh() if state is None else state
        anomaly, contribution = np.full(len(readings), np.nan), np.zeros((len(readings), self.n_sensors))
        steady = np.empty(readings.shape, np.float32)
        for first in range(0, len(readings), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            chunk, state = self._chunk(readings[rows], segment[rows], state)
            anomaly[rows], contribution[rows], steady[rows] = chunk.anomaly, chunk.contribution, chunk.steady
        return Scores(anomaly, contribution, steady), state

    def _fresh(self) -> State:
        return {
            "features": np.empty((0, len(self.views) * self.n_sensors)),
            "units": np.empty((0, len(self.calibration))),
            "segments": np.empty(0, np.int64),
            "segment": np.array(-1),
            **self.levels.fresh(),
        }

    def _chunk(self, readings: Floats, segment: Integers, state: State) -> tuple[Scores, State]:
        missing = np.isnan(readings)
        before = len(state["segments"])
        fresh, steady, levels = self._features(readings, segment, state)
        features = np.vstack([state["features"], fresh])
        segments = np.concatenate([state["segments"], segment])
        scored = list(self._members(features, segments))
        units = calibrated(np.column_stack([score for score, _ in scored]), self.calibration)[before:]
        units = np.vstack([state["units"], units])
        weights = np.column_stack([self.deciding, self.ranking])
        combined, told = combine(units, segments, weights)
        deciding, ranking = combined[before:].T
        anomaly = np.where(missing.all(axis=1), np.nan, two_tiers(deciding > self.limit, ranking, self.limit))
        shares = [share[before:] for _, share in scored]
        contribution = _contribution(shares, told[before:] * self.deciding, missing)
        keep = max(len(segments) - REACH_ROWS, 0)
        kept = {"features": features[keep:], "units": units[keep:], "segments": segments[keep:]}
        last = np.array(segments[-1]) if len(segments) else state["segment"]
        return Scores(anomaly, contribution, steady.astype(np.float32)), {**kept, "segment": last, **levels}

    def _features(self, readings: Floats, segment: Integers, state: State) -> tuple[Floats, Floats, State]:
        """(n_rows, n_views * n_sensors): what each view sees, the steadied deviations, and the state of the levels."""
        deviations = self.scaling.deviations(readings)
        steady, levels = self.levels.steadied(deviations, segment, state)
        missing = np.isnan(readings)
        seen = (np.where(self.levels.is_free, steady, deviations), steady)
        views = zip(self.views, seen, strict=False)
        return np.hstack([view.imputing.completed(values, missing) for view, values in views]), steady, levels

    def _members(self, features: Floats, segment: Integers) -> Iterator[Scored]:
        for view, values in zip(self.views, np.split(features, len(self.views), axis=1), strict=True):
            for member in view.members:
                yield member.score(values, segment)


def two_tiers(alarm: Booleans, ranking: Floats, limit: float) -> Floats:
    """(n_rows,): scores that are over 0.5 exactly in alarms, also with the five digits that results files show."""
    rank = ranking / (ranking + limit) / 2
    return np.where(alarm, np.maximum(np.round(0.5 + rank, 5), 0.50001), np.minimum(np.round(rank, 5), 0.5))


def calibrated(raw: Floats, calibration: Floats) -> Floats:
    """Member scores on one scale: 1 is high for training; beyond, logarithmic. NaN becomes 0."""
    ratio = np.nan_to_num(raw, nan=0.0) / calibration
    return np.where(ratio > 1, 1 + np.log(np.maximum(ratio, 1)), ratio)


def combine(units: Floats, segment: Integers, weights: Floats) -> tuple[Floats, Floats]:
    """Give (n_rows, k) the weighted geometric means of members over all spans, for weights (n_members, k).

    And (n_rows, n_members) how much each member says.
    """
    at_spans = [smoothed(units, segment, span) for span in SPANS]
    logarithms = np.hstack([np.log(FLOOR + values) for values in at_spans])
    return np.exp(times(logarithms, np.tile(weights / len(SPANS), (len(SPANS), 1)))), at_spans[0]


def _contribution(shares: list[Floats], weights: Floats, missing: Booleans) -> Floats:
    """Mix the members' shares by what each member says; a sensor without a reading has none."""
    total = np.zeros_like(shares[0])
    for k, share in enumerate(shares):
        present = np.where(missing, 0.0, share)
        sums = present.sum(axis=1, keepdims=True)
        total += weights[:, [k]] * np.divide(present, sums, out=np.zeros_like(present), where=sums > 0)
    nobody = ~(total.sum(axis=1) > 0)
    total[nobody] = ~missing[nobody]
    sums = total.sum(axis=1, keepdims=True)
    np.divide(total, sums, out=total, where=sums > 0)
    return total
