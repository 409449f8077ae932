"""What a child does for a training: fitting, and scoring the evaluation range. Works on objects; knows no rows."""

import gzip
import tempfile
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from openlookout.api.instants import from_microseconds
from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, Buckets, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError, BucketUnavailableError, ObjectNotFoundError
from openlookout.detection.contract import Scores, TrainingError
from openlookout.detection.detectability import examine
from openlookout.detection.evaluate import Labels, Verdict, inside, judge, model_metrics
from openlookout.detection.evaluate import verdict as by_shares
from openlookout.detection.events import find_events
from openlookout.detection.model_file import save
from openlookout.detection.recent import explain, scored_rows
from openlookout.detection.training import TRAINING_ROWS_MIN, fit_judged
from openlookout.jobs.label_reading import read_labels
from openlookout.jobs.results import lines
from openlookout.jobs.retraining_data import AccumulatedWindow, RetrainingReadings
from openlookout.jobs.version_diagnostics import (
    Place,
    write_detectability,
    write_events,
    write_pointwise,
    write_scores,
)
from openlookout.jobs.version_files import (
    DatasetReadings,
    UnusableVersionError,
    VersionFiles,
    read_version,
    running_segments,
    write_summary,
)
from openlookout.timeseries.grid import Grid, GridTooLarge, make_grid
from openlookout.timeseries.labels import LabelError
from openlookout.timeseries.off_condition import parse_off_condition
from openlookout.timeseries.sampling import SamplingError, learn_sampling
from openlookout.timeseries.schema import parse_schema

SEED = 0  # Of the sample of sensors that detectability examines.
# How much of the data before the evaluation range is scored first, so that windows and smoothing are filled.
WARM_UP_ROWS = 512

DAY_US = 86_400_000_000

Source = DatasetReadings | RetrainingReadings


class _Unusable(Exception):
    """The customer's data or labels cannot be trained with; the message is the reason that the version shows."""


class _TooLittle(_Unusable):
    """A training or retraining has data of too few days: `available_days` of them."""

    def __init__(self, message: str, available_days: int) -> None:
        super().__init__(message)
        self.available_days = available_days


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
    except _TooLittle as little:
        return {"failed": sentence(str(little)), "available_days": little.available_days}
    except _Unusable as unusable:
        return {"failed": sentence(str(unusable))}


def evaluate_version(settings: BucketSettings, job: Mapping[str, Any]) -> dict[str, Any]:
    """Score the evaluation range (without one: the training range, for labels and diagnostics only).

    Gives metrics, quality and where the diagnostics were written, or `failed` with a sentence for the customer.
    """
    buckets = open_buckets(settings)
    try:
        with _reasons(), tempfile.TemporaryDirectory(prefix="evaluate-", dir=job["scratch"]) as folder:
            return _evaluate(buckets, job, Path(folder))
    except _Unusable as unusable:
        return {"failed": sentence(str(unusable))}


