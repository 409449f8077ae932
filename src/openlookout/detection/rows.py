"""Row arithmetic that gives the same bits whatever rows stand around a row: the ground of «live equals batch»."""

import numpy as np

from openlookout.detection.contract import Booleans, Floats, Integers

BLOCK_ROWS = 64
# Smoothing forgets for good after this many spans, so that a finite memory gives it back exactly.
REACH_SPANS = 4


def times(rows: Floats, matrix: Floats) -> Floats:
    """`rows @ matrix`, each row rounded as if it came alone.

    In zero-padded blocks of a fixed number of rows: BLAS chooses its way of summing by the shape.
    """
    n = len(rows)
    out = np.empty((n, matrix.shape[1]))
    whole = n - n % BLOCK_ROWS
    for first in range(0, whole, BLOCK_ROWS):
        np.matmul(rows[first : first + BLOCK_ROWS], matrix, out=out[first : first + BLOCK_ROWS])
    if whole < n:
        block = np.zeros((BLOCK_ROWS, rows.shape[1]))
        block[: n - whole] = rows[whole:]
        out[whole:] = (block @ matrix)[: n - whole]
    return out


def row_sums(values: Floats) -> Floats:
    """`values.sum(axis=1)`, each row as if it came alone."""
    return times(values, np.ones((values.shape[1], 1)))[:, 0]


def shifted(values: Floats, segment: Integers, by: int) -> tuple[Floats, Booleans]:
    """Give the row `by` rows before each row, zero where the segment has none, and where it has one."""
    has = np.zeros(len(values), bool)
    out = np.zeros_like(values)
    if by < len(values):
        has[by:] = segment[by:] == segment[:-by]
        out[by:] = values[:-by]
    out[~has] = 0
    return out, has


def window_sums(values: Floats, segment: Integers, n_doublings: int) -> Floats:
    """The sum over the last 2**n_doublings rows of each row's segment, or as many as there are.

    By doubling, so that the order of summing is that of the window and not of the array.
    """
    sums = values
    for k in range(n_doublings):
        sums = sums + shifted(sums, segment, 2**k)[0]
    return sums


def smoothed(values: Floats, segment: Integers, span: int) -> Floats:
    """Exponentially weighted mean over at most the last `REACH_SPANS * span` rows of each row's segment.

    By doubling, as in `window_sums`: `span` is a power of two.
    """
    decay = 1 - 2 / (span + 1)
    total, weights = values, np.ones((len(values), 1))
    lag = 1
    while lag < REACH_SPANS * span:
        total = total + decay**lag * shifted(total, segment, lag)[0]
        weights = weights + decay**lag * shifted(weights, segment, lag)[0]
        lag *= 2
    return total / weights
