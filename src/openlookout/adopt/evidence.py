"""What both services found of a model, gathered: the old one's from its files, this one's from its answers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from openlookout.adopt.facts import Fact
from openlookout.adopt.old_results import Found, Interval, Row, merged, of_event, of_metrics
from openlookout.adopt.survey import OldRun, Survey

Client = Any
Span = tuple[datetime, datetime]
# Results of neighbouring executions; a longer silence means that nobody looked.
GAP = timedelta(hours=2)


def old_found(found: Survey, plan: Mapping[str, Any], model: Mapping[str, Any]) -> Found:
    """Give what the old service left of a model: ModelMetrics, diagnostics, results and events.

    Metrics are taken only where there are no pointwise diagnostics: they say the same, with fewer sensors.
    """
    schedulers = [one for one in plan["schedulers"] if one["model"] == model["name"]]
    is_only = len(plan["models"]) == 1
    base = plan["source"].get("key_prefix", "")
    gathered = Found()
    # What was scored live first: diagnostics of the same time tell the same alarms a second time.
    runs = sorted(found.runs.values(), key=lambda run: run.files[0].endswith(".gz"))
    for run in runs:
        if _is_of(run, base, model, schedulers, is_only):
            fresh = [one for one in run.intervals if not _overlaps(one, gathered.spans)]
            _add(gathered, fresh, row_spans(run.rows), f"{len(run.files)} files in '{run.folder}'")
    events = [fact for fact in found.facts if fact.kind == "event" and fact.name in {one["name"] for one in schedulers}]
    told = [(interval, fact.origin) for fact in events if (interval := of_event(fact.members)) is not None]
    fresh = [one for one, _ in told if not _overlaps(one, gathered.spans)]
    if fresh:
        span = (min(one.start for one in fresh), max(one.end for one in fresh))
        _add(gathered, fresh, [span], f"events in {told[0][1]}")
    for fact in found.facts:
        if fact.kind == "model" and fact.name == model["name"] and "ModelMetrics" in fact.members:
            metrics = of_metrics(fact.members["ModelMetrics"], fact.origin)
            if metrics is not None:
                spans = _evaluated(fact, metrics.intervals)
                if not any(_overlap(span, other) for span in spans for other in gathered.spans):
                    _add(gathered, metrics.intervals, spans, f"ModelMetrics in {fact.origin}")
    return gathered


def new_found(client: Client, model: Mapping[str, Any], schedulers: Sequence[Mapping[str, Any]]) -> Found:
    """Give what this service found of a model: in its evaluation, and live or replayed."""
    gathered = Found()
    described = client.describe_model(ModelName=model["name"])
    metrics = of_metrics(described.get("ModelMetrics"), "this service")
    if metrics is not None and "EvaluationDataStartTime" in described:
        span = (described["EvaluationDataStartTime"], described["EvaluationDataEndTime"])
        _add(gathered, metrics.intervals, [span], "evaluation")
    for scheduler in schedulers:
        pages = client.get_paginator("list_inference_executions").paginate(
            InferenceSchedulerName=scheduler["name"], Status="SUCCESS"
        )
        spans = merged(
            (
                (row["DataStartTime"], row["DataEndTime"])
                for page in pages
                for row in page["InferenceExecutionSummaries"]
            ),
            timedelta(minutes=1),
        )
        if not spans:
            continue
        events = client.get_paginator("list_inference_events").paginate(
            InferenceSchedulerName=scheduler["name"], IntervalStartTime=spans[0][0], IntervalEndTime=spans[-1][1]
        )
        intervals = [of_event(row) for page in events for row in page["InferenceEventSummaries"]]
        fresh = [one for one in intervals if one is not None and not _overlaps(one, gathered.spans)]
        _add(gathered, fresh, spans, f"executions of {scheduler['name']}")
    return gathered


def row_spans(rows: Iterable[Row]) -> list[Span]:
    """The spans of time that rows cover."""
    return merged(((row[0], row[0]) for row in rows), GAP)


def _is_of(
    run: OldRun,
    base: str,
    model: Mapping[str, Any],
    schedulers: Sequence[Mapping[str, Any]],
    is_only: bool,
) -> bool:
    folder = f"{base}{run.folder}/"
    if any(folder == one["output_prefix"] for one in schedulers):
        return True
    if "diagnostics_prefix" in model and folder.startswith(model["diagnostics_prefix"]):
        return True
    return is_only or model["name"] in run.folder.split("/")


def _evaluated(fact: Fact, intervals: Sequence[Interval]) -> list[Span]:
    start, end = (fact.members.get(f"EvaluationData{which}Time") for which in ("Start", "End"))
    if isinstance(start, datetime) and isinstance(end, datetime):
        return [(start, end)]
    # Without the range that was evaluated: from the first to the last thing that was found.
    return [(min(one.start for one in intervals), max(one.end for one in intervals))] if intervals else []


def _add(found: Found, intervals: Iterable[Interval], spans: Iterable[Span], origin: str) -> None:
    found.intervals += intervals
    found.spans += spans
    found.origins.append(origin)


def _overlaps(one: Interval, spans: Sequence[Span]) -> bool:
    return any(one.start < end and one.end > start for start, end in spans)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and one[1] > other[0]
