"""The files of an inference window, by their names, and the rows in them."""

import gzip
import io
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries.inference_input import (
    InputNames,
    InvalidInput,
    MissingInput,
    Window,
    name_time,
    parse_offset,
    read_window,
    window_keys,
)
from openlookout.timeseries.schema import Component

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STRFTIME = {"yyyy-MM-dd-HH-mm-ss": "%Y-%m-%d-%H-%M-%S", "yyyyMMddHHmmss": "%Y%m%d%H%M%S"}
FORMATS = ["EPOCH", *STRFTIME]
MINUTE = 60_000_000


def microseconds(*fields: int) -> int:
    return (datetime(*fields, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)


WINDOW = Window(microseconds(2022, 5, 13, 12, 10), microseconds(2022, 5, 13, 12, 15), 5 * MINUTE)


def named(time_us: int, form: str, offset: timedelta = timedelta()) -> str:
    local = EPOCH + timedelta(microseconds=time_us) + offset
    return str(time_us // 1_000_000) if form == "EPOCH" else local.strftime(STRFTIME[form])


@given(
    minutes=st.integers(-30, 30),
    form=st.sampled_from(FORMATS),
    delimiter=st.sampled_from(["-", "_", " ", ""]),
    offset=st.integers(-24, 24).map(lambda half_hours: timedelta(minutes=30 * half_hours)),
    configured=st.tuples(st.booleans(), st.booleans()),
    suffix=st.sampled_from([".csv", ".csv.gz"]),
)
def test_a_name_counts_from_one_frequency_before_the_window_to_one_after(
    minutes, form, delimiter, offset, configured, suffix
):
    time = WINDOW.start_us + minutes * MINUTE
    key = f"in/pump-1{delimiter}{named(time, form, offset)}{suffix}"
    names = InputNames("in/", delimiter if configured[0] else None, form if configured[1] else None, offset)
    if -5 <= minutes <= 10:
        assert window_keys([key, "in/other.csv"], ["pump-1"], names, WINDOW, "b") == {"pump-1": (key,)}
    else:
        with pytest.raises(MissingInput):
            window_keys([key], ["pump-1"], names, WINDOW, "b")


def test_the_offset_changes_names_and_not_epochs():
    names = InputNames("", offset=parse_offset("+05:30"))
    assert name_time("20220513174000", names) == WINDOW.start_us
    assert name_time(str(WINDOW.start_us // 1_000_000), names) == WINDOW.start_us
    assert parse_offset("-03:30") == -timedelta(hours=3, minutes=30)


def test_the_sentence_names_the_component_the_window_the_bucket_and_the_prefix_once():
    names = InputNames("demo/input/", "_", "yyyyMMddHHmmss")
    with pytest.raises(MissingInput) as error:
        window_keys(["demo/input/fan_20220513121000.csv"], ["fan", "centrifugal-pump"], names, WINDOW, "plant")
    assert error.value.component == "centrifugal-pump"
    # The service's words of 2022 with its two mistakes corrected.
    assert str(error.value) == (
        "Could not find data file for sensor centrifugal-pump within expected range of "
        "(2022-05-13T12:10:00Z, 2022-05-13T12:15:00Z]. Please ensure data is present for all sensors of the machine "
        "under prefix 's3://plant/demo/input/centrifugal-pump_20220513120500' ~ "
        "'s3://plant/demo/input/centrifugal-pump_20220513122000'"
    )


def test_a_component_whose_name_begins_another_does_not_take_its_files():
    keys = ["pump_2_20220513121000.csv", "pump_20220513121000.csv"]
    found = window_keys(keys, ["pump", "pump_2"], InputNames(""), WINDOW, "b")
    assert found == {"pump": (keys[1],), "pump_2": (keys[0],)}


@pytest.mark.parametrize(
    "text", ["202205131210", "20220532121000", "2022-05-13-12-10", "x", "", "1e9", "٢٠٢٢٠٥١٣١٢١٠٠٠"]
)
def test_any_other_text_is_no_time(text):
    assert name_time(text, InputNames("")) is None


def test_the_configured_format_is_the_only_one():
    assert name_time("1652443800", InputNames("", timestamp_format="yyyyMMddHHmmss")) is None


PUMP = Component("pump", "t", ("a", "b"))


def test_rows_of_the_window_are_kept_open_at_its_start_and_the_last_of_a_time_wins():
    first = b"t,a\n2022-05-13 12:10:00,1\n2022-05-13 12:10:01,2\n2022-05-13 12:15:00,3\n2022-05-13 12:15:01,4\n"
    second = gzip.compress(b"t,zz,a\n2022-05-13 12:15:00,0,5\nbad,0,6\n")
    readings = read_window([("1.csv", io.BytesIO(first)), ("2.csv", io.BytesIO(second))], PUMP, WINDOW)
    assert readings.sensors == ("pump\\a", "pump\\b")
    assert readings.timestamps.tolist() == [WINDOW.start_us + 1_000_000, WINDOW.end_us]
    assert readings.values[:, 0].tolist() == [2.0, 5.0]
    assert all(math.isnan(value) for value in readings.values[:, 1])


def test_a_broken_neighbour_is_passed_over_and_broken_files_alone_are_an_error():
    good = b"t,a,b\n2022-05-13 12:11:00,1,2\n"
    readings = read_window([("1.csv", io.BytesIO(b"")), ("2.csv", io.BytesIO(good))], PUMP, WINDOW)
    assert readings.values.tolist() == [[1.0, 2.0]]
    with pytest.raises(InvalidInput, match=r"file '1.csv': the file is empty"):
        read_window([("1.csv", io.BytesIO(b""))], PUMP, WINDOW)
    with pytest.raises(InvalidInput, match=r"file '1.csv', column 3: the header 'a' is that of column 2 too"):
        read_window([("1.csv", io.BytesIO(b"t,a,a\n"))], PUMP, WINDOW)


def test_files_without_a_row_in_the_window_give_no_rows():
    readings = read_window([("1.csv", io.BytesIO(b"t,a,b\n2021-01-01 00:00,1,2\n"))], PUMP, WINDOW)
    assert readings.values.shape == (0, 2)
    assert readings.timestamps.shape == (0,)
