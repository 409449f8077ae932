"""The grid: a slow and obvious twin, and the promise that live equals batch to the bit."""

import math
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.timeseries.columnar import Readings
from openlookout.timeseries.grid import Grid, GridTooLarge, make_grid
from openlookout.timeseries.off_condition import OffCondition
from openlookout.timeseries.sampling import Sampling

SENSORS = ("a\\x", "a\\y", "b\\z")
VALUE = st.floats(-1e6, 1e6, allow_nan=False) | st.just(math.nan)


@st.composite
def component(draw, names: tuple[str, ...]) -> Readings:
    times = sorted(draw(st.sets(st.integers(0, 400), max_size=60)))
    values = [[draw(VALUE) for _ in names] for _ in times]
    return Readings(names, np.array(times, np.int64), np.array(values, float).reshape(len(times), len(names)))


@st.composite
def sampling(draw) -> Sampling:
    rate = draw(st.integers(1, 20))
    gap = draw(st.integers(0, 5))
    fill = tuple(draw(st.integers(0, 8)) for _ in SENSORS)
    return Sampling(rate, draw(st.integers(0, rate - 1)), gap, fill)


def cut(piece: Readings, start: int, end: int) -> Readings:
    inside = (piece.timestamps > start) & (piece.timestamps <= end)
    return Readings(piece.sensors, piece.timestamps[inside], piece.values[inside])


