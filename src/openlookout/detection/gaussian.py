"""Gaussian models of normal rows: a shrunk covariance, distances from it, and what to expect of a missing sensor."""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats
from openlookout.detection.rows import row_sums, times

IMPUTING_ROUNDS = 5


@dataclass(frozen=True)
class Gaussian:
    """Mean (d,) and precision (d, d) of d features."""

    mean: Floats
    precision: Floats

    def residuals(self, features: Floats) -> Floats:
        """(n_rows, d): how far each feature is from what the others let expect, in its own conditional sigmas.

        (P x)_i / sqrt(P_ii) is the residual of the regression of feature i on all others, standardised.
        """
        weights: Floats = self.precision / np.sqrt(np.diag(self.precision))
        return times(features - self.mean, weights)

    def distances(self, features: Floats, residuals: Floats) -> Floats:
        """(n_rows,): squared Mahalanobis distance, a feature."""
        weighted = (features - self.mean) * residuals * np.sqrt(np.diag(self.precision))
        distances: Floats = np.maximum(row_sums(weighted), 0) / features.shape[1]
        return distances

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
