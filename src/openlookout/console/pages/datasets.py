"""Datasets: what there is, how good it is, and how it came in."""

from typing import Any

from starlette.responses import Response

from openlookout.console import charts
from openlookout.console.rendering import path
from openlookout.console.visit import Visit, page

SENSORS_SHOWN_MAX = 6


@page("/datasets")
def datasets(visit: Visit) -> Response:
    """All datasets of the account."""
    return visit.render("datasets.html", datasets=list(visit.listed("ListDatasets")))


@page("/new/dataset", ("GET", "POST"))
def create(visit: Visit) -> Response:
    """A new dataset, by its name; the next page fills it."""
    if visit.is_post:
        name = visit.form.get("name", "").strip()
        with visit.attempt():
            visit.call("CreateDataset", DatasetName=name, ClientToken=visit.client_token)
            return visit.go(path("datasets", name), f"The dataset {name} is made. Now fill it.")
    return visit.render("dataset_create.html")


@page("/datasets/{name}")
def dataset(visit: Visit, name: str) -> Response:
    """One dataset: facts, quality, and a chart of the sensors that the address names."""
    found = visit.call("DescribeDataset", DatasetName=name)
    sensors = list(visit.listed("ListSensorStatistics", DatasetName=name)) if found.get("DataStartTime") else []
    chosen = visit.query.getlist("sensor")[:SENSORS_SHOWN_MAX] or [full_name(one) for one in sensors[:1]]
    return visit.render("dataset.html", dataset=found, sensors=sensors, chosen=chosen, full_name=full_name)


@page("/datasets/{name}/readings")
def readings(visit: Visit, name: str) -> Response:
    """The figure of some sensors: readings, and their gaps."""
    sensors = visit.query.getlist("sensor")[:SENSORS_SHOWN_MAX]
    start, end = charts.span(visit.query)
    read = visit.console.views.readings(visit.caller, name, sensors, start, end)
    return visit.figure(readings_figure(read))


def readings_figure(read: Any) -> charts.Figure:
    """Give the figure of readings; gaps are shown where there is one sensor, else nobody could tell whose they are."""
    shown = read["sensors"]
    ranges = []
    if len(shown) == 1:
        (one,) = shown.values()
        ranges = [{"start": start, "end": end, "kind": "gap", "text": "no readings"} for start, end in one["gaps"]]
    return {
        "start": read["start"],
        "end": read["end"],
        "traces": [{"name": name, "x": one["x"], "y": one["y"], "kind": "line"} for name, one in shown.items()],
        "ranges": ranges,
        "note": "" if any(one["x"] for one in shown.values()) else "There is no reading in this range.",
    }


def full_name(statistics: Any) -> str:
    """The sensor as models and diagnostics name it."""
    return f"{statistics['ComponentName']}\\{statistics['SensorName']}"
