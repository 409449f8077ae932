"""What a child does for a training: fitting, and scoring the evaluation range. Works on objects; knows no rows."""

import gzip
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError
from openlookout.detection.contract import Scores, TrainingError
from openlookout.detection.evaluate import model_metrics, quality
from openlookout.detection.events import find_events
from openlookout.detection.model_file import save
from openlookout.detection.training import fit
from openlookout.jobs.results import lines
from openlookout.jobs.version_files import (
    DatasetReadings,
    VersionFiles,
    read_version,
    running_segments,
    write_summary,
)
from openlookout.timeseries.grid import Grid, GridTooLarge, make_grid
from openlookout.timeseries.labels import LabelError, parse_labels
from openlookout.timeseries.off_condition import parse_off_condition
from openlookout.timeseries.sampling import SamplingError, learn_sampling
from openlookout.timeseries.schema import parse_schema

SEED = 0
GRID_ROWS_MAX = 10_000_000
LABEL_FILE_BYTES_MAX = 64 * 2**20
# How much of the data before the evaluation range is scored first, so that windows and smoothing are filled.
WARM_UP_ROWS = 512

Label = tuple[int, int]


class _Unusable(Exception):
    """The customer's data or labels cannot be trained with; the message is the reason that the version shows."""


@contextmanager
def _reasons() -> Any:
    """Turn the errors of the layers below into the one kind that becomes a FailedReason."""
    try:
        yield
    except (TrainingError, SamplingError, GridTooLarge, LabelError) as error:
        raise _Unusable(str(error)) from error
    except BucketUnavailableError:
        raise
    except BucketError as error:
        raise _Unusable(str(error)) from error


