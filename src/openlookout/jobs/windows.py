"""Which window a time lies in. Knows arrays only."""

import numpy as np


def window_of(times: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(n_rows,) int64: the number of the window that each time lies in, open on the left; -1 for none."""
    if not len(ends):
        return np.full(len(times), -1)
    found = np.minimum(np.searchsorted(ends, times, "left"), len(ends) - 1)
    return np.where((times > starts[found]) & (times <= ends[found]), found, -1)
