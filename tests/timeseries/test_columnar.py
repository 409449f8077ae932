"""Readings to Parquet and back."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.columnar import Readings, iter_readings, last_reading, read_readings, readings_to_parquet

NAMES = ("a\\x", "a\\y:1")


@st.composite
def readings(draw) -> Readings:
    times = sorted(draw(st.sets(st.integers(0, 10**15), max_size=20)))
    cell = st.floats(allow_infinity=False) | st.just(math.nan)
    values = [[draw(cell), draw(cell)] for _ in times]
    return Readings(NAMES, np.array(times, np.int64), np.array(values, float).reshape(-1, 2))


@given(readings(), st.none() | st.integers(0, 10**15), st.none() | st.integers(0, 10**15))
def test_what_is_written_is_read_back_in_the_range_open_at_its_start(written, start, end):
    back = read_readings("a", [readings_to_parquet(written)], NAMES, start, end)
    inside = np.ones(len(written.timestamps), bool)
    if start is not None:
        inside &= written.timestamps > start
    if end is not None:
        inside &= written.timestamps <= end
    np.testing.assert_array_equal(back.timestamps, written.timestamps[inside])
    np.testing.assert_array_equal(back.values, written.values[inside])
    assert back.values.flags.c_contiguous


def test_a_reading_at_the_start_is_left_out_and_one_at_the_end_is_given():
    part = readings_to_parquet(Readings(("a\\x",), np.array([1, 2, 3]), np.array([[1.0], [2.0], [3.0]])))
    assert read_readings("a", [part], ["a\\x"], 1, 2).timestamps.tolist() == [2]


@given(readings(), st.lists(st.integers(0, 20), max_size=3), st.none() | st.integers(0, 10**15))
def test_the_last_reading_is_found_whatever_part_it_is_in(written, cuts, end):
    times, values = np.split(written.timestamps, sorted(cuts)), np.split(written.values, sorted(cuts))
    parts = [readings_to_parquet(Readings(NAMES, t, v)) for t, v in zip(times, values, strict=True)]
    known = [
        (time, value)
        for time, value in zip(written.timestamps.tolist(), written.values[:, 1].tolist(), strict=True)
        if not math.isnan(value) and (end is None or time <= end)
    ]
    assert last_reading("a", parts, "a\\y:1", end) == (known[-1] if known else None)


def test_sensors_come_in_the_order_asked_for_and_one_that_a_part_lacks_has_no_reading(tmp_path):
    path = tmp_path / "part.parquet"
    path.write_bytes(readings_to_parquet(Readings(NAMES, np.array([1, 2]), np.array([[1.0, 2.0], [3.0, math.nan]]))))
    pieces = list(iter_readings("a", [path], ["a\\new", "b\\x", "a\\y:1", "a\\x"]))
    assert [piece.sensors for piece in pieces] == [("a\\new", "a\\y:1", "a\\x")]
    np.testing.assert_array_equal(pieces[0].values, [[math.nan, 2.0, 1.0], [math.nan, math.nan, 3.0]])


def test_a_component_whose_name_begins_another_does_not_get_its_sensors():
    part = readings_to_parquet(Readings(("a\\x",), np.array([1]), np.array([[1.0]])))
    assert read_readings("a", [part], ["a2\\x", "a\\x"]).sensors == ("a\\x",)
