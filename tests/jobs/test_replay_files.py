"""Files of many windows read at once give, for each window, what is read of it alone."""

import gzip
import io
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.jobs.replay_files import file_index
from openlookout.jobs.replay_readings import part_readings
from openlookout.timeseries.columnar import Readings, readings_to_parquet
from openlookout.timeseries.inference_input import (
    InputNames,
    InvalidInput,
    Window,
    missing_sentence,
    read_window,
    window_files,
)
from openlookout.timeseries.sampling import Sampling
from openlookout.timeseries.schema import Component

START = datetime(2024, 1, 1, tzinfo=UTC)
START_US = int(START.timestamp()) * 1_000_000
STEP_US = 300_000_000
N_WINDOWS = 6
# Without a delimiter the digits of a time may end the name of the other component.
SCHEMA = (Component("pump", "time", ("a", "b")), Component("pump2", "time", ("c",)))
NAMES = InputNames("in/", "", "yyyyMMddHHmmss")

ROWS = st.lists(st.tuples(st.integers(-400, 2200), st.sampled_from(["1.5", "2", "", "x", '"3"'])), max_size=5)
FILES = st.tuples(
    st.sampled_from(["pump", "pump2"]),
    st.integers(-2, N_WINDOWS + 1),
    ROWS,
    st.sampled_from(
        ["plain", "plain", "plain", "gzip", "crlf", "no end", "bad header", "broken", "one sensor", "words"]
    ),
)


def content(component: str, rows: list[tuple[int, str]], kind: str) -> bytes:
    sensors = next(one.sensors for one in SCHEMA if one.name == component)
    sensors = sensors[:1] if kind == "one sensor" else sensors
    lines = [",".join(("time", *sensors)) if kind != "bad header" else "time,a,a"]
    for second, value in rows:
        at = START + timedelta(seconds=second)
        stamp = "never" if kind == "words" else f"{at:%Y-%m-%d %H:%M:%S}"
        lines.append(",".join((stamp, *[value] * len(sensors))))
    text = "\n".join(lines) + ("" if kind == "no end" else "\n")
    if kind == "crlf":
        text = text.replace("\n", "\r\n")
    if kind == "broken":
        return b"\x00\x01\x02"
    return gzip.compress(text.encode()) if kind == "gzip" else text.encode()


def read_alone(buckets: Any, index: Any, component: Component, found: Any, window: Window) -> Readings | str:
    """The readings of one window, or why it cannot be read."""
    keys = [index.keys[component.name][n] for n in found[component.name]]
    try:
        return read_window([(key, io.BytesIO(buckets.read("plant", key))) for key in keys], component, window)
    except InvalidInput as error:
        return str(error)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(files=st.lists(FILES, max_size=14, unique_by=lambda file: file[:2]))
def test_each_window_has_what_is_read_of_it_alone(tmp_path: Path, files: list[Any]) -> None:
    place = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    where = BucketSettings("folder", root=place / "buckets", objects=place / "objects")
    (place / "buckets" / "plant" / "in").mkdir(parents=True)
    buckets = open_buckets(where)
    for component, number, rows, kind in files:
        stamp = f"{START + timedelta(minutes=5) * number:%Y%m%d%H%M%S}"
        buckets.write("plant", f"in/{component}{stamp}.csv", content(component, rows, kind))
    windows = [Window(START_US + i * STEP_US, START_US + (i + 1) * STEP_US, STEP_US) for i in range(N_WINDOWS)]
    index = file_index(where, "plant", NAMES, ("pump", "pump2"), str(place / "index"))
    keys = [info.key for info in buckets.list("plant", "in/")]
    told: list[dict[str, Any]] = []
    chosen = []
    for window in windows:
        alone = window_files(keys, ("pump", "pump2"), NAMES, window)
        found = index.of_window(window)
        assert {name: [key for _, key in each] for name, each in alone.items()} == {
            name: [index.keys[name][n] for n in numbers] for name, numbers in found.items()
        }
        missing = next((name for name, numbers in found.items() if not numbers), None)
        told.append({} if missing is None else {"failed": missing_sentence(missing, NAMES, window, "plant")})
        chosen.append(found if missing is None else {})
    plain = [(window.start_us, window.end_us, True, None) for window in windows]
    together = part_readings(buckets, "plant", SCHEMA, index, windows=plain, chosen=chosen, told=told)
    for window, found, one in zip(windows, chosen, told, strict=True):
        if not found:
            continue
        alone_read = [read_alone(buckets, index, component, found, window) for component in SCHEMA]
        wrong = next((read for read in alone_read if isinstance(read, str)), None)
        if wrong is not None:
            assert one["failed"] == wrong
            continue
        assert "failed" not in one
        assert one["n_readings"] == sum(len(read.timestamps) for read in alone_read if not isinstance(read, str))
        for read, whole in zip(alone_read, together, strict=True):
            assert not isinstance(read, str)
            inside = (whole.timestamps > window.start_us) & (whole.timestamps <= window.end_us)
            assert whole.timestamps[inside].tolist() == read.timestamps.tolist()
            np.testing.assert_array_equal(whole.values[inside], read.values)
    for one, window in zip(told, windows, strict=True):
        if "failed" in one:
            assert not any(((r.timestamps > window.start_us) & (r.timestamps <= window.end_us)).any() for r in together)


