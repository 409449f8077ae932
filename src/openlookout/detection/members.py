"""The normal models of the ensemble: each learns rows of deviations, and how far a new row is from them.

A member is a frozen dataclass of arrays. Its `score(features, segment)` gives scores (n_rows,), NaN where it cannot
tell (too few rows in the segment), and shares (n_rows, n_sensors), not yet normalised. All look back less than
`REACH_ROWS` rows.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers
from openlookout.detection.gaussian import Gaussian, fit_gaussian
from openlookout.detection.rows import row_sums, shifted, smoothed, times, window_sums

REACH_ROWS = 128
LAGS = 3
LAGGED_DIMENSIONS_MAX = 40
RIDGE = 1e-2
WINDOW_ROWS_MIN = 8
VARIANCE_FLOOR = 1e-3
MEMORY_ROWS = 400
MEMORY_DIMENSIONS_MAX = 30
NEIGHBOURS = 3
RANGE_QUANTILE = 0.001

Scored = tuple[Floats, Floats]


@dataclass(frozen=True)
class Level:
    """Relations between sensors at one moment; `span` 1, or smoothed for small and lasting deviations."""

    gaussian: Gaussian
    span: int

    def score(self, features: Floats, segment: Integers) -> Scored:
        rows = _level_rows(features, segment, self.span)
        residuals = self.gaussian.residuals(rows)
        return self.gaussian.distances(rows, residuals), residuals**2


def fit_level(span: int) -> Callable[[Floats, Integers, Booleans], Level]:
    def fit(features: Floats, segment: Integers, normal: Booleans) -> Level:
        return Level(fit_gaussian(_level_rows(features, segment, span)[normal]), span)

    return fit


def _level_rows(features: Floats, segment: Integers, span: int) -> Floats:
    return features if span == 1 else smoothed(features, segment, span)


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
        residuals = self.gaussian.residuals(errors)
        score = self.gaussian.distances(errors, residuals)
        return np.where(has, score, np.nan), residuals**2 * has[:, None]


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
        rows, has = _window_features(features, segment, self.doublings)
        residuals = self.gaussian.residuals(rows)
        squares = residuals**2 * has[:, None]
        n = features.shape[1]
        return np.where(has, self.gaussian.distances(rows, residuals), np.nan), squares[:, :n] + squares[:, n:]


def fit_windowed(doublings: int) -> Callable[[Floats, Integers, Booleans], Windowed | None]:
    def fit(features: Floats, segment: Integers, normal: Booleans) -> Windowed | None:
        rows, has = _window_features(features, segment, doublings)
        usable = has & normal
        return Windowed(fit_gaussian(rows[usable]), doublings) if usable.sum() >= 2 * rows.shape[1] else None

    return fit


def _window_features(features: Floats, segment: Integers, doublings: int) -> tuple[Floats, Booleans]:
    count = window_sums(np.ones((len(features), 1)), segment, doublings)
    mean = window_sums(features, segment, doublings) / count
    square = window_sums(features**2, segment, doublings) / count
    spread = 0.5 * np.log(np.maximum(square - mean**2, 0) + VARIANCE_FLOOR)
    return np.hstack([mean, spread]), count[:, 0] >= WINDOW_ROWS_MIN


@dataclass(frozen=True)
class Memory:
    """Distance to remembered normal rows: for machines with several modes or bent relations.

    `axes` (n_sensors, k) whitens; `vectors` (m, k) are the memories and `originals` (m, n_sensors) the same unwhitened.
    """

    axes: Floats
    vectors: Floats
    originals: Floats
    span: int

    def score(self, features: Floats, segment: Integers) -> Scored:
        features = _level_rows(features, segment, self.span)
        rows = times(features, self.axes)
        squares = row_sums(rows**2)[:, None] + (self.vectors**2).sum(axis=1) - 2 * times(rows, self.vectors.T)
        nearest = np.argpartition(squares, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        distance = np.maximum(np.take_along_axis(squares, nearest, axis=1), 0).max(axis=1)
        expected = sum(self.originals[nearest[:, k]] for k in range(NEIGHBOURS)) / NEIGHBOURS
        return distance / self.axes.shape[1], (features - expected) ** 2


def fit_memory(seed: int, span: int) -> Callable[[Floats, Integers, Booleans], Memory | None]:
    def fit(features: Floats, segment: Integers, normal: Booleans) -> Memory | None:
        rows = _level_rows(features, segment, span)[normal]
        if len(rows) < 2 * NEIGHBOURS:
            return None
        axes = _principal(rows, MEMORY_DIMENSIONS_MAX)
        axes = axes / np.sqrt((rows @ axes).var(axis=0) + 0.1)
        pick = np.random.default_rng(seed).choice(len(rows), min(MEMORY_ROWS, len(rows)), replace=False)
        originals = rows[np.sort(pick)]
        return Memory(axes, originals @ axes, originals, span)

    return fit


@dataclass(frozen=True)
class Range:
    """How far sensors are outside of all that training showed: `low` and `high`, each (n_sensors,)."""

    low: Floats
    high: Floats
    span: int

    def score(self, features: Floats, segment: Integers) -> Scored:
        features = _level_rows(features, segment, self.span)
        excess = np.maximum(features - self.high, 0) + np.maximum(self.low - features, 0)
        return row_sums(excess**2), excess**2


def fit_range(span: int) -> Callable[[Floats, Integers, Booleans], Range]:
    def fit(features: Floats, segment: Integers, normal: Booleans) -> Range:
        rows = _level_rows(features, segment, span)[normal]
        low, high = np.quantile(rows, [RANGE_QUANTILE, 1 - RANGE_QUANTILE], axis=0)
        return Range(low, high, span)

    return fit


Member = Level | Lagged | Windowed | Memory | Range


def _principal(rows: Floats, n_max: int) -> Floats:
    """(n_sensors, k): the directions of largest variance; all of them, unrotated, where there are few sensors."""
    n = rows.shape[1]
    if n <= n_max:
        return np.eye(n)
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :n_max])