def _fit(buckets: Buckets, job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    schema = parse_schema(job["schema"])
    sensors = tuple(name for component in schema for name in component.full_names)
    off = None if job["off_condition"] is None else parse_off_condition(job["off_condition"], schema)
    dataset = _source(buckets, job, folder)
    start, end = _training_range(job, dataset)
    if job["is_retraining"] and next(dataset.iterate(sensors, start, end), None) is None:
        raise _little(job, 0.0, job["rate_us"] or job["prior_rate_us"], 0)
    sampling = learn_sampling(dataset.iterate(sensors, start, end), sensors, job["rate_us"])
    grid = make_grid(
        dataset.iterate(sensors, start, end),
        sensors,
        sampling,
        start_us=start,
        end_us=end,
        off=off,
        rows_max=job["training_rows_max"],
    )
    if not len(grid.timestamps):
        first, last = dataset.range_us
        known = span_words(first, last)
        raise _Unusable(f"there is no reading in the training range {span_words(start, end)}; the data runs {known}")
    if grid.off.all():
        raise _Unusable(
            f"the off-condition '{job['off_condition']}' holds for all {len(grid.off)} rows of the training range; "
            "no row is left in which the machine ran"
        )
    _check_days(job, grid)
    labels = read_labels(buckets, job["labels"], job["group_labels"])
    if not job["is_retraining"]:  # Its window moves on, and older labels lie before it.
        _check_labels(labels, job, grid)
    on = ~grid.off
    anomalous, normal = learned_rows(grid, labels)
    if not normal.any():
        raise _Unusable(f"all {grid.is_read[on].sum()} rows of the training range are labelled; no normal row is left")
    values, segment = grid.values[on], running_segments(grid)[on]
    detector, left_out = fit_judged(values, normal, segment, anomalous)
    prefix = job["output"]
    buckets.write(SERVICE, layout.detector(prefix), save(detector))
    write_summary(buckets, prefix, job["schema"], sampling, job["off_condition"], left_out=left_out)
    report = examine(detector, values, normal, segment, names=sensors, rate_us=sampling.rate_us, seed=SEED)
    write_detectability(buckets, prefix, report)
    return {
        "prefix": prefix,
        "start_us": job["training_start"] or int(grid.timestamps[0]),
        "end_us": job["training_end"] or int(grid.timestamps[-1]),
        "rate_us": sampling.rate_us,
        "available_days": _days(grid),
    }


def learned_rows(grid: Grid, labels: Labels) -> tuple[np.ndarray, np.ndarray]:
    """Give which of the rows that are not off are labelled as failures, and which are normal: (n_rows,) bool each."""
    times = grid.timestamps[~grid.off]
    anomalous = inside(times, labels.anomalies)
    # A row that only carries readings on would teach that sensors stand still.
    return anomalous, ~anomalous & ~inside(times, labels.neutral) & grid.is_read[~grid.off]


def _source(buckets: Buckets, job: Mapping[str, Any], folder: Path) -> Source:
    dataset = None if job["manifest_key"] is None else DatasetReadings(buckets, job["manifest_key"], folder)
    if not job["is_retraining"]:
        assert dataset is not None
        return dataset
    windows = [AccumulatedWindow(*window) for window in job["accumulated"]]
    if dataset is None and not windows:
        raise _Unusable("neither the dataset nor inference has any data")
    return RetrainingReadings(dataset, windows, buckets)


def _check_days(job: Mapping[str, Any], grid: Grid) -> None:
    """Raises _TooLittle: the data span fewer days than training needs; of a retraining also: have too few rows."""
    read = grid.timestamps[grid.is_read]
    found = (int(read[-1]) - int(read[0]) + grid.rate_us) / DAY_US if len(read) else 0.0
    if job["is_retraining"] and len(read) < TRAINING_ROWS_MIN:
        found = min(found, len(read) * grid.rate_us / DAY_US)
    if found < _needed_days(job, grid.rate_us):
        raise _little(job, found, grid.rate_us, _days(grid))


def _little(job: Mapping[str, Any], found: float, rate_us: int, available_days: int) -> _TooLittle:
    where = "look-back window" if job["is_retraining"] else "training range"
    needed = _needed_days(job, rate_us)
    return _TooLittle(f"the {where} holds {found:.3g} days of data; {needed:.3g} are needed", available_days)


def _needed_days(job: Mapping[str, Any], rate_us: int) -> float:
    rows = TRAINING_ROWS_MIN * rate_us / DAY_US if job["is_retraining"] else 0.0
    return max(float(job["training_days_min"]), rows)


def _days(grid: Grid) -> int:
    """On how many UTC days there are readings."""
    return len(np.unique(grid.timestamps[grid.is_read] // DAY_US))


def _training_range(job: Mapping[str, Any], dataset: Source) -> tuple[int | None, int]:
    """(start, end], the start given being in it; without an end training stops where evaluation starts."""
    start = None if job["training_start"] is None else job["training_start"] - 1
    end: int = job["training_end"] or job["evaluation_start"] or dataset.range_us[1]
    return start, end


def _evaluate(buckets: Buckets, job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A retraining has no evaluation range: it is judged, beside the version before it, on the look-back window."""
    labels = read_labels(buckets, job["labels"], job["group_labels"])
    is_evaluation = job["evaluation_start"] is not None
    start = job["evaluation_start"] if is_evaluation else job["start_us"]
    end = job["evaluation_end"] if is_evaluation else job["end_us"]
    labels = labels.within(start, end)
    prior = _prior_version(buckets, job)
    answer: dict[str, Any] = {
        "is_prior_usable": prior is not None or job["prior_prefix"] is None,
        "metrics": None,
        "prior_metrics": None,
        "quality": "CANNOT_DETERMINE_QUALITY",
        "skill": None,
        "prior_skill": None,
        "labelled": bool(labels.anomalies),
        "diagnostics_bucket": None,
        "diagnostics_key": None,
    }
    if not is_evaluation and not labels.anomalies and job["diagnostics"] is None:
        return answer
    version = read_version(buckets, job["prefix"])
    source = _source(buckets, job, folder)
    grid, segment, scores, verdict, metrics = _judged(version, source, job, labels, (start, end))
    if is_evaluation and not len(grid.timestamps):
        raise _Unusable(f"there is no reading in the evaluation range {span_words(start, end)}")
    if not is_evaluation and not job["is_retraining"] and version.left_out is not None:
        # Its own labels chose what decides, and its normal rows are known to it: both are judged left out.
        verdict = by_shares(version.left_out.found, version.left_out.false_share)
    shows_metrics = is_evaluation or (job["is_retraining"] and bool(labels.anomalies))
    answer |= {"quality": verdict.quality, "skill": verdict.skill, "metrics": metrics if shows_metrics else None}
    if prior is not None and shows_metrics:
        _, _, _, prior_verdict, prior_metrics = _judged(prior, source, job, labels, (start, end))
        answer |= {"prior_skill": prior_verdict.skill, "prior_metrics": prior_metrics}
    _write_evidence(buckets, job, version, grid=grid, segment=segment, scores=scores)
    if job["diagnostics"] is not None:
        key = _write_diagnostics(buckets, job, grid, scores, version.sensors)
        answer |= {"diagnostics_bucket": job["diagnostics"]["Bucket"], "diagnostics_key": key}
    return answer


def _prior_version(buckets: Buckets, job: Mapping[str, Any]) -> VersionFiles | None:
    """The version to compare a retraining with; None without one, and where what is kept of it is of no use any more.

    To train anew is the remedy for the latter: it must not fail for it.
    """
    if job["prior_prefix"] is None:
        return None
    try:
        return read_version(buckets, job["prior_prefix"])
    except (UnusableVersionError, ObjectNotFoundError):
        return None


def _judged(
    version: VersionFiles, source: Source, job: Mapping[str, Any], labels: Labels, span: tuple[int, int]
) -> tuple[Grid, np.ndarray, Scores, Verdict, str]:
    """Score a version on a range: its grid, segments and scores of the rows that are not off, verdict and metrics."""
    quota = "training_rows_max" if job["evaluation_start"] is None else "evaluation_rows_max"
    grid, segment, scores = _scored(version, source, *span, rows_max=job[quota])
    times = grid.timestamps[~grid.off]
    events = find_events(times, scores.alarm, segment, scores.contribution, grid.rate_us)
    metrics = model_metrics(events, labels.anomalies, version.sensors, labels.neutral)
    return grid, segment, scores, judge(events, labels, times, scores.alarm), metrics


def _scored(
    version: VersionFiles, dataset: Source, start: int, end: int, *, rows_max: int
) -> tuple[Grid, np.ndarray, Scores]:
    """Give the grid of [start, end] (rows with readings), and segments and scores of its rows that are not off."""
    whole = warmed_grid(version, dataset, start, end, rows_max=rows_max)
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
    return grid, segment[on & shown], scores.taken(kept)


def warmed_grid(version: VersionFiles, dataset: Source, start: int, end: int, *, rows_max: int) -> Grid:
    """Give the grid of [start, end] and of the rows before it that fill windows and smoothing.

    Raises:
        GridTooLarge: it has more than `rows_max` rows.
    """
    sampling = version.sampling
    warm_from = start - WARM_UP_ROWS * sampling.rate_us
    return make_grid(
        dataset.iterate(version.sensors, warm_from - sampling.history_us(), end),
        version.sensors,
        sampling,
        start_us=warm_from,
        end_us=end,
        off=version.off,
        rows_max=rows_max + WARM_UP_ROWS,
    )


def _write_evidence(
    buckets: Buckets, job: Mapping[str, Any], version: VersionFiles, *, grid: Grid, segment: np.ndarray, scores: Scores
) -> None:
    """Write what speaks for each event and what was expected in each row: for us, and where diagnostics are wanted."""
    on = ~grid.off
    rows = scored_rows(grid.timestamps[on], segment, grid.values[on], scores)
    explained = explain(version.detector, rows, scores.contribution, rate_us=grid.rate_us, names=version.sensors)
    places = [Place(SERVICE, layout.diagnostics(job["prefix"]))]
    if job["diagnostics"] is not None:
        wanted = job["diagnostics"]
        folder = layout.customer_diagnostics(wanted.get("Prefix", ""), job["model_name"], job["version"])
        places.append(Place(wanted["Bucket"], folder))
    write_events(buckets, places, explained)
    write_scores(buckets, job["prefix"], rows.timestamps, scores.anomaly)
    write_pointwise(buckets, places, version, rows, scores.anomaly)


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


def _check_labels(labels: Labels, job: Mapping[str, Any], grid: Grid) -> None:
    """Labels that touch neither range are a mistake of time zone or of file, and are said to be one."""
    ranges = sorted((*labels.anomalies, *labels.normal, *labels.neutral))
    if not ranges:
        return
    first, last = int(grid.timestamps[0]), job["evaluation_end"] or int(grid.timestamps[-1])
    if not any(start <= last and end >= first for start, end in ranges):
        raise _Unusable(
            f"none of the {len(ranges)} labels, {span_words(ranges[0][0], ranges[-1][1])}, lies in the training or "
            f"evaluation range, {span_words(first, last)}"
        )


def sentence(text: str) -> str:
    """A reason as a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def span_words(start_us: int | None, end_us: int | None) -> str:
    """A stretch of time in words: `from ... to ...`."""
    return f"from {_time(start_us)} to {_time(end_us)}"


def _time(us: int | None) -> str:
    if us is None:
        return "the first reading"
    return f"{from_microseconds(us):%Y-%m-%dT%H:%M:%SZ}"
