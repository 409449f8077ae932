"""Sensor files as they come: CSV text, plain or gzip, read as chunks of readings with bounded memory.

Knows one stream at a time. Knows no other file, no schema, no order: the rows are given as they stand in the file.

A record is a line: quotes may enclose a cell, never a line break. So a stray quote costs one cell, not the rest of the
file, and a chunk may end at any line.
"""

import csv
import gzip
import io
import re
import zlib
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.timeseries.schema import SENSOR_NAME, SENSORS_MAX
from openlookout.timeseries.timestamps import TimestampFormat, parse_timestamps

# No sensor may be called that: the sign is not allowed in headers.
TIME = "@time"
BLOCK_BYTES = 4 << 20
# Where lines are longer, blocks are twice as large: a few rows of thousands of columns cost more to begin than to read.
WIDE_LINE_BYTES = 8 << 10
LINE_BYTES_MAX = 4 << 20
# Cells of one chunk: what bounds the memory where a file has many columns and nearly empty lines.
CELLS_MAX = 4_000_000
# Blocks of a file that workers parse at once. Polars' own threads share one block, but not what is around that.
AHEAD = 2
# The service took data sets up to 50 GB: a gzip file that unpacks to more is no sensor data.
UNPACKED_BYTES_MAX = 50 * 10**9
# Historians write the largest float where they have no value; no unit has readings of that size. Ours.
READING_MAX = 1e37

# Places that are kept of one kind of fault, to be shown; all of them are counted. Ours.
MARKS_MAX = 500

_GZIP_MAGIC = b"\x1f\x8b"
_BLANK_LINES = re.compile(rb"\n{2,}")


class BadHeader(Exception):
    """The header of a CSV file is malformed."""

    def __init__(self, file: str, column: int, reason: str) -> None:
        """`column` counts from 1; 0 stands for the header as a whole."""
        where = f"column {column}" if column else "the header"
        super().__init__(f"file '{file}', {where}: {reason}")
        self.file, self.column, self.reason = file, column, reason


class NotIngestible(Exception):
    """The file is not CSV, is corrupt, or cannot be read; the message is the reason, without the name of the file."""


class UnpackedTooMuch(Exception):
    """The compressed files of one piece of work unpack to more than they may, all together."""


class Allowance:
    """How many bytes the compressed files of one piece of work may unpack to, all together."""

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = self._n_left = n_bytes

    def take(self, n_bytes: int) -> None:
        """Count bytes that were unpacked.

        Raises:
            UnpackedTooMuch: there are more than may be.
        """
        self._n_left -= n_bytes
        if self._n_left < 0:
            raise UnpackedTooMuch(f"The compressed files unpack to more than {self._n_bytes} bytes, which is the quota")


@dataclass(frozen=True)
class Header:
    """The columns of a file: the first is the timestamp, the others are sensors."""

    timestamp: str
    sensors: tuple[str, ...]


@dataclass(frozen=True)
class Chunk:
    """Some rows of one file, in the order of the file.

    `readings` has the column TIME (Int64, microseconds since the epoch, no nulls) and one Float64 column for each
    sensor asked for that the file has; null is no reading. `n_bad_timestamps` rows were dropped; `invalid` counts the
    cells of each sensor that are neither a number nor empty, `invalid_us` has the times of the first MARKS_MAX of them.
    `is_whole`: every sensor is known to have a reading in every row. `kept`: which of the lines became a row, None
    where that is not known.
    """

    readings: pl.DataFrame
    n_bad_timestamps: int
    invalid: dict[str, int] = field(default_factory=dict)
    invalid_us: dict[str, list[int]] = field(default_factory=dict)
    is_whole: bool = False
    kept: NDArray[np.bool_] | None = None


