"""Gaussian models of normal rows: a shrunk covariance, distances from it, and what to expect of a missing sensor."""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Singles
from openlookout.detection.rows import BLOCK_ROWS, padded, row_sums, times

IMPUTING_ROUNDS = 5


@dataclass(frozen=True)
class Gaussian:
    """Mean (d,) and precision (d, d) of d features."""

    mean: Floats
    precision: Floats

    def scored(self, features: Floats) -> tuple[Floats, Singles]:
        """Give squared Mahalanobis distances, a feature, (n_rows,), and squared residuals (n_rows, d).

        Residuals are how far each feature is from what the others let expect, in its own conditional sigmas:
        (P x)_i / sqrt(P_ii) is that of the regression of feature i on all others, standardised.
        """
        sigmas = np.sqrt(np.diag(self.precision))
        # Single precision is half the time, and what it rounds away is far below a sigma.
        weights = (self.precision / sigmas).astype(np.float32)
        distances = np.empty(len(features))
        squares: Singles = np.empty(features.shape, np.float32)
        # Block by block all the way: the caches hold a block, not all rows.
        for first, block in padded(features):
            rows = slice(first, min(first + BLOCK_ROWS, len(features)))
            size = rows.stop - first
            off = block - self.mean
            residuals = off.astype(np.float32) @ weights
            np.square(residuals[:size], out=squares[rows])
            off *= residuals
            off *= sigmas
            distances[rows] = row_sums(off)[:size]
        return np.maximum(distances, 0) / features.shape[1], squares

    def completed(self, features: Floats, missing: Booleans) -> Floats:
        """Put what the other features let expect where there is no reading."""
        gaps = missing.any(axis=1)
        if not gaps.any():
            return features
        out = np.where(missing, self.mean, features)
        rows, where = out[gaps], missing[gaps]
        matrix = self.precision / np.diag(self.precision)
        for _ in range(IMPUTING_ROUNDS):
            rows = np.where(where, rows - times(rows - self.mean, matrix), rows)
        out[gaps] = rows
        return out


def fit_gaussian(features: Floats) -> Gaussian:
    """Mean and inverse of the Ledoit-Wolf covariance (Ledoit and Wolf, J. Multivariate Analysis 88, 2004)."""
    mean = features.mean(axis=0)
    centred = features - mean
    n, d = centred.shape
    covariance = centred.T @ centred / n
    mu = np.trace(covariance) / d
    distance = np.sum((covariance - mu * np.eye(d)) ** 2)
    squares = centred**2
    spread = np.sum(squares.T @ squares / n - covariance**2) / n
    shrinkage = min(spread / distance, 1.0) if distance > 0 else 1.0
    # A floor: features that are copies of each other must not get infinite precision.
    shrinkage = max(shrinkage, 1e-4)
    shrunk = (1 - shrinkage) * covariance + shrinkage * max(mu, 1e-12) * np.eye(d)
    return Gaussian(mean, np.linalg.inv(shrunk))
