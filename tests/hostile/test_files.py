"""Hostile files: bombs, endless lines, lying headers, links and paths. Refused in a sentence, and in bounded memory."""

import gzip
import io
import json
import struct
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlookout.archive import file as archive_file
from openlookout.archive.file import ArchiveError, read_archive
from openlookout.buckets.buckets import BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, KeyRefusedError
from openlookout.detection import model_file
from openlookout.detection.model_file import ModelFileError, load
from openlookout.timeseries import csv
from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.inference_input import InvalidInput, Window, read_window
from openlookout.timeseries.ingest import ingest
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import Allowance, BadHeader, NotIngestible
from openlookout.timeseries.sources import IngestionError, Source


class Endless(io.RawIOBase):
    """A file that begins somehow and then repeats a piece, up to a size that no memory holds; counts what is read."""

    def __init__(self, start: bytes, piece: bytes, size: int = 10**12) -> None:
        self.n_read, self._left, self._piece, self._size = 0, start, piece, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n = min(len(buffer), self._size - self.n_read)
        while len(self._left) < n:
            self._left += self._piece * (1 + (n - len(self._left)) // len(self._piece))
        buffer[:n], self._left = self._left[:n], self._left[n:]
        self.n_read += n
        return n


def read_all(stream: Any) -> int:
    return sum(chunk.readings.height for chunk in CsvFile("a.csv", stream).chunks())


@pytest.mark.parametrize("start", [b"", b"t,a\n", b"t,a\n2026-01-01,"], ids=["header", "first", "cell"])
@pytest.mark.parametrize("piece", [b"a", b",", b'"', b"1,", b" "], ids=["letter", "comma", "quote", "cells", "blank"])
def test_a_line_without_end_is_refused_after_a_few_blocks(start: bytes, piece: bytes) -> None:
    stream = Endless(start, piece * 1000)
    with pytest.raises((NotIngestible, BadHeader), match=r"a line is longer than 4,194,304 bytes"):
        read_all(stream)
    assert stream.n_read < 5 * csv.BLOCK_BYTES


def test_a_hundred_thousand_columns_are_refused_with_both_figures() -> None:
    header = ",".join(["t", *(f"s{i}" for i in range(100_000))])
    with pytest.raises(BadHeader, match=r"file 'a.csv', the header: 100000 sensors, 3000 are the limit"):
        read_all(io.BytesIO(f"{header}\n2026-01-01\n".encode()))


def test_rows_of_a_hundred_thousand_cells_are_read_as_their_header_says() -> None:
    rows = b"t,a\n" + b"2026-01-01 00:00:00," + b"1," * 100_000 + b"\n2026-01-01 00:01:00,2\n"
    assert read_all(io.BytesIO(rows)) == 2


@pytest.mark.parametrize("at", [0, 1, 10, 30])
def test_nul_bytes_are_no_text(at: int) -> None:
    text = b"t,a\n2026-01-01 00:00:00,1\n2026-01-01 00:01:00,2\n"
    with pytest.raises(NotIngestible, match="NUL bytes"):
        read_all(io.BytesIO(text[:at] + b"\0" + text[at:]))


def test_a_packed_bomb_is_refused_when_it_has_unpacked_to_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "UNPACKED_BYTES_MAX", 50 * 2**20)
    row = b"2026-01-01 00:00:00,1\n"
    bomb = gzip.compress(b"t,a\n" + row * (100 * 2**20 // len(row)), 1)
    assert len(bomb) < 2**20
    with pytest.raises(NotIngestible, match=r"unpacks to more than 52,428,800 bytes"):
        read_all(io.BytesIO(bomb))


@pytest.mark.parametrize("suffix", [".csv.gz", ".parquet"])
def test_compressed_files_are_refused_when_all_together_have_unpacked_to_the_limit(tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame({"t": ["2026-01-01 00:00:00"] * 100_000, "a": [1.0] * 100_000})
    file = io.BytesIO()
    if suffix == ".parquet":
        frame.write_parquet(file)
    else:
        file.write(gzip.compress(frame.write_csv().encode()))
    files = {f"{number}{suffix}": file.getvalue() for number in range(5)}
    n_bytes = len(frame.write_csv())  # Of each; as Parquet about as many.

    def read_five(allowance: Allowance) -> None:
        sources = [Source(key, "pump", len(data), partial(io.BytesIO, data)) for key, data in files.items()]
        ingest(sources, None, tmp_path / "out", tmp_path / "scratch", allowance=allowance)

    read_five(Allowance(6 * n_bytes))
    with pytest.raises(
        IngestionError, match=rf"unpack to more than {3 * n_bytes} bytes, which is the quota of a dataset"
    ):
        read_five(Allowance(3 * n_bytes))
    window, opened = Window(0, 2**60, 2**60), [(key, io.BytesIO(data)) for key, data in files.items()]
    with pytest.raises(InvalidInput, match=rf"more than {3 * n_bytes} bytes, which is the quota of an execution"):
        read_window(opened, Component("pump", "t", ("a",)), window, Allowance(3 * n_bytes))


def test_what_is_not_compressed_spends_nothing_of_what_may_be_unpacked() -> None:
    text = b"t,a\n2026-01-01 00:00:00,1\n"
    assert sum(len(chunk.readings) for chunk in CsvFile("a.csv", io.BytesIO(text), Allowance(0)).chunks()) == 1


def test_a_bomb_in_a_bomb_is_unpacked_once() -> None:
    with pytest.raises(NotIngestible, match=r"not text|not UTF-8"):
        read_all(io.BytesIO(gzip.compress(gzip.compress(b"t,a\n" * 1000))))


def npz(**arrays: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in arrays.items():
            file.writestr(f"{name}.npy", content)
    return out.getvalue()


def npy(shape: str, content: bytes, descr: str = "'<f8'") -> bytes:
    head = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + content


DESCRIPTION = np.frombuffer(json.dumps({"format": "openlookout-model", "version": 3}).encode(), np.uint8)


def described() -> bytes:
    out = io.BytesIO()
    np.save(out, DESCRIPTION)
    return out.getvalue()


def test_a_model_file_that_unpacks_to_more_than_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "BYTES_MAX", 2**20)
    bomb = npz(description=described(), a=npy("(131072,)", bytes(2**20)), b=npy("(131072,)", bytes(2**20)))
    assert len(bomb) < 10_000
    with pytest.raises(ModelFileError, match="unpacks to more than 1048576 bytes"):
        load(bomb)


@pytest.mark.parametrize(
    "array",
    [
        npy("(10000000000000,)", b""),
        npy("(2, 3)", bytes(8)),
        npy("(-1,)", bytes(8)),
        npy("(1,)", bytes(8), "'|O'"),
        npy("(1,)", b"cos\nsystem\n(S'true'\ntR.", "'|O'"),
        npy("(" + "1," * 60 + ")", bytes(8)),
        npy("((((", b""),
        b"\x93NUMPY\x09\x00" + bytes(100),
        b"\x93NUMPY\x02\x00" + b"\xff" * 4,
        b"not an array",
        b"",
    ],
    ids=range(11),
)
def test_an_array_that_is_not_what_its_header_says_is_refused(array: bytes) -> None:
    with pytest.raises(ModelFileError):
        load(npz(description=described(), a=array))


def test_a_description_nested_without_end_is_refused() -> None:
    deep = np.frombuffer(b'{"a":' * 100_000, np.uint8)
    out = io.BytesIO()
    np.save(out, deep)
    with pytest.raises(ModelFileError, match=r"RecursionError|JSONDecodeError"):
        load(npz(description=out.getvalue()))


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=400) | st.binary(max_size=200).map(lambda raw: npz(description=raw, a=raw)))
def test_any_bytes_are_no_model_file(content: bytes) -> None:
    with pytest.raises(ModelFileError):
        load(content)


def archive_of(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return out.getvalue()


ENTRIES = dict.fromkeys((archive_file.MANIFEST, *archive_file.ENTRIES), b"{}")


@pytest.mark.parametrize(
    "extra", ["../../etc/passwd", "/etc/passwd", "model/../../x", "C:\\x", "manifest.json/", "a" * 60_000, "link"]
)
def test_an_archive_with_an_entry_that_is_none_of_ours_is_refused(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(archive_of({**ENTRIES, extra: b"x"}))
    with pytest.raises(ArchiveError, match="is no exported model version"):
        read_archive(path)
    assert [found.name for found in tmp_path.iterdir()] == ["a.zip"]


def test_an_archive_whose_entry_unpacks_to_more_than_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_file, "ENTRY_BYTES_MAX", 2**20)
    path = tmp_path / "bomb.zip"
    path.write_bytes(archive_of({**ENTRIES, archive_file.MANIFEST: bytes(50 * 2**20)}))
    assert path.stat().st_size < 2**20
    with pytest.raises(ArchiveError, match=r"manifest.json has more than 1048576 bytes"):
        read_archive(path)


def test_an_archive_larger_than_any_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(2**40)  # A hole: nothing is written.
    with pytest.raises(ArchiveError, match=r"it has 1099511627776 bytes, 2147483648 is the limit"):
        read_archive(path)


@pytest.fixture
def bucket(tmp_path: Path) -> tuple[BucketSettings, Path]:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("t,a\n")
    folder = tmp_path / "buckets" / "plant"
    (folder / "pump").mkdir(parents=True)
    return BucketSettings("folder", root=tmp_path / "buckets", objects=tmp_path / "objects"), folder


OUTSIDE = ("../outside/", "pump/../../../outside/", "/etc/", "pump/../", "./pump/../../", "pump//../..", "a\0b")


@pytest.mark.parametrize("prefix", OUTSIDE)
def test_a_prefix_that_points_outside_of_its_bucket_is_refused(
    bucket: tuple[BucketSettings, Path], prefix: str
) -> None:
    place = open_buckets(bucket[0])
    with pytest.raises(KeyRefusedError, match="is refused"):
        list(place.list("plant", prefix))
    with pytest.raises(KeyRefusedError, match="is refused"):
        place.read("plant", f"{prefix}/secret.csv")


def test_dots_at_the_end_of_a_prefix_are_the_beginning_of_a_name(bucket: tuple[BucketSettings, Path]) -> None:
    (bucket[1] / "..a.csv").touch()
    assert [info.key for info in open_buckets(bucket[0]).list("plant", "..")] == ["..a.csv"]


def test_symbolic_links_lead_nowhere(bucket: tuple[BucketSettings, Path], tmp_path: Path) -> None:
    settings_, folder = bucket
    (folder / "pump" / "linked").symlink_to(tmp_path / "outside")
    (folder / "pump" / "file.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (tmp_path / "buckets" / "linked-bucket").symlink_to(tmp_path / "outside")
    place = open_buckets(settings_)
    assert [info.key for info in place.list("plant", "")] == []
    for key in ("pump/linked/secret.csv", "pump/file.csv"):
        with pytest.raises(KeyRefusedError, match="symbolic link"):
            place.read("plant", key)
        with pytest.raises(KeyRefusedError, match="symbolic link"):
            place.write("plant", key, b"x")
    with pytest.raises(KeyRefusedError, match="symbolic link"):
        list(place.list("linked-bucket", ""))
    assert (tmp_path / "outside" / "secret.csv").read_text() == "t,a\n"


@pytest.mark.parametrize(
    "name", ["..", ".", "../outside", "/etc", "a/b", "plant/../outside", "objects", "a\0b", "127.0.0.1"]
)
def test_a_bucket_name_that_is_a_path_is_none(bucket: tuple[BucketSettings, Path], name: str) -> None:
    with pytest.raises(BucketError):
        list(open_buckets(bucket[0]).list(name, ""))
