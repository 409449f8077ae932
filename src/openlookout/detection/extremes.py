"""Readings far beyond all that training showed: an alarm whatever the members say.

Where training holds a regime that came once, a held-out block that lies in it makes calibration and limit so wide that
members see nothing. A sensor that is several of its own ranges away from every reading of training is wrong all the
same. Knows one sensor at a time.
"""

from dataclasses import dataclass

import numpy as np

from openlookout.detection.contract import Booleans, Floats
from openlookout.detection.scaling import Scaling

# How many ranges of training beyond its ends.
RANGES = 2.0
# A sensor that wanders far away slowly has its level with it: from that it is off by less than this share of the range.
MOVED_SHARE = 0.5
CHUNK_ROWS = 8192


@dataclass(frozen=True)
class Extremes:
    """Arrays (n_sensors,): what a reading must be below or above, and how far, in sigmas, off its slow level."""

    low: Floats
    high: Floats
    moved: Floats

    def beyond(self, readings: Floats, steady: Floats) -> Booleans:
        """(n_rows, n_sensors): which readings are; `steady` are deviations without slow levels."""
        is_out = (readings < self.low) | (readings > self.high)
        is_beyond: Booleans = is_out & (np.abs(steady) > self.moved)
        return is_beyond


def fit_extremes(readings: Floats, normal: Booleans, scaling: Scaling) -> Extremes:
    """Learn from the `normal` rows of all (n_rows, n_sensors). Of constant sensors nothing is beyond."""
    low, high = np.full(readings.shape[1], np.inf), np.full(readings.shape[1], -np.inf)
    for first in range(0, len(readings), CHUNK_ROWS):
        chunk = readings[first : first + CHUNK_ROWS][normal[first : first + CHUNK_ROWS]]
        if len(chunk):
            low, high = np.fmin(low, np.fmin.reduce(chunk, axis=0)), np.fmax(high, np.fmax.reduce(chunk, axis=0))
    knows = np.isfinite(low) & ~scaling.is_constant
    low, high = np.where(knows, low, scaling.center), np.where(knows, high, scaling.center)
    away = RANGES * (high - low)
    moved = MOVED_SHARE * np.diff(scaling.deviations(np.array([low, high])), axis=0)[0]
    return Extremes(np.where(knows, low - away, -np.inf), np.where(knows, high + away, np.inf), moved)
