"""Ingestion as a whole: what it keeps, what it leaves out and names, what it counts, and how much memory it takes."""

import gzip
import io
import math
import subprocess
import sys
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.timeseries import csv as reader
from openlookout.timeseries import runs
from openlookout.timeseries.columnar import read_readings
from openlookout.timeseries.ingest import Ingested, ingest
from openlookout.timeseries.quality import grade, quality_summary
from openlookout.timeseries.schema import Component, parse_schema, schema_text
from openlookout.timeseries.sensor_file import TIME
from openlookout.timeseries.sources import IngestionError, Source

START = 1_577_836_800_000_000
GOOD = b"Timestamp,a,b\n2020-01-01 00:00:00,1,2\n2020-01-01 00:01:00,3,4\n"
ROW = st.tuples(st.integers(0, 59), st.sampled_from(["1", "2.5", "-3", "", "x"]), st.sampled_from(["7", "8", ""]))


def source(key: str, data: bytes, component: str = "pump") -> Source:
    return Source(key, component, len(data), lambda: io.BytesIO(data))


def ingested(folder: Path, *sources: Source, schema: tuple[Component, ...] | None = None) -> Ingested:
    return ingest(sources, schema, folder / "out", folder / "scratch")


def rows_of(got: Ingested, component: str = "pump") -> dict[int, dict[str, float | None]]:
    paths = [part.path for part in got.parts if part.component == component]
    frame = pl.concat([pl.read_parquet(path) for path in paths], how="diagonal")
    assert frame[TIME].to_list() == sorted(set(frame[TIME].to_list()))
    return {row.pop(TIME): row for row in frame.to_dicts()}


@settings(max_examples=60)
@given(
    files=st.lists(st.lists(ROW, min_size=1, max_size=12), min_size=1, max_size=5), cells=st.sampled_from([6, 12, 1000])
)
def test_of_rows_with_the_same_time_the_last_wins_whatever_order_files_and_rows_come_in(tmp_path_factory, files, cells):
    folder = tmp_path_factory.mktemp("ingest")
    expected: dict[int, dict[str, float | None]] = {}
    counts = {"rows": 0, "readings": 0}
    sources = []
    for number, rows in enumerate(files):
        lines = [f"2020-01-01 00:00:{second:02},{a},{b}" for second, a, b in rows]
        sources.append(source(f"{number}.csv", "\n".join(["t,a,b", *lines]).encode()))
        if not any(a not in ("", "x") or b for _, a, b in rows):
            continue
        for second, a, b in rows:
            row = expected.setdefault(START + second * 1_000_000, {"a": None, "b": None})
            row |= {name: float(cell) for name, cell in (("a", a), ("b", b)) if cell not in ("", "x")}
            counts["rows"] += 1
    if not expected:
        with pytest.raises(IngestionError, match="has a reading that can be ingested"):
            ingested(folder, *sources)
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "RUN_CELLS_MAX", cells)
        patch.setattr(reader, "BLOCK_BYTES", 40)
        got = ingested(folder, *sources)
    assert rows_of(got) == expected
    for one in got.statistics:
        assert one.n_rows == counts["rows"]
        assert one.n_duplicates == counts["rows"] - len(expected)
    for before, after in zip(got.parts, got.parts[1:], strict=False):
        assert before.last_us < after.first_us


def test_the_schema_is_detected_over_all_files_in_the_order_first_seen(tmp_path):
    more = b"time,b,c\n2020-01-02 00:00:00,5,6\n"
    got = ingested(tmp_path, source("1.csv", GOOD), source("2.csv", gzip.compress(more)), source("3.csv", more, "fan"))
    assert got.schema == (Component("pump", "Timestamp", ("a", "b", "c")), Component("fan", "time", ("b", "c")))
    assert parse_schema(schema_text(got.schema)) == got.schema
    assert (got.n_files, got.n_files_ingested, got.start_us, got.end_us) == (3, 3, START, START + 86_400_000_000)


def test_files_with_different_sensors_of_one_component_complete_each_other(tmp_path):
    other = b"t,c\n2020-01-01 00:00:00,9\n"
    got = ingested(tmp_path, source("1.csv", GOOD), source("2.csv", other))
    assert rows_of(got)[START] == {"a": 1.0, "b": 2.0, "c": 9.0}


def test_what_the_schema_does_not_name_is_ignored_and_what_a_file_lacks_is_no_data(tmp_path):
    schema = (Component("pump", "Timestamp", ("z", "a")), Component("fan", "t", ("x",)))
    got = ingested(tmp_path, source("1.csv", GOOD), source("2.csv", GOOD, "unknown"), schema=schema)
    assert got.schema == schema
    assert got.discarded == {"2.csv": "the schema has no component 'unknown'"}
    assert [(one.component, one.sensor, one.data_exists) for one in got.statistics] == [
        ("fan", "x", False),
        ("pump", "a", True),
        ("pump", "z", False),
    ]
    assert rows_of(got)[START] == {"a": 1.0}


