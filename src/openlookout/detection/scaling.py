"""Readings -> deviations in robust sigmas, soft-clipped.

A sensor that was constant in training has no sigma: any move away from its value counts as a fixed, large deviation.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats

CLIP_SIGMAS = 10.0
MOVED_SIGMAS = 6.0
# A reading is the constant if it differs by less than this share of it: what storing as text or float32 changes.
CONSTANT_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Scaling:
    """Learned centres and scales, each (n_sensors,)."""

    center: Floats
    scale: Floats
    is_constant: Booleans

    def deviations(self, readings: Floats) -> Floats:
        """(n_rows, n_sensors) in robust sigmas, soft-clipped; NaN where there is no reading."""
        off = readings - self.center
        deviations = soft_clipped(off / self.scale)
        if self.is_constant.any():
            off = off[:, self.is_constant]
            has_moved = np.abs(off) > CONSTANT_TOLERANCE * np.maximum(np.abs(self.center[self.is_constant]), 1e-30)
            moved = np.where(has_moved, np.sign(off) * MOVED_SIGMAS, 0.0)
            deviations[:, self.is_constant] = np.where(np.isnan(off), np.nan, moved)
        return deviations


def fit_scaling(readings: Floats) -> Scaling:
    """Learn from normal rows in time order."""
    with np.errstate(all="ignore"):
        center = np.nanmedian(readings, axis=0)
        mad = np.nanmedian(np.abs(readings - center), axis=0)
        low, high = np.nanquantile(readings, [0.05, 0.95], axis=0)
        deviation = np.nanstd(readings, axis=0)
    scale = np.fmax(np.fmax(1.4826 * mad, (high - low) / 3.29), 0.1 * deviation)
    center = np.nan_to_num(center)
    spread = np.nanmax(np.abs(np.nan_to_num(readings, nan=0.0) - center) * ~np.isnan(readings), axis=0, initial=0.0)
    is_constant = spread <= CONSTANT_TOLERANCE * np.maximum(np.abs(center), 1e-30)
    scale = np.where(is_constant | ~(scale > 0), 1.0, scale)
    return Scaling(center, scale, is_constant)


def soft_clipped(sigmas: Floats) -> Floats:
    """Linear up to ten sigmas, logarithmic beyond: one broken sensor does not drown the others."""
    clipped = sigmas.copy()
    far = np.abs(sigmas) > CLIP_SIGMAS
    clipped[far] = np.sign(sigmas[far]) * (CLIP_SIGMAS + np.log1p(np.abs(sigmas[far]) - CLIP_SIGMAS))
    return clipped
