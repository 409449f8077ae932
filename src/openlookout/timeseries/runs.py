"""Runs: sorted stretches of one component's readings on disk, and how they become parts that do not overlap.

Knows frames of readings in the order they were met. Knows no CSV. Never holds more than one run in memory, so the
order of the input and the length of a month do not matter: files in order become parts as they are, and only runs that
overlap in time are merged, range by range.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from openlookout.timeseries.sensor_file import MARKS_MAX, TIME

# Cells of a run, which are in memory; more where rows would be so few that columns cost more than what is in them.
RUN_CELLS_MAX = 4_000_000
RUN_ROWS_MIN = 4_096
_SAMPLES = 256
# Merging skips row groups by their times; groups of fewer rows cost more than they save where columns are many.
_GROUPS = 16
_GROUP_ROWS_MIN = 16_384


@dataclass(frozen=True)
class Run:
    """A Parquet file of rows with ascending, unique times; `sample_us` are evenly spaced among its times.

    `repeated_us`: the first MARKS_MAX times that came more than once.
    """

    path: Path
    first_us: int
    last_us: int
    n_rows: int
    sample_us: NDArray[np.int64]
    repeated_us: NDArray[np.int64]


def run_cells_max(n_sensors: int) -> int:
    """Give how many cells of a file with so many sensors become one run."""
    return max(RUN_CELLS_MAX, min(3 * RUN_CELLS_MAX, RUN_ROWS_MIN * n_sensors))


def joined(frames: list[pl.DataFrame], path: Path) -> tuple[pl.DataFrame, Run]:
    """Give the rows of frames, which come in the order met, and the run they are once `write_rows` has written them.

    There must be one row at least. The list is emptied: it may be held elsewhere, and its rows are not needed twice.
    """
    # In one piece: thousands of columns of many pieces each take longer to look at than to copy.
    met = pl.concat(frames, how="diagonal", rechunk=True)
    frames.clear()
    frame = sorted_unique(met)
    repeated = _repeated(met[TIME].to_numpy()) if len(frame) < len(met) else np.empty(0, np.int64)
    times = frame[TIME].to_numpy()
    sample = times[np.linspace(0, len(times) - 1, min(_SAMPLES, len(times))).astype(np.int64)]
    return frame, Run(path, int(times[0]), int(times[-1]), len(times), sample, repeated)


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    group_rows = max(_GROUP_ROWS_MIN, len(rows) // _GROUPS)
    rows.write_parquet(path, compression="zstd", compression_level=1, row_group_size=group_rows)


def _repeated(times: NDArray[np.int64]) -> NDArray[np.int64]:
    ordered = np.sort(times)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])[:MARKS_MAX]


def sorted_unique(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort rows, given in the order met, by time and keep one row for each time.

    Of rows with the same time the last wins; a sensor that it has no reading of keeps the one of the row before, so
    that files with different sensors of one component complete each other.
    """
    if frame.is_empty():
        return frame
    times = frame[TIME].to_numpy()
    if (times[1:] > times[:-1]).all():
        return frame
    order = np.argsort(times, kind="stable")
    frame, times = frame[order], times[order]
    is_last = np.append(times[1:] != times[:-1], True)
    if is_last.all():
        return frame
    return _one_row_each(frame, is_last)


def merge_runs(runs: Sequence[Run], folder: Path, name: str) -> list[Run]:
    """Give runs that do not overlap, in time order, with the rows of `runs`, which come in the order met.

    Runs that overlap no other are given as they are; the others are read, merged into new files and deleted.
    """
    groups: list[list[tuple[int, Run]]] = []
    end = None
    for index, run in sorted(enumerate(runs), key=lambda entry: entry[1].first_us):
        if end is None or run.first_us > end:
            groups.append([])
        groups[-1].append((index, run))
        end = run.last_us if end is None else max(end, run.last_us)
    settled: list[Run] = []
    for number, group in enumerate(groups):
        met = [run for _, run in sorted(group, key=lambda entry: entry[0])]
        settled += met if len(met) == 1 else _merge(met, folder, f"{name}-m{number}")
    return settled


def _merge(runs: Sequence[Run], folder: Path, name: str) -> list[Run]:
    """Merge overlapping runs range by range, each range about as many cells as a run."""
    n_columns = max(len(pl.read_parquet_schema(run.path)) for run in runs)
    samples = np.concatenate([run.sample_us for run in runs])
    weights = np.concatenate([np.full(len(run.sample_us), run.n_rows / len(run.sample_us)) for run in runs])
    order = np.argsort(samples, kind="stable")
    filled = np.cumsum(weights[order]) // max(1, run_cells_max(n_columns) // n_columns)
    cuts = np.unique(samples[order][1:][np.diff(filled) > 0])
    starts = [min(run.first_us for run in runs), *cuts.tolist()]
    ends = [*cuts.tolist(), max(run.last_us for run in runs) + 1]
    merged = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        frames = [
            pl.scan_parquet(run.path).filter(pl.col(TIME) >= start, pl.col(TIME) < end).collect()
            for run in runs
            if run.first_us < end and run.last_us >= start
        ]
        if any(len(frame) for frame in frames):
            rows, written = joined(frames, folder / f"{name}-{number:06}.parquet")
            write_rows(rows, written.path)
            known = [run.repeated_us[(run.repeated_us >= start) & (run.repeated_us < end)] for run in runs]
            repeated = np.unique(np.concatenate([written.repeated_us, *known]))[:MARKS_MAX]
            merged.append(replace(written, repeated_us=repeated))
    for run in runs:
        run.path.unlink()
    return merged


def _one_row_each(frame: pl.DataFrame, is_last: NDArray[np.bool_]) -> pl.DataFrame:
    """Keep the rows marked as the last of their time, completed from the rows of the same time before them."""
    ends = np.flatnonzero(is_last)
    starts = np.append(0, ends[:-1] + 1)
    several = np.flatnonzero(ends > starts)
    kept = frame.filter(is_last)
    columns = {}
    for name in frame.columns:
        if name == TIME or not kept[name].gather(several).null_count():
            continue
        values = frame[name].to_numpy()
        read = np.where(np.isnan(values), -1, np.arange(len(values)))
        latest = np.maximum.accumulate(read)[ends]
        columns[name] = pl.Series(name, np.where(latest >= starts, values[latest], np.nan)).fill_nan(None)
    return kept.with_columns(**columns)
