"""Readings as arrays, from Parquet and to Parquet.

Knows the layout of a part: TIME ascending and unique, a column for each sensor of one component, null = no reading.
Knows no schema and no grid.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.timeseries.sensor_file import TIME


@dataclass(frozen=True)
class Readings:
    """Readings of one component as they were read.

    `sensors` are full names; `timestamps` (n_rows,) int64 microseconds since the epoch, ascending and unique;
    `values` (n_rows, n_sensors) float64, NaN = no reading.
    """

    sensors: tuple[str, ...]
    timestamps: NDArray[np.int64]
    values: NDArray[np.float64]


def iter_readings(
    component: str,
    parts: Sequence[Path | bytes],
    sensors: Sequence[str],
    start_us: int | None = None,
    end_us: int | None = None,
) -> Iterator[Readings]:
    """Give the readings of one component in (start_us, end_us], part by part; None leaves that side open.

    `parts` are files, or the bytes of files, that do not overlap and come in time order. `sensors` are full names, of
    which those of the component are read, in that order; one that a part lacks has no reading there. Every piece has
    the same sensors, so `make_grid` takes them as one component.
    """
    prefix = component + "\\"
    wanted = tuple(name for name in sensors if name.startswith(prefix))
    names = [name[len(prefix) :] for name in wanted]
    for part in parts:
        columns = set(pl.read_parquet_schema(_source(part)))
        frame = pl.scan_parquet(_source(part)).select(
            TIME, *(pl.col(name) if name in columns else pl.lit(None, pl.Float64).alias(name) for name in names)
        )
        if start_us is not None:
            frame = frame.filter(pl.col(TIME) > start_us)
        if end_us is not None:
            frame = frame.filter(pl.col(TIME) <= end_us)
        rows = frame.collect()
        if len(rows):
            yield from_frame(rows, wanted)


def read_readings(
    component: str,
    parts: Sequence[Path | bytes],
    sensors: Sequence[str],
    start_us: int | None = None,
    end_us: int | None = None,
) -> Readings:
    """Give what `iter_readings` gives as one piece."""
    pieces = list(iter_readings(component, parts, sensors, start_us, end_us))
    wanted = tuple(name for name in sensors if name.startswith(component + "\\"))
    if not pieces:
        return Readings(wanted, np.empty(0, np.int64), np.empty((0, len(wanted))))
    return Readings(
        wanted,
        np.concatenate([piece.timestamps for piece in pieces]),
        np.concatenate([piece.values for piece in pieces]),
    )


def last_reading(
    component: str, parts: Sequence[Path | bytes], sensor: str, end_us: int | None = None
) -> tuple[int, float] | None:
    """Give time and value of the latest reading of one sensor (full name) up to and including `end_us`, if any."""
    for part in reversed(parts):
        for piece in iter_readings(component, [part], [sensor], None, end_us):
            there = np.flatnonzero(~np.isnan(piece.values[:, 0]))
            if len(there):
                return int(piece.timestamps[there[-1]]), float(piece.values[there[-1], 0])
    return None


def readings_to_parquet(readings: Readings) -> bytes:
    """Write readings of one component as the bytes of a part, that `iter_readings` reads."""
    names = [name.partition("\\")[2] for name in readings.sensors]
    columns = {name: pl.Series(name, readings.values[:, j]) for j, name in enumerate(names)}
    frame = pl.DataFrame({TIME: readings.timestamps, **columns}).with_columns(pl.col(pl.Float64).fill_nan(None))
    written = io.BytesIO()
    frame.write_parquet(written, compression="zstd", compression_level=1)
    return written.getvalue()


def from_frame(frame: pl.DataFrame, sensors: tuple[str, ...]) -> Readings:
    """Take a frame with the column TIME and one column for each of `sensors`, in that order."""
    times = frame[TIME].to_numpy()
    values = frame.drop(TIME).to_numpy(order="c") if sensors else np.empty((len(frame), 0))
    return Readings(sensors, np.ascontiguousarray(times), values)


def _source(part: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(part) if isinstance(part, bytes) else part
