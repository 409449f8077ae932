"""The detector: an ensemble of normal models, each calibrated on held-out blocks of training, and one limit.

No single model is best on every machine; cheap models that are calibrated alike and averaged never fail badly
(docs/detection.md has the figures). The limit comes from whole held-out blocks, not from rows: neighbouring rows repeat
each other, blocks tell how normal differs from one time to another.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Scores, State
from openlookout.detection.gaussian import Gaussian
from openlookout.detection.members import REACH_ROWS, Member
from openlookout.detection.rows import smoothed, times
from openlookout.detection.scaling import Scaling

SPANS = (8, 32)
# Added before the logarithm: a member that sees nothing must not veto the others.
FLOOR = 0.05
CHUNK_ROWS = 8192


@dataclass(frozen=True)
class Ensemble:
    """A fitted detector. `calibration` (n_members,): the score of each member that counts 1; `limit`: of the whole."""

    scaling: Scaling
    imputing: Gaussian
    members: tuple[Member, ...]
    calibration: Floats
    limit: float

    @property
    def n_sensors(self) -> int:
        return len(self.scaling.center)

    def score(self, readings: Floats, segment: Integers, state: State | None = None) -> tuple[Scores, State]:
        state = self._fresh() if state is None else state
        anomaly, contribution = np.full(len(readings), np.nan), np.zeros((len(readings), self.n_sensors))
        for first in range(0, len(readings), CHUNK_ROWS):
            rows = slice(first, first + CHUNK_ROWS)
            anomaly[rows], contribution[rows], state = self._chunk(readings[rows], segment[rows], state)
        return Scores(anomaly, contribution), state

    def _fresh(self) -> State:
        return {
            "features": np.empty((0, self.n_sensors)),
            "units": np.empty((0, len(self.members))),
            "segments": np.empty(0, np.int64),
            "segment": np.array(-1),
        }

    def _chunk(self, readings: Floats, segment: Integers, state: State) -> tuple[Floats, Floats, State]:
        missing = np.isnan(readings)
        before = len(state["segments"])
        features = np.vstack([state["features"], self.features(readings)])
        segments = np.concatenate([state["segments"], segment])
        scored = [member.score(features, segments) for member in self.members]
        fresh = calibrated(np.column_stack([score for score, _ in scored]), self.calibration)[before:]
        units = np.vstack([state["units"], fresh])
        combined, weights = combine(units, segments)
        empty = missing.all(axis=1)
        anomaly = np.where(empty, np.nan, rounded(combined[before:] / (combined[before:] + self.limit)))
        contribution = _contribution([share[before:] for _, share in scored], weights[before:], missing)
        keep = max(len(segments) - REACH_ROWS, 0)
        return (
            anomaly,
            contribution,
            {
                "features": features[keep:],
                "units": units[keep:],
                "segments": segments[keep:],
                "segment": np.array(segments[-1]) if len(segments) else state["segment"],
            },
        )

    def features(self, readings: Floats) -> Floats:
        """(n_rows, n_sensors): deviations, with what the other sensors let expect where there is no reading."""
        return self.imputing.completed(self.scaling.deviations(readings), np.isnan(readings))


def calibrated(raw: Floats, calibration: Floats) -> Floats:
    """Member scores on one scale: 1 is high for training; beyond, logarithmic. NaN becomes 0."""
    ratio = np.nan_to_num(raw, nan=0.0) / calibration
    return np.where(ratio > 1, 1 + np.log(np.maximum(ratio, 1)), ratio)


def combine(units: Floats, segment: Integers) -> tuple[Floats, Floats]:
    """Give (n_rows,) the geometric mean of all members at all spans; (n_rows, n_members) how much each one says."""
    at_spans = [smoothed(units, segment, span) for span in SPANS]
    logarithms = np.hstack([np.log(FLOOR + values) for values in at_spans])
    n = logarithms.shape[1]
    return np.exp(times(logarithms, np.full((n, 1), 1 / n))[:, 0]), at_spans[0]


def rounded(anomaly: Floats) -> Floats:
    """The score as results files show it: five digits, and none that rounding lifts to or over the limit of 0.5."""
    out = np.round(anomaly, 5)
    return np.where((anomaly > 0.5) & (out <= 0.5), 0.50001, out)


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
