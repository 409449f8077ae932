"""What the readings of a component look like: observed part by part in time order, in one pass and flat memory.

Knows arrays of readings. Knows no files and no counts of the parser: those are joined to it in `quality`.

Most questions are settled within the first part (a value that has risen and fallen is not monotonic); from then on a
sensor costs no more than the slice of its sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.timeseries.quality import CATEGORIES_MAX, DAY_US, GAP_DAYS, Monotonicity
from openlookout.timeseries.sensor_file import TIME

# Times the sensors: what is held of thousands of them at once. A mode of a twentieth still has 200.
SAMPLE_MAX = 4_096
# Relative to its largest magnitude, a value that moves less is static. Ours: "virtually static" has no figure.
STATIC_RANGE = 1e-6
MODE_SHARE_MIN = 0.05
VALLEY_MAX = 0.25
_BINS = 256

Floats = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass
class SensorObservation:
    """What is known of one sensor so far; `observe` takes its readings in time order."""

    start_us: int | None = None
    end_us: int | None = None
    n_gaps: int = 0
    gap_us_max: int = 0
    has_risen: bool = False
    has_fallen: bool = False
    _low: float = np.inf
    _high: float = -np.inf
    _last: float = np.nan
    _categories: set[float] | None = field(default_factory=set)
    _n_read: int = 0
    _stride: int = 1
    _sample: list[Floats] = field(default_factory=list)
    _has_modes: bool | None = None

    def observe(self, times_us: Times, values: Floats, gaps_us: Times | None = None) -> None:
        """Take the next readings: ascending times, no NaN; `gaps_us` are the large gaps within, if they are known."""
        if not len(values):
            return
        self._observe_gaps(times_us, large_gaps(times_us) if gaps_us is None else gaps_us)
        # Short looks first: most values are known to move, and not to be categories, without looking at them all.
        looks = [values[:look] for look in (64, 1000) if look < len(values)] + [values]
        for look in looks:
            if self.has_risen and self.has_fallen and self._is_moving():
                break
            steps = np.diff(look, prepend=look[0] if np.isnan(self._last) else self._last)
            self.has_risen = self.has_risen or bool((steps > 0).any())
            self.has_fallen = self.has_fallen or bool((steps < 0).any())
            self._low, self._high = min(self._low, float(look.min())), max(self._high, float(look.max()))
        self._last = float(values[-1])
        for look in looks:
            if self._categories is None:
                break
            self._categories.update(np.unique(look).tolist())
            if len(self._categories) > CATEGORIES_MAX:
                self._categories = None
        self._sample_some(values)

    def _observe_gaps(self, times_us: Times, gaps_us: Times) -> None:
        first = int(times_us[0])
        if self.start_us is None:
            self.start_us = first
        elif self.end_us is not None and first - self.end_us > GAP_DAYS * DAY_US:
            self.n_gaps += 1
            self.gap_us_max = max(self.gap_us_max, first - self.end_us)
        if len(gaps_us):
            self.n_gaps += len(gaps_us)
            self.gap_us_max = max(self.gap_us_max, int(gaps_us.max()))
        self.end_us = int(times_us[-1])

    def _is_moving(self) -> bool:
        return self._high - self._low > STATIC_RANGE * max(abs(self._high), abs(self._low))

    def _sample_some(self, values: Floats) -> None:
        """Keep every `_stride`-th reading of the whole history, whatever the parts are."""
        self._sample.append(values[-self._n_read % self._stride :: self._stride].copy())
        self._n_read += len(values)
        if sum(map(len, self._sample)) > SAMPLE_MAX:
            kept = np.concatenate(self._sample)
            while len(kept) > SAMPLE_MAX:
                kept, self._stride = kept[::2], self._stride * 2
            self._sample = [kept.copy()]

    @property
    def n_categories(self) -> int | None:
        """The number of different values, None above CATEGORIES_MAX or without readings."""
        return len(self._categories) if self._categories else None

    @property
    def monotonicity(self) -> Monotonicity | None:
        if self.start_us is None:
            return None
        if not self._is_moving():
            return "STATIC"
        if self.has_risen == self.has_fallen:
            return None
        return "INCREASING" if self.has_risen else "DECREASING"

    @property
    def has_operating_modes(self) -> bool:
        """Whether the values gather in ranges apart; to be asked once every reading was observed."""
        if self._has_modes is None:
            self.conclude()
        return bool(self._has_modes)

    def conclude(self) -> None:
        """Answer what takes a while, and keep the answer: every reading was observed."""
        self._has_modes = bool(self._sample) and self._is_moving() and has_modes(np.concatenate(self._sample))


def observe_part(part: pl.DataFrame, sensors: dict[str, SensorObservation]) -> None:
    """Take the next part of a component, of the sensors asked for; its times come after those of the part before."""
    times = part[TIME].to_numpy()
    gaps = large_gaps(times)
    for column in part.iter_columns():
        if column.name not in sensors:
            continue
        if column.null_count():
            there = column.is_not_null()
            sensors[column.name].observe(times[there.to_numpy()], column.filter(there).to_numpy())
        else:
            sensors[column.name].observe(times, column.to_numpy(), gaps)


def large_gaps(times_us: Times) -> Times:
    """Give the gaps between ascending times that are longer than GAP_DAYS."""
    gaps = np.diff(times_us)
    return gaps[gaps > GAP_DAYS * DAY_US]


def has_modes(values: Floats) -> bool:
    """Tell whether the values gather in ranges apart from each other.

    The density of the values (Gaussian kernel, bandwidth after Silverman, Density Estimation, 1986, eq. 3.31) has a
    valley no higher than VALLEY_MAX of the lower of the peaks on its two sides, and each side holds at least
    MODE_SHARE_MIN of the values. A quarter, because the density of a plain sine falls to a third in its middle.
    """
    if len(values) < 50:
        return False
    # Sorted once: quantiles and counts are then looked up.
    ordered = np.sort(values)
    low, lower, upper, high = _quantiles(ordered, (0.005, 0.25, 0.75, 0.995))
    if not high > low:
        return False
    clipped = np.clip(ordered, low, high)
    edges = np.linspace(low, high, _BINS + 1)
    edges[-1] = np.inf  # The last bin has its upper edge.
    counts = np.diff(np.searchsorted(clipped, edges)).astype(float)
    quartile_range = upper - lower
    spread = float(np.std(clipped))
    spread = min(spread, quartile_range / 1.34) if quartile_range > 0 else spread
    bandwidth = max(1.0, 0.9 * spread * len(values) ** -0.2 / (high - low) * _BINS)
    reach = int(4 * bandwidth) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / bandwidth) ** 2)
    density = np.convolve(np.pad(counts, reach), kernel, "valid")
    peak_left = np.maximum.accumulate(density)
    peak_right = np.maximum.accumulate(density[::-1])[::-1]
    share = np.cumsum(counts) / counts.sum()
    is_split = (share >= MODE_SHARE_MIN) & (share <= 1 - MODE_SHARE_MIN)
    return bool((is_split & (density <= VALLEY_MAX * np.minimum(peak_left, peak_right))).any())


def _quantiles(ordered: Floats, shares: Sequence[float]) -> list[float]:
    """Give quantiles of sorted values, between two of them in proportion."""
    places = np.array(shares) * (len(ordered) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    quantiles: list[float] = (ordered[below] + (ordered[above] - ordered[below]) * (places - below)).tolist()
    return quantiles
