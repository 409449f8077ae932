"""Sensor files as Parquet: read as chunks of readings, with the same meaning as CSV. Knows one stream at a time.

The timestamp is the first column, or, where that holds neither times nor texts, the only column of times (pandas writes
an index last). A time without zone is UTC. Texts are read as cells of CSV are.
"""

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import polars as pl

from openlookout.timeseries.csv import CsvFile
from openlookout.timeseries.sensor_file import (
    CELLS_MAX,
    READING_MAX,
    TIME,
    Allowance,
    Chunk,
    Header,
    NotIngestible,
    check_header,
)
from openlookout.timeseries.timestamps import YEAR_MAX, YEAR_MIN, TimestampFormat, parse_timestamps

SUFFIX = ".parquet"
CSV_SUFFIXES = (".csv", ".csv.gz")


def open_sensor_file(
    name: str,
    stream: BinaryIO,
    scratch: Path | None = None,
    allowance: Allowance | None = None,
    known: tuple[bytes, Header] | None = None,
) -> "CsvFile | ParquetFile":
    """Open a file by its name: Parquet where it ends so, else CSV. `scratch`: a folder for a copy while it is read.

    `known`: the first line of another CSV file, and its header.

    Raises:
        BadHeader: the header is malformed.
        NotIngestible: it is not what its name says, or empty.
        UnpackedTooMuch: it is compressed, and the allowance is spent; so may its `chunks`.
    """
    if name.lower().endswith(SUFFIX):
        return ParquetFile(name, stream, scratch, allowance)
    return CsvFile(name, stream, allowance, known)


class ParquetFile:
    """One Parquet file, its schema read and checked; `chunks` reads the rest once.

    Raises:
        BadHeader: a column's name is none that a sensor can have.
        NotIngestible: the file is empty, is no Parquet, or has no column of times.
    """

    def __init__(
        self, name: str, stream: BinaryIO, scratch: Path | None = None, allowance: Allowance | None = None
    ) -> None:
        self._allowance = allowance
        # Parquet is read from its end, and a stream has none: a copy. It goes with this object.
        self._folder = tempfile.TemporaryDirectory(prefix="parquet-", dir=scratch)
        self._path = Path(self._folder.name) / "file.parquet"
        with self._path.open("wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        if not self._path.stat().st_size:
            raise NotIngestible("the file is empty")
        try:
            self._schema = pl.Schema(pl.read_parquet_schema(self._path))
        except (pl.exceptions.PolarsError, OSError) as error:
            raise NotIngestible(f"not a Parquet file: {_first_line(error)}") from None
        self._timestamp = _timestamp(self._schema)
        sensors = [column for column in self._schema if column != self._timestamp]
        self.header: Header = check_header(name, [self._timestamp, *sensors])

    def chunks(self, wanted: Collection[str] | None = None) -> Iterator[Chunk]:
        """Give the rows, reading only the wanted sensors, or all.

        Raises:
            NotIngestible: the file is corrupt; what was given before should not be used either.
        """
        kept = [name for name in self.header.sensors if wanted is None or name in wanted]
        rows_max = max(1, CELLS_MAX // (len(kept) + 1))
        hint: TimestampFormat | None = None
        try:
            for frame in pl.scan_parquet(self._path).select(self._timestamp, *kept).collect_batches():
                if self._allowance is not None:
                    self._allowance.take(int(frame.estimated_size()))
                for start in range(0, len(frame), rows_max):
                    chunk, hint = _chunk(frame[start : start + rows_max], self._timestamp, kept, hint)
                    yield chunk
        except (pl.exceptions.PolarsError, OSError) as error:
            raise NotIngestible(f"corrupt Parquet: {_first_line(error)}") from None


def _timestamp(schema: pl.Schema) -> str:
    """Give the name of the column of times."""
    if not schema:
        raise NotIngestible("the file has no column")
    first = next(iter(schema))
    if _is_time(schema[first]) or _is_text(schema[first]):
        return first
    times = [name for name, kind in schema.items() if _is_time(kind)]
    if len(times) == 1:
        return times[0]
    said = "no column" if not times else f"the columns {', '.join(times[:3])}"
    raise NotIngestible(f"its first column '{first}' is {schema[first]}, no timestamp; {said} could be one")


def _is_time(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.Datetime | pl.Date)


def _is_text(kind: pl.DataType) -> bool:
    return isinstance(kind, pl.String | pl.Categorical | pl.Enum)


def _chunk(
    frame: pl.DataFrame, timestamp: str, sensors: Sequence[str], hint: TimestampFormat | None
) -> tuple[Chunk, TimestampFormat | None]:
    times, hint = _times(frame[timestamp], hint)
    there = times.is_not_null()
    # A row of which no cell says anything is no row at all, as in CSV.
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series() if len(frame) else there
    n_bad = int((~there & ~blank).sum())
    columns: dict[str, pl.Series] = {}
    invalid: dict[str, int] = {}
    kept = frame.filter(there)
    for name in sensors:
        columns[name], n_invalid = _readings(kept[name])
        if n_invalid:
            invalid[name] = n_invalid
    return Chunk(pl.DataFrame({TIME: times.filter(there), **columns}), n_bad, invalid), hint


def _times(column: pl.Series, hint: TimestampFormat | None) -> tuple[pl.Series, TimestampFormat | None]:
    if _is_text(column.dtype):
        return parse_timestamps(column.cast(pl.String), hint)
    # A column with a zone holds UTC already: the zone is how it is shown.
    stamps = column.cast(pl.Datetime("us")) if isinstance(column.dtype, pl.Date) else column.dt.cast_time_unit("us")
    plain = stamps.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if _zone(stamps) else stamps
    years = plain.dt.year()
    return plain.cast(pl.Int64).set(~years.is_between(YEAR_MIN, YEAR_MAX).fill_null(value=False), None), hint


def _zone(stamps: pl.Series) -> str | None:
    return stamps.dtype.time_zone if isinstance(stamps.dtype, pl.Datetime) else None


def _readings(column: pl.Series) -> tuple[pl.Series, int]:
    """Give the readings, null where there is none, and how many cells say something that is no reading."""
    if _is_text(column.dtype):
        texts = column.cast(pl.String).str.strip_chars()
        said = texts.is_not_null() & (texts != "") & (texts.str.to_lowercase() != "nan")
        numbers = texts.cast(pl.Float64, strict=False)
    elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
        numbers = column.cast(pl.Float64, strict=False)
        said = column.is_not_null() & ~numbers.is_nan().fill_null(value=False)
    else:
        numbers = pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
        said = column.is_not_null()
    is_none = ((numbers > READING_MAX) | (numbers < -READING_MAX)).fill_null(value=True) | numbers.is_nan().fill_null(
        value=True
    )
    numbers = numbers.set(is_none, None)
    return numbers, int((said & numbers.is_null()).sum())


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


def is_named_as_data(key: str) -> bool:
    """Whether a key's end says that it is a sensor file: then a malformed header is a mistake, not another file."""
    return key.lower().endswith((*CSV_SUFFIXES, SUFFIX))
