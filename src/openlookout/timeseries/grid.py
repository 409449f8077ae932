"""The grid: readings of all components on one even time axis, as a model sees them.

Knows arrays of readings. Knows no file and no model. What a row says depends on readings up to its own time alone, and
on no more of them than `Sampling.history_us` tells: so a grid of a window, made from the readings since then, has
exactly the rows (to the bit) that the grid of the whole has there.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from openlookout.timeseries.columnar import Readings
from openlookout.timeseries.off_condition import OffCondition
from openlookout.timeseries.sampling import Sampling

_FILL_CELLS = 1_000_000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class GridTooLarge(Exception):
    """The grid would have more rows than the limit; the message says how many."""


@dataclass(frozen=True)
class Grid:
    """Rows are times, columns sensors.

    `timestamps` (n_rows,) int64 microseconds, ascending; `values` (n_rows, n_sensors) float64, NaN where a sensor has
    neither a reading nor one recent enough; `is_read` (n_rows,) whether any sensor has a reading of that row itself,
    not carried on; `segment` (n_rows,) int64, from 0, one higher after each silence that was too long to store; `off`
    (n_rows,) whether the machine is off.
    """

    sensors: tuple[str, ...]
    timestamps: Integers
    values: Floats
    is_read: NDArray[np.bool_]
    segment: Integers
    off: NDArray[np.bool_]
    rate_us: int


@dataclass(frozen=True)
class _Block:
    """Means of the readings of some bins: `bins` (n,) ascending, `means` (n, len(columns)), columns of the grid."""

    bins: Integers
    means: Floats
    columns: Integers


def make_grid(
    readings: Iterable[Readings],
    sensors: Sequence[str],
    sampling: Sampling,
    *,
    start_us: int | None,
    end_us: int | None,
    off: OffCondition | None = None,
    off_before: float | None = None,
    rows_max: int | None = None,
) -> Grid:
    """Put readings on the grid and give its rows in (start_us, end_us]; None leaves that side open.

    `readings` come component by component (pieces of one component have the same sensors), in time order within it;
    those before `start_us` are used to look back. `sensors` are the columns, by full name. A row is the mean of the
    readings after the row before it up to its own time; a row after the last reading is given while it is in the
    window and within `gap_rows`. With `off`, whose sensor need not be a column, `off_before` is its last reading
    before all `readings`: a machine that was switched off last week is off, however little is looked back.

    Raises:
        GridTooLarge: rows, those looked back on included, would be more than `rows_max`.
    """
    columns = {name: i for i, name in enumerate(sensors)}
    end_bin = None if end_us is None else (end_us - sampling.anchor_us) // sampling.rate_us
    watch = _OffWatch(off, off_before)
    blocks = list(_blocks(watch.seen(readings), columns, sampling, end_bin))
    bins = np.unique(np.concatenate([block.bins for block in blocks])) if blocks else np.empty(0, np.int64)
    rows = _rows(bins, sampling.gap_rows, end_bin, rows_max)
    values = np.full((len(rows), len(sensors)), np.nan)
    while blocks:
        block = blocks.pop()
        values[np.ix_(np.searchsorted(rows, block.bins), block.columns)] = block.means
    _fill(values, rows, np.array(sampling.fill_rows, np.int64))
    timestamps = sampling.anchor_us + rows * sampling.rate_us
    first = 0 if start_us is None else int(np.searchsorted(timestamps, start_us, "right"))
    timestamps = timestamps[first:]
    return Grid(
        sensors=tuple(sensors),
        timestamps=timestamps,
        values=values[first:],
        is_read=np.isin(rows[first:], bins, assume_unique=True),
        segment=np.cumsum(np.diff(rows[first:], prepend=rows[first : first + 1]) > 1),
        off=watch.is_off(timestamps),
        rate_us=sampling.rate_us,
    )


def _blocks(
    readings: Iterable[Readings], columns: dict[str, int], sampling: Sampling, end_bin: int | None
) -> Iterator[_Block]:
    """Average the readings of each bin, component by component, holding back the last bin of every piece.

    A bin is averaged at once, whatever pieces its readings came in: a sum depends on how it is cut.
    """
    for names, pieces in groupby(readings, key=lambda piece: piece.sensors):
        own = [j for j, name in enumerate(names) if name in columns]
        targets = np.array([columns[names[j]] for j in own], np.int64)
        bins, values = np.empty(0, np.int64), np.empty((0, len(own)))
        for piece in pieces:
            new = piece.values if len(own) == len(names) else piece.values[:, own]
            there = ~np.isnan(new).all(axis=1)
            times, new = (piece.timestamps, new) if there.all() else (piece.timestamps[there], new[there])
            bins = np.concatenate([bins, -((sampling.anchor_us - times) // sampling.rate_us)])
            values = np.concatenate([values, new]) if len(values) else new
            done = int(np.searchsorted(bins, bins[-1])) if len(bins) else 0
            if done:
                yield _averaged(bins[:done], values[:done], targets, end_bin)
                bins, values = bins[done:], values[done:]
        if len(bins):
            yield _averaged(bins, values, targets, end_bin)


def _averaged(bins: Integers, values: Floats, columns: Integers, end_bin: int | None) -> _Block:
    """Average rows of the same bin; the sum of a bin runs from its first reading to its last."""
    if end_bin is not None:
        n = int(np.searchsorted(bins, end_bin, "right"))
        bins, values = bins[:n], values[:n]
    is_first = np.diff(bins, prepend=bins[:1] - 1) > 0
    found = bins[is_first]
    if len(found) == len(bins):
        return _Block(bins, values + 0.0, columns)
    place = np.cumsum(is_first) - 1
    means = np.empty((len(found), values.shape[1]))
    for j in range(values.shape[1]):
        column = np.ascontiguousarray(values[:, j])
        there = ~np.isnan(column)
        # bincount, not reduceat or mean: it adds one by one, so a sum depends on its readings alone.
        total = np.bincount(place[there], column[there], len(found))
        count = np.bincount(place[there], minlength=len(found))
        means[:, j] = np.divide(total, count, out=np.full(len(found), np.nan), where=count > 0)
    return _Block(found, means, columns)


def _rows(bins: Integers, gap_rows: int, end_bin: int | None, rows_max: int | None) -> Integers:
    """Give the rows to store: every bin with a reading and up to `gap_rows` after it."""
    after = np.append(bins[1:], bins[-1:] + 1 if end_bin is None else end_bin + 1)[: len(bins)]
    lengths = np.minimum(after - bins, gap_rows + 1)
    n_rows = int(lengths.sum())
    if rows_max is not None and n_rows > rows_max:
        raise GridTooLarge(f"{n_rows:,} rows at this sampling rate, {rows_max:,} are the limit")
    starts = np.cumsum(lengths) - lengths
    return np.repeat(bins - starts, lengths) + np.arange(n_rows)


def _fill(values: Floats, rows: Integers, fill_rows: Integers) -> None:
    """Carry each sensor's last reading on, for as many rows as it may be; changes `values`."""
    n_rows, n_sensors = values.shape
    step = max(1, _FILL_CELLS // max(1, n_sensors))
    latest_row = np.full(n_sensors, np.iinfo(np.int64).min // 2)
    latest = np.full(n_sensors, np.nan)
    for start in range(0, n_rows, step):
        part, at = values[start : start + step], rows[start : start + step]
        is_read = ~np.isnan(part)
        if is_read.all():
            latest_row, latest = np.full(n_sensors, at[-1]), part[-1].copy()
            continue
        source = np.where(is_read, np.arange(len(part))[:, None], -1)
        np.maximum.accumulate(source, axis=0, out=source)
        is_before = source < 0
        read_at = np.where(is_before, latest_row, at[source])
        carried = np.where(is_before, latest, np.take_along_axis(part, np.maximum(source, 0), axis=0))
        latest_row, latest = read_at[-1].copy(), carried[-1].copy()
        np.copyto(part, carried, where=~is_read & (at[:, None] - read_at <= fill_rows))


class _OffWatch:
    """Takes the readings of the off sensor as they pass, and tells when the machine was off."""

    def __init__(self, off: OffCondition | None, before: float | None) -> None:
        self._off = off
        self._times = [np.full(1, np.iinfo(np.int64).min)]
        self._values = [np.full(1, np.nan if before is None else before)]

    def seen(self, readings: Iterable[Readings]) -> Iterator[Readings]:
        for piece in readings:
            if self._off is not None and self._off.full_name in piece.sensors:
                column = piece.values[:, piece.sensors.index(self._off.full_name)]
                self._times.append(piece.timestamps[~np.isnan(column)])
                self._values.append(column[~np.isnan(column)])
            yield piece

    def is_off(self, timestamps: Integers) -> NDArray[np.bool_]:
        """Tell for each time whether the last reading up to it meets the condition; without a reading it does not."""
        if self._off is None:
            return np.zeros(len(timestamps), np.bool_)
        times, values = np.concatenate(self._times), np.concatenate(self._values)
        latest = values[np.searchsorted(times, timestamps, "right") - 1]
        return latest < self._off.value if self._off.operator == "<" else latest > self._off.value