def naive(pieces: list[Readings], how: Sampling, end: int) -> dict[int, list[float]]:
    """Each row of the grid by its time, one cell at a time."""
    read: dict[int, dict[str, list[float]]] = {}
    for piece in pieces:
        for time, values in zip(piece.timestamps.tolist(), piece.values.tolist(), strict=True):
            for name, value in zip(piece.sensors, values, strict=True):
                if not math.isnan(value):
                    row = math.ceil((time - how.anchor_us) / how.rate_us)
                    read.setdefault(row, {}).setdefault(name, []).append(value)
    rows: dict[int, list[float]] = {}
    for row in range(min(read, default=0), (end - how.anchor_us) // how.rate_us + 1):
        if any(row - back in read for back in range(how.gap_rows + 1)):
            rows[how.anchor_us + row * how.rate_us] = [cell(read, name, row, how) for name in SENSORS]
    return rows


def cell(read: dict[int, dict[str, list[float]]], name: str, row: int, how: Sampling) -> float:
    for back in range(how.fill_rows[SENSORS.index(name)] + 1):
        found = read.get(row - back, {}).get(name)
        if found:
            total = 0.0
            for value in found:
                total += value
            return total / len(found)
    return math.nan


@given(a=component(SENSORS[:2]), b=component(SENSORS[2:]), how=sampling(), end=st.integers(0, 450))
def test_every_cell_is_what_the_slow_twin_says(a, b, how, end):
    grid = make_grid([a, b], SENSORS, how, start_us=None, end_us=end)
    expected = naive([a, b], how, end)
    assert grid.timestamps.tolist() == list(expected)
    np.testing.assert_array_equal(grid.values, np.array(list(expected.values())).reshape(len(expected), 3))
    steps = np.diff(grid.timestamps) != how.rate_us
    np.testing.assert_array_equal(np.diff(grid.segment), steps.astype(int))


@settings(max_examples=200)
@given(
    a=component(SENSORS[:2]),
    b=component(SENSORS[2:]),
    how=sampling(),
    window=st.tuples(st.integers(0, 420), st.integers(0, 420)).map(sorted),
    off=st.none() | st.builds(OffCondition, st.just("a"), st.just("y"), st.sampled_from("<>"), st.floats(-1e6, 1e6)),
)
def test_a_window_made_from_its_history_has_the_rows_of_the_whole_to_the_bit(a, b, how, window, off):
    start, end = window
    whole = make_grid([a, b], SENSORS, how, start_us=None, end_us=450, off=off)
    since = start - how.history_us()
    before = cut(a, -1, since)
    known = before.values[~np.isnan(before.values[:, 1]), 1]
    live = make_grid(
        [cut(a, since, end), cut(b, since, end)],
        SENSORS,
        how,
        start_us=start,
        end_us=end,
        off=off,
        off_before=float(known[-1]) if len(known) else None,
    )
    inside = (whole.timestamps > start) & (whole.timestamps <= end)
    assert live.timestamps.tobytes() == whole.timestamps[inside].tobytes()
    assert live.values.tobytes() == whole.values[inside].tobytes()
    assert live.is_read.tobytes() == whole.is_read[inside].tobytes()
    assert live.off.tobytes() == whole.off[inside].tobytes()
    np.testing.assert_array_equal(np.diff(live.segment), np.diff(whole.segment[inside]))


@given(
    a=component(SENSORS[:2]), b=component(SENSORS[2:]), how=sampling(), cuts=st.sets(st.integers(0, 400), max_size=5)
)
def test_the_pieces_that_readings_come_in_do_not_matter(a, b, how, cuts):
    edges = [-1, *sorted(cuts), 401]
    pieces = [cut(one, *edge) for one in (a, b) for edge in pairwise(edges)]
    same_bytes(
        make_grid(pieces, SENSORS, how, start_us=None, end_us=400),
        make_grid([a, b], SENSORS, how, start_us=None, end_us=400),
    )


def test_a_bin_whose_readings_come_in_two_pieces_is_averaged_once():
    pieces = [
        Readings(("a\\x",), np.array([time]), np.array([[value]])) for time, value in ((1, 1.0), (2, 4.0), (9, 7.0))
    ]
    grid = make_grid(pieces, ("a\\x",), Sampling(5, 0, 0, (0,)), start_us=None, end_us=None)
    assert grid.values[:, 0].tolist() == [2.5, 7.0]


def same_bytes(one: Grid, other: Grid) -> None:
    for name in ("timestamps", "values", "is_read", "segment", "off"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_the_arguments_are_left_as_they_were():
    a = Readings(SENSORS[:1], np.array([1, 5]), np.array([[1.0], [math.nan]]))
    make_grid([a], SENSORS[:1], Sampling(1, 0, 10, (10,)), start_us=None, end_us=None)
    assert np.isnan(a.values[1, 0])


def test_a_row_is_the_mean_of_the_readings_after_the_row_before_up_to_its_own_time():
    minute = 60_000_000
    start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    times = start + np.array([0, 1, 60, 61, 120]) * 1_000_000
    a = Readings(("a\\x",), times, np.array([[1.0], [2.0], [4.0], [8.0], [10.0]]))
    grid = make_grid([a], ("a\\x",), Sampling(minute, 0, 10, (10,)), start_us=start, end_us=start + 2 * minute)
    assert grid.values[:, 0].tolist() == [3.0, 9.0]
    assert grid.timestamps.tolist() == [start + minute, start + 2 * minute]


def test_years_of_silence_cost_no_rows():
    a = Readings(("a\\x",), np.array([0, 10**15]), np.array([[1.0], [2.0]]))
    grid = make_grid([a], ("a\\x",), Sampling(1_000_000, 0, 3, (2,)), start_us=None, end_us=None, rows_max=10)
    assert grid.segment.tolist() == [0, 0, 0, 0, 1]
    assert grid.is_read.tolist() == [True, False, False, False, True]
    np.testing.assert_array_equal(grid.values[:, 0], [1, 1, 1, math.nan, 2])


def test_too_many_rows_are_refused_before_they_are_made():
    times = np.arange(0, 10**12, 10**9)
    a = Readings(("a\\x",), times, np.ones((len(times), 1)))
    with pytest.raises(GridTooLarge, match=r"rows at this sampling rate, 1,500,000 are the limit"):
        make_grid([a], ("a\\x",), Sampling(1, 0, 10**9, (1,)), start_us=None, end_us=None, rows_max=1_500_000)


def test_the_off_sensor_counts_though_it_is_no_column_and_was_last_heard_of_long_ago():
    a = Readings(("a\\on", "a\\x"), np.array([0, 100, 101]), np.array([[0.0, 1.0], [math.nan, 2.0], [1.0, 3.0]]))
    off = OffCondition("a", "on", "<", 0.5)
    grid = make_grid([a], ("a\\x",), Sampling(1, 0, 1, (1,)), start_us=None, end_us=None, off=off)
    assert grid.off.tolist() == [True, True, True, False]


def test_without_readings_there_are_no_rows():
    grid = make_grid([], SENSORS, Sampling(1, 0, 1, (1, 1, 1)), start_us=0, end_us=10)
    assert grid.values.shape == (0, 3)
    assert grid.segment.shape == grid.off.shape == grid.timestamps.shape == (0,)
