"""What a child does for the page of a what-if: sweeps over what a run kept. Works on objects; knows no rows."""

import hashlib
import json
import os
from bisect import bisect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from openlookout.buckets import layout
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.detection.evaluate import Labels
from openlookout.detection.what_if import FACTOR_MAX, FACTOR_MIN, Outcome
from openlookout.jobs.label_reading import read_labels
from openlookout.jobs.what_if_work import Kept, parse_kept
from openlookout.timeseries.labels import LabelError
from openlookout.timeseries.reduce import lined
from openlookout.views.local_copies import local_copy

MONTH_US = 365.25 / 12 * 86_400_000_000
DAY_US = 86_400_000_000
# One, and the one beside it: of a year of minutes each is 45 MB.
RUNS_KEPT = 2
FACTORS = tuple(np.linspace(FACTOR_MIN, FACTOR_MAX, 51).round(2).tolist())

Job = Mapping[str, Any]
# What is known of a run: `prefix`, `start_us`, `end_us`, and where labels are (`labels`, `group_labels`).


def tried(settings: BucketSettings, scratch: str, run: Job, factor: float, page: tuple[int, int]) -> dict[str, Any]:
    """Give what a factor comes to, as `console/what_if_ports.py` has it, in plain values."""
    kept = _kept(settings, scratch, run)
    labels, failed = _labels(settings, run)
    found = kept.replayed.outcome(factor, labels)
    newest_first = np.arange(len(found.events))[::-1][page[0] : page[0] + page[1]]
    return {
        "months": _months(kept),
        "n_alarms": len(found.events),
        "n_false": int(found.is_false.sum()),
        "false_us": found.false_us,
        "labelled": [(*label, warning) for label, warning in zip(labels.anomalies, found.warnings, strict=True)],
        "warning_us": _warning(found),
        "alarms": [_alarm(kept, found, int(number)) for number in newest_first],
        "labels_failed": failed,
    }


def timeline(
    settings: BucketSettings, scratch: str, run: Job, factor: float, span: tuple[int | None, int | None]
) -> dict[str, Any]:
    """Give what decides in multiples of the limit, reduced for a chart, with alarms and labels."""
    kept = _kept(settings, scratch, run)
    rows, (labels, _) = kept.replayed, _labels(settings, run)
    first, last = int(rows.timestamps[rows.is_shown][0]), int(rows.timestamps[-1])
    start, end = (first if span[0] is None else span[0]), (last if span[1] is None else span[1])
    here = rows.is_shown & rows.deciding.is_scored & (rows.timestamps >= start) & (rows.timestamps <= end)
    x, y = lined(rows.timestamps[here], rows.deciding.score[here] / rows.deciding.limit, start, end)
    found = rows.outcome(factor, labels)
    edges = {"start": start // 1000, "end": end // 1000, "first": first // 1000, "last": last // 1000}
    return {
        **edges,
        "x": x,
        "y": y,
        "n_rows": int(here.sum()),
        "alarms": [[start_us // 1000, end_us // 1000] for start_us, end_us in _spans(kept, found)],
        "labels": [[a // 1000, b // 1000] for a, b in labels.anomalies],
    }


def curve(settings: BucketSettings, scratch: str, run: Job, factor: float) -> dict[str, Any]:
    """Give what each of FACTORS and one more factor come to; the former is kept beside the copies of objects, for these
    labels.
    """
    labels, _ = _labels(settings, run)
    asked = json.dumps([run["prefix"], labels.anomalies, labels.neutral])
    path = Path(scratch) / f"{hashlib.sha256(asked.encode()).hexdigest()}.curve"
    if path.exists():
        found: dict[str, list[Any]] = json.loads(path.read_bytes())
    else:
        found = _curve(_kept(settings, scratch, run), labels, FACTORS)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(found))
        part.replace(path)
    if factor not in FACTORS:
        at, one = bisect(FACTORS, factor), _curve(_kept(settings, scratch, run), labels, (factor,))
        found = {name: [*values[:at], *one[name], *values[at:]] for name, values in found.items()}
    return {**found, "n_labelled": len(labels.anomalies)}


def _curve(kept: Kept, labels: Labels, factors: Sequence[float]) -> dict[str, list[Any]]:
    outcomes, months = kept.replayed.curve(factors, labels), _months(kept)
    warnings = [_warning(found) for found in outcomes]
    return {
        "factors": list(factors),
        "alarms": [len(found.events) / months for found in outcomes],
        "false_hours": [found.false_us / 3.6e9 / months for found in outcomes],
        "found": [found.n_found for found in outcomes],
        "warning_days": [None if warning is None else warning / DAY_US for warning in warnings],
    }


def _kept(settings: BucketSettings, scratch: str, run: Job) -> Kept:
    return _parsed(settings, scratch, run["prefix"])


@lru_cache(maxsize=RUNS_KEPT)
def _parsed(settings: BucketSettings, scratch: str, prefix: str) -> Kept:
    """What a run kept never changes, and who moves its limit asks again and again."""
    buckets = open_buckets(settings)
    summary = local_copy(buckets, scratch, SERVICE, layout.what_if_summary(prefix)).read_bytes()
    return parse_kept(local_copy(buckets, scratch, SERVICE, layout.what_if_rows(prefix)), summary)


def _labels(settings: BucketSettings, run: Job) -> tuple[Labels, str | None]:
    """The labels of now that touch the stretch, or none and why."""
    try:
        found = read_labels(open_buckets(settings), run["labels"], run["group_labels"])
    except (LabelError, BucketError) as error:
        return Labels(), str(error)
    return found.within(run["start_us"], run["end_us"]), None


def _months(kept: Kept) -> float:
    return kept.n_watched * kept.replayed.rate_us / MONTH_US


def _warning(found: Outcome) -> float | None:
    warnings = [warning for warning in found.warnings if warning is not None]
    return float(np.median(warnings)) if warnings else None


def _spans(kept: Kept, found: Outcome) -> list[tuple[int, int]]:
    times, rate_us = kept.replayed.timestamps, kept.replayed.rate_us
    return [(int(times[first]) - rate_us, int(times[last])) for first, last in found.events.tolist()]


def _alarm(kept: Kept, found: Outcome, number: int) -> dict[str, Any]:
    first, last = found.events[number].tolist()
    rows = slice(first, last + 1)
    shares = np.bincount(kept.sensors[rows].ravel(), kept.shares[rows].ravel(), len(kept.names)) / (last + 1 - first)
    led = np.argsort(-shares, kind="stable")[:3]
    times = kept.replayed.timestamps
    return {
        "start_us": int(times[first]) - kept.replayed.rate_us,
        "end_us": int(times[last]),
        "is_false": bool(found.is_false[number]),
        "sensors": [(kept.names[k], float(shares[k])) for k in led if shares[k] > 0],
    }
