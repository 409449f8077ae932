"""Parquet files mean what CSV files mean: the same readings, the same counts, whatever the types of their columns."""

import io
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openlookout.timeseries import parquet as reader
from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.inference_input import InputNames, Window, read_window, window_keys
from openlookout.timeseries.ingest import ingest
from openlookout.timeseries.parquet import ParquetFile, open_sensor_file
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import TIME, BadHeader, NotIngestible
from openlookout.timeseries.sources import Source

START = datetime(2024, 1, 1, tzinfo=UTC)
START_US = 1_704_067_200_000_000
MINUTE = timedelta(minutes=1)
NAIVE = datetime.fromisoformat("2024-01-01")


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def read(file: CsvFile | ParquetFile, wanted: Iterable[str] | None = None) -> tuple[pl.DataFrame, int, dict[str, int]]:
    chunks = list(file.chunks(None if wanted is None else set(wanted)))
    invalid: dict[str, int] = {}
    for chunk in chunks:
        for name, count in chunk.invalid.items():
            invalid[name] = invalid.get(name, 0) + count
    return pl.concat([chunk.readings for chunk in chunks]), sum(chunk.n_bad_timestamps for chunk in chunks), invalid


CELLS = st.sampled_from(["", "1.5", " 7 ", "nan", "x", "1e40", "-3", "inf", "2024-01-01", "0"])


@given(
    rows=st.lists(st.tuples(st.sampled_from(["2024-01-01 00:01:00", "soon", "2024/01/02 00:00"]), CELLS), min_size=1)
)
def test_texts_are_read_as_the_cells_of_csv_are(rows: list[tuple[str, str]]) -> None:
    csv = "time,a\n" + "".join(f"{time},{cell}\n" for time, cell in rows)
    frame = pl.DataFrame({"time": [time for time, _ in rows], "a": [cell for _, cell in rows]})
    expected = read(CsvFile("k.csv", io.BytesIO(csv.encode())))
    got = read(open_sensor_file("k.parquet", io.BytesIO(parquet(frame))))
    assert got[0].equals(expected[0])
    assert got[1:] == expected[1:]


@pytest.mark.parametrize(
    "times",
    [
        pl.Series([NAIVE, NAIVE + MINUTE], dtype=pl.Datetime("ns")),
        pl.Series([NAIVE, NAIVE + MINUTE], dtype=pl.Datetime("ms")),
        pl.Series([START, START + MINUTE]).dt.convert_time_zone("Asia/Kolkata"),
        pl.Series(["2024-01-01T00:00:00Z", "2024-01-01T05:31:00+05:30"]),
        pl.Series(["2024-01-01 00:00", "2024-01-01 00:01"], dtype=pl.Categorical),
    ],
)
def test_times_of_any_type_are_instants(times: pl.Series) -> None:
    rows, n_bad, _ = read(ParquetFile("k.parquet", io.BytesIO(parquet(pl.DataFrame({"t": times, "a": [1, 2]})))))
    assert rows[TIME].to_list() == [START_US, START_US + 60_000_000]
    assert (rows["a"].to_list(), n_bad) == ([1.0, 2.0], 0)


def test_numbers_of_any_type_are_readings_and_what_is_none_is_counted() -> None:
    frame = pl.DataFrame(
        {
            "t": [NAIVE, NAIVE + MINUTE, None, NAIVE + 2 * MINUTE],
            "int": [1, None, 3, 4],
            "float": [1.5, float("nan"), 3.0, float("inf")],
            "bool": [True, False, None, None],
            "decimal": pl.Series(["1.25", None, "2", "3"]).cast(pl.Decimal(10, 2)),
            "list": [[1], None, [2], [3]],
        }
    )
    rows, n_bad, invalid = read(ParquetFile("k.parquet", io.BytesIO(parquet(frame))))
    assert n_bad == 1
    assert {name: rows[name].to_list() for name in rows.columns if name != TIME} == {
        "int": [1.0, None, 4.0],
        "float": [1.5, None, None],
        "bool": [1.0, 0.0, None],
        "decimal": [1.25, None, 3.0],
        "list": [None, None, None],
    }
    assert invalid == {"float": 1, "list": 2}


