"""Row arithmetic against the plain sentence of what it gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.detection.rows import counts_below, window_sums
from openlookout.detection.scaling import CLIP_SIGMAS, MOVED_SIGMAS, Scaling, soft_clipped

FEW = st.lists(st.integers(-4, 4).map(float), max_size=40)


@given(ordered=FEW.map(sorted), values=FEW)
def test_counts_below_are_those_of_a_search(ordered: list[float], values: list[float]) -> None:
    found = counts_below(np.array(ordered), np.array(values))
    assert found.tolist() == [sum(each < value for each in ordered) for value in values]


@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=5), n_doublings=st.integers(0, 4))
def test_a_window_sums_the_last_rows_of_its_own_segment(lengths: list[int], n_doublings: int) -> None:
    segment = np.repeat(np.arange(len(lengths)), lengths)
    values = np.arange(1.0, 2 * len(segment) + 1).reshape(-1, 2)
    before = values.copy()
    sums = window_sums(values, segment, n_doublings)
    for row in range(len(values)):
        first = max(row - 2**n_doublings + 1, int(np.argmax(segment == segment[row])))
        assert sums[row].tolist() == values[first : row + 1].sum(axis=0).tolist()
    assert (values == before).all()


def test_deviations_are_linear_to_ten_sigmas_and_logarithmic_beyond() -> None:
    beyond = CLIP_SIGMAS + np.log1p(90.0)
    sigmas = np.array([[-100.0, -10.0, -3.5, 0.0, np.nan, 9.5, 100.0]])
    assert soft_clipped(sigmas)[0] == pytest.approx([-beyond, -10.0, -3.5, 0.0, np.nan, 9.5, beyond], nan_ok=True)


def test_a_constant_sensor_deviates_by_a_fixed_amount_if_it_moves_at_all() -> None:
    scaling = Scaling(np.array([5.0, 0.0]), np.array([1.0, 2.0]), np.array([True, False]))
    readings = np.array([[5.0, 4.0], [5.0 + 1e-9, 0.0], [5.1, -4.0], [-900.0, np.nan], [np.nan, 1.0]])
    deviations = scaling.deviations(readings)
    expected = np.array([[0, 2], [0, 0], [MOVED_SIGMAS, -2], [-MOVED_SIGMAS, np.nan], [np.nan, 0.5]])
    assert deviations == pytest.approx(expected, nan_ok=True)
