"""The normal models of the ensemble: each learns rows of deviations, and how far a new row is from them.

A member is a frozen dataclass of arrays. Its `score(features, segment)` gives scores (n_rows,), NaN where it cannot
tell (too few rows in the segment), and shares (n_rows, n_sensors), not yet normalised. All look back less than
`REACH_ROWS` rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers, Singles
from openlookout.detection.gaussian import Gaussian, fit_gaussian
from openlookout.detection.rows import BLOCK_ROWS, counts_below, row_sums, shifted, times, window_sums

REACH_ROWS = 128
LAGS = 3
LAGGED_DIMENSIONS_MAX = 40
RIDGE = 1e-2
WINDOW_ROWS_MIN = 8
VARIANCE_FLOOR = 1e-3
KNOTS_MAX = 1024

Scored = tuple[Floats, Floats | Singles]


@dataclass(frozen=True)
class Level:
    """Relations between sensors at one moment."""

    gaussian: Gaussian

    def score(self, features: Floats, segment: Integers) -> Scored:  # noqa: ARG002  # One row knows no segment.
        return self.gaussian.scored(features)


def fit_level(features: Floats, segment: Integers, normal: Booleans) -> Level:  # noqa: ARG001
    return Level(fit_gaussian(features[normal]))


@dataclass(frozen=True)
class Lagged:
    """What the last rows let expect of the next: sees faults of control loops that no single row shows.

    `projection` (n_sensors, k) and `weights` (LAGS * k, n_sensors) predict a row.
    """

    projection: Floats
    weights: Floats
    gaussian: Gaussian

    def score(self, features: Floats, segment: Integers) -> Scored:
        errors, has = _lag_errors(features, segment, self.projection, self.weights)
        score, squares = self.gaussian.scored(errors)
        return np.where(has, score, np.nan), squares * has[:, None]


def fit_lagged(features: Floats, segment: Integers, normal: Booleans) -> Lagged | None:
    projection = _principal(features[normal], LAGGED_DIMENSIONS_MAX)
    lags, has = _lags(features, segment, projection)
    usable = has & normal
    if usable.sum() < 4 * lags.shape[1]:
        return None
    x, y = lags[usable], features[usable]
    gram = x.T @ x
    weights = np.linalg.solve(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), x.T @ y)
    errors, _ = _lag_errors(features, segment, projection, weights)
    return Lagged(projection, weights, fit_gaussian(errors[usable]))


def _lags(features: Floats, segment: Integers, projection: Floats) -> tuple[Floats, Booleans]:
    projected = times(features, projection)
    lags = [shifted(projected, segment, lag) for lag in range(1, LAGS + 1)]
    return np.hstack([values for values, _ in lags]), lags[-1][1]


def _lag_errors(features: Floats, segment: Integers, projection: Floats, weights: Floats) -> tuple[Floats, Booleans]:
    lags, has = _lags(features, segment, projection)
    return features - times(lags, weights), has


@dataclass(frozen=True)
class Windowed:
    """Mean and spread of each sensor over the last 2**doublings rows: sees a variance that grows or dies."""

    gaussian: Gaussian
    doublings: int

    def score(self, features: Floats, segment: Integers) -> Scored:
        n = features.shape[1]
        scores = np.empty(len(features))
        shares: Singles = np.empty(features.shape, np.float32)
        # Block by block all the way: the caches hold the features of a block, not of all rows.
        for first in range(0, len(features), BLOCK_ROWS):
            rows = slice(first, min(first + BLOCK_ROWS, len(features)))
            before = min(first, 2**self.doublings - 1)
            seen = slice(first - before, rows.stop)
            windows, has = _window_features(features[seen], segment[seen], self.doublings)
            score, squares = self.gaussian.scored(windows[before:])
            scores[rows] = np.where(has[before:], score, np.nan)
            np.add(squares[:, :n], squares[:, n:], out=shares[rows])
            shares[rows][~has[before:]] = 0
        return scores, shares


def fit_windowed(doublings: int) -> Callable[[Floats, Integers, Booleans], Windowed | None]:
    def fit(features: Floats, segment: Integers, normal: Booleans) -> Windowed | None:
        rows, has = _window_features(features, segment, doublings)
        usable = has & normal
        return Windowed(fit_gaussian(rows[usable]), doublings) if usable.sum() >= 2 * rows.shape[1] else None

    return fit


def _window_features(features: Floats, segment: Integers, doublings: int) -> tuple[Floats, Booleans]:
    n = features.shape[1]
    count = window_sums(np.ones((len(features), 1)), segment, doublings)
    out = np.empty((len(features), 2 * n))
    mean = np.divide(window_sums(features, segment, doublings), count, out=out[:, :n])
    variance = window_sums(np.square(features), segment, doublings) / count - np.square(mean)
    np.multiply(np.log(np.maximum(variance, 0) + VARIANCE_FLOOR), 0.5, out=out[:, n:])
    return out, count[:, 0] >= WINDOW_ROWS_MIN


@dataclass(frozen=True)
class Tails:
    """How rare each sensor's value is by itself, whatever its distribution: sees levels that training hardly had.

    `knots` (n_knots, n_sensors): the values of training, sorted, or evenly many of them. The score is the mean over
    sensors of (-log p)**2, p the empirical two-sided tail probability (as in ECOD, Li et al., IEEE TKDE 2022, but
    squared: one rare sensor says more than many that are a little unusual).
    """

    knots: Floats

    def score(self, features: Floats, segment: Integers) -> Scored:  # noqa: ARG002  # One row knows no segment.
        squares = self.surprises(features) ** 2
        return row_sums(squares) / features.shape[1], squares**2  # Squared again: all sensors are always a bit rare.

    def surprises(self, features: Floats) -> Floats:
        """(n_rows, n_sensors): -log of the tail probabilities, at most that of half a knot."""
        n = len(self.knots)
        rarer = np.empty((features.shape[1], len(features)))
        columns = zip(np.ascontiguousarray(self.knots.T), np.ascontiguousarray(features.T), strict=True)
        for sensor, (knots, values) in enumerate(columns):
            below = counts_below(knots, values)
            upto, tied = below, knots[np.minimum(below, n - 1)] == values
            if tied.any():
                upto = below.copy()
                upto[tied] = np.searchsorted(knots, values[tied], "right")
            rarer[sensor] = np.minimum(n - below, upto)
        surprises: Floats = -np.log(np.minimum(2 * np.maximum(rarer, 0.5) / n, 1.0))
        return np.ascontiguousarray(surprises.T)


def fit_tails(features: Floats, segment: Integers, normal: Booleans) -> Tails:  # noqa: ARG001
    values = np.sort(features[normal], axis=0)
    n = len(values)
    return Tails(values if n <= KNOTS_MAX else values[np.linspace(0, n - 1, KNOTS_MAX).round().astype(int)])


Member = Level | Lagged | Windowed | Tails


def _principal(rows: Floats, n_max: int) -> Floats:
    """(n_sensors, k): the directions of largest variance; all of them, unrotated, where there are few sensors."""
    n = rows.shape[1]
    if n <= n_max:
        return np.eye(n)
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :n_max])
