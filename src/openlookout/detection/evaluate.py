"""How good a model is on a range: the metrics that DescribeModelVersion shows, and the verdict on its quality."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from openlookout.api.instants import as_text
from openlookout.detection.events import Event

METRICS_CHARACTERS_MAX = 50_000
DIGITS, DIGITS_FEW = 5, 3
# The quality threshold, ours: half of the labelled events found, and alarms on at most a twentieth of the other rows.
FOUND_SHARE_MIN = 0.5
FALSE_SHARE_MAX = 0.05

Label = tuple[int, int]
Quality = Literal["QUALITY_THRESHOLD_MET", "POOR_QUALITY_DETECTED", "CANNOT_DETERMINE_QUALITY"]


@dataclass(frozen=True)
class Labels:
    """What people said of a machine, each range (start_us, end_us) in time order: `anomalies` are not normal data and
    are to be found, `normal` is surely normal, of `neutral` nothing is learned and nothing counted.
    """

    anomalies: Sequence[Label] = ()
    normal: Sequence[Label] = ()
    neutral: Sequence[Label] = ()

    def within(self, start_us: int, end_us: int) -> "Labels":
        """Those that touch a range, cut to it."""
        return Labels(*(_cut(ranges, start_us, end_us) for ranges in (self.anomalies, self.normal, self.neutral)))


def _cut(ranges: Sequence[Label], start_us: int, end_us: int) -> list[Label]:
    return [(max(first, start_us), min(last, end_us)) for first, last in ranges if first <= end_us and last >= start_us]


@dataclass(frozen=True)
class Verdict:
    """How good a model is on a range. `skill` compares two models on one range, the higher the better; None without
    labels.
    """

    quality: Quality
    skill: float | None


def model_metrics(
    events: Sequence[Event], labels: Sequence[Label], sensors: Sequence[str], neutral: Sequence[Label] = ()
) -> str:
    """Give ModelMetrics as JSON text, at most 50,000 characters; numbers and texts only, for clients eval() it.

    `labels` are the labelled ranges of the evaluation, (start_us, end_us). A label is identified when an event touches
    it; an event that touches only `neutral` ranges is not counted as unknown. A warning time runs from the first alarm
    inside its label to the label's end. Where the text would be too long, each range names fewer sensors (those that
    led), then digits are dropped, then the shortest ranges.
    """
    warnings = [warning for warning in (_warning(label, events) for label in labels) if warning is not None]
    unknown = [event for event in events if not any(_touches(event, label) for label in (*labels, *neutral))]
    metrics = {
        "labeled_ranges": [{"start": as_text(start), "end": as_text(end)} for start, end in labels],
        "labeled_event_metrics": {
            "num_labeled": len(labels),
            "num_identified": len(warnings),
            "total_warning_time_in_seconds": sum(warnings) / 1e6,
        },
        "predicted_ranges": [],
        "unknown_event_metrics": {
            "num_identified": len(unknown),
            "total_duration_in_seconds": sum(event.end_us - event.start_us for event in unknown) / 1e6,
        },
    }
    for n_sensors, digits in _shortenings(len(sensors)):
        text = _with_ranges(metrics, events, sensors, n_sensors, digits)
        if len(text) <= METRICS_CHARACTERS_MAX:
            return text
    kept = list(events)
    while kept and len(text) > METRICS_CHARACTERS_MAX:
        n_kept = max(len(kept) * 9 // 10 - 1, 0)
        longest = sorted(kept, key=lambda event: event.start_us - event.end_us)[:n_kept]
        kept = sorted(longest, key=lambda event: event.start_us)
        text = _with_ranges(metrics, kept, sensors, 1, DIGITS_FEW)
    return text


def judge(events: Sequence[Event], labels: Labels, timestamps: np.ndarray, alarm: np.ndarray) -> Verdict:
    """Judge a model by the labels of the range that it was scored on; arrays are (n_rows,).

    Without a labelled anomaly nothing can be said. Rows of neutral ranges are left out; where ranges are labelled
    normal, alarms in them count as the false ones if their share is higher there. The rule is ours: the service never
    published its own.
    """
    if not labels.anomalies:
        return Verdict("CANNOT_DETERMINE_QUALITY", None)
    found = sum(_warning(label, events) is not None for label in labels.anomalies) / len(labels.anomalies)
    anomalous = inside(timestamps, labels.anomalies)
    other = ~anomalous & ~inside(timestamps, labels.neutral)
    surely_normal = other & inside(timestamps, labels.normal)
    false_share = max(_share(alarm[other]), _share(alarm[surely_normal]))
    return verdict(found, false_share)


def verdict(found: float, false_share: float) -> Verdict:
    """Judge by the share of labelled failures that were found and the share of other rows that alarm."""
    is_good = found >= FOUND_SHARE_MIN and false_share <= FALSE_SHARE_MAX
    # A good model before any poor one; then what it finds, less what it says for nothing.
    skill = float(is_good) + found - false_share
    return Verdict("QUALITY_THRESHOLD_MET" if is_good else "POOR_QUALITY_DETECTED", skill)


def inside(timestamps: np.ndarray, ranges: Sequence[Label]) -> np.ndarray:
    """(n_rows,) bool: which of the ascending times lie in one of the ranges, both ends included."""
    within = np.zeros(len(timestamps), bool)
    for start, end in ranges:
        within[np.searchsorted(timestamps, start, "left") : np.searchsorted(timestamps, end, "right")] = True
    return within


def _share(alarm: np.ndarray) -> float:
    return float(alarm.mean()) if len(alarm) else 0.0


def diagnostics(contribution: np.ndarray, sensors: Sequence[str], digits: int = DIGITS) -> list[dict[str, Any]]:
    """Shares by sensor name, in the order of the sensors."""
    shares = np.round(contribution, digits).tolist()
    return [{"name": name, "value": share} for name, share in zip(sensors, shares, strict=True)]


def _shortenings(n_sensors: int) -> list[tuple[int, int]]:
    fewer = [n for n in (150, 75, 40, 20, 10, 5, 3, 1) if n < n_sensors]
    return [(n_sensors, DIGITS), *((n, DIGITS) for n in fewer), (1, DIGITS_FEW)]


def _with_ranges(
    metrics: dict[str, Any], events: Sequence[Event], sensors: Sequence[str], n_sensors: int, digits: int
) -> str:
    ranges = []
    for event in events:
        led = np.sort(np.argsort(-event.contribution, kind="stable")[:n_sensors])
        named = diagnostics(event.contribution[led], [sensors[i] for i in led], digits)
        ranges.append({"start": as_text(event.start_us), "end": as_text(event.end_us), "diagnostics": named})
    return json.dumps(metrics | {"predicted_ranges": ranges}, separators=(",", ":"))


def _touches(event: Event, label: Label) -> bool:
    return event.first_us <= label[1] and event.end_us >= label[0]


def _warning(label: Label, events: Sequence[Event]) -> int | None:
    """Microseconds from the first alarm inside the label to its end; None when there is none."""
    inside = [max(event.first_us, label[0]) for event in events if _touches(event, label)]
    return label[1] - min(inside) if inside else None
