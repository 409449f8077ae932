"""Making a model: one form whose state is the address, and a page to look at it all once more before it is done."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from starlette.responses import Response

from openlookout.api.service_error import ServiceError
from openlookout.console import charts, quality, training_plan
from openlookout.console.pages.datasets import default_role
from openlookout.console.rendering import path, plural
from openlookout.console.training_plan import Plan
from openlookout.console.visit import Visit, page
from openlookout.timeseries.schema import Component, parse_schema

LABELS_SHOWN_MAX = 2000
FIELDS = (
    "dataset",
    "name",
    "train_from",
    "train_to",
    "evaluate_from",
    "evaluate_to",
    "rate",
    "off_sensor",
    "off_is",
    "off_value",
    "labels",
    "group",
    "labels_bucket",
    "labels_prefix",
    "drawn",
    "new_group",
    "diagnostics_bucket",
    "diagnostics_prefix",
    "role",
)


@page("/new/model")
def form(visit: Visit) -> Response:
    """The form, filled as the address says; without a dataset first the question which."""
    name = visit.query.get("dataset")
    if not name:
        datasets = [one for one in visit.listed("ListDatasets") if one["Status"] == "ACTIVE"]
        return visit.render("model_dataset.html", datasets=datasets)
    described = visit.call("DescribeDataset", DatasetName=name)
    if described.get("DataStartTime") is None:
        return visit.go(path("datasets", name), f"The dataset {name} holds no data yet: add some, then make a model.")
    sensors = [quality.graded(one) for one in visit.listed("ListSensorStatistics", DatasetName=name)]
    ranges = training_plan.default_ranges(described["DataStartTime"], described["DataEndTime"])
    values = {**dict.fromkeys(FIELDS, ""), **{field: f"{at:%Y-%m-%dT%H:%M:%S}" for field, at in ranges.items()}}
    values |= {"labels": "none", "off_is": "<", "role": default_role(visit, described), "name": _free_name(visit, name)}
    values |= {field: visit.query[field] for field in FIELDS if field in visit.query}
    ticked = set(visit.query.getlist("sensor")) or {one.name for one in sensors if one.grade != "LOW"}
    looked_at = visit.query.get("look") or next((one.name for one in sensors if one.name in ticked), sensors[0].name)
    return visit.render(
        "model_form.html",
        dataset=described,
        sensors=sensors,
        ticked=ticked,
        values=values,
        look=looked_at,
        rates=[("", "as the data comes"), *((rate, _rate(rate)) for rate in training_plan.SAMPLING_RATES)],
        groups=[one["LabelGroupName"] for one in visit.listed("ListLabelGroups")],
    )


@page("/new/model/review", ("GET", "POST"))
def review(visit: Visit) -> Response:
    """All that will be asked of the API, as facts and as a program; the button does it."""
    fields = {field: visit.query.get(field, "") for field in FIELDS}
    described = visit.call("DescribeDataset", DatasetName=fields["dataset"])
    planned: Plan | None = None
    with visit.attempt():
        planned = training_plan.plan(fields, visit.query.getlist("sensor"), _schema(described))
        if visit.is_post:
            _make(visit, planned)
            name = planned.request["ModelName"]
            return visit.go(path("models", name), f"The model {name} is being trained.")
    code = None if planned is None else training_plan.as_boto3(planned, visit.session.region)
    n_all = sum(len(one.sensors) for one in _schema(described))
    chosen = None if planned is None else planned.request.get("DatasetSchema")
    n_chosen = n_all if chosen is None else sum(len(one.sensors) for one in parse_schema(chosen["InlineDataSchema"]))
    return visit.render(
        "model_review.html", plan=planned, code=code, n_sensors=n_chosen, n_all=n_all, search=visit.request.url.query
    )


@page("/new/model/labels")
def labels(visit: Visit) -> Response:
    """The labelled ranges of a group or of files in a bucket, for the chart of the form; `failed`: `note` says why."""
    try:
        ranges = list(_labelled(visit))
    except ServiceError as error:  # Somebody is still typing: what is not there yet is no error of the page.
        return visit.figure({"ranges": [], "note": error.message, "failed": True})
    note = f"{plural(len(ranges), 'label')}, in the chart above." if ranges else "There is no label of a fault in it."
    return visit.figure(
        {
            "ranges": [
                {"start": charts.milliseconds(start), "end": charts.milliseconds(end)}
                for start, end in ranges[:LABELS_SHOWN_MAX]
            ],
            "note": note,
            "failed": False,
        }
    )


def _labelled(visit: Visit) -> Iterator[tuple[datetime, datetime]]:
    if "group" in visit.query:
        found = visit.listed("ListLabels", LabelGroupName=visit.query["group"])
        yield from ((one["StartTime"], one["EndTime"]) for one in found if one["Rating"] == "ANOMALY")
        return
    place = {"Bucket": visit.query.get("bucket", ""), "Prefix": visit.query.get("prefix", "")}
    yield from visit.console.models.file_labels(visit.caller, {name: text for name, text in place.items() if text})


def _make(visit: Visit, planned: Plan) -> None:
    """The group and its labels first; sent once more, each is what was made before."""
    token = visit.client_token
    if planned.group is not None:
        visit.call(
            "CreateLabelGroup",
            LabelGroupName=planned.group,
            FaultCodes=planned.fault_codes or None,
            ClientToken=f"{token}-group",
        )
        for number, label in enumerate(planned.labels):
            request = training_plan.label_request(planned.group, label)
            visit.call("CreateLabel", **request, ClientToken=f"{token}-{number}")
    visit.call("CreateModel", **planned.request, ClientToken=token)


def _schema(described: Mapping[str, Any]) -> tuple[Component, ...]:
    return parse_schema(described["Schema"])


def _free_name(visit: Visit, dataset: str) -> str:
    """The dataset's name, with a number if a model has it already."""
    taken = {one["ModelName"] for one in visit.listed("ListModels", ModelNameBeginsWith=dataset)}
    names = [dataset, *(f"{dataset}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def _rate(rate: str) -> str:
    """`PT15M` is `15 minutes`."""
    unit = {"S": "second", "M": "minute", "H": "hour"}[rate[-1]]
    n = int(rate[2:-1])
    return f"{n} {unit}{'s' if n > 1 else ''}"
