"""One CSV stream: what counts as a reading, what is invalid, what fails and what is left out."""

import contextlib
import csv
import gzip
import io
import math
from collections.abc import Iterable

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries import csv as reader
from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.sensor_file import TIME, BadHeader, NotIngestible

START = 1_577_836_800_000_000
CELL = st.one_of(
    st.floats(-1e30, 1e30, allow_nan=False).map(repr),
    st.integers(-1000, 1000).map(str),
    st.sampled_from(["", " ", "nan", "NaN", " 7.5 ", "+3", "1e5"]),
    st.sampled_from(["x", "1,5", "inf", "-Infinity", "3.4028235e38", "null", "1_000", "0x10", "N/A", 'a "b" c', "1 2"]),
)


def read(data: bytes, wanted: Iterable[str] | None = None) -> tuple[pl.DataFrame, int, dict[str, int]]:
    file = CsvFile("key.csv", io.BytesIO(data))
    chunks = list(file.chunks(None if wanted is None else set(wanted)))
    invalid: dict[str, int] = {}
    for chunk in chunks:
        for name, count in chunk.invalid.items():
            invalid[name] = invalid.get(name, 0) + count
    frames = [chunk.readings for chunk in chunks]
    return pl.concat(frames) if frames else pl.DataFrame(), sum(chunk.n_bad_timestamps for chunk in chunks), invalid


def said(cell: str) -> float | str | None:
    """What a cell says: empty and NaN nothing, a number of sensible size itself, anything else 'invalid'."""
    text = cell.strip()
    if text.lower() in ("", "nan"):
        return None
    try:
        number = math.inf if "_" in text else float(text)
    except ValueError:
        return "invalid"
    return number if abs(number) <= 1e37 else "invalid"


@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=20),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    bom=st.booleans(),
    packed=st.booleans(),
    blank=st.booleans(),
)
def test_every_cell_is_what_the_rule_says(rows, end, quoting, bom, packed, blank):
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=end, quoting=quoting)
    writer.writerow(["Timestamp", "a", "b"])
    for second, row in enumerate(rows):
        writer.writerow([f"2020-01-01 00:00:{second:02}", *row])
        if blank:
            text.write(end)
    data = text.getvalue().encode("utf-8-sig" if bom else "utf-8")
    frame, n_bad, invalid = read(gzip.compress(data) if packed else data)
    assert n_bad == 0
    for j, name in enumerate("ab"):
        meant = [said(row[j]) for row in rows]
        assert invalid.get(name, 0) == meant.count("invalid")
        if rows:
            assert frame[name].to_list() == [None if one == "invalid" else one for one in meant]
    if rows:
        assert frame[TIME].to_list() == [START + second * 1_000_000 for second in range(len(rows))]


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused_in_a_sentence(data, has_header):
    with contextlib.suppress(BadHeader, NotIngestible):
        frame, n_bad, _ = read(b"t,a,b\n" + data if has_header else data)
        assert n_bad + frame.height <= data.count(b"\n") + data.count(b"\r") + 1


@given(st.lists(st.sampled_from(["1,2", "x,3", "", '"4,5', "6", ",,,", "7,8,9"]), max_size=40), st.integers(8, 60))
def test_the_size_of_the_blocks_does_not_matter(cells, size):
    lines = [f"2020-01-01 00:00:{i:02},{cell}" if cell else "" for i, cell in enumerate(cells)]
    data = "\n".join(["t,a,b", *lines]).encode()
    whole = read(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BLOCK_BYTES", size)
        patch.setattr(reader, "CELLS_MAX", 6)
        pieces = read(data)
    assert whole[0].rows() == pieces[0].rows()
    assert whole[1:] == pieces[1:]


@pytest.mark.parametrize(
    ("header", "column", "reason"),
    [
        ("t", 0, "fewer than 2 columns"),
        ("t;a;b", 0, "fewer than 2 columns"),
        ("t,a,a", 3, "the header 'a' is that of column 2 too"),
        ("t,,b", 2, "the header is empty"),
        ("t,a,b,", 4, "the header is empty"),
        ("t,a b", 2, "the header 'a b' is not"),
        ("t,a\\b", 2, "the header 'a\\b' is not"),
        ("t,größe", 2, "the header 'größe' is not"),
        ("t," + ",".join(f"s{i}" for i in range(3001)), 0, "3001 sensors, 3000 are the limit"),
    ],
)
def test_a_malformed_header_names_file_column_and_reason(header, column, reason):
    with pytest.raises(BadHeader) as error:
        CsvFile("p/pump.csv", io.BytesIO(header.encode() + b"\n1,2\n"))
    assert error.value.column == column
    assert reason in str(error.value)
    assert "file 'p/pump.csv'" in str(error.value)


def test_every_sign_of_the_guide_may_stand_in_a_header():
    assert CsvFile("k", io.BytesIO(b'"Time",a:1,#2,$3,x.y-z_0\n')).header.sensors == ("a:1", "#2", "$3", "x.y-z_0")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\r\n\n", "the file is empty"),
        (b"PK\x03\x04\0\0", "not text: it has NUL bytes"),
        ("t,a\n1,2\n".encode("utf-16"), "not text: it has NUL bytes"),
        (b"t,a\n2020-01-01 00:00,\xe9\n", "not UTF-8 text"),
        (gzip.compress(b"t,a\n2020-01-01 00:00:00,1\n" * 1000)[:-9], "corrupt gzip"),
        (b"t,a\n" + b"1" * (5 << 20), "a line is longer than 4,194,304 bytes"),
        (gzip.compress(b"1" * (64 << 20)), "a line is longer than 4,194,304 bytes"),
    ],
)
def test_what_is_no_csv_file_is_refused_with_the_reason(data, reason):
    with pytest.raises(NotIngestible, match=reason):
        read(data)


def test_a_row_with_an_unsupported_timestamp_is_dropped_and_counted_and_a_blank_one_is_not():
    frame, n_bad, invalid = read(b"t,a\n2020-01-01 00:00,1\n31/12/2020,2\n,\n , \n\n,3\n2020-01-01 00:01,x\nbad,y\n")
    assert frame["a"].to_list() == [1.0, None]
    assert n_bad == 3
    assert invalid == {"a": 1}


def test_a_stray_quote_costs_its_cell_and_not_the_rest_of_the_file():
    frame, _, invalid = read(b't,a,b\n2020-01-01 00:00,"1,2\n2020-01-01 00:01,3,4\n')
    assert frame.rows()[1][1:] == (3.0, 4.0)
    assert invalid == {"a": 1}


def test_a_cell_of_endless_length_is_no_number_and_no_header():
    long = b"x" * 200_000
    frame, n_bad, _ = read(b't,a\n2020-01-01 00:00,"1,' + long + b'"\n2020-01-01 00:01,3\n')
    assert (frame["a"].to_list(), n_bad) == ([3.0], 1)
    with pytest.raises(BadHeader, match="field larger than field limit"):
        read(b"t," + long + b"\n1,2\n")


def test_only_the_wanted_sensors_are_read():
    frame, _, invalid = read(b"t,a,b\n2020-01-01 00:00,x,1\n", ["b"])
    assert frame.columns == [TIME, "b"]
    assert invalid == {}


def test_nearly_empty_lines_of_a_wide_file_are_read_in_pieces():
    header = ("t," + ",".join(f"s{i}" for i in range(2999))).encode()
    file = CsvFile("k.csv", io.BytesIO(header + b"\n" + b"2020-01-01 00:00\n" * 5000))
    assert max(chunk.readings.height for chunk in file.chunks()) <= reader.CELLS_MAX // 3000
