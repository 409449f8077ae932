"""Datasets: what there is, how good it is, how it came in, and what is made of it."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ValidationException
from openlookout.console import charts, quality, training_plan
from openlookout.console.rendering import path, plural
from openlookout.console.visit import Visit, page

SENSORS_SHOWN_MAX = 6
JOBS_SHOWN_MAX = 20
PROGRESS = re.compile(r"(\d+) of (\d+) bytes")
WORKING = {"INGESTION_IN_PROGRESS", "IMPORT_IN_PROGRESS"}


@page("/datasets")
def datasets(visit: Visit) -> Response:
    """All datasets of the account."""
    found = [visit.call("DescribeDataset", DatasetName=one["DatasetName"]) for one in visit.listed("ListDatasets")]
    return visit.render("datasets.html", datasets=found, is_working=any(one["Status"] in WORKING for one in found))


@page("/new/dataset", ("GET", "POST"))
def create(visit: Visit) -> Response:
    """A new dataset, by its name; the next page fills it."""
    if visit.is_post:
        name = visit.form.get("name", "").strip()
        with visit.attempt():
            visit.call("CreateDataset", DatasetName=name, ClientToken=visit.client_token)
            return visit.go(path("datasets", name, "ingest"), f"The dataset {name} is made. Now fill it.")
    return visit.render("dataset_create.html")


@page("/datasets/{name}")
def dataset(visit: Visit, name: str) -> Response:
    """One dataset: facts, quality, a chart of the sensors that the address names, and how the data came in."""
    found = visit.call("DescribeDataset", DatasetName=name)
    has_data = found.get("DataStartTime") is not None
    sensors = (
        [quality.graded(one) for one in visit.listed("ListSensorStatistics", DatasetName=name)] if has_data else []
    )
    known = {one.name for one in sensors}
    chosen = [one for one in visit.query.getlist("sensor") if one in known][:SENSORS_SHOWN_MAX]
    wanted = visit.query.get("grade")
    jobs, is_working = _jobs(visit, name), found["Status"] in WORKING
    return visit.render(
        "dataset.html",
        dataset=found,
        sensors=sensors,
        shown=sorted((one for one in sensors if wanted in {None, one.grade}), key=_worst_first),
        counts=quality.counted(sensors),
        sentences=quality.sentences(found.get("DataQualitySummary")),
        grade=wanted,
        chosen=chosen or [one.name for one in sensors[:1]],
        jobs=jobs,
        is_working=is_working,
        progress=_progress(jobs) if is_working else None,
    )


@page("/datasets/{name}/readings")
def readings(visit: Visit, name: str) -> Response:
    """The figure of some sensors: readings, and where something is wrong with them."""
    sensors = visit.query.getlist("sensor")[:SENSORS_SHOWN_MAX]
    span, off = charts.span(visit.query), training_plan.off_condition(visit.query)
    return visit.figure(readings_figure(visit.console.views.readings(visit.caller, name, sensors, span, off)))


@page("/datasets/{name}/ingest", ("GET", "POST"))
def ingest(visit: Visit, name: str) -> Response:
    """The form that lets a dataset read files."""
    found = visit.call("DescribeDataset", DatasetName=name)
    if visit.is_post:
        with visit.attempt():
            visit.call(
                "StartDataIngestionJob",
                DatasetName=name,
                IngestionInputConfiguration={"S3InputConfiguration": _place(visit)},
                RoleArn=visit.form.get("role", "").strip(),
                ClientToken=visit.client_token,
            )
            return visit.go(path("datasets", name), "The files are being read.")
    before = (found.get("IngestionInputConfiguration") or {}).get("S3InputConfiguration", {})
    return visit.render("dataset_ingest.html", dataset=found, before=before, role=default_role(visit, found))


@page("/datasets/{name}/delete", ("POST",))
def delete(visit: Visit, name: str) -> Response:
    """Delete a dataset that no model needs; where one does, the dataset's page says so."""
    if visit.form.get("sure") != name:
        raise ValidationException(f"To delete the dataset, type its name: {name}.")
    visit.call("DeleteDataset", DatasetName=name)
    return visit.go("/datasets", f"The dataset {name} is deleted.")


def readings_figure(read: Mapping[str, Any]) -> charts.Figure:
    """Give the figure of readings; of one sensor with its faults, of several nobody could tell whose they are."""
    shown = read["sensors"]
    ranges: list[dict[str, Any]] = []
    traces = [{"name": name, "x": one["x"], "y": one["y"], "kind": "line"} for name, one in shown.items()]
    notes = []
    if len(shown) == 1:
        (one,) = shown.values()
        ranges = [{"start": start, "end": end, "kind": "gap", "text": "no readings"} for start, end in one["gaps"]]
        ranges += [{"start": start, "end": end, "kind": "off", "text": "off"} for start, end in one.get("off", [])]
        low = min((value for value in one["y"] if value is not None), default=0.0)
        for kind, name, tone in (("repeated", "time came twice", "warn"), ("invalid", "no number", "bad")):
            if one[kind]:
                marks = {"x": one[kind], "y": [low] * len(one[kind]), "kind": "marks", "tone": tone}
                traces.append({"name": name, **marks})
        if one["gaps"]:
            notes.append(f"{plural(len(one['gaps']), 'gap')} in grey.")
        if "off_share" in one:
            notes.append(f"Off in {100 * one['off_share']:.1f} % of the readings shown.")
    if not any(one["x"] for one in shown.values()):
        notes = ["There is no reading in this range."]
    return {
        "start": read["start"],
        "end": read["end"],
        "traces": traces,
        "ranges": ranges,
        "note": " ".join(notes),
    }


def default_role(visit: Visit, described: Mapping[str, Any]) -> str:
    """The role that a form begins with: the API asks for one, and it grants nothing here."""
    role = described.get("RoleArn") or f"arn:aws:iam::{visit.caller.account}:role/openlookout"
    return str(role)


def _progress(jobs: list[Mapping[str, Any]]) -> tuple[int, int] | None:
    """How many bytes the ingestion under way has read of how many, as its StatusDetail says; None: not yet."""
    said = next((job.get("StatusDetail") or "" for job in jobs if job["Status"] == "IN_PROGRESS"), "")
    match = PROGRESS.search(said)
    return (int(match[1]), int(match[2])) if match else None


def _worst_first(one: quality.Graded) -> tuple[int, str]:
    return quality.GRADES.index(one.grade), one.name


def _place(visit: Visit) -> dict[str, str]:
    fields = {"Bucket": "bucket", "Prefix": "prefix", "KeyPattern": "pattern"}
    given = {member: visit.form.get(field, "").strip() for member, field in fields.items()}
    return {member: text for member, text in given.items() if text or member == "Bucket"}


def _jobs(visit: Visit, name: str) -> list[Mapping[str, Any]]:
    """The last ingestions, newest first."""
    listed = list(visit.listed("ListDataIngestionJobs", DatasetName=name))
    described = [visit.call("DescribeDataIngestionJob", JobId=one["JobId"]) for one in listed[:JOBS_SHOWN_MAX]]
    return sorted(described, key=lambda job: str(job["CreatedAt"]), reverse=True)
