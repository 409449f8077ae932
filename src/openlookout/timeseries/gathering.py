"""The files of one component as they are to be read: a large one by itself, small ones with the same header together.

A file of a few rows costs far more to begin than to read. Knows how files are opened and which of them are left out.
Knows no runs and no statistics.
"""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from itertools import accumulate, compress
from pathlib import Path

import numpy as np
import polars as pl

from openlookout.timeseries.csv import BLOCK_BYTES, CsvFile, parse_lines, without_blank_lines
from openlookout.timeseries.parquet import ParquetFile, is_named_as_data, open_sensor_file
from openlookout.timeseries.sensor_file import (
    CELLS_MAX,
    Allowance,
    BadHeader,
    Chunk,
    Header,
    NotIngestible,
    UnpackedTooMuch,
)
from openlookout.timeseries.sources import IngestionError, Meter, Source

# A larger file is no cheaper in company.
SMALL_BYTES_MAX = 1 << 20
REFUSALS = (BadHeader, UnpackedTooMuch, NotIngestible, FileNotFoundError, PermissionError)


@dataclass(frozen=True)
class Opened:
    """A file that is open until the next thing is asked for."""

    key: str
    header: Header
    file: CsvFile | ParquetFile

    def chunks(self, sensors: Sequence[str], workers: Executor) -> Iterator[Chunk]:
        """Give the rows; the workers help, unless Polars reads ahead by itself."""
        if isinstance(self.file, ParquetFile):
            return self.file.chunks(sensors)
        return self.file.chunks(sensors, workers)


@dataclass(frozen=True)
class Small:
    """A file that was read: the lines after its header, each with its end."""

    key: str
    text: bytes
    n_lines: int


@dataclass(frozen=True)
class Batch:
    """Small files with the same header, in the order met: all of them no more than a block and a chunk."""

    first_line: bytes
    header: Header
    files: tuple[Small, ...]

    def alone(self) -> Iterator[Opened]:
        """Give each file by itself."""
        for one in self.files:
            file = CsvFile(
                one.key, io.BytesIO(self.first_line + b"\n" + one.text), known=(self.first_line, self.header)
            )
            yield Opened(one.key, self.header, file)

    def parsed(self, sensors: Sequence[str]) -> "Parsed | None":
        """Give the rows of all files at once; None where they cannot be told apart."""
        chunk = parse_lines(self.header, b"".join(one.text for one in self.files), sensors)
        ends = list(accumulate(one.n_lines for one in self.files))
        if chunk.kept is None or len(chunk.kept) != ends[-1]:
            return None
        has_reading = chunk.kept
        if not chunk.is_whole:
            has_reading = chunk.kept.copy()
            columns = chunk.readings.select(pl.any_horizontal(pl.col(sensors).is_not_null()))
            has_reading[chunk.kept] = columns.to_series().to_numpy()
        is_speaking = np.logical_or.reduceat(has_reading, [0, *ends[:-1]])
        speaking, silent = (tuple(compress(self.files, which)) for which in (is_speaking, ~is_speaking))
        return Parsed(chunk, replace(self, files=speaking), replace(self, files=silent))


@dataclass(frozen=True)
class Parsed:
    """The rows of a batch, and which of its files have a reading and which have none."""

    chunk: Chunk
    speaking: Batch
    silent: Batch


@dataclass(frozen=True)
class LeftOut:
    """A file that is not ingested, and why."""

    key: str
    reason: str


def refusal(key: str, error: Exception) -> str:
    """Give the reason why a file is left out.

    Raises:
        IngestionError: its header is malformed, or the allowance is spent: nothing is ingested then.
    """
    if isinstance(error, BadHeader):
        if is_named_as_data(key):
            raise IngestionError(f"{error}") from None
        return f"not a CSV file: {error.reason}"
    if isinstance(error, UnpackedTooMuch):
        raise IngestionError(f"{error} of a dataset; that was seen in file '{key}'.") from None
    return f"unreadable: {error.strerror}" if isinstance(error, OSError) else str(error)


def gathered(
    sources: Sequence[Source], meter: Meter, scratch: Path, allowance: Allowance | None
) -> Iterator[Opened | Batch | LeftOut]:
    """Give the files in the order of `sources`; one that is left out may come before the batch around it.

    Raises:
        IngestionError: a header is malformed, or the allowance is spent.
    """
    first_line, header = b"", Header("", ())
    batch: list[Small] = []
    n_bytes, n_cells = 0, 0
    for source in sources:
        try:
            with meter.opened(source) as stream:
                file = open_sensor_file(source.key, stream, scratch, allowance, (first_line, header))
                small = _small(source, file)
                more_bytes, more_cells = _size(small, file.header) if small else (0, 0)
                is_full = n_bytes + more_bytes > BLOCK_BYTES or n_cells + more_cells > CELLS_MAX
                if batch and (small is None or is_full or file.header is not header):
                    yield Batch(first_line, header, tuple(batch))
                    batch, n_bytes, n_cells = [], 0, 0
                if isinstance(file, CsvFile):
                    first_line, header = file.first_line, file.header
                if small is None:
                    yield Opened(source.key, file.header, file)
                else:
                    batch.append(small)
                    n_bytes, n_cells = n_bytes + more_bytes, n_cells + more_cells
        except REFUSALS as error:
            yield LeftOut(source.key, refusal(source.key, error))
    if batch:
        yield Batch(first_line, header, tuple(batch))


def _small(source: Source, file: CsvFile | ParquetFile) -> Small | None:
    """Read a file that is small enough to be read with others; None if it is not."""
    if isinstance(file, ParquetFile) or source.size > SMALL_BYTES_MAX:
        return None
    text = file.text()
    if text is None:
        return None
    text = without_blank_lines(text)
    if not text:
        return None
    small = Small(source.key, text, text.count(b"\n"))
    return small if _size(small, file.header)[1] <= CELLS_MAX else None


def _size(small: Small, header: Header) -> tuple[int, int]:
    """Give the bytes and the cells of a file."""
    return len(small.text), small.n_lines * (len(header.sensors) + 1)
