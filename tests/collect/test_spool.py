"""The spool and the uploads: a reading once, a window whole, and again when more comes; the files are what is expected."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collect.conftest import MINUTE_US, START_US, TARGET, WINDOW_US, full
from openlookout.buckets.buckets import BucketSettings, open_buckets
from openlookout.buckets.errors import BucketUnavailableError
from openlookout.collect.clocks import LOOKED_AT, Clocks
from openlookout.collect.errors import CollectError, SpoolUnavailable
from openlookout.collect.spool import Reading, Spool
from openlookout.collect.target import check_names
from openlookout.collect.upload import KEEP_US, upload
from openlookout.collect.values import BadValue, time_us
from openlookout.timeseries.inference_input import InputNames, Window, read_window, window_keys
from openlookout.timeseries.schema import Component

HOUR_US = 60 * MINUTE_US


class Bucket:
    """Objects in memory; `fails` makes writing fail."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fails = False

    def write(self, bucket: str, key: str, content: bytes) -> None:
        if self.fails:
            raise BucketUnavailableError("away")
        self.objects[key] = content


def flow(minute: float, value: float | None = 1.0) -> Reading:
    return Reading("pump", "flow", START_US + round(minute * MINUTE_US), value)


@given(minutes=st.lists(st.floats(0.01, 30), max_size=30, unique=True), cuts=st.lists(st.integers(0, 30), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_every_reading_is_in_the_file_of_its_window_once_however_they_came(
    tmp_path_factory: pytest.TempPathFactory, minutes: list[float], cuts: list[int]
) -> None:
    spool, bucket = Spool(tmp_path_factory.mktemp("spool") / "s", WINDOW_US), Bucket()
    readings = [flow(minute, minute) for minute in minutes]
    for cut in cuts:
        spool.add(readings[:cut])
        upload(spool, TARGET, bucket, START_US + 10 * MINUTE_US, 0)
    spool.add(readings)
    upload(spool, TARGET, bucket, START_US + HOUR_US, 0)
    spool.close()
    rows = [line.split(",") for text in bucket.objects.values() for line in text.decode().splitlines()[1:]]
    assert sorted(float(row[1]) for row in rows) == sorted(minutes)


def test_the_service_finds_the_files_and_reads_what_was_collected(tmp_path: Path) -> None:
    """The names and rows, with the very code that reads the input of an execution."""
    spool = Spool(tmp_path / "spool", WINDOW_US)
    buckets = open_buckets(BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects"))
    (tmp_path / "buckets" / "plant").mkdir(parents=True)
    spool.add([flow(5.0, 1.0), flow(5.001, 2.0), flow(10.0, 3.0), Reading("pump", "speed", START_US + WINDOW_US, 9.5)])
    for offset, form, delimiter in ((5.5, "yyyy-MM-dd-HH-mm-ss", "-"), (-3, "EPOCH", "_"), (0, "yyyyMMddHHmmss", " ")):
        names = InputNames("in/", delimiter, form, timedelta(hours=offset))
        target = replace(TARGET, prefix="in/", delimiter=delimiter, timestamp_format=form, offset=names.offset)
        upload(spool, target, buckets, START_US + HOUR_US, 0)
        keys = [found.key for found in buckets.list("plant", "in/")]
        window = Window(START_US + WINDOW_US, START_US + 2 * WINDOW_US, WINDOW_US)
        (component,) = window_keys(keys, ["pump"], names, window, "plant").items()
        files = [(key, buckets.open("plant", key)) for key in component[1]]
        readings = read_window(files, Component("pump", "timestamp", ("flow", "speed")), window)
        assert readings.values[:, 0].tolist() == [2.0, 3.0]
        buckets.delete("plant", keys)
        spool.add([flow(5.0, offset), flow(5.001, offset), flow(5.001, 2.0), flow(10.0, offset), flow(10.0, 3.0)])
    spool.close()


def test_a_window_is_waited_for_and_written_again_when_a_late_reading_comes(tmp_path: Path) -> None:
    spool, bucket = Spool(tmp_path / "spool", WINDOW_US), Bucket()
    spool.add([flow(1), flow(6)])
    end = START_US + WINDOW_US
    assert [upload(spool, TARGET, bucket, at, 5_000_000) for at in (end, end + 4_999_999, end + 5_000_000)] == [0, 0, 1]
    assert upload(spool, TARGET, bucket, end + MINUTE_US, 0) == 0
    spool.add([flow(2, 7.0), flow(1)])
    assert upload(spool, TARGET, bucket, end + MINUTE_US, 0) == 1
    (key,) = bucket.objects
    assert key == f"in/pump_{20260225061500}.csv"
    assert bucket.objects[key].decode() == (
        "timestamp,flow,speed\n2026-02-25T06:16:00.000000,1.0,\n2026-02-25T06:17:00.000000,7.0,\n"
    )
    spool.close()


def test_a_reading_that_comes_while_its_window_is_uploaded_is_in_the_next_upload(tmp_path: Path) -> None:
    spool, bucket = Spool(tmp_path / "s", WINDOW_US), Bucket()
    spool.add([flow(1)])
    (window,) = spool.changed(START_US + WINDOW_US)
    assert len(spool.readings(window)) == 1
    spool.add([flow(2)])
    spool.note_uploaded(window, START_US + WINDOW_US)
    assert upload(spool, TARGET, bucket, START_US + WINDOW_US, 0) == 1
    assert [len(content.splitlines()) for content in bucket.objects.values()] == [3]
    assert spool.changed(START_US + WINDOW_US) == []
    spool.close()


def test_a_bucket_that_is_away_loses_nothing(tmp_path: Path) -> None:
    spool, bucket = Spool(tmp_path / "spool", WINDOW_US), Bucket()
    spool.add([flow(1), flow(6)])
    bucket.fails = True
    assert upload(spool, TARGET, bucket, START_US + HOUR_US, 0) == 0
    spool.close()
    again = Spool(tmp_path / "spool", WINDOW_US)
    bucket.fails = False
    assert upload(again, TARGET, bucket, START_US + HOUR_US, 0) == 2
    again.close()


def test_old_readings_that_come_piece_by_piece_are_all_in_their_file(tmp_path: Path) -> None:
    """However old they are: what was uploaded is kept for a while, for those of its window that come after it."""
    spool, bucket = Spool(tmp_path / "spool", WINDOW_US), Bucket()
    for minute in (1, 2, 3):
        spool.add([flow(minute)])
        assert upload(spool, TARGET, bucket, START_US + 100 * KEEP_US + minute, 0) == 1
    (text,) = bucket.objects.values()
    assert text.decode().count("\n") == 4
    spool.close()


def test_uploaded_readings_are_forgotten_after_days_and_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool, bucket = Spool(tmp_path / "spool", WINDOW_US), Bucket()
    spool.add([flow(1), flow(6)])
    uploaded = START_US + WINDOW_US
    assert upload(spool, TARGET, bucket, uploaded, 0) == 1
    assert [spool.forget(uploaded - 1), spool.forget(uploaded), spool.forget(uploaded)] == [0, 1, 0]
    assert len(spool.changed(START_US + HOUR_US)) == 1
    spool.add([flow(2)])
    (kept,) = bucket.objects.values()
    assert upload(spool, TARGET, bucket, uploaded, 0) == 0
    assert list(bucket.objects.values()) == [kept]
    assert "readings came too late for their file" in caplog.text
    spool.close()


def test_a_full_disk_takes_nothing_of_what_it_does_not_take_whole_and_all_of_it_afterwards(tmp_path: Path) -> None:
    spool, bucket = Spool(tmp_path / "s", WINDOW_US), Bucket()
    spool.add([flow(1)])
    with full(spool):
        for write in (partial(spool.add, [flow(2)]), partial(upload, spool, TARGET, bucket, START_US + HOUR_US, 0)):
            with pytest.raises(SpoolUnavailable, match=r"^the spool .*/s cannot be written: "):
                write()
    assert len(spool.changed(START_US + HOUR_US)) == 1
    spool.add([flow(2)])
    assert upload(spool, TARGET, bucket, START_US + HOUR_US, 0) == 1
    assert [len(content.splitlines()) for content in bucket.objects.values()] == [3]
    spool.close()


def test_a_spool_belongs_to_one_process_and_is_no_other_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", WINDOW_US)
    with pytest.raises(CollectError, match="cannot be opened, or another process has it: database is locked"):
        Spool(tmp_path / "spool", WINDOW_US)
    spool.close()
    (tmp_path / "text").write_text("no database, but long enough to be looked at as one" * 40)
    with pytest.raises(CollectError, match="text is no spool"):
        Spool(tmp_path / "text", WINDOW_US)


@pytest.mark.parametrize(
    ("off_us", "sentence"),
    [
        (-HOUR_US, "the clock of d is behind ours by 1 h 0 min, or its readings come that late"),
        (HOUR_US, "the clock of d is ahead of ours by 1 h 0 min, or its readings come that late"),
    ],
)
def test_a_clock_that_is_an_hour_off_is_named_once(off_us: int, sentence: str) -> None:
    clocks = Clocks()
    said = [clocks.seen("d", START_US + i + off_us, START_US + i) for i in range(3 * LOOKED_AT)]
    assert [text for text in said if text] == [sentence + "; they keep the times that it gives"]
    assert said[LOOKED_AT - 1] is not None


def test_readings_that_were_held_up_are_no_clock() -> None:
    clocks = Clocks()
    ages = [HOUR_US] * (LOOKED_AT - 1) + [1000] + [HOUR_US] * (LOOKED_AT - 1)
    assert [clocks.seen("d", START_US - age, START_US) for age in ages] == [None] * len(ages)


def test_times_are_told_by_their_size_and_form() -> None:
    seconds = 1_772_000_100
    assert {time_us(seconds * 10**n) for n in (0, 3, 6, 9)} == {seconds * 10**6}
    assert time_us(seconds + 0.25) == seconds * 10**6 + 250_000
    assert time_us("2026-02-25T06:15:00Z") == time_us("2026-02-25T06:15:00") == seconds * 10**6
    for bad in (None, True, "soon", -1, float("nan"), []):
        with pytest.raises(BadValue, match="is no time"):
            time_us(bad)


def test_sensors_that_are_not_the_models_are_refused_and_missing_ones_named() -> None:
    with pytest.raises(CollectError, match=r"'pump\\temp' is no sensor of the model of scheduler 'pump': pump\\flow, "):
        check_names(TARGET, ["pump\\temp"])
    assert check_names(TARGET, ["pump\\flow"]) == ["nothing is collected for pump\\speed, motor\\current"]
    assert check_names(TARGET, ["pump\\flow", "pump\\speed", "motor\\current"]) == []