class CsvFile:
    """One CSV file, its header read and checked; `chunks` reads the rest once.

    Raises:
        BadHeader: the header is malformed; everything that was to be ingested fails with it.
        NotIngestible: the file is empty, or is no text.
        UnpackedTooMuch: it is compressed, and the allowance is spent; so may `chunks`.
    """

    def __init__(
        self,
        name: str,
        stream: BinaryIO,
        allowance: Allowance | None = None,
        known: "tuple[bytes, Header] | None" = None,
    ) -> None:
        """`known`: the first line of another file, and its header."""
        self._blocks: Iterator[bytes] = _blocks(stream, allowance)
        first = next(self._blocks, b"")
        line, _, self._rest = first.removeprefix(b"\xef\xbb\xbf").lstrip(b"\n").partition(b"\n")
        if not line.strip():
            raise NotIngestible("the file is empty")
        self.first_line = line
        self.header = known[1] if known and known[0] == line else _header(name, line.decode())

    def text(self) -> bytes | None:
        """Give the lines after the header if they are a single block; None if not, and `chunks` gives them as ever."""
        second = next(self._blocks, None)
        if second is None:
            return self._rest
        self._blocks = chain([second], self._blocks)
        return None

    def chunks(self, wanted: Collection[str] | None = None, workers: Executor | None = None) -> Iterator[Chunk]:
        """Give the rows, reading only the wanted sensors, or all; `workers` parse a few blocks at once.

        Raises:
            NotIngestible: the file is corrupt from here on; what was given before should not be used either.
        """
        sensors = self.header.sensors
        names = _polars_names(self.header, wanted)
        hint: TimestampFormat | None = None
        parsing: deque[Future[tuple[Chunk, TimestampFormat | None]]] = deque()
        for block in chain([self._rest] if self._rest else [], self._blocks):
            for lines in _split(_unquoted(block), len(sensors) + 1):
                if workers is None:
                    chunk, hint = _parse(lines, len(sensors) + 1, names, hint)
                    yield chunk
                    continue
                # The hint may be that of an earlier block: it only makes reading faster.
                parsing.append(workers.submit(_parse, lines, len(sensors) + 1, names, hint))
                if len(parsing) == AHEAD:
                    chunk, hint = parsing.popleft().result()
                    yield chunk
        for last in parsing:
            yield last.result()[0]


def parse_lines(header: Header, lines: bytes, wanted: Collection[str]) -> Chunk:
    """Give the rows of lines that come after this header, in one chunk; the caller sees to it that they are few."""
    return _parse(_unquoted(lines), len(header.sensors) + 1, _polars_names(header, wanted), None)[0]


def without_blank_lines(text: bytes) -> bytes:
    """Give a text that ends with a line end without its empty lines."""
    return _BLANK_LINES.sub(b"\n", text).removeprefix(b"\n") if b"\n\n" in text or text[:1] == b"\n" else text


def _polars_names(header: Header, wanted: Collection[str] | None) -> dict[str, str]:
    """Give the wanted sensors by the column that Polars puts them in: it calls them column_2 on."""
    known = frozenset(header.sensors if wanted is None else wanted)
    return {f"column_{i}": name for i, name in enumerate(header.sensors, 2) if name in known}


def _blocks(stream: BinaryIO, allowance: Allowance | None) -> Iterator[bytes]:
    """Give the text in blocks of whole lines that end in \\n, checked to be UTF-8 text without NUL."""
    text = _unpacked(stream)
    left, total, block = b"", 0, b""
    while True:
        is_wide = len(block) > WIDE_LINE_BYTES and block.find(b"\n", 0, WIDE_LINE_BYTES) < 0
        try:
            read = text.read(BLOCK_BYTES * (2 if is_wide else 1))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise NotIngestible(f"corrupt gzip: {error}") from None
        total += len(read)
        if allowance is not None and isinstance(text, gzip.GzipFile):
            allowance.take(len(read))
        if total > UNPACKED_BYTES_MAX:
            raise NotIngestible(f"unpacks to more than {UNPACKED_BYTES_MAX:,} bytes")
        if b"\r" in read:
            read = read.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\0" in read:
            raise NotIngestible("not text: it has NUL bytes")
        end = read.rfind(b"\n") + 1
        if end or not read:  # The last line is whole if nothing comes after it.
            # Joined at once: each copy of a block takes as long as looking through it.
            block, left = b"".join((left, memoryview(read)[:end])), read[end:]
        else:
            block, left = b"", left + read
        if len(left) > LINE_BYTES_MAX:
            raise NotIngestible(f"a line is longer than {LINE_BYTES_MAX:,} bytes")
        if block:
            _check_text(block)
            yield block if block.endswith(b"\n") else block + b"\n"
        if not read:
            return


def _check_text(block: bytes) -> None:
    try:
        if not block.isascii():
            block.decode()
    except UnicodeDecodeError as error:
        raise NotIngestible(f"not UTF-8 text: {error.reason}") from None


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """Give the stream, unpacked if it begins as gzip does; bucket streams cannot seek back."""
    start = stream.read(2)
    replayed = io.BufferedReader(_Replayed(start, stream), 1 << 20)
    return gzip.GzipFile(fileobj=replayed) if start == _GZIP_MAGIC else replayed  # type: ignore[return-value]  # It reads.


