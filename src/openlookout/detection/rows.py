"""Row arithmetic that gives the same bits whatever rows stand around a row: the ground of «live equals batch»."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # It has no types.

from openlookout.detection.contract import Booleans, Floats, Integers

# A multiple of the tiles of all kernels (24, 16, 8 rows): an edge of a tile is summed in another order. With 64 rows,
# or with threads, a row of 300 sensors had other bits in another place on processors with AVX-512.
BLOCK_ROWS = 192
# Smoothing forgets for good after this many spans, so that a finite memory gives it back exactly.
REACH_SPANS = 4

_LIBRARIES = ThreadpoolController()


@contextmanager
def on_one_thread() -> Iterator[None]:
    """Let BLAS use one thread: how many it uses changes bits, and on a busy machine threads of such small products wait
    for each other longer than they calculate.
    """
    with _LIBRARIES.limit(limits=1, user_api="blas"):
        yield


def times(rows: Floats, matrix: Floats) -> Floats:
    """`rows @ matrix`, each row rounded as if it came alone.

    In zero-padded blocks of a fixed number of rows: BLAS chooses its way of summing by the shape.
    """
    out = np.empty((len(rows), matrix.shape[1]))
    for first, block in padded(rows):
        size = min(BLOCK_ROWS, len(rows) - first)
        if size == BLOCK_ROWS:
            np.matmul(block, matrix, out=out[first : first + size])
        else:
            out[first:] = (block @ matrix)[:size]
    return out


def padded(rows: Floats) -> Iterator[tuple[int, Floats]]:
    """Give each block of BLOCK_ROWS rows, the last one filled with zeros, and the number of its first row."""
    for first in range(0, len(rows), BLOCK_ROWS):
        block = rows[first : first + BLOCK_ROWS]
        if len(block) < BLOCK_ROWS:
            filled = np.zeros((BLOCK_ROWS, rows.shape[1]))
            filled[: len(block)] = block
            block = filled
        yield first, block


def row_sums(values: Floats) -> Floats:
    """`values.sum(axis=1)`, each row as if it came alone."""
    return times(values, np.ones((values.shape[1], 1)))[:, 0]


def counts_below(ordered: Floats, values: Floats) -> Integers:
    """(n_values,): how many of `ordered`, ascending, are below each value: `np.searchsorted`, in half its time.

    All values take each step of the bisection together: a processor cannot guess which way one by one will turn.
    """
    n_steps = len(ordered).bit_length()
    filled = np.full(2**n_steps, np.inf)
    filled[: len(ordered)] = ordered
    below = np.zeros(len(values), np.intp)
    for step in (2**k for k in reversed(range(n_steps))):
        below += step * (filled.take(below + (step - 1), mode="clip") < values)
    return below


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
    if not n_doublings:
        return values
    # Two arrays in turns: a new one for each doubling costs more than the sums.
    before, sums, spare = values, np.empty_like(values), np.empty_like(values)
    for by in (2**k for k in range(n_doublings)):
        sums[:by] = before[:by]
        has = segment[by:] == segment[:-by]
        np.add(before[by:], before[:-by], out=sums[by:])
        if not has.all():
            np.copyto(sums[by:], before[by:], where=~has[:, None])
        before, sums, spare = sums, spare, sums
    return before


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
