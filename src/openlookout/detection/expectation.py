"""What to expect of each sensor, and how normal rows differ from it: learned with a detector, asked about its events.

Rows are deviations in robust sigmas without the slow levels of sensors that wander, as `Scores.steady` has them. What
is expected of a sensor is what the others let expect (a Gaussian model of normal rows); sensors under suspicion can be
masked, so that a broken one does not bend what is expected of the rest. Bands come from held-out blocks.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Singles
from openlookout.detection.gaussian import Gaussian, fit_gaussian
from openlookout.detection.scaling import CLIP_SIGMAS, Scaling, soft_clipped
from openlookout.detection.signatures import usual_move

# A band holds this share of the held-out normal readings of its sensor.
BAND_SHARE = 0.99
BAND_SIGMAS = 2.576  # Half the width of such a band of a normal distribution.
SPREAD_MIN = 0.02
SEEN_QUANTILE = 0.001
KNOWN_ROWS = 256
KNOWN_QUANTILE = 0.995
# Further away than this a reading says no more, and its square still has digits.
FAR = 1e6


@dataclass(frozen=True)
class Expectation:
    """Learned arrays, (n_sensors,) where nothing is said.

    `low`, `high`: the band around what is expected, BAND_SHARE of held-out rows in it; `spread`: its half width in
    sigmas of a normal distribution. `explained`: the share of a sensor's variance that the others tell. `step`: its
    usual move from row to row. `flat_rows`: the longest run of an unchanged reading. `seen_low`, `seen_high`: where it
    was. `known` (m, n_sensors): normal rows; `known_distance`: how far a held-out row hardly is from the nearest.
    """

    gaussian: Gaussian
    low: Floats
    high: Floats
    spread: Floats
    explained: Floats
    step: Floats
    flat_rows: Floats
    seen_low: Floats
    seen_high: Floats
    known: Floats
    known_distance: float

    def expected(self, rows: Floats, unknown: Booleans) -> tuple[Floats, Floats]:
        """Give what the known sensors let expect, of each known one what the other known ones do, (n_rows, n_sensors).

        And how many times wider the band is than where all others are known.
        """
        return _expected(self.gaussian, rows, unknown)

    def far(self, rows: Floats) -> Floats:
        """(n_rows,): the distance from the nearest normal row, in those that held-out rows hardly exceed."""
        return _nearest(rows, self.known) / self.known_distance


def fit_expectation(
    steady: Floats,
    readings: Floats,
    segment: Integers,
    *,
    use: Booleans,
    blocks: list[Integers],
    is_constant: Booleans,
) -> Expectation:
    """Learn from the rows in `use`, each block of them once held out; `steady` and `readings` (n_rows, n_sensors)."""
    n_sensors = steady.shape[1]
    missing = np.isnan(steady)
    values = np.where(missing, 0.0, steady)
    residuals = np.full(steady.shape, np.nan)
    distances = []
    for block in blocks:
        others = use.copy()
        others[block] = False
        held = fit_gaussian(values[others])
        residuals[block] = steady[block] - _expected(held, steady[block], missing[block])[0]
        remembered = values[_thinned(np.flatnonzero(others), KNOWN_ROWS)]
        distances.append(_nearest(values[_thinned(block, KNOWN_ROWS)], remembered))
    low, high, spread, explained = (np.zeros(n_sensors) for _ in range(4))
    seen_low, seen_high = np.zeros(n_sensors), np.zeros(n_sensors)
    for k in np.flatnonzero(~missing[use].all(axis=0)):
        off, was = residuals[use, k], steady[use, k]
        off, was = off[~np.isnan(off)], was[~np.isnan(was)]
        low[k], high[k] = np.quantile(off, [(1 - BAND_SHARE) / 2, (1 + BAND_SHARE) / 2])
        explained[k] = 1 - min(off.var() / max(was.var(), 1e-12), 1.0)
        seen_low[k], seen_high[k] = np.quantile(was, [SEEN_QUANTILE, 1 - SEEN_QUANTILE])
    low, high = np.where(is_constant, 0.0, low), np.where(is_constant, 0.0, high)
    spread = np.maximum((high - low) / 2 / BAND_SIGMAS, SPREAD_MIN)
    known = values[_thinned(np.flatnonzero(use), KNOWN_ROWS)]
    limit = max(float(np.quantile(np.concatenate(distances), KNOWN_QUANTILE)), 1e-6)
    step = _steps(steady, segment, use)
    flat = _flat_rows(readings, segment, use)
    return Expectation(
        fit_gaussian(values[use]), low, high, spread, explained, step, flat, seen_low, seen_high, known, limit
    )


def raw_rows(readings: Floats, steady: Singles, scaling: Scaling) -> tuple[Floats, Floats]:
    """Give rows as in `steady` but not clipped, and the slow level that was taken off: NaN only in the rows."""
    raw = (readings - scaling.center) / scaling.scale
    level = np.where(scaling.is_constant, 0.0, carried(soft_clipped(raw) - steady))
    return np.where(scaling.is_constant, steady.astype(np.float64), np.clip(raw - level, -FAR, FAR)), level


def carried(values: Floats) -> Floats:
    """Where there is no value the one before it in the column, or 0."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    row = np.where(missing, 0, np.arange(len(values))[:, None])
    return np.nan_to_num(np.take_along_axis(values, np.maximum.accumulate(row, axis=0), axis=0), nan=0.0)


