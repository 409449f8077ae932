"""The input files of many windows at once: which belong to which, and their rows, read in few gulps.

Gives, for each window, to the bit what `timeseries/inference_input.py` gives for it alone. Knows a bucket and its keys.
"""

import io
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openlookout.buckets.buckets import Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.jobs.inference_work import mark
from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.inference_input import InputNames, Window, readings_of_name
from openlookout.timeseries.parquet import SUFFIX as PARQUET_SUFFIX
from openlookout.timeseries.parquet import open_sensor_file
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import TIME, BadHeader, NotIngestible

GULP_BYTES = 32 << 20
GULP_FILES = 1024
FILE = "@file"
_GZIP_MAGIC = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"

Found = Mapping[str, Sequence[int]]  # Component -> numbers of its files in the index.


@dataclass(frozen=True)
class FileIndex:
    """The input files under a prefix. By component, in this order: the times in their names, ascending, and beside
    them keys, sizes in bytes and marks.

    `doubtful`: keys that may be a file of several components, and which, the one with the longest name first.
    """

    times: Mapping[str, Sequence[int]]
    keys: Mapping[str, Sequence[str]]
    sizes: Mapping[str, Sequence[int]]
    marks: Mapping[str, Sequence[str]]
    doubtful: Mapping[str, Sequence[tuple[str, int]]]

    def of_window(self, window: Window) -> Found:
        """Give the files of each component that may hold rows of the window, those that `window_files` gives."""
        earliest, latest = window.start_us - window.frequency_us, window.end_us + window.frequency_us
        found: dict[str, Sequence[int]] = {}
        for component, times in self.times.items():
            numbers = range(bisect_left(times, earliest), bisect_right(times, latest))
            if self.doubtful:
                found[component] = [n for n in numbers if self._is_of(component, n, earliest, latest)]
            else:
                found[component] = numbers
        return found

    def _is_of(self, component: str, number: int, earliest: int, latest: int) -> bool:
        readings = self.doubtful.get(self.keys[component][number], ())
        return next((name for name, time in readings if earliest <= time <= latest), component) == component

    def n_bytes(self, found: Found) -> int:
        """The size of the files found, in all."""
        return sum(self.sizes[component][n] for component, numbers in found.items() for n in numbers)

    def marks_of(self, found: Found) -> list[str]:
        """The marks of the files found."""
        return [self.marks[component][n] for component, numbers in found.items() for n in numbers]


@lru_cache(maxsize=1)
def file_index(
    settings: BucketSettings, bucket: str, names: InputNames, components: tuple[str, ...], kept: str
) -> FileIndex:
    """Give the files under the prefix, listed once and kept in the local file `kept`: a year's listing takes seconds.

    The children that read take turns, and the file is of this replay and this attempt alone.
    """
    file = Path(kept)
    if file.exists():
        return FileIndex(**json.loads(file.read_bytes()))
    index = _listed(settings, bucket, names, components)
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(vars(index)))
    unfinished.replace(file)
    return index


def _listed(settings: BucketSettings, bucket: str, names: InputNames, components: tuple[str, ...]) -> FileIndex:
    longest_first = sorted(components, key=len, reverse=True)
    found: dict[str, list[tuple[int, str, int, str]]] = {component: [] for component in components}
    doubtful: dict[str, list[tuple[str, int]]] = {}
    for info in open_buckets(settings).list(bucket, names.prefix):
        readings = list(readings_of_name(info.key, longest_first, names))
        if len(readings) > 1:
            doubtful[info.key] = readings
        for component, time in readings:
            found[component].append((time, info.key, info.size, mark(info)))
    columns: list[dict[str, list[Any]]] = [{}, {}, {}, {}]
    for component, files in found.items():
        files.sort()
        for column, values in zip(columns, zip(*files, strict=True) if files else ((), (), (), ()), strict=True):
            column[component] = list(values)
    times, keys, sizes, marks = columns
    return FileIndex(times, keys, sizes, marks, doubtful)


