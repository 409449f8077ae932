"""What is expected where it jumps from row to row: told as unsteady, and drawn as what neighbouring rows say together.

In a strong event the sensors that are off are left out before anything is expected of the others, and where several
that follow one another are off, it changes from row to row which. Each row's estimate is right for its own sensors; as
a line they are a comb that nobody can read.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROWS = 15  # Odd: a row and its neighbours.
# What a process does once is a jump, what it does and undoes are two.
JUMPS_MIN = 3
CHUNK_ROWS = 50_000


def unsteady_rows(measured: Floats, band: tuple[Floats, Floats, Floats]) -> NDArray[np.bool_]:
    """Tell the rows (n_rows,) among whose neighbours what is expected jumps by more than its band and the sensor not.

    `band`: what is expected, its low and its high, (n_rows,) each, none of them NaN.
    """
    expected, low, high = band
    with np.errstate(invalid="ignore"):  # A row without a reading is no jump.
        jumps = np.abs(np.diff(measured - expected, prepend=np.nan)) > high - low
    before = np.r_[0, np.cumsum(jumps)]
    first, last = _neighbours(len(jumps))
    found: NDArray[np.bool_] = before[last] - before[first] >= JUMPS_MIN
    return found


def steadied(band: tuple[Floats, Floats, Floats], rows: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats]:
    """Give a band that in `rows` is the median of the neighbours, from their lowest low to their highest high."""
    expected, low, high = (values.copy() for values in band)
    first, _ = _neighbours(len(rows))
    which = np.flatnonzero(rows)
    for begin in range(0, len(which), CHUNK_ROWS):
        at = which[begin : begin + CHUNK_ROWS]
        window = first[at, None] + np.arange(min(ROWS, len(rows)))
        expected[at] = np.median(band[0][window], axis=1)
        low[at], high[at] = band[1][window].min(axis=1), band[2][window].max(axis=1)
    return expected, low, high


def _neighbours(n_rows: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Of each row the first of its neighbours and the row after the last; at the edges as many to one side."""
    first = np.clip(np.arange(n_rows) - ROWS // 2, 0, max(0, n_rows - ROWS))
    return first, np.minimum(first + ROWS, n_rows)
