"""Is a row in a mode that training knows? Where it is, a limit holds that the oddest regime of training does not widen.

A machine that changed its regime in training has held-out blocks of which the others know nothing, and they make units
and limit wide. Knows where the machine is: the means of its last rows, in usual spreads, near to enough such means of
training. What scores mean there is the business of the ensemble.
"""

from dataclasses import dataclass, replace

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers
from openlookout.detection.members import REACH_ROWS
from openlookout.detection.rows import window_sums

# A row is where the mean of its last 32 rows is; how far sensors usually spread is told by 128 rows.
DOUBLINGS, SPREAD_DOUBLINGS = 5, 7
SPREAD_MIN = 0.02
# So far apart, in usual spreads, sensors are near each other; this share of them must be: one that fails is no mode.
NEAR_SPREADS, NEAR_SHARE = 0.5, 0.75
# Further than this from the mean of the last rows a sensor moves; where more than the others do, the mode changes.
MOVED_SPREADS = 3.0
LEVELS_MAX = 128
# A mode is known if so much of training lies near, and so many rows.
KNOWN_SHARE, KNOWN_ROWS = 0.05, 128
# Levels that are compared at a time: rows that are near to enough of them need not be held against the others.
LEVELS_AT_A_TIME = 16


@dataclass(frozen=True)
class Modes:
    """Learned.

    `which` (k,): numbers of the sensors looked at; `spread` (k,): how far each usually goes within 128 rows. `levels`
    (n_levels, k): where training was, in spreads, in an order that mixes its times; `n_near`: to how many of them a
    row must be near.
    """

    which: Integers
    spread: Floats
    levels: Floats
    n_near: int

    def strange(self, features: Floats, segment: Integers) -> Booleans:
        """(n_rows,): rows in no known mode, or between modes; not the first 31 of a segment, which cannot tell."""
        rows, means, count = self.seen(features, segment)
        told = count == 2**DOUBLINGS
        out = np.zeros(len(rows), bool)
        out[told] = ~(self.calm(rows[told], means[told]) & self.near(means[told], self.levels))
        return out

    def seen(self, features: Floats, segment: Integers) -> tuple[Floats, Floats, Floats]:
        """Give rows (n_rows, k) in spreads, the means of the last rows, and of how many rows (n_rows,) they are."""
        rows = features[:, self.which] / self.spread
        count = window_sums(np.ones((len(rows), 1)), segment, DOUBLINGS)
        return rows, window_sums(rows, segment, DOUBLINGS) / count, count[:, 0]

    def calm(self, rows: Floats, means: Floats) -> Booleans:
        """(n_rows,): where most sensors are about where they were in the last rows."""
        calm: Booleans = np.count_nonzero(np.abs(rows - means) <= MOVED_SPREADS, axis=1) >= self._n_alike
        return calm

    def near(self, means: Floats, levels: Floats) -> Booleans:
        """(n_rows,): rows that are near to enough levels."""
        found = np.zeros(len(means), np.int64)
        left = np.arange(len(means))
        for first in range(0, len(levels), LEVELS_AT_A_TIME):
            here = means[left]
            for level in levels[first : first + LEVELS_AT_A_TIME]:
                found[left] += np.count_nonzero(np.abs(here - level) <= NEAR_SPREADS, axis=1) >= self._n_alike
            left = left[found[left] < self.n_near]
        near: Booleans = found >= self.n_near
        return near

    @property
    def _n_alike(self) -> int:
        return int(np.ceil(NEAR_SHARE * len(self.which)))


def settled(strange: Booleans, segment: Integers) -> Booleans:
    """(n_rows,): rows in a known mode, and none of all that members look back on was strange."""
    counted = np.column_stack([np.ones(len(strange)), strange])
    n_rows, n_strange = window_sums(counted, segment, REACH_ROWS.bit_length() - 1).T
    known: Booleans = (n_rows >= 2**DOUBLINGS) & (n_strange == 0)
    return known


def fit_modes(
    features: Floats, segment: Integers, use: Booleans, is_constant: Booleans, blocks: list[Integers]
) -> tuple[Modes, Booleans]:
    """Learn from the rows in `use` of features (n_rows, n_sensors).

    Tell besides which rows (n_rows,) are settled in a mode that the rows outside of their block know.
    """
    which = np.flatnonzero(~is_constant)
    seen = features[:, which]
    count = window_sums(np.ones((len(seen), 1)), segment, SPREAD_DOUBLINGS)
    mean, square = (window_sums(values, segment, SPREAD_DOUBLINGS) / count for values in (seen, seen**2))
    spread = np.maximum(np.sqrt(np.median(np.maximum(square - mean**2, 0.0)[use], axis=0)), SPREAD_MIN)
    rows = np.flatnonzero(use)
    taken = rows[np.unique(np.linspace(0, len(rows) - 1, LEVELS_MAX).round().astype(int))]
    taken = np.concatenate([taken[k::LEVELS_AT_A_TIME] for k in range(LEVELS_AT_A_TIME)])
    n_near = max(KNOWN_SHARE * len(taken), KNOWN_ROWS * len(taken) / len(rows))
    nowhere = Modes(which, spread, np.empty((0, len(which))), int(np.ceil(n_near)))
    scaled, means, told = nowhere.seen(features, segment)
    modes = replace(nowhere, levels=means[taken])
    strange = ~modes.calm(scaled, means)
    for block in blocks:
        # The means of the first rows after a block still hold it.
        others = (taken < block[0]) | (taken >= block[-1] + 2**DOUBLINGS)
        strange[block] |= ~modes.near(means[block], modes.levels[others])
    return modes, settled(strange & (told == 2**DOUBLINGS), segment)
