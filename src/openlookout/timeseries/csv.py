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
from collections.abc import Collection, Iterator
from concurrent.futures import Executor, Future
from itertools import chain
from typing import BinaryIO

import numpy as np

from openlookout.timeseries.csv_rows import parse_rows
from openlookout.timeseries.sensor_file import (
    CELLS_MAX,
    Allowance,
    BadHeader,
    Chunk,
    Header,
    NotIngestible,
    check_header,
)
from openlookout.timeseries.timestamps import TimestampFormat

BLOCK_BYTES = 4 << 20
# Where lines are longer, blocks are twice as large: a few rows of thousands of columns cost more to begin than to read.
WIDE_LINE_BYTES = 8 << 10
LINE_BYTES_MAX = 4 << 20
# Blocks of a file that workers parse at once. Polars' own threads share one block, but not what is around that.
AHEAD = 2
# The service took data sets up to 50 GB: a gzip file that unpacks to more is no sensor data.
UNPACKED_BYTES_MAX = 50 * 10**9

_GZIP_MAGIC = b"\x1f\x8b"
_BLANK_LINES = re.compile(rb"\n{2,}")


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
                    chunk, hint = parse_rows(lines, len(sensors) + 1, names, hint)
                    yield chunk
                    continue
                # The hint may be that of an earlier block: it only makes reading faster.
                parsing.append(workers.submit(parse_rows, lines, len(sensors) + 1, names, hint))
                if len(parsing) == AHEAD:
                    chunk, hint = parsing.popleft().result()
                    yield chunk
        for last in parsing:
            yield last.result()[0]


def parse_lines(header: Header, lines: bytes, wanted: Collection[str]) -> Chunk:
    """Give the rows of lines that come after this header, in one chunk; the caller sees to it that they are few."""
    return parse_rows(_unquoted(lines), len(header.sensors) + 1, _polars_names(header, wanted), None)[0]


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
    lines = without_blank_lines(block).splitlines(keepends=True)
    for start in range(0, len(lines), rows_max):
        yield b"".join(lines[start : start + rows_max])
