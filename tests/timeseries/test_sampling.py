"""What is learned about the sampling: the step, the phase, how far readings are carried."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.columnar import Readings
from openlookout.timeseries.grid import make_grid
from openlookout.timeseries.sampling import SamplingError, learn_sampling

SECOND = 1_000_000


def readings(times: np.ndarray, sensor: str = "a\\x") -> Readings:
    return Readings((sensor,), times.astype(np.int64), np.arange(len(times), dtype=float)[:, None])


@given(
    step=st.integers(1, 42 * 60) | st.sampled_from([3600, 86_400]),
    phase=st.integers(0, 10**12),
    n_rows=st.integers(2, 300),
)
def test_evenly_spaced_readings_become_one_row_each_with_their_own_time(step, phase, n_rows):
    a = readings(phase + np.arange(n_rows) * step * SECOND)
    sampling = learn_sampling([a], a.sensors, None)
    grid = make_grid([a], a.sensors, sampling, start_us=None, end_us=None)
    assert sampling.rate_us == step * SECOND
    assert grid.timestamps.tolist() == a.timestamps.tolist()
    assert grid.values.tobytes() == a.values.tobytes()


@given(step=st.sampled_from([1, 60, 2520]), phase=st.integers(0, 10**12), seed=st.integers(0, 100))
def test_jitter_neither_pairs_nor_drops_readings(step, phase, seed):
    jitter = np.random.default_rng(seed).uniform(-0.2, 0.2, 500) * step * SECOND
    a = readings(phase + np.arange(500) * step * SECOND + jitter.astype(np.int64))
    sampling = learn_sampling([a], a.sensors, None)
    assert sampling.rate_us == step * SECOND
    grid = make_grid([a], a.sensors, sampling, start_us=None, end_us=None)
    assert len(grid.timestamps) >= 499


def test_a_given_rate_stands_at_its_multiples_since_the_epoch():
    sampling = learn_sampling([readings(7 + np.arange(10) * SECOND)], ("a\\x",), 5 * SECOND)
    assert (sampling.rate_us, sampling.anchor_us) == (5 * SECOND, 0)


def test_the_most_frequent_step_of_all_components_is_the_rate():
    often, seldom = readings(np.arange(1000) * SECOND), readings(np.arange(20) * 60 * SECOND, "b\\y")
    sampling = learn_sampling([often, seldom], ("a\\x", "b\\y"), None)
    assert sampling.rate_us == SECOND
    # Five minutes for both; a sensor heard of once an hour is carried on for about two.
    assert sampling.fill_rows[0] == sampling.gap_rows == 300
    hourly = learn_sampling([often, readings(np.arange(20) * 3600 * SECOND, "b\\y")], ("a\\x", "b\\y"), None)
    assert 7200 <= hourly.fill_rows[1] <= 8000


def test_rows_without_a_reading_of_the_chosen_sensors_do_not_count():
    times = np.arange(100) * SECOND
    values = np.column_stack([np.where(np.arange(100) % 10 == 0, 1.0, math.nan), np.ones(100)])
    a = Readings(("a\\x", "a\\y"), times, values)
    assert learn_sampling([a], ("a\\x",), None).rate_us == 10 * SECOND


def test_a_single_reading_has_no_rate():
    with pytest.raises(SamplingError, match="not two readings"):
        learn_sampling([readings(np.array([5]))], ("a\\x",), None)


@given(
    parts=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    rate=st.none() | st.just(30 * SECOND),
)
def test_pieces_do_not_change_what_is_learned(parts, rate):
    times = np.cumsum(np.random.default_rng(sum(parts)).integers(1, 4, sum(parts) + 1)) * SECOND
    whole = readings(times)
    cuts = np.cumsum(parts)[:-1]
    pieces = [
        Readings(whole.sensors, t, v)
        for t, v in zip(np.split(whole.timestamps, cuts), np.split(whole.values, cuts), strict=True)
    ]
    assert learn_sampling(pieces, whole.sensors, rate) == learn_sampling([whole], whole.sensors, rate)