@pytest.mark.parametrize(
    ("key", "data", "reason"),
    [
        ("bad.csv", b"", "the file is empty"),
        ("bad.csv", b"\x89PNG\0\0", "not text: it has NUL bytes"),
        ("bad.csv", b"t,a\n", "it has a header and no rows"),
        ("bad.csv", b"t,a\n2020-01-01 00:00,oops\n", "none of its 1 rows has a reading"),
        ("bad.csv", b"t,a\n31/12/2020 00:00,1\n", "none of its 1 rows has a supported timestamp, such as"),
        ("bad.csv", gzip.compress(GOOD * 500)[:-20], "corrupt gzip"),
        ("README.md", b"# How to read this\n", "not a CSV file"),
    ],
)
def test_a_file_that_gives_nothing_is_discarded_and_named_and_the_rest_goes_on(tmp_path, key, data, reason):
    got = ingested(tmp_path, source("1.csv", GOOD), source(key, data), source("2.csv", GOOD.replace(b"00:0", b"01:0")))
    assert list(got.discarded) == [key]
    assert got.discarded[key].startswith(reason)
    assert (got.n_files, got.n_files_ingested, got.n_bytes) == (3, 2, 2 * len(GOOD))
    assert len(rows_of(got)) == 4
    with pytest.raises(
        IngestionError, match=f"none of the 1 files has a reading that can be ingested: '{key}': {reason}"
    ):
        ingested(tmp_path, source(key, data))


def test_a_file_that_turns_out_corrupt_at_its_end_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RUN_CELLS_MAX", 10)
    monkeypatch.setattr(reader, "BLOCK_BYTES", 64)
    lines = "".join(f"2021-01-01 00:00:{second:02},5,6\n" for second in range(60)).encode()
    broken = b"t,a,b\n" + lines + b"2021-01-01 00:01:00,5,\0\n"
    later = GOOD.replace(b"00:0", b"01:0")
    got = ingested(tmp_path, source("1.csv", GOOD), source("2.csv", broken), source("3.csv", later))
    assert list(rows_of(got)) == [START + minute * 60_000_000 for minute in (0, 1, 60, 61)]
    assert got.statistics[0].n_rows == 4
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(part.path.name for part in got.parts)
    assert not list((tmp_path / "scratch").iterdir())


def test_a_time_on_the_border_of_two_runs_is_kept_once(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "RUN_CELLS_MAX", 1)
    second = b"t,a,b\n2020-01-01 00:01:00,,5\n2020-01-01 00:02:00,6,7\n"
    got = ingested(tmp_path, source("1.csv", GOOD), source("2.csv", second))
    assert list(rows_of(got).values()) == [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 5.0}, {"a": 6.0, "b": 7.0}]


def test_a_malformed_header_fails_everything_and_names_file_and_column(tmp_path):
    bad = source("p/bad.csv", b"t,a,a\n2020-01-01 00:00:00,1,2\n")
    with pytest.raises(IngestionError, match=r"file 'p/bad.csv', column 3: the header 'a' is that of column 2 too"):
        ingested(tmp_path, source("p/good.csv", GOOD), bad)


def test_without_files_the_message_says_so(tmp_path):
    with pytest.raises(IngestionError, match="there is no file to ingest"):
        ingested(tmp_path)


def test_a_file_that_may_not_be_opened_is_discarded_and_a_failing_network_is_not_hidden(tmp_path):
    def refuse() -> io.BytesIO:
        raise PermissionError(13, "Permission denied")

    def fail() -> io.BytesIO:
        raise TimeoutError("no answer")

    got = ingested(tmp_path, source("1.csv", GOOD), Source("2.csv", "pump", 5, refuse))
    assert got.discarded == {"2.csv": "unreadable: Permission denied"}
    with pytest.raises(TimeoutError):
        ingested(tmp_path, Source("2.csv", "pump", 5, fail))


def test_a_component_called_dot_dot_stays_inside_the_folder(tmp_path):
    got = ingested(tmp_path, source("1.csv", GOOD, ".."))
    assert got.parts[0].path.parent == tmp_path / "out"


def test_progress_rises_to_the_bytes_there_are(tmp_path):
    seen: list[tuple[int, int]] = []
    sources = [source("1.csv", GOOD), source("2.csv", b"\0"), source("3.csv", GOOD)]
    ingest(sources, None, tmp_path / "out", tmp_path / "scratch", progress=lambda *now: seen.append(now))
    assert seen == sorted(seen)
    assert seen[-1] == (2 * len(GOOD) + 1,) * 2


