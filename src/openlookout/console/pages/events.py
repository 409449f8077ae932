"""One event: what led it, in which order, and how each sensor went beside what was expected of it."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ResourceNotFoundException
from openlookout.console import charts
from openlookout.console.evaluation import Event, event_key, score, verdict_on
from openlookout.console.model_ports import Similar
from openlookout.console.pages.models import ranges_shown, scheduler_of, sensors_of, shown_around, verdicts
from openlookout.console.pages.verdicts import codes_of
from openlookout.console.rendering import path
from openlookout.console.visit import Visit, page

CHARTS_SHOWN, CHARTS_MAX = 3, 12
SHARE_SHOWN_MIN = 0.001  # Less says nothing.
UNSTEADY = (
    "In part of this range what is expected is unsteady: so many sensors are off that it depends on which of them it "
    "is taken from. There the line is the median of neighbouring rows, and the shaded range all that they "
    "let expect."
)


@page("/models/{name}/versions/{number}/events/{key}")
def evaluated(visit: Visit, name: str, number: str, key: str) -> Response:
    """An event of a version's evaluation."""
    version = _number(number)
    found = visit.call("DescribeModel", ModelName=name)
    about = visit.call("DescribeModelVersion", ModelName=name, ModelVersion=version)
    event = _event(visit, about, version, key, found)
    return visit.render(
        "event.html",
        model=found,
        version=version,
        n_sensors=len(sensors_of(about)),
        event=event,
        around=shown_around(event.start, event.end),
        crumbs=[
            ("Models", "/models"),
            (name, path("models", name)),
            (f"Version {version}", f"{path('models', name)}?version={version}"),
        ],
        here=path("models", name, "versions", version, "events", key),
        similar_address=lambda one: similar_address(visit, name, version, one),
        source=path("models", name, "versions", version, "events", key, "course"),
        shown=sensors_shown(visit, event),
        **beside(visit, found, version, event, "evaluation"),
        SHARE_SHOWN_MIN=SHARE_SHOWN_MIN,
    )


@page("/models/{name}/versions/{number}/events/{key}/course")
def course(visit: Visit, name: str, number: str, key: str) -> Response:
    """One sensor around an event of the evaluation."""
    version, sensor = _number(number), visit.query.get("sensor", "")
    about = visit.call("DescribeModelVersion", ModelName=name, ModelVersion=version)
    event = _event(visit, about, version, key)
    start, end = charts.span(visit.query)
    around = shown_around(event.start, event.end)
    read = visit.console.models.course(visit.caller, name, version, sensor, (start or around[0], end or around[1]))
    if read is None:
        raise ResourceNotFoundException(f"Version {version} of '{name}' keeps no course of '{sensor}'.")
    return visit.figure(course_figure(read, event))


def sensors_shown(visit: Visit, event: Event) -> list[str]:
    """The sensors whose courses an event's page shows: those that the address names, else those that led."""
    return visit.query.getlist("sensor")[:CHARTS_MAX] or [one.name for one in event.sensors[:CHARTS_SHOWN]]


def beside(visit: Visit, model: Mapping[str, Any], version: int, event: Event, source: str) -> dict[str, Any]:
    """What the page of an event shows beside it: past events like it, what was said of it, fault codes, the snooze."""
    name, said = model["ModelName"], verdicts(visit, model)
    similar = [] if event.record is None else visit.console.models.similar(
        visit.caller, name, version, event.record, (source, event.start)
    )  # fmt: skip
    label = None
    if event.verdict is not None:
        group = model["LabelsInputConfiguration"]["LabelGroupName"]
        label = visit.call("DescribeLabel", LabelGroupName=group, LabelId=event.verdict.id)
    return {
        "similar": [(one, verdict_on(one.start, one.end, said)) for one in similar],
        "label": label,
        "codes": codes_of(visit, model),
        "snoozed_until": visit.console.alerts.snoozed_until(visit.caller, name),
    }


def similar_address(visit: Visit, name: str, version: int, one: Similar) -> str:
    """Where a similar event is shown."""
    key = event_key(one.start)
    if one.source == "evaluation":
        return path("models", name, "versions", version, "events", key)
    scheduler = scheduler_of(visit, name)
    return path("live", scheduler["InferenceSchedulerName"], "events", key) if scheduler else path("models", name)


def course_figure(read: Mapping[str, Any], event: Event) -> charts.Figure:
    """Give the figure of a sensor beside what was expected of it."""
    band_x = read["band_x"]
    around = {"x": [*band_x, *band_x[::-1]], "y": [*read["high"], *read["low"][::-1]]}
    traces = [
        {"name": "expected range", **around, "kind": "band", "tone": "s3"},
        {"name": "expected", "x": band_x, "y": read["expected"], "kind": "line", "dash": "dot", "tone": "s3"},
        {"name": "measured", "x": read["x"], "y": read["measured"], "kind": "line", "tone": "s1"},
    ]
    return {
        "start": read["start"],
        "end": read["end"],
        "traces": traces if band_x else traces[2:],
        "ranges": ranges_shown([(event.start, event.end)], (read["start"], read["end"]), "event", "the event"),
        "note": UNSTEADY if read["unsteady"] else "" if read["x"] else "There is no reading in this range.",
    }


def _event(
    visit: Visit, about: Mapping[str, Any], version: int, key: str, model: Mapping[str, Any] | None = None
) -> Event:
    kept = visit.console.models.evaluation(visit.caller, about["ModelName"], version)
    scored = score(about.get("ModelMetrics"), kept, verdicts(visit, model) if model else ())
    found = next((one for one in (scored.events if scored else ()) if one.key == key), None)
    if found is None:
        raise ResourceNotFoundException(f"The evaluation of version {version} has no event that began at {key}.")
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ResourceNotFoundException(f"'{text[:50]}' is no version.")
    return int(text)