def test_what_was_read_before_stays_where_its_file_is_gone(tmp_path: Path) -> None:
    """Of pump a file is there again, of pump2 only a neighbour's that has no row of the window."""
    where = BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects")
    (tmp_path / "buckets" / "plant").mkdir(parents=True)
    buckets = open_buckets(where)
    at = START_US + 60_000_000
    for name, sensors, value in (("pump", ("pump\\a", "pump\\b"), 1.0), ("pump2", ("pump2\\c",), 2.0)):
        kept = Readings(sensors, np.array([at]), np.full((1, len(sensors)), value))
        buckets.write(SERVICE, f"kept/{name}.parquet", readings_to_parquet(kept))
    buckets.write("plant", f"in/pump{START:%Y%m%d%H%M%S}.csv", b"time,a,b\n2024-01-01 00:02:00,7,8\n")
    later = START + timedelta(minutes=5)
    buckets.write("plant", f"in/pump2{later:%Y%m%d%H%M%S}.csv", b"time,c\n2024-01-01 00:07:00,9\n")
    index = file_index(where, "plant", NAMES, ("pump", "pump2"), str(tmp_path / "index"))
    window = Window(START_US, START_US + STEP_US, STEP_US)
    told: list[dict[str, Any]] = [{}]
    plain = [(window.start_us, window.end_us, True, "kept/")]
    pump, pump2 = part_readings(
        buckets, "plant", SCHEMA, index, windows=plain, chosen=[index.of_window(window)], told=told
    )
    assert pump.values.tolist() == [[7.0, 8.0]]
    assert (pump2.timestamps.tolist(), pump2.values.tolist()) == ([at], [[2.0]])
    assert told == [{"n_readings": 2}]


def test_a_window_with_more_rows_than_an_execution_may_have_fails_as_that_does(tmp_path: Path) -> None:
    """Counted are rows of the grid: of five rows in five minutes two fall into one, and one has no reading."""
    where = BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects")
    (tmp_path / "buckets" / "plant").mkdir(parents=True)
    buckets = open_buckets(where)
    seconds = {0: (60, 110, 120, 180, 240), 1: (60, 120), 2: (60, 120, 180)}
    for number, own in seconds.items():
        start = START + number * timedelta(minutes=5)
        rows = "".join(f"{start + timedelta(seconds=at):%Y-%m-%d %H:%M:%S},{'' if at == 240 else 1},\n" for at in own)
        buckets.write("plant", f"in/pump{start:%Y%m%d%H%M%S}.csv", f"time,a,b\n{rows}".encode())
        buckets.write("plant", f"in/pump2{start:%Y%m%d%H%M%S}.csv", f"time,c\n{start:%Y-%m-%d %H:%M:%S},9\n".encode())
    index = file_index(where, "plant", NAMES, ("pump", "pump2"), str(tmp_path / "index"))
    minute = STEP_US // 5
    windows = [(START_US + n * STEP_US, START_US + (n + 1) * STEP_US, True, None) for n in seconds]
    chosen = [index.of_window(Window(start, end, STEP_US)) for start, end, *_ in windows]
    sampling = Sampling(minute, START_US, 0, (0, 0, 0))

    def told(rows_a_minute: float) -> list[dict[str, Any]]:
        said: list[dict[str, Any]] = [{} for _ in windows]
        more: dict[str, Any] = {"sampling": sampling, "rows_a_minute": rows_a_minute}
        part_readings(buckets, "plant", SCHEMA, index, windows=windows, chosen=chosen, told=said, **more)
        return said

    assert told(1) == [{"n_readings": 6}, {"n_readings": 3}, {"n_readings": 3}]
    # Of the second window the row at its end belongs to it, which is the third file's.
    failed = "The execution has {} rows; 3 is the quota."
    assert told(0.6) == [{"n_readings": 0, "failed": failed.format(4)}, {"n_readings": 3}, {"n_readings": 3}]


@pytest.mark.parametrize("n", [1, 20])
def test_many_objects_are_written_as_one_by_one(tmp_path: Path, n: int) -> None:
    buckets = open_buckets(BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects"))
    (tmp_path / "buckets" / "plant").mkdir(parents=True)
    buckets.write_many("plant", [(f"out/{i}/results.jsonl", f"{i}".encode()) for i in range(n)])
    buckets.write_many("plant", [(f"out/{i}/results.jsonl", f"new {i}".encode()) for i in range(n)])
    found = {info.key: buckets.read("plant", info.key) for info in buckets.list("plant", "")}
    assert found == {f"out/{i}/results.jsonl": f"new {i}".encode() for i in range(n)}
    assert not list(tmp_path.rglob(".openlookout-*"))
