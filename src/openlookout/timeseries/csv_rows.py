"""Lines of CSV without quotes, read as readings: what a cell says, and what is none. Knows no file and no header."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.timeseries.sensor_file import MARKS_MAX, READING_MAX, TIME, Chunk, NotIngestible
from openlookout.timeseries.timestamps import TimestampFormat, parse_timestamps


def parse_rows(
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