def in_units(rows: Floats, level: Floats, scaling: Scaling) -> Floats:
    """Rows and their slow level as readings."""
    return scaling.center + np.where(scaling.is_constant, 0.0, scaling.scale * (rows + level))


def _expected(gaussian: Gaussian, rows: Floats, unknown: Booleans) -> tuple[Floats, Floats]:
    """Each group of rows in which the same sensors are unknown at once."""
    mean, precision = gaussian.mean, gaussian.precision
    whole = np.diag(precision)
    expected, wider = np.empty_like(rows), np.empty_like(rows)
    _, first, group = np.unique(np.packbits(unknown, axis=1), axis=0, return_index=True, return_inverse=True)
    group = group.ravel()
    for number, row in enumerate(first):
        hidden = np.flatnonzero(unknown[row])
        mine = slice(None) if len(first) == 1 else group == number
        off = np.where(unknown[mine], 0.0, rows[mine] - mean)
        weight = whole.copy()
        if len(hidden):
            inverse = np.linalg.inv(precision[np.ix_(hidden, hidden)])
            within = inverse @ precision[hidden]
            off[:, hidden] = -(off @ within.T)
            weight -= (precision[:, hidden] * within.T).sum(axis=1)
            weight[hidden] = 1 / np.diag(inverse)
        told = (off @ precision) / weight
        told[:, hidden] = 0.0
        expected[mine] = off - told + mean
        wider[mine] = np.sqrt(np.maximum(whole / weight, 1.0))
    return expected, wider


def _thinned(rows: Integers, n_max: int) -> Integers:
    return rows[np.linspace(0, len(rows) - 1, min(n_max, len(rows))).astype(np.int64)]


def _nearest(rows: Floats, known: Floats) -> Floats:
    clipped = np.clip(rows, -2 * CLIP_SIGMAS, 2 * CLIP_SIGMAS)
    squares = (clipped**2).sum(axis=1)[:, None] + (known**2).sum(axis=1) - 2 * clipped @ known.T
    distances: Floats = np.sqrt(np.maximum(squares.min(axis=1), 0) / rows.shape[1])
    return distances


def _steps(steady: Floats, segment: Integers, use: Booleans) -> Floats:
    """(n_sensors,): the usual move from row to row."""
    follows = (segment[1:] == segment[:-1]) & use[1:] & use[:-1]
    moves = np.diff(steady, axis=0)[follows]
    usual = [usual_move(column) or 0.0 for column in moves.T]
    steps: Floats = np.maximum(np.array(usual), SPREAD_MIN / 10)
    return steps


def _flat_rows(readings: Floats, segment: Integers, use: Booleans) -> Floats:
    """(n_sensors,): the longest run of an unchanged reading, in rows."""
    out = np.zeros(readings.shape[1])
    follows = (segment[1:] == segment[:-1]) & use[1:] & use[:-1]
    for k, column in enumerate(readings.T):
        same = np.r_[False, (column[1:] == column[:-1]) & follows]
        ends = np.flatnonzero(~same)
        out[k] = np.diff(np.r_[ends, len(column)]).max() if len(ends) else len(column)
    return out