class _Replayed(io.RawIOBase):
    """A stream whose first bytes have been read already."""

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        self._start, self._stream = start, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # RawIOBase says WriteableBuffer.
        read = self._start[: len(buffer)] or self._stream.read(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(read)] = read
        return len(read)


def _header(name: str, line: str) -> Header:
    if len(line) > LINE_BYTES_MAX:
        raise BadHeader(name, 0, f"longer than {LINE_BYTES_MAX:,} bytes")
    try:
        cells = [cell.strip() for cell in next(csv.reader([line.strip()]))]
    except csv.Error as error:
        raise BadHeader(name, 0, str(error)) from None
    if len(cells) < 2:
        raise BadHeader(name, 0, "fewer than 2 columns; a timestamp and at least one sensor, separated by commas")
    return check_header(name, cells)


def check_header(name: str, cells: Sequence[str]) -> Header:
    """Give the header of columns by these names, the first the timestamp.

    Raises:
        BadHeader: there are too many, or a name is none that a sensor can have, or comes twice.
    """
    if len(cells) < 2:
        raise BadHeader(name, 0, "fewer than 2 columns; a timestamp and at least one sensor")
    if len(cells) - 1 > SENSORS_MAX:
        raise BadHeader(name, 0, f"{len(cells) - 1} sensors, {SENSORS_MAX} are the limit")
    seen: dict[str, int] = {}
    for column, cell in enumerate(cells, 1):
        shown = cell if len(cell) <= 80 else cell[:77] + "..."
        if not cell:
            raise BadHeader(name, column, "the header is empty")
        if not SENSOR_NAME.fullmatch(cell):
            raise BadHeader(name, column, f"the header '{shown}' is not 1 to 200 of 0-9 a-z A-Z : # $ . - _")
        if cell in seen:
            raise BadHeader(name, column, f"the header '{shown}' is that of column {seen[cell]} too")
        seen[cell] = column
    return Header(cells[0], tuple(cells[1:]))


def _unquoted(block: bytes) -> bytes:
    """Take the quotes off, so that every line is a record and every comma separates cells."""
    if b'"' in block:
        if _quotes_cells_only(block):
            block = block.replace(b'"', b"")
        else:
            block = b"".join(_plain(line) if b'"' in line else line for line in block.splitlines(keepends=True))
    return block


def _quotes_cells_only(block: bytes) -> bool:
    """Tell whether every pair of quotes encloses one whole cell without comma, line end or quote in it."""
    text = np.frombuffer(block, np.uint8)
    is_separator = (text == ord(",")) | (text == ord("\n"))
    quotes = np.flatnonzero(text == ord('"'))
    if len(quotes) % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    separators = np.flatnonzero(is_separator)
    # A block ends with a line end, so there is a byte after every quote.
    return bool(
        (is_separator[opening - 1] | (opening == 0)).all()
        and is_separator[closing + 1].all()
        and (np.searchsorted(separators, opening) == np.searchsorted(separators, closing)).all()
    )


def _plain(line: bytes) -> bytes:
    """Rewrite a line whose quotes enclose commas or quotes: such a cell is no number, whatever it says."""
    try:
        cells = next(csv.reader([line.decode().rstrip("\n")]), [])
    except csv.Error:
        # A cell longer than the reader takes: a row with a timestamp that is none.
        return b"?\n"
    return ",".join("?" if set(cell) & set(',"\n') else cell for cell in cells).encode() + b"\n"