def test_what_was_read_is_read_back_and_nothing_is_carried_forward(tmp_path):
    gappy = b"t,a,b\n2020-01-01 00:00:00,1,\n2020-01-01 00:01:00,,4\n"
    got = ingested(tmp_path, source("1.csv", gappy))
    readings = read_readings("pump", [part.path for part in got.parts], ["pump\\b", "pump\\a", "fan\\x"])
    assert readings.sensors == ("pump\\b", "pump\\a")
    assert [[None if math.isnan(v) else v for v in row] for row in readings.values.tolist()] == [
        [None, 1.0],
        [4.0, None],
    ]


def test_counts_add_up_for_each_sensor_and_once_for_each_component(tmp_path):
    data = b"t,a,b\n2020-01-01 00:00:00,1,\n2020-01-01 00:00:00,2,x\nbad,3,4\n2020-01-01 00:01:00,,5\n"
    got = ingested(tmp_path, source("1.csv", data))
    a, b = got.statistics
    assert (a.n_rows, a.n_missing, a.n_invalid, a.n_bad_timestamps, a.n_duplicates) == (3, 1, 0, 1, 1)
    assert (b.n_rows, b.n_missing, b.n_invalid, b.n_bad_timestamps, b.n_duplicates) == (3, 1, 1, 1, 1)
    summary = quality_summary(got.statistics)
    assert summary["UnsupportedTimestamps"] == {"TotalNumberOfUnsupportedTimestamps": 1}
    assert summary["DuplicateTimestamps"] == {"TotalNumberOfDuplicateTimestamps": 1}
    assert summary["MissingSensorData"] == {"AffectedSensorCount": 2, "TotalNumberOfMissingValues": 2}
    assert grade(a)[0] == "LOW"


MEMORY = """
import io, sys, tempfile
from pathlib import Path
import numpy as np, polars as pl
from openlookout.timeseries.ingest import ingest
from openlookout.timeseries.sources import Source

n_sensors, n_blocks, n_rows = 20, 24, 50_000
values = pl.DataFrame(np.random.default_rng(0).normal(50, 5, (n_rows, n_sensors)).round(5))
body = values.write_csv(include_header=False).splitlines()
header = ("t," + ",".join(f"s{j}" for j in range(n_sensors)) + "\\n").encode()


class Month(io.RawIOBase):
    # One file, one month, every second block an hour too late: nothing in it is in order.
    def __init__(self):
        self.blocks, self.left = iter(range(n_blocks)), header

    def readable(self):
        return True

    def readinto(self, buffer):
        if not self.left:
            block = next(self.blocks, None)
            if block is None:
                return 0
            start = 1_577_836_800_000_000 + (block ^ 1) * n_rows // 2 * 1_000_000
            times = pl.Series(start + np.arange(n_rows) * 1_000_000).cast(pl.Datetime("us")).dt.strftime("%F %T")
            self.left = "".join(f"{t},{v}\\n" for t, v in zip(times, body)).encode()
        read, self.left = self.left[: len(buffer)], self.left[len(buffer) :]
        buffer[: len(read)] = read
        return len(read)


with tempfile.TemporaryDirectory() as folder:
    source = Source("month.csv", "pump", 1, lambda: io.BufferedReader(Month(), 1 << 20))
    got = ingest([source], None, Path(folder, "out"), Path(folder, "scratch"))
assert got.statistics[0].n_rows == n_blocks * n_rows, got.statistics[0]
print(sum(part.n_rows for part in got.parts))
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_month_of_overlapping_blocks_in_one_file_takes_less_than_500_megabytes():
    command = [sys.executable, "-c", MEMORY]
    n_rows, peak_kb = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(n_rows) == 25 * 25_000
    assert int(peak_kb) < 500_000


def test_the_places_of_faults_are_told_beside_their_number(tmp_path: Path) -> None:
    rows = [
        "2024-01-01T00:00:00,1,x",
        "2024-01-01T00:01:00,oops,2",
        "2024-01-01T00:01:00,3,2",
        "2024-01-01T00:00:00,4,2",
    ]
    (tmp_path / "a.csv").write_text("t,a,b\n" + "\n".join(rows) + "\n")
    (tmp_path / "b.csv").write_text(
        "t,a,b\n2024-01-01T00:02:00,5,?\n2024-01-01T00:02:00,5,6\n2024-01-01T00:03:00,5,6\n"
    )
    sources = [Source(name, "pump", 1, partial((tmp_path / name).open, "rb")) for name in ("a.csv", "b.csv")]
    marks = ingest(sources, None, tmp_path / "out", tmp_path / "scratch").marks["pump"]
    minute, start = 60_000_000, 1_704_067_200_000_000
    assert marks.repeated_us == [start, start + minute, start + 2 * minute]
    assert marks.invalid_us == {"a": [start + minute], "b": [start, start + 2 * minute]}
