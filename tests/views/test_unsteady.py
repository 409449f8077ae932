"""Where what is expected jumps from row to row, it is drawn as its neighbours say, and told to be unsteady."""

import numpy as np
import pytest

from openlookout.views.evaluations import shown_course
from openlookout.views.unsteady import CHUNK_ROWS, ROWS, steadied, unsteady_rows

MINUTE_US = 60_000_000
RNG = np.random.default_rng(5)


def banded(expected: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return expected, expected - 1, expected + 1


def comb(n_rows: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Measured at 80; expected near 30 from row 200 on, in every third row 80."""
    measured = 80 + RNG.normal(0, 0.1, n_rows)
    expected = np.where((np.arange(n_rows) >= 200) & (np.arange(n_rows) % 3 > 0), 30.0, 80.0)
    return measured, expected


def test_a_comb_becomes_a_line_within_a_band_that_holds_both() -> None:
    measured, expected = comb()
    rows = unsteady_rows(measured, banded(expected))
    assert not rows[: 200 - ROWS].any()
    assert rows[200:].all()
    middle, low, high = steadied(banded(expected), rows)
    inside = slice(200 + ROWS, None)
    assert (middle[inside] == 30).all()
    assert (low[inside] == 29).all()
    assert (high[inside] == 81).all()
    assert (middle[: 200 - ROWS] == expected[: 200 - ROWS]).all()


@pytest.mark.parametrize(
    "expected",
    [
        np.repeat([20.0, 60.0], 200),  # The others went to another level, the sensor stayed: one jump.
        np.r_[np.full(200, 20.0), 60.0, np.full(199, 20.0)],  # One row stands alone: two.
        np.linspace(0, 100, 400),
    ],
)
def test_what_happens_once_is_drawn_as_it_is(expected: np.ndarray) -> None:
    assert not unsteady_rows(np.full(400, 20.0), banded(expected)).any()


def test_what_follows_a_sensor_that_is_noisy_itself_is_steady() -> None:
    measured = RNG.normal(0, 50, 400)
    assert not unsteady_rows(measured, banded(measured + 3)).any()


def test_rows_without_a_reading_are_no_jumps() -> None:
    measured = np.full(400, 20.0)
    measured[::2] = np.nan
    assert not unsteady_rows(measured, banded(np.full(400, 20.0))).any()


@pytest.mark.parametrize("n_rows", [0, 1, 2, ROWS - 1, ROWS, ROWS + 1, CHUNK_ROWS + 3])
def test_any_number_of_rows_is_steadied_to_the_naive_median(n_rows: int) -> None:
    expected = RNG.normal(0, 9, n_rows)
    rows = np.ones(n_rows, bool)
    middle, low, high = steadied(banded(expected), rows)
    for k in {0, 1, n_rows // 2, n_rows - 2, n_rows - 1} & set(range(n_rows)):
        first = min(max(0, k - ROWS // 2), max(0, n_rows - ROWS))
        near = expected[first : first + ROWS]
        assert (middle[k], low[k], high[k]) == (np.median(near), near.min() - 1, near.max() + 1)


def test_a_course_tells_in_how_many_rows_it_was_unsteady() -> None:
    measured, expected = comb()
    times = np.arange(400) * MINUTE_US
    read = shown_course(times, measured, banded(expected), (0, int(times[-1])))
    assert 200 <= read["unsteady"] <= 200 + ROWS
    quiet = shown_course(times[:150], measured[:150], banded(expected[:150]), (0, int(times[149])))
    assert quiet["unsteady"] == 0
    assert quiet["expected"] == [80.0] * 150
