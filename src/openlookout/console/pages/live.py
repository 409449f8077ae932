"""A scheduler, live: what it says now, its events and executions, and how the readings moved since training."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from starlette.responses import Response

from openlookout.api.errors import ResourceNotFoundException
from openlookout.console import charts
from openlookout.console.evaluation import Event, Verdict, event_key, verdict_on
from openlookout.console.model_ports import LiveEvent
from openlookout.console.pages.events import SHARE_SHOWN_MIN, beside, course_figure, sensors_shown, similar_address
from openlookout.console.pages.models import ALARM_SCORE, ranges_shown, sensors_of, shown_around, verdicts
from openlookout.console.rendering import path
from openlookout.console.scheduler_plan import FREQUENCIES, example_files, fields_of, window_end
from openlookout.console.visit import Notice, Visit, page

EXECUTIONS_SHOWN = 30
AROUND_SHORT = timedelta(hours=1)
# What to do about a failed execution, by what its reason says.
REMEDIES = (
    (
        "could not find data file",
        "Check what uploads the files: each window needs one, in time, under the input prefix.",
    ),
    ("not exist", "Put it there, or correct the place in the settings."),
    (
        "timestamp",
        "Correct the timestamps, or their format in the settings; the next execution reads the file as it is then.",
    ),
    ("column", "The files must have the columns of the training data."),
)


@page("/live/{name}")
def live(visit: Visit, name: str) -> Response:
    """What the scheduler says now."""
    found = visit.call("DescribeInferenceScheduler", InferenceSchedulerName=name)
    model = visit.call("DescribeModel", ModelName=found["ModelName"])
    executions = visit.call(
        "ListInferenceExecutions",
        InferenceSchedulerName=name,
        MaxResults=EXECUTIONS_SHOWN,
        Status="FAILED" if visit.query.get("executions") == "failed" else None,
    )["InferenceExecutionSummaries"]
    newest = visit.call("ListInferenceExecutions", InferenceSchedulerName=name, MaxResults=1, Status="SUCCESS")
    said = verdicts(visit, model)
    events = [_event(one, said) for one in visit.console.models.live_events(visit.caller, name)]
    sensors, settings = sensors_of(model), fields_of(found)
    components = list(dict.fromkeys(one.partition("\\")[0] for one in sensors))
    sensor = visit.query.get("sensor") or (events[0].sensors[0].name if events else sensors[0])
    return visit.render(
        "live.html",
        scheduler=found,
        model=model,
        executions=[(one, remedy(one.get("FailedReason"))) for one in executions],
        events=events,
        sensors=sensors,
        sensor=sensor,
        snoozed_until=visit.console.alerts.snoozed_until(visit.caller, found["ModelName"]),
        event_address=lambda one: path("live", name, "events", one.key),
        settings=settings,
        scored_until=next((one["DataEndTime"] for one in newest["InferenceExecutionSummaries"]), None),
        next_end=window_end(settings, visit.now()),
        files=example_files(settings, components, visit.now()),
        frequencies=FREQUENCIES,
        is_running=found["Status"] in {"RUNNING", "PENDING", "STOPPING"},
    )


@page("/live/{name}/figures/scores")
def scores(visit: Visit, name: str) -> Response:
    """The score row by row, or of long stretches the highest of each execution."""
    read = visit.console.models.live_scores(visit.caller, name, charts.span(visit.query))
    events = [(one.start, one.end) for one in visit.console.models.live_events(visit.caller, name)]
    note = "The highest score of each execution: look closer to see every row." if read["is_coarse"] else ""
    return visit.figure(
        {
            **{edge: read[edge] for edge in ("start", "end", "first", "last")},
            "traces": [{"name": "score", "x": read["x"], "y": read["y"], "kind": "line"}],
            "ranges": ranges_shown(events, (read["start"], read["end"]), "event", "alarm", (0, 0.92)),
            "lines": [{"y": ALARM_SCORE, "text": "alarm above"}],
            "y": {"low": 0, "high": 1.08},
            "note": note if read["x"] else "There is no score in this range.",
        }
    )


@page("/live/{name}/figures/histogram")
def histogram(visit: Visit, name: str) -> Response:
    """One sensor's readings: how they were spread in training, and how they are now."""
    read = visit.console.models.histogram(visit.caller, name, visit.query.get("sensor", ""))
    edges = read["edges"]
    middles = [(a + b) / 2 for a, b in pairwise(edges)]
    traces = [
        {"name": f"{label} ({read[n]:,} readings)", "x": middles, "y": read[shares], "kind": "steps", "tone": tone}
        for shares, n, label, tone in (("then", "n_then", "training", "s3"), ("now", "n_now", "now", "s1"))
        if read[shares]
    ]
    note = "" if len(traces) == 2 else "There are no readings of both to compare."
    return visit.figure({"traces": traces, "ranges": [], "x": {"kind": "number"}, "y": {"low": 0}, "note": note})


