"""What a sensor file gives, whatever its format: a header, chunks of readings, or why it cannot be ingested."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.timeseries.schema import SENSOR_NAME, SENSORS_MAX

# No sensor may be called that: the sign is not allowed in headers.
TIME = "@time"
# Cells of one chunk: what bounds the memory where a file has many columns and nearly empty lines.
CELLS_MAX = 4_000_000
# Historians write the largest float where they have no value; no unit has readings of that size. Ours.
READING_MAX = 1e37
# Places that are kept of one kind of fault, to be shown; all of them are counted. Ours.
MARKS_MAX = 500


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
