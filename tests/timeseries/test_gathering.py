"""Small files that are read together: they give, to the letter, what each of them gives alone."""

import gzip
import io
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest

from openlookout.timeseries import csv as reader
from openlookout.timeseries import gathering
from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.gathering import Batch, Opened, gathered
from openlookout.timeseries.ingest import ingest
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import TIME, Allowance
from openlookout.timeseries.sources import IngestionError, Meter, Source

CELLS = ("1", "2.5", "", "x", "NaN", " 7 ", "1e300", '"4"', '"5,6"')


def source(key: str, data: bytes) -> Source:
    return Source(key, "pump", len(data), lambda: io.BytesIO(data))


def messy(number: int, rng: random.Random) -> Source:
    """A file that may have any fault: two headers, blank lines, bad times, no reading, NUL bytes, a gzip cut short."""
    header, lines = rng.choice(["t,a,b", "t,a,b", "t,a,b", "time,b,c"]), []
    is_faulty, is_silent = rng.random() < 0.3, rng.random() < 0.1
    for minute in rng.sample(range(600), rng.choice([0, 1, 5, 40])):
        time = f"2020-01-01 {minute // 60:02}:{minute % 60:02}"
        time = rng.choice(["never", ""]) if is_faulty and rng.random() < 0.1 else time
        cells = [rng.choice(CELLS) if is_faulty and rng.random() < 0.3 else f"{rng.gauss(0, 5):.3f}" for _ in "ab"]
        lines.append(",".join([time, *(["", ""] if is_silent else cells)]))
        lines += rng.choices(["", ",", "  "], k=1) if is_faulty and rng.random() < 0.1 else []
    end = rng.choice(["\n", "\r\n"])
    data = (end.join([header, *lines]) + end * rng.randrange(3)).encode()
    if rng.random() < 0.05:
        data = rng.choice([b"", data + b"\0", data + b"\xff", b"# read me\n", gzip.compress(data)[:-9]])
    is_packed = rng.random() < 0.2
    return source(f"{number:03}.txt", gzip.compress(data) if is_packed else data)


def told(sources: list[Source], schema: tuple[Component, ...] | None, folder: Path) -> list[str]:
    """Everything that an ingestion says, as text."""
    try:
        got = ingest(sources, schema, folder / "out", folder / "scratch")
    except IngestionError as error:
        return [str(error)]
    rows = pl.concat([pl.read_parquet(part.path) for part in got.parts], how="diagonal")
    assert rows[TIME].is_sorted()
    counts = repr((got.n_files_ingested, got.n_bytes, got.start_us, got.end_us))
    marks = sorted(got.marks["pump"].invalid_us.items()), got.marks["pump"].repeated_us
    return [
        json.dumps(rows.select(sorted(rows.columns)).to_dicts()),
        repr(got.schema),
        repr(got.statistics),
        repr(list(got.discarded.items())),
        repr(marks),
        counts,
    ]


@pytest.mark.parametrize("seed", range(12))
def test_files_read_together_give_what_each_gives_alone(seed: int, tmp_path: Path, monkeypatch) -> None:
    rng = random.Random(seed)
    sources = [messy(number, rng) for number in range(rng.choice([2, 10, 60]))]
    for schema in (None, (Component("pump", "t", ("z", "a")),)):
        together = told(sources, schema, tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(gathering, "SMALL_BYTES_MAX", -1)
            assert told(sources, schema, tmp_path) == together


def gather(sources: list[Source], scratch: Path) -> list[list[str]]:
    meter = Meter(sum(one.size for one in sources), None)
    pieces = list(gathered(sources, meter, scratch, None))
    return [[one.key for one in piece.files] if isinstance(piece, Batch) else [piece.key] for piece in pieces]


def test_a_batch_ends_at_another_header_and_at_its_limits(tmp_path: Path, monkeypatch) -> None:
    first, other = b"t,a\n2020-01-01 00:00,1\n", b"t,b\n2020-01-01 00:00,1\n"
    files = [source(str(number), first if number < 5 else other) for number in range(7)]
    assert gather(files, tmp_path) == [["0", "1", "2", "3", "4"], ["5", "6"]]
    monkeypatch.setattr(gathering, "CELLS_MAX", 4)
    assert gather(files, tmp_path) == [["0", "1"], ["2", "3"], ["4"], ["5", "6"]]
    monkeypatch.setattr(gathering, "BLOCK_BYTES", len(first))
    assert gather(files, tmp_path) == [[str(number)] for number in range(7)]


def test_a_large_file_among_small_ones_keeps_its_place(tmp_path: Path) -> None:
    small, large = b"t,a\n2020-01-01 00:00,1\n", b"t,a\n" + b"2020-01-01 00:00,2\n" * 80_000
    sources = [source("0", small), source("1", large), source("2", small)]
    assert gather(sources, tmp_path) == [["0"], ["1"], ["2"]]
    assert told(sources[:2], None, tmp_path)[0] == json.dumps([{TIME: 1_577_836_800_000_000, "a": 2.0}])
    assert told(sources, None, tmp_path)[0] == json.dumps([{TIME: 1_577_836_800_000_000, "a": 1.0}])


def test_a_file_without_a_reading_is_told_from_the_others(tmp_path: Path) -> None:
    good, silent = b"t,a\n2020-01-01 00:00,1\n", b"t,a\n2020-01-01 00:01,\nnever,2\n"
    sources = [source(str(number), silent if number == 1 else good) for number in range(3)]
    batch = next(gathered(sources, Meter(9, None), tmp_path, None))
    assert isinstance(batch, Batch)
    parsed = batch.parsed(["a"])
    assert [one.key for one in parsed.silent.files] == ["1"]
    assert [one.key for one in parsed.speaking.files] == ["0", "2"]
    assert [one.key for one in batch.alone()] == ["0", "1", "2"]


def test_small_files_spend_the_allowance_as_large_ones_do(tmp_path: Path) -> None:
    packed = gzip.compress(b"t,a\n" + b"2020-01-01 00:00,1\n" * 50)
    sources = [source(f"{number}.csv.gz", packed) for number in range(3)]
    with pytest.raises(IngestionError, match=r"which is the quota of a dataset; that was seen in file '2.csv.gz'"):
        ingest(sources, None, tmp_path / "out", tmp_path / "scratch", allowance=Allowance(2000))


def test_workers_parse_blocks_at_once_and_give_them_in_the_order_of_the_file(monkeypatch) -> None:
    monkeypatch.setattr(reader, "BLOCK_BYTES", 50)
    text = b"t,a\n" + b"".join(b"2020-01-01 00:%02d,%d\n" % (minute, minute) for minute in range(60))
    with ThreadPoolExecutor(2) as workers:
        chunks = [chunk.readings["a"].to_list() for chunk in CsvFile("a", io.BytesIO(text)).chunks(workers=workers)]
    assert len(chunks) > 10
    assert [value for chunk in chunks for value in chunk] == list(range(60))


def test_what_is_opened_is_open_until_the_next_is_asked_for(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(gathering, "SMALL_BYTES_MAX", -1)
    streams = [io.BytesIO(b"t,a\n2020-01-01 00:00,1\n") for _ in range(2)]
    sources = [Source(str(number), "pump", 9, lambda one=one: one) for number, one in enumerate(streams)]
    for number, piece in enumerate(gathered(sources, Meter(18, None), tmp_path, None)):
        assert isinstance(piece, Opened)
        assert [one.closed for one in streams] == [place < number for place in range(2)]
    assert all(one.closed for one in streams)