@page("/live/{name}/events/{key}")
def live_event(visit: Visit, name: str, key: str) -> Response:
    """One event of live inference."""
    found = visit.call("DescribeInferenceScheduler", InferenceSchedulerName=name)
    model = visit.call("DescribeModel", ModelName=found["ModelName"])
    event = _found(visit, name, key, verdicts(visit, model))
    version = model["ActiveModelVersion"]
    here = path("live", name, "events", event_key(event.start))
    return visit.render(
        "event.html",
        model=model,
        version=version,
        n_sensors=len(sensors_of(model)),
        event=event,
        crumbs=[
            ("Models", "/models"),
            (model["ModelName"], path("models", model["ModelName"])),
            (name, path("live", name)),
        ],
        here=here,
        similar_address=lambda one: similar_address(visit, model["ModelName"], version, one),
        source=f"{here}/course",
        shown=sensors_shown(visit, event),
        SHARE_SHOWN_MIN=SHARE_SHOWN_MIN,
        **beside(visit, model, version, event, "live"),
    )


@page("/models/{name}/events/{identity}")
def alerted(visit: Visit, name: str, identity: str) -> Response:
    """Where an alert leads: to its event, wherever that begins by now, or to what there is instead."""
    found = visit.console.models.live_event_of(visit.caller, name, identity)
    if found is None:
        said = "There is no such event any more: its readings were scored anew, or its scheduler was deleted."
        return visit.go(path("models", name), Notice(said, is_refusal=True))
    scheduler, start, end = found
    if any(one.start == start for one in visit.console.models.live_events(visit.caller, scheduler)):
        return visit.go(path("live", scheduler, "events", event_key(start)))
    edges = {"from": start - AROUND_SHORT, "to": end + AROUND_SHORT}
    said = f"An event of {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC: too short, or too long ago, for a page of its own."
    return visit.go(path("live", scheduler), said, **{edge: f"{at:%Y-%m-%dT%H:%M}" for edge, at in edges.items()})


@page("/live/{name}/events/{key}/course")
def live_course(visit: Visit, name: str, key: str) -> Response:
    """One sensor around a live event, beside what was expected of it."""
    sensor, event = visit.query.get("sensor", ""), _found(visit, name, key)
    start, end = charts.span(visit.query)
    around = shown_around(event.start, event.end)
    span = (start or around[0], end or around[1])
    read = visit.console.models.live_course(visit.caller, name, sensor, event.start, span)
    if read is None:
        raise ResourceNotFoundException(f"No readings of '{sensor}' were kept around this event.")
    return visit.figure(course_figure(read, event))


@page("/live/{name}/{action}", ("POST",))
def act(visit: Visit, name: str, action: str) -> Response:
    """Start, stop or delete the scheduler."""
    known = {
        "start": ("StartInferenceScheduler", "It is running: the next execution is that of the next window."),
        "stop": ("StopInferenceScheduler", "It is stopping; an execution under way is ended first."),
        "delete": ("DeleteInferenceScheduler", f"The scheduler {name} is deleted."),
    }
    if action not in known:
        raise ResourceNotFoundException(f"A scheduler cannot be told to '{action[:50]}'.")
    operation, done = known[action]
    if action == "delete":
        with visit.attempt():
            visit.call(operation, InferenceSchedulerName=name)
            return visit.go("/models", done)
    return visit.act(operation, path("live", name), done, InferenceSchedulerName=name)


def remedy(reason: str | None) -> str | None:
    """What to do about a failed execution."""
    if reason is None:
        return None
    low = reason.lower()
    advice = next((advice for part, advice in REMEDIES if part in low), None)
    return advice or "Correct what is named; the next execution reads its files anew."


def _found(visit: Visit, name: str, key: str, said: Sequence[Verdict] = ()) -> Event:
    events = (_event(one, said) for one in visit.console.models.live_events(visit.caller, name))
    event = next((one for one in events if one.key == key), None)
    if event is None:
        raise ResourceNotFoundException(f"The scheduler '{name}' has no event that began at {key}.")
    return event


def _event(one: LiveEvent, said: Sequence[Verdict]) -> Event:
    shares = [{"name": name, "value": share} for name, share in one.shares.items()]
    return Event(one.start, one.end, one.evidence, shares, verdict=verdict_on(one.start, one.end, said))
