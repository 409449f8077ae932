"""Slow levels of sensors that wander: what is left of a deviation when the sensor's own slow level is taken off.

A sensor that wandered in training will be where it never was, without a fault; only what it does beside its wandering
is evidence. Its level is followed causally, row by row, and is the one thing that a detector remembers for longer than
its windows. Knows one sensor at a time; relations between sensors are the members' business.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, State

# Means of this many stretches of training; how much of all variance they carry tells how much a sensor wanders.
STRETCHES = 8
STATIONARY_SHARE, WANDERING_SHARE = 0.05, 0.20
# The level follows with this share of the training rows as its span.
SPAN_SHARE = 1 / 20
SPAN_ROWS_MIN = 8
# Beyond so many usual deviations the level nearly stands: a fault must not become the new level at once.
FAR_SPREADS = 8.0
SPREAD_MIN = 0.1
CREEP = 0.02
# Where a sensor stays far away, it is taken for a new level: soon if training knew it or it was there before, after a
# quarter of the length of training otherwise.
KNOWN_SPANS, UNKNOWN_SPANS = 1 / 8, 5.0
EDGE_QUANTILE = 0.005

STATE = ("level", "candidate", "rows_away", "left_level", "is_settled", "level_segment")


@dataclass(frozen=True)
class Levels:
    """Learned of each sensor, arrays (n_sensors,).

    `weight`: 0 stationary to 1 wandering, the share of the level that is taken off. `spread`: its usual deviation from
    its level. `low`, `high`: where its level was in training; `is_free`: it may start a segment anywhere, as a sensor
    that was constant may: only its moving is evidence.
    """

    weight: Floats
    spread: Floats
    low: Floats
    high: Floats
    is_free: Booleans
    span: int

    @property
    def any_wanders(self) -> bool:
        """Whether a sensor that was not constant has a level that is taken off."""
        return bool(((self.weight > 0) & ~self.is_free).any())

    @property
    def far(self) -> Floats:
        """(n_sensors,): how far from its level a sensor is far away."""
        far: Floats = FAR_SPREADS * self.spread
        return far

    def fresh(self) -> dict[str, np.ndarray]:
        """The state before the first row: of the sensors with a weight, in their order."""
        n = int((self.weight > 0).sum())
        return {
            "level": np.zeros(n),
            "candidate": np.zeros(n),
            "rows_away": np.zeros(n),
            "left_level": np.full(n, np.nan),
            "is_settled": np.zeros(n, bool),
            "level_segment": np.array(-1),
        }

    def steadied(self, deviations: Floats, segment: Integers, state: State) -> tuple[Floats, dict[str, np.ndarray]]:
        """Give the deviations (n_rows, n_sensors) without their slow levels, and the state after the last row.

        A new segment starts at its first reading, as far as that lies where training, or an accepted level, was.
        """
        out = deviations.copy()
        which = np.flatnonzero(self.weight > 0)
        if not len(which):
            return out, {name: np.asarray(state[name]) for name in STATE}
        level, candidate, away, left = (np.asarray(state[name], np.float64) for name in STATE[:4])
        settled, last = np.asarray(state["is_settled"], np.bool_), int(state["level_segment"])
        weight, low, high, is_free = self.weight[which], self.low[which], self.high[which], self.is_free[which]
        far_limit = self.far[which]
        known_low, known_high = low - far_limit, high + far_limit
        follow, hurry = 2 / (self.span + 1), 2 / (self.span * KNOWN_SPANS + 1)
        moving = deviations[:, which]
        present = ~np.isnan(moving)
        is_whole = np.logical_and.reduce(present, axis=1)
        is_settled = bool(settled.all())
        for row, x in enumerate(moving):
            if segment[row] != last:
                settled, is_settled, last = np.zeros_like(settled), False, int(segment[row])
            if is_settled and is_whole[row]:
                # What the general case comes to, to the bit, in nearly all rows: no time for more.
                off = x - level
                far = np.abs(off) > far_limit
                if not far.any():
                    candidate = candidate + hurry * (x - candidate)
                    away = np.zeros_like(away)
                    level = level + follow * off
                    moving[row] = x - weight * (x - off)
                    continue
            has = present[row]
            if not is_settled:
                begins = has & ~settled
                start = np.where(is_free, x, np.clip(x, np.minimum(low, level), np.maximum(high, level)))
                level, candidate = np.where(begins, start, level), np.where(begins, x, candidate)
                settled = settled | has
                is_settled = bool(settled.all())
            off = np.where(has, x - level, 0.0)
            far = np.abs(off) > far_limit
            candidate = np.where(has, candidate + hurry * (x - candidate), candidate)
            away = np.where(has, np.where(far, away + 1, 0.0), away)
            level = level + np.where(far, CREEP * follow, follow) * off
            if far.any():
                is_known = (candidate >= known_low) & (candidate <= known_high)
                is_known |= np.abs(candidate - left) <= far_limit
                needed = np.where(is_known, KNOWN_SPANS, UNKNOWN_SPANS) * self.span
                accepted = far & (away >= needed)
                # What became a level only because it lasted is not remembered: such a fault must alarm again.
                remembered = np.where(is_known, np.where(np.isinf(left), np.nan, level), np.inf)
                left = np.where(accepted, remembered, left)
                level, away = np.where(accepted, candidate, level), np.where(accepted, 0.0, away)
            moving[row] = x - weight * (x - off)
        out[:, which] = moving
        return out, dict(zip(STATE, (level, candidate, away, left, settled, np.array(last)), strict=True))


def fit_levels(rows: Floats, segment: Integers, is_constant: Booleans, n_rows_whole: int) -> Levels:
    """Learn from normal deviations (n_rows, n_sensors), NaN where there is no reading.

    `n_rows_whole`: how many normal rows there are, where these are a sample of them.
    """
    span = max(int(n_rows_whole * SPAN_SHARE), SPAN_ROWS_MIN)
    weight = np.clip((_wandering(rows) - STATIONARY_SHARE) / (WANDERING_SHARE - STATIONARY_SHARE), 0, 1)
    weight = np.where(is_constant, 1.0, weight)
    low, high = _columns(rows, EDGE_QUANTILE), _columns(rows, 1 - EDGE_QUANTILE)
    n = rows.shape[1]
    anywhere = Levels(np.ones(n), np.full(n, np.inf), low, high, np.zeros(n, bool), span)
    left, _ = anywhere.steadied(rows, segment, anywhere.fresh())
    spread = np.fmax(1.4826 * _columns(np.abs(left), 0.5), 0.3 * _deviation(left))
    return Levels(weight, np.maximum(spread, SPREAD_MIN), low, high, is_constant.copy(), span)


def _wandering(rows: Floats) -> Floats:
    """(n_sensors,): the variance of the means of stretches over the variance of all."""
    means = np.array([_mean(stretch) for stretch in np.array_split(rows, STRETCHES)])
    whole = _deviation(rows) ** 2
    share: Floats = np.divide(means.var(axis=0), whole, out=np.zeros_like(whole), where=whole > 0)
    return share


def _columns(rows: Floats, quantile: float) -> Floats:
    """(n_sensors,): a quantile of the readings of each sensor, 0 where it has none."""
    out = np.zeros(rows.shape[1])
    for k, column in enumerate(rows.T):
        has = column[~np.isnan(column)]
        out[k] = np.quantile(has, quantile) if len(has) else 0.0
    return out


def _mean(rows: Floats) -> Floats:
    """(n_sensors,): the mean of the readings of each sensor, 0 where it has none."""
    count = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
    mean: Floats = np.nansum(rows, axis=0) / count
    return mean


def _deviation(rows: Floats) -> Floats:
    deviation: Floats = np.sqrt(_mean((rows - _mean(rows)) ** 2))
    return deviation