def _split(block: bytes, n_columns: int) -> Iterator[bytes]:
    """Cut a block so that no piece has more than CELLS_MAX cells."""
    rows_max = max(1, CELLS_MAX // n_columns)
    n_rows = block.count(b"\n")
    if n_rows <= rows_max:
        yield block
        return
    lines = _BLANK_LINES.sub(b"\n", block).splitlines(keepends=True)
    for start in range(0, len(lines), rows_max):
        yield b"".join(lines[start : start + rows_max])


def _parse(
    lines: bytes, n_columns: int, names: dict[str, str], hint: TimestampFormat | None
) -> tuple[Chunk, TimestampFormat | None]:
    """Read lines without quotes; `names` are the sensors by the column that Polars puts them in, column_2 on."""
    columns = ["column_1", *names]
    schema: dict[str, type[pl.DataType]] = {
        f"column_{i}": pl.Float64 if i > 1 else pl.String for i in range(1, n_columns + 1)
    }
    frame = _read(lines, schema, columns)
    # Taken out and put in again in place: a query costs by the column, and there may be thousands.
    stamps = frame.drop_in_place("column_1")
    is_lacking = _is_lacking(frame)
    texts = _telling(frame, is_lacking, lines, schema)
    if texts.width:
        frame = frame.with_columns(_numbers(frame[c], texts[c]) for c in texts.columns)
    times, hint = parse_timestamps(stamps, hint)
    kept = times.is_not_null().to_numpy()
    n_bad = 0
    if times.null_count():
        n_bad = times.null_count() - _n_blank(lines, schema)
        there = times.is_not_null()
        frame, texts, times = frame.filter(there), texts.filter(there) if texts.width else texts, times.drop_nulls()
    where = {names[c]: _is_invalid(frame[c], texts[c]) for c in texts.columns}
    invalid = {name: int(is_invalid.sum()) for name, is_invalid in where.items() if is_invalid.any()}
    invalid_us = {name: times.filter(where[name]).head(MARKS_MAX).to_list() for name in invalid}
    frame.insert_column(0, times)
    frame.columns = [TIME, *names.values()]
    return Chunk(frame, n_bad, invalid, invalid_us, not is_lacking.any(), kept), hint


def _n_blank(lines: bytes, schema: Mapping[str, type[pl.DataType]]) -> int:
    """Count the rows of which no cell says anything: they are no rows at all."""
    cells = _read(lines, dict.fromkeys(schema, pl.String), list(schema))
    blank = pl.all_horizontal(pl.all().is_null() | (pl.all().str.strip_chars() == ""))
    return int(cells.select(blank.sum()).item())


def _read(lines: bytes, schema: Mapping[str, type[pl.DataType]], columns: list[str]) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            # A header of our own: without one the first row would say how many columns there are.
            ",".join(schema).encode() + b"\n" + lines,
            schema=dict(schema),
            columns=columns if len(columns) < len(schema) else None,
            quote_char=None,
            ignore_errors=True,
            truncate_ragged_lines=True,
        )
    except pl.exceptions.PolarsError as error:
        raise NotIngestible(f"not CSV: {error}") from None
    assert frame.columns == columns
    return frame


def _is_lacking(frame: pl.DataFrame) -> NDArray[np.bool_]:
    """Tell which cells (n_rows, n_sensors) are no readings of a sensor.

    Whole arrays, not a query for each column: that costs more than the work where columns are many and rows few.
    """
    # NaN, which stands for null here, is not below anything.
    is_reading: NDArray[np.bool_] = np.abs(frame.to_numpy()) <= READING_MAX
    return ~is_reading


def _telling(
    frame: pl.DataFrame, is_lacking: NDArray[np.bool_], lines: bytes, schema: Mapping[str, type[pl.DataType]]
) -> pl.DataFrame:
    """Give the text, without blanks around it, of the columns where a cell says something that is no reading.

    Only columns that lack a reading are read a second time, as text, and most of them just have empty cells.
    """
    doubtful = np.flatnonzero(is_lacking.any(axis=0))
    if not len(doubtful):
        return pl.DataFrame()
    columns = frame.columns
    texts = _read(lines, dict.fromkeys(schema, pl.String), [columns[i] for i in doubtful])
    is_said = (texts.select(pl.all().is_not_null()).to_numpy() & is_lacking[:, doubtful]).any(axis=0)
    telling = [columns[i] for i in doubtful[is_said]]
    return texts.select(pl.col(telling).str.strip_chars()) if telling else pl.DataFrame()


def _numbers(numbers: pl.Series, texts: pl.Series) -> pl.Series:
    """Give the readings of a doubtful column: null for NaN, infinities and numbers that no sensor measures."""
    numbers = numbers.fill_null(texts.cast(pl.Float64, strict=False))
    return numbers.set(((numbers > READING_MAX) | (numbers < -READING_MAX)).fill_null(value=True), None)


def _is_invalid(numbers: pl.Series, texts: pl.Series) -> pl.Series:
    """Tell which cells hold no reading although they say something; empty and NaN, in any case, say nothing."""
    said = texts.is_not_null() & (texts != "") & (texts.str.to_lowercase() != "nan")
    return said.fill_null(value=False) & numbers.is_null()
