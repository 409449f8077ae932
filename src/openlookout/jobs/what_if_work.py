"""What a child does for a what-if: score a stretch once, and keep of each row what any limit is held against.

Under the what-if's prefix: `rows.parquet`, one row for each row of the grid that is not off, of the stretch and of what
was scored before it to begin with; `summary.json` with the rest. Works on objects; knows no rows of the database.
"""

import io
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.detection.contract import Floats, Integers, Scores, State
from openlookout.detection.what_if import FACTOR_MIN, Deciding, Replayed, deciding
from openlookout.jobs.progress import ProgressFile
from openlookout.jobs.retraining_data import AccumulatedWindow, RetrainingReadings
from openlookout.jobs.training_work import sentence, span_words, warmed_grid
from openlookout.jobs.version_files import DatasetReadings, VersionFiles, read_version, running_segments
from openlookout.timeseries.grid import Grid, GridTooLarge

PIECE_CELLS = 2_000_000  # Of rows times sensors: scored at once, and then how far it is is told.
# Of each row that may alarm, so many sensors are kept with their shares.
LEADING = 5


@dataclass(frozen=True)
class Kept:
    """What a what-if kept. `sensors` (n_rows, LEADING): numbers of `names`, `shares` likewise; zero where no limit of
    choice could alarm. `n_watched`: rows of the stretch with a reading, those in which the machine was off included.
    """

    replayed: Replayed
    sensors: Integers
    shares: Floats
    names: Sequence[str]
    n_watched: int


def score_stretch(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Score the stretch of a what-if and write what is kept of it under `job["output"]`.

    Gives nothing, or `failed` with a sentence for whoever asked.
    """
    progress = Path(job["progress"])
    try:
        with tempfile.TemporaryDirectory(prefix="what-if-", dir=job["scratch"]) as folder:
            return _score(settings, job, Path(folder), ProgressFile(progress))
    except GridTooLarge as error:
        return {"failed": sentence(f"{error}; choose a shorter stretch")}
    except BucketUnavailableError:
        raise
    except BucketError as error:
        return {"failed": sentence(f"the data cannot be read: {error}")}
    finally:
        progress.unlink(missing_ok=True)


def _score(settings: BucketSettings, job: Mapping[str, Any], folder: Path, progress: ProgressFile) -> dict[str, Any]:
    buckets = open_buckets(settings)
    version = read_version(buckets, job["version_prefix"])
    dataset = None if job["manifest_key"] is None else DatasetReadings(buckets, job["manifest_key"], folder)
    windows = [AccumulatedWindow(*window) for window in job["accumulated"]]
    if dataset is None and not windows:
        return {"failed": "Neither the dataset nor inference has any data."}
    source = RetrainingReadings(dataset, windows, buckets)
    start, end = job["start_us"], job["end_us"]
    grid = warmed_grid(version, source, start, end, rows_max=job["rows_max"])
    watched = (grid.timestamps >= start) & grid.is_read
    if not watched.any():
        known = span_words(*source.range_us)
        return {"failed": f"There is no reading {span_words(start, end)}; the data runs {known}."}
    on = ~grid.off
    if not (watched & on).any():
        return {"failed": f"The machine was off {span_words(start, end)}; no row is left to be scored."}
    rows, leading = _scored(version, grid, running_segments(grid), progress)
    summary = {
        "sensors": version.sensors,
        "rate_us": grid.rate_us,
        "limit": version.detector.limit.hex(),
        "peak_limit": version.detector.peak_limit.hex(),
        "n_watched": int(watched.sum()),
    }
    columns = {
        "timestamp": grid.timestamps[on],
        "segment": rows.run,
        "is_shown": watched[on],
        **{name: getattr(rows, name) for name in COLUMNS},
        **leading,
    }
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out, compression="zstd")
    buckets.write(SERVICE, layout.what_if_rows(job["output"]), out.getvalue())
    buckets.write(SERVICE, layout.what_if_summary(job["output"]), json.dumps(summary).encode())
    return {}


COLUMNS = ("score", "before", "held", "is_scored", "anyway")


def _scored(
    version: VersionFiles, grid: Grid, segments: Integers, progress: ProgressFile
) -> tuple[Deciding, dict[str, np.ndarray]]:
    """Give what decides and the columns of what leads, of the rows that are not off."""
    detector, on = version.detector, ~grid.off
    values, segment = grid.values[on], segments[on]
    anomaly, anyway, units = np.empty(len(segment)), np.empty(len(segment), np.bool_), []
    n_leading = min(LEADING, detector.n_sensors)
    sensors, shares = np.zeros((len(segment), n_leading), np.int16), np.zeros((len(segment), n_leading), np.float32)
    state: State | None = None
    size = max(PIECE_CELLS // detector.n_sensors, 1)
    for first in range(0, len(segment), size):
        progress.note(first, len(segment))
        piece = slice(first, first + size)
        scores, said, state = detector.score_and_units(values[piece], segment[piece], state)
        anomaly[piece], anyway[piece] = scores.anomaly, scores.anyway
        units.append(said)
        led = np.argsort(-scores.contribution, axis=1, kind="stable")[:, :n_leading]
        sensors[piece], shares[piece] = led, np.take_along_axis(scores.contribution, led, axis=1)
    nothing = np.zeros((len(segment), 0))
    rows = deciding(detector, Scores(anomaly, nothing, nothing.astype(np.float32), anyway), np.vstack(units), segment)
    never = ~rows.possible(FACTOR_MIN)
    sensors[never], shares[never] = 0, 0
    columns = {f"sensor{k}": sensors[:, k] for k in range(n_leading)}
    return rows, columns | {f"share{k}": shares[:, k] for k in range(n_leading)}


def parse_kept(rows: Path, summary: bytes) -> Kept:
    """Give what a what-if kept, from its two objects."""
    said = json.loads(summary)
    frame = pl.read_parquet(rows)
    limits = (float.fromhex(said[name]) for name in ("limit", "peak_limit"))
    segment = frame["segment"].to_numpy()
    score, before, held, is_scored, anyway = (frame[name].to_numpy() for name in COLUMNS)
    decisive = Deciding(score, before, held, is_scored, anyway, segment, *limits)
    replayed = Replayed(frame["timestamp"].to_numpy(), segment, frame["is_shown"].to_numpy(), decisive, said["rate_us"])
    n_leading = min(LEADING, len(said["sensors"]))
    sensors = np.column_stack([frame[f"sensor{k}"].to_numpy() for k in range(n_leading)])
    shares = np.column_stack([frame[f"share{k}"].to_numpy() for k in range(n_leading)])
    return Kept(replayed, sensors, shares, said["sensors"], said["n_watched"])
