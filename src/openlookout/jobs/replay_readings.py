"""The readings of the windows of a part: from the files that are there now, and from what was read of them before."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets
from openlookout.buckets.errors import BucketError
from openlookout.jobs.inference_work import too_many_rows
from openlookout.jobs.replay_files import FILE, FileIndex, Found, read_files
from openlookout.jobs.windows import window_of
from openlookout.timeseries.columnar import Readings, from_frame
from openlookout.timeseries.runs import sorted_unique
from openlookout.timeseries.sampling import Sampling
from openlookout.timeseries.schema import Component
from openlookout.timeseries.sensor_file import TIME, BadHeader

MINUTE_US = 60_000_000
NAMED_MAX = 3  # Unreadable files that a sentence names, as an execution's.


def part_readings(
    buckets: Buckets,
    bucket: str,
    schema: Sequence[Component],
    index: FileIndex,
    *,
    windows: Sequence[Any],
    chosen: Sequence[Found],
    told: Sequence[dict[str, Any]],
    sampling: Sampling | None = None,
    rows_a_minute: int = 0,
) -> list[Readings]:
    """Give the readings of each component in the windows: start, end, whether files are read, and what was kept.

    `chosen`: the files of each window. Notes in `told` how many readings a window has, and why it cannot be read. With
    `sampling` a window may have no more than `rows_a_minute` rows of the grid, as an execution.
    """
    starts, ends = (np.array([window[i] for window in windows], np.int64) for i in (0, 1))
    frames = []
    for component in schema:
        used = sorted({number for found in chosen for number in found.get(component.name, ())})
        keys = [index.keys[component.name][number] for number in used]
        read = read_files(buckets, bucket, keys, component)
        if read.errors:
            _note_errors(index, component.name, chosen, read.errors, told)
        own = _own(read.frame, starts, ends)
        belongs = (own >= 0) & _belongs(component.name, used, chosen, own * len(used) + read.frame[FILE].to_numpy())
        frames.append(read.frame.filter(belongs).drop(FILE))
    read_and_kept = list(zip(schema, frames, _kept(buckets, schema, windows), strict=True))
    rows = _rows(read_and_kept, starts, ends, told)
    if sampling is not None:
        n_rows = _grid_rows(rows, starts, ends, sampling)
        n_max = rows_a_minute * (ends - starts) // MINUTE_US
        too_many = [n for n in np.flatnonzero(n_rows > n_max).tolist() if "failed" not in told[n]]
        for number in too_many:
            told[number]["failed"] = too_many_rows(int(n_rows[number]), int(n_max[number]))
        rows = _rows(read_and_kept, starts, ends, told) if too_many else rows
    n_readings = np.zeros(len(windows), np.int64)
    for frame in rows:
        n_readings += np.bincount(_own(frame, starts, ends), minlength=len(windows))
    for one, n in zip(told, n_readings.tolist(), strict=True):
        one["n_readings"] = n
    return [from_frame(frame, component.full_names) for component, frame in zip(schema, rows, strict=True)]


def _rows(
    read_and_kept: Sequence[tuple[Component, pl.DataFrame, pl.DataFrame]],
    starts: np.ndarray,
    ends: np.ndarray,
    told: Sequence[Mapping[str, Any]],
) -> list[pl.DataFrame]:
    """The rows of each component: of windows whose files can be read, and what was read of the others before."""
    is_read = np.array(["failed" not in one for one in told], bool)
    rows = []
    for component, frame, before in read_and_kept:
        new = frame.filter(is_read[_own(frame, starts, ends)])
        has_new = np.bincount(_own(new, starts, ends), minlength=len(starts)) > 0
        # Of what was read of a component before nothing is lost because its file is gone.
        old = before.filter(~has_new[_own(before, starts, ends)])
        rows.append(sorted_unique(pl.concat([old, new], how="diagonal").select(TIME, *component.sensors)))
    return rows


def _grid_rows(rows: Sequence[pl.DataFrame], starts: np.ndarray, ends: np.ndarray, sampling: Sampling) -> np.ndarray:
    """(n_windows,): the rows of the grid that have a reading of their own, which an execution's quota counts."""
    is_reading = pl.exclude(TIME).is_not_null() & pl.exclude(TIME).is_not_nan()
    times = [frame.filter(pl.any_horizontal(is_reading))[TIME].to_numpy() for frame in rows]
    bins = np.unique(-((sampling.anchor_us - np.concatenate(times)) // sampling.rate_us))
    own = window_of(sampling.anchor_us + bins * sampling.rate_us, starts, ends)
    return np.bincount(own[own >= 0], minlength=len(starts))


def _own(frame: pl.DataFrame, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return window_of(frame[TIME].to_numpy(), starts, ends)


def _belongs(component: str, used: Sequence[int], chosen: Sequence[Found], codes: np.ndarray) -> np.ndarray:
    """(n_rows,) bool: whether the file of a row is one of its window; a code is window times files plus file."""
    place = {number: at for at, number in enumerate(used)}
    pairs = [
        window * len(used) + place[number] for window, found in enumerate(chosen) for number in found.get(component, ())
    ]
    return np.isin(codes, np.array(pairs, np.int64))


def _note_errors(
    index: FileIndex,
    component: str,
    chosen: Sequence[Found],
    errors: Mapping[str, Exception],
    told: Sequence[dict[str, Any]],
) -> None:
    """Say of each window why it cannot be read, as an execution would: a bad header, or no file that can be read."""
    for found, one in zip(chosen, told, strict=True):
        keys = [index.keys[component][number] for number in found.get(component, ())]
        if "failed" in one or not any(key in errors for key in keys):
            continue
        spoilt = next((errors[key] for key in keys if isinstance(errors.get(key), BadHeader | BucketError)), None)
        if isinstance(spoilt, BucketError):
            one["failed"] = f"The data cannot be read or written: {spoilt}."
        elif spoilt is not None:
            one["failed"] = str(spoilt)
        elif all(key in errors for key in keys):
            one["failed"] = "; ".join(f"file '{key}': {errors[key]}" for key in keys[:NAMED_MAX])


def _kept(buckets: Buckets, schema: Sequence[Component], windows: Sequence[Any]) -> list[pl.DataFrame]:
    """Give what was read of each component before, in the windows of which something was kept."""
    of_prefix: dict[str, list[tuple[int, int]]] = {}
    for start_us, end_us, _reads_files, prefix in windows:
        if prefix is not None:
            of_prefix.setdefault(prefix, []).append((start_us, end_us))
    frames = []
    for component in schema:
        keys = [layout.accumulated_part(prefix, component.name) for prefix in of_prefix]
        pieces = [pl.DataFrame(schema={TIME: pl.Int64} | dict.fromkeys(component.sensors, pl.Float64))]
        for content, ranges in zip(buckets.read_many(SERVICE, keys), of_prefix.values(), strict=True):
            if isinstance(content, BucketError):
                raise content
            starts, ends = (np.array([one[i] for one in ranges], np.int64) for i in (0, 1))
            piece = pl.read_parquet(io.BytesIO(content))
            pieces.append(piece.filter(_own(piece, starts, ends) >= 0))
        frames.append(pl.concat(pieces, how="diagonal"))
    return frames