def test_an_index_of_pandas_is_the_timestamp_although_it_comes_last() -> None:
    frame = pl.DataFrame({"a": [1.0], "b": [2.0], "__index_level_0__": [NAIVE]})
    file = ParquetFile("k.parquet", io.BytesIO(parquet(frame)))
    assert (file.header.timestamp, file.header.sensors) == ("__index_level_0__", ("a", "b"))
    assert pd.Timestamp(read(file)[0][TIME][0], unit="us") == pd.Timestamp("2024-01-01")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"time,a\n2024-01-01,1\n", "not a Parquet file: "),
        (
            parquet(pl.DataFrame({"a": [1], "b": [2]})),
            "its first column 'a' is Int64, no timestamp; no column could be",
        ),
        (
            parquet(pl.DataFrame({"a": [1], "t": [date(2024, 1, 1)], "u": [NAIVE]})),
            "its first column 'a' is Int64, no timestamp; the columns t, u could be one",
        ),
    ],
)
def test_what_is_no_sensor_file_is_left_out_with_a_reason(data: bytes, sentence: str) -> None:
    with pytest.raises(NotIngestible) as left_out:
        ParquetFile("k.parquet", io.BytesIO(data))
    assert str(left_out.value).startswith(sentence)


def test_a_column_with_another_name_than_sensors_can_have_is_a_bad_header() -> None:
    data = parquet(pl.DataFrame({"t": [NAIVE], "flow rate": [1.0]}))
    with pytest.raises(BadHeader, match=r"file 'k.parquet', column 2: the header 'flow rate' is not 1 to 200 of"):
        ParquetFile("k.parquet", io.BytesIO(data))


def test_chunks_are_bounded_and_are_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "CELLS_MAX", 40)
    times = [NAIVE + i * MINUTE for i in range(1000)]
    frame = pl.DataFrame({"t": times, "a": range(1000), "b": range(1000)})
    chunks = list(ParquetFile("k.parquet", io.BytesIO(parquet(frame))).chunks({"b"}))
    assert max(len(chunk.readings) for chunk in chunks) == 20
    assert pl.concat([chunk.readings for chunk in chunks])["b"].to_list() == [float(i) for i in range(1000)]


def test_a_dataset_of_parquet_and_csv_files_is_ingested(tmp_path: Path) -> None:
    frame = pl.DataFrame({"t": [NAIVE + i * MINUTE for i in range(10)], "a": [float(i) for i in range(10)]})
    files = {"in/pump/1.parquet": parquet(frame[:5]), "in/pump/2.csv": frame[5:].write_csv().encode()}
    files["in/pump/3.parquet"] = b"no parquet"
    sources = [Source(key, "pump", len(data), lambda data=data: io.BytesIO(data)) for key, data in files.items()]  # type: ignore[misc]
    ingested = ingest(sources, None, tmp_path / "out", tmp_path / "scratch")
    assert pl.read_parquet(ingested.parts[0].path)["a"].to_list() == [float(i) for i in range(10)]
    assert ingested.discarded["in/pump/3.parquet"].startswith("not a Parquet file")


def test_a_window_is_read_from_parquet_files() -> None:
    window = Window(START_US, START_US + 300_000_000, 300_000_000)
    key = "in/pump_20240101000000.parquet"
    assert window_keys([key], ["pump"], InputNames("in/"), window, "b") == {"pump": (key,)}
    frame = pl.DataFrame({"t": [NAIVE + i * MINUTE for i in range(10)], "a": [float(i) for i in range(10)]})
    readings = read_window([(key, io.BytesIO(parquet(frame)))], Component("pump", "t", ("a",)), window)
    assert readings.values.ravel().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