def fit_version(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Fit on the training range and write detector and summary under `job["output"]`.

    Gives the effective range and the sampling rate, or `failed` with a sentence for the customer.
    """
    buckets = open_buckets(settings)
    try:
        with _reasons(), tempfile.TemporaryDirectory(prefix="train-", dir=job["scratch"]) as folder:
            return _fit(buckets, job, Path(folder))
    except _Unusable as unusable:
        return {"failed": _sentence(str(unusable))}


def evaluate_version(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Score the evaluation range (without one: the training range, for labels and diagnostics only).

    Gives metrics, quality and where the diagnostics were written, or `failed` with a sentence for the customer.
    """
    buckets = open_buckets(settings)
    try:
        with _reasons(), tempfile.TemporaryDirectory(prefix="evaluate-", dir=job["scratch"]) as folder:
            return _evaluate(buckets, job, Path(folder))
    except _Unusable as unusable:
        return {"failed": _sentence(str(unusable))}


def _fit(buckets: Buckets, job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    schema = parse_schema(job["schema"])
    sensors = tuple(name for component in schema for name in component.full_names)
    off = None if job["off_condition"] is None else parse_off_condition(job["off_condition"], schema)
    dataset = DatasetReadings(buckets, job["manifest_key"], folder)
    start, end = _training_range(job, dataset)
    sampling = learn_sampling(dataset.iterate(sensors, start, end), sensors, job["rate_us"])
    grid = make_grid(
        dataset.iterate(sensors, start, end),
        sensors,
        sampling,
        start_us=start,
        end_us=end,
        off=off,
        rows_max=GRID_ROWS_MAX,
    )
    if not len(grid.timestamps):
        first, last = dataset.range_us
        raise _Unusable(
            f"there is no reading in the training range {_span(start, end)}; the data runs {_span(first, last)}"
        )
    if grid.off.all():
        raise _Unusable(
            f"the off-condition '{job['off_condition']}' holds for all {len(grid.off)} rows of the training range; "
            "no row is left in which the machine ran"
        )
    labels = _labels(buckets, job)
    _check_labels(labels, job, grid)
    on = ~grid.off
    times = grid.timestamps[on]
    normal = ~_inside(times, labels)
    if not normal.any():
        raise _Unusable(f"all {len(times)} rows of the training range are labelled; no normal row is left")
    detector = fit(grid.values[on], normal, running_segments(grid)[on], seed=SEED)
    prefix = job["output"]
    buckets.write(SERVICE, layout.detector(prefix), save(detector))
    write_summary(buckets, prefix, job["schema"], sampling, job["off_condition"])
    return {
        "prefix": prefix,
        "start_us": job["training_start"] or int(grid.timestamps[0]),
        "end_us": job["training_end"] or int(grid.timestamps[-1]),
        "rate_us": sampling.rate_us,
    }


def _training_range(job: Mapping[str, Any], dataset: DatasetReadings) -> tuple[int | None, int]:
    """(start, end], the start given being in it; without an end training stops where evaluation starts."""
    start = None if job["training_start"] is None else job["training_start"] - 1
    end: int = job["training_end"] or job["evaluation_start"] or dataset.range_us[1]
    return start, end


def _evaluate(buckets: Buckets, job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    version = read_version(buckets, job["prefix"])
    labels = _labels(buckets, job)
    answer = {
        "metrics": None,
        "quality": "CANNOT_DETERMINE_QUALITY",
        "diagnostics_bucket": None,
        "diagnostics_key": None,
    }
    is_evaluation = job["evaluation_start"] is not None
    if not is_evaluation and not labels and job["diagnostics"] is None:
        return answer
    start = job["evaluation_start"] if is_evaluation else job["start_us"]
    end = job["evaluation_end"] if is_evaluation else job["end_us"]
    grid, segment, scores = _scored(version, DatasetReadings(buckets, job["manifest_key"], folder), start, end)
    if is_evaluation and not len(grid.timestamps):
        raise _Unusable(f"there is no reading in the evaluation range {_span(start, end)}")
    on = ~grid.off
    times = grid.timestamps[on]
    events = find_events(times, scores.alarm, segment, scores.contribution, grid.rate_us)
    within = [(max(first, start), min(last, end)) for first, last in labels if first <= end and last >= start]
    if is_evaluation:
        answer["metrics"] = model_metrics(events, within, version.sensors)
    answer["quality"] = quality(events, within, times, scores.alarm)
    if job["diagnostics"] is not None:
        key = _write_diagnostics(buckets, job, grid, scores, version.sensors)
        answer |= {"diagnostics_bucket": job["diagnostics"]["Bucket"], "diagnostics_key": key}
    return answer


def _scored(version: VersionFiles, dataset: DatasetReadings, start: int, end: int) -> tuple[Grid, np.ndarray, Scores]:
    """Give the grid of [start, end] (rows with readings), and segments and scores of its rows that are not off."""
    sampling = version.sampling
    warm_from = start - WARM_UP_ROWS * sampling.rate_us
    readings = dataset.iterate(version.sensors, warm_from - sampling.history_us(), end)
    whole = make_grid(readings, version.sensors, sampling, start_us=warm_from, end_us=end, off=version.off)
    on = ~whole.off
    segment = running_segments(whole)
    scores, _ = version.detector.score(whole.values[on], segment[on])
    # A row that only carries readings on says nothing of its own.
    shown = (whole.timestamps >= start) & whole.is_read
    kept = shown[on]
    grid = replace(
        whole,
        timestamps=whole.timestamps[shown],
        values=whole.values[shown],
        is_read=whole.is_read[shown],
        segment=whole.segment[shown],
        off=whole.off[shown],
    )
    return grid, segment[on & shown], Scores(scores.anomaly[kept], scores.contribution[kept])


def _write_diagnostics(
    buckets: Buckets, job: Mapping[str, Any], grid: Grid, scores: Scores, sensors: tuple[str, ...]
) -> str:
    place = job["diagnostics"]
    key = layout.pointwise_diagnostics(place.get("Prefix", ""), job["model_name"], job["version"])
    with tempfile.TemporaryDirectory(prefix="diagnostics-", dir=job["scratch"]) as folder:
        path = Path(folder) / "lines.gz"
        # No time in the header: the same scores are the same file.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as file:
            for line in lines(grid.timestamps, grid.off, scores, sensors):
                file.write(line.encode())
        buckets.write_file(place["Bucket"], key, path)
    return key


def _labels(buckets: Buckets, job: Mapping[str, Any]) -> list[Label]:
    """All labels below the prefix, in time order."""
    place = job["labels"]
    if place is None:
        return []
    labels: list[Label] = []
    keys = [found for found in buckets.list(place["Bucket"], place.get("Prefix", "")) if not found.key.endswith("/")]
    if not keys:
        raise _Unusable(f"no label file was found under s3://{place['Bucket']}/{place.get('Prefix', '')}")
    for found in keys:
        if found.size > LABEL_FILE_BYTES_MAX:
            raise _Unusable(f"label file '{found.key}' has {found.size} bytes; {LABEL_FILE_BYTES_MAX} is the limit")
        labels += parse_labels(found.key, buckets.read(place["Bucket"], found.key))
    return sorted(labels)


def _check_labels(labels: list[Label], job: Mapping[str, Any], grid: Grid) -> None:
    """Labels that touch neither range are a mistake of time zone or of file, and are said to be one."""
    if not labels:
        return
    first, last = int(grid.timestamps[0]), job["evaluation_end"] or int(grid.timestamps[-1])
    if not any(start <= last and end >= first for start, end in labels):
        raise _Unusable(
            f"none of the {len(labels)} labels, {_span(labels[0][0], labels[-1][1])}, lies in the training or "
            f"evaluation range, {_span(first, last)}"
        )


def _inside(times: np.ndarray, labels: list[Label]) -> np.ndarray:
    inside = np.zeros(len(times), bool)
    for start, end in labels:
        inside[np.searchsorted(times, start, "left") : np.searchsorted(times, end, "right")] = True
    return inside


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _span(start_us: int | None, end_us: int | None) -> str:
    return f"from {_time(start_us)} to {_time(end_us)}"


def _time(us: int | None) -> str:
    if us is None:
        return "the first reading"
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us):%Y-%m-%dT%H:%M:%SZ}"
