"""Models: the list, and what the evaluation of a version shows."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ResourceNotFoundException
from openlookout.console import charts
from openlookout.console.evaluation import Event, Score, Verdict, score
from openlookout.console.rendering import path
from openlookout.console.visit import Visit, page

EVENTS_A_PAGE = 25
ALARM_SCORE = 0.5
# Ranges closer to one another than this share of what is shown are drawn as one.
NARROW = 1 / 1500


@page("/models")
def models(visit: Visit) -> Response:
    """All models of the account."""
    return visit.render("models.html", models=list(visit.listed("ListModels")))


@page("/models/{name}")
def model(visit: Visit, name: str) -> Response:
    """The evaluation of the version that the address names, else of the active one."""
    found = visit.call("DescribeModel", ModelName=name)
    versions = list(visit.listed("ListModelVersions", ModelName=name))
    number = visit.query_number("version", found.get("ActiveModelVersion") or versions[-1]["ModelVersion"])
    version = visit.call("DescribeModelVersion", ModelName=name, ModelVersion=number)
    kept = visit.console.models.evaluation(visit.caller, name, number)
    scored = score(version.get("ModelMetrics"), kept, verdicts(visit, found))
    events = [] if scored is None else _chosen(scored.events, visit.query.get("events", ""))
    first = visit.query_number("first", 0)
    return visit.render(
        "model.html",
        model=found,
        scheduler=scheduler_of(visit, name),
        versions=[one["ModelVersion"] for one in versions if one["Status"] == "SUCCESS"],
        version=version,
        number=number,
        sensors=sensors_of(version),
        score=scored,
        evaluation=kept,
        sketch="" if scored is None else _sketch(visit, name, number, scored),
        events=events[first : first + EVENTS_A_PAGE],
        n_events=len(events),
        first=first,
        page_size=EVENTS_A_PAGE,
        is_working=version["Status"] in {"IN_PROGRESS", "IMPORT_IN_PROGRESS"},
        pairs=version_choices,
        event_address=lambda one: path("models", name, "versions", number, "events", one.key),
        delete=path("models", name, "delete"),
    )


def _sketch(visit: Visit, name: str, number: int, scored: Score) -> str:
    """The score of the whole evaluation, drawn by the server; nothing where a closer look is asked for."""
    if charts.span(visit.query) != (None, None):
        return ""
    read = visit.console.models.overview(visit.caller, name, number)
    return "" if read is None else charts.sketch(scores_figure(read, scored))


@page("/models/{name}/figures/scores")
def scores(visit: Visit, name: str) -> Response:
    """The score of a version's evaluation, the events that it found and the ranges that were labelled."""
    number = visit.query_number("version", 0)
    version = visit.call("DescribeModelVersion", ModelName=name, ModelVersion=number)
    read = visit.console.models.scores(visit.caller, name, number, charts.span(visit.query))
    scored = score(version.get("ModelMetrics"), visit.console.models.evaluation(visit.caller, name, number))
    if read is None or scored is None:
        raise ResourceNotFoundException(f"Version {number} of '{name}' keeps no scores of an evaluation.")
    return visit.figure(scores_figure(read, scored))


def scores_figure(read: Mapping[str, Any], scored: Score) -> charts.Figure:
    """Give the figure: events over the height of the chart, labels as a strip on top of it."""
    start, end = read["start"], read["end"]
    labels = [(one.start, one.end) for one in scored.labelled]
    events = [(one.start, one.end) for one in scored.events]
    return {
        "start": start,
        "end": end,
        "first": read["first"],
        "last": read["last"],
        "traces": [{"name": "score", "x": read["x"], "y": read["y"], "kind": "line"}],
        "ranges": [
            *ranges_shown(events, (start, end), "event", "alarm", (0, 0.92)),
            *ranges_shown(labels, (start, end), "label", "labelled", (0.94, 1)),
        ],
        "lines": [{"y": ALARM_SCORE, "text": "alarm above"}],
        "y": {"low": 0, "high": 1.08},
        "note": "" if read["n_rows"] else "There is no score in this range.",
    }


def ranges_shown(
    ranges: Sequence[tuple[datetime, datetime]],
    span: tuple[int, int],
    kind: str,
    text: str,
    height: tuple[float, float] = (0, 1),
) -> list[dict[str, Any]]:
    """Give what can be told apart of some ranges in a span of milliseconds; `height`: their part of the chart's."""
    start, end = span
    narrow = max(1, int((end - start) * NARROW))
    shown: list[list[int]] = []
    for one_start, one_end in sorted(ranges):
        low, high = charts.milliseconds(one_start), charts.milliseconds(one_end)
        if high < start or low > end:
            continue
        if shown and low - shown[-1][1] < narrow:
            shown[-1][1] = max(shown[-1][1], high)
        else:
            shown.append([low, max(high, low + narrow)])
    low_y, high_y = height
    return [{"start": a, "end": b, "kind": kind, "text": text, "y0": low_y, "y1": high_y} for a, b in shown]


@page("/models/{name}/delete", ("POST",))
def delete(visit: Visit, name: str) -> Response:
    """Delete the model; the form asks for its name once more."""
    if visit.form.get("sure", "").strip() != name:
        return visit.go(path("models", name), "Nothing was deleted: the name that was typed is another.")
    with visit.attempt():
        visit.call("DeleteModel", ModelName=name)
        return visit.go("/models", f"The model {name} is deleted.")
    return visit.act("DeleteModel", path("models", name), "", ModelName=name)


def verdicts(visit: Visit, model: Mapping[str, Any]) -> list[Verdict]:
    """What was said of the machine: the labels of the model's label group, in time order."""
    group = model.get("LabelsInputConfiguration", {}).get("LabelGroupName")
    if group is None:
        return []
    try:
        labels = list(visit.listed("ListLabels", LabelGroupName=group))
    except ResourceNotFoundException:  # Deleted since.
        return []
    return [
        Verdict(one["StartTime"], one["EndTime"], one["Rating"], one.get("FaultCode"), one["LabelId"]) for one in labels
    ]


def scheduler_of(visit: Visit, name: str) -> Mapping[str, Any] | None:
    """The scheduler that watches with a model, if any."""
    found = visit.listed("ListInferenceSchedulers", ModelName=name)
    return next((one for one in found if one["ModelName"] == name), None)


def sensors_of(version: Mapping[str, Any]) -> list[str]:
    """The full names of the sensors that a version was trained on."""
    components = json.loads(version["Schema"])["Components"] if version.get("Schema") else []
    return [f"{one['ComponentName']}\\{column['Name']}" for one in components for column in one["Columns"][1:]]


def version_choices(versions: Sequence[int], active: int | None) -> list[tuple[int, str]]:
    """What a field offers that picks a version, the newest first."""
    return [(one, f"{one} (active)" if one == active else str(one)) for one in reversed(versions)]


def _chosen(events: Sequence[Event], which: str) -> list[Event]:
    """The newest first: all, those that touch a label, those that touch none, those that nobody has judged."""
    newest = list(reversed(events))
    if which == "open":
        return [one for one in newest if one.verdict is None]
    if which in {"found", "false"}:
        return [one for one in newest if one.is_labelled is (which == "found")]
    return newest


def shown_around(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """The stretch that an event is shown in: three times as long, at least three hours to either side."""
    margin = max(end - start, timedelta(hours=3))
    return start - margin, end + margin