@dataclass(frozen=True)
class Rows:
    """The rows of some files of one component: TIME, FILE (the number of its key) and its sensors, in order.

    `errors`: why a file could not be read, by key: BadHeader spoils what it belongs to, the others are passed over
    while another file can be read.
    """

    frame: pl.DataFrame
    errors: Mapping[str, Exception]


def read_files(buckets: Buckets, bucket: str, keys: Sequence[str], component: Component) -> Rows:
    """Read files of one component, all at once where they look alike.

    Raises:
        BucketUnavailableError: a file cannot be read just now.
    """
    frames: list[pl.DataFrame] = []
    errors: dict[str, Exception] = {}

    for first in range(0, len(keys), GULP_FILES):
        some = keys[first : first + GULP_FILES]
        contents = buckets.read_many(bucket, some)
        for numbers in _alike(some, contents):
            frame = _together([contents[n] for n in numbers], component) if len(numbers) > 1 else None
            if frame is not None:
                frames.append(frame.with_columns(pl.col(FILE) + (first + numbers[0])))
                continue
            for number in numbers:
                one = _alone(some[number], contents[number], component, errors)
                if one is not None:
                    frames.append(one.with_columns(pl.lit(first + number, pl.Int64).alias(FILE)))
    empty = pl.DataFrame(schema={TIME: pl.Int64, FILE: pl.Int64} | dict.fromkeys(component.sensors, pl.Float64))
    return Rows(pl.concat([empty, *frames], how="diagonal"), errors)


def _alike(keys: Sequence[str], contents: Sequence[bytes | BucketError]) -> Iterator[list[int]]:
    """Give the numbers of neighbouring files with the same header, in gulps; one that is special comes alone."""
    numbers: list[int] = []
    header, n_bytes = b"", 0
    for number, (key, content) in enumerate(zip(keys, contents, strict=True)):
        own = b"" if key.lower().endswith(PARQUET_SUFFIX) else _header_line(content)
        if numbers and (own != header or not own or n_bytes > GULP_BYTES):
            yield numbers
            numbers, n_bytes = [], 0
        numbers.append(number)
        header, n_bytes = own, n_bytes + (0 if isinstance(content, BucketError) else len(content))
    if numbers:
        yield numbers


def _header_line(content: bytes | BucketError) -> bytes:
    """Give the first line of a plain file; nothing for a file that is to be read alone."""
    if isinstance(content, BucketError) or content[:2] == _GZIP_MAGIC or content.startswith((_BOM, b"\n")):
        return b""
    return b"" if b"\r" in content else content.partition(b"\n")[0]


def _together(contents: Sequence[bytes | BucketError], component: Component) -> pl.DataFrame | None:
    """Read files with one header as one; None when a row cannot be told from which file it came."""
    bodies = [b"" if isinstance(content, BucketError) else content.partition(b"\n")[2] for content in contents]
    bodies = [body if body.endswith(b"\n") or not body else body + b"\n" for body in bodies]
    header = _header_line(contents[0]) + b"\n"
    try:
        chunks = list(CsvFile("", io.BytesIO(header + b"".join(bodies))).chunks(component.sensors))
    except (BadHeader, NotIngestible):
        return None
    n_rows = [body.count(b"\n") for body in bodies]
    if sum(chunk.n_bad_timestamps for chunk in chunks) or sum(len(chunk.readings) for chunk in chunks) != sum(n_rows):
        return None
    file = pl.Series(FILE, np.repeat(np.arange(len(bodies)), n_rows), pl.Int64)
    if not chunks:
        return pl.DataFrame(schema={TIME: pl.Int64, FILE: pl.Int64})
    return pl.concat([chunk.readings for chunk in chunks], how="diagonal").with_columns(file)


def _alone(
    key: str, content: bytes | BucketError, component: Component, errors: dict[str, Exception]
) -> pl.DataFrame | None:
    """Read one file as an execution does; notes in `errors` why it cannot be."""
    if isinstance(content, BucketError):
        errors[key] = content
        return None
    try:
        chunks = [chunk.readings for chunk in open_sensor_file(key, io.BytesIO(content)).chunks(component.sensors)]
    except (BadHeader, NotIngestible) as error:
        errors[key] = error
        return None
    return pl.concat(chunks, how="diagonal") if chunks else None
