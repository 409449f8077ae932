"""Going live: a scheduler is made and changed here; what it says afterwards is in `pages/live.py`."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ValidationException
from openlookout.console import scheduler_plan
from openlookout.console.boto3_code import program
from openlookout.console.pages.datasets import default_role
from openlookout.console.pages.models import scheduler_of
from openlookout.console.rendering import path
from openlookout.console.visit import Visit, page
from openlookout.timeseries.schema import parse_schema

FIELDS = (
    "name", "frequency", "delay", "input_bucket", "input_prefix", "output_bucket", "output_prefix", "offset", "format",
    "delimiter", "role", "output_key", "key", "tags",
)  # fmt: skip


@page("/models/{name}/live")
def gone_live(visit: Visit, name: str) -> Response:
    """To the scheduler of a model; without one this page says how it goes live."""
    found = visit.call("DescribeModel", ModelName=name)
    scheduler = scheduler_of(visit, name)
    if scheduler is not None:
        return visit.go(path("live", scheduler["InferenceSchedulerName"]))
    return visit.render("live_none.html", model=found, there=None)


@page("/new/scheduler", ("GET", "POST"))
def create(visit: Visit) -> Response:
    """The form of a new scheduler; without a model first the question which."""
    name = visit.query.get("model")
    if not name:
        return visit.render("scheduler_model.html", models=_without(visit))
    model = visit.call("DescribeModel", ModelName=name)
    there = scheduler_of(visit, name)
    if there is not None or model.get("ActiveModelVersion") is None:
        return visit.render("live_none.html", model=model, there=there)
    fields = {"model": name, **_filled(visit, _defaults(visit, model))}
    if visit.is_post:
        with visit.attempt():
            request = scheduler_plan.creation(fields)
            visit.call("CreateInferenceScheduler", **request, ClientToken=visit.client_token)
            made = request["InferenceSchedulerName"]
            return visit.go(path("live", made), "It is live: the first execution is that of the next window.")
    return _form(visit, model, fields, None, ("create_inference_scheduler", lambda: scheduler_plan.creation(fields)))


@page("/live/{name}/edit", ("GET", "POST"))
def edit(visit: Visit, name: str) -> Response:
    """Change how often, from where and how a scheduler reads."""
    found = visit.call("DescribeInferenceScheduler", InferenceSchedulerName=name)
    model = visit.call("DescribeModel", ModelName=found["ModelName"])
    fields = _filled(visit, scheduler_plan.fields_of(found))
    if visit.is_post:
        with visit.attempt():
            visit.call("UpdateInferenceScheduler", **scheduler_plan.change(fields, name))
            return visit.go(path("live", name), "The changes are kept; the next execution goes by them.")
    change = ("update_inference_scheduler", lambda: scheduler_plan.change(fields, name))
    return _form(visit, model, fields, name, change)


def _form(
    visit: Visit,
    model: Mapping[str, Any],
    fields: Mapping[str, str],
    name: str | None,
    asked: tuple[str, Callable[[], dict[str, Any]]],
) -> Response:
    """The form, filled, beside the program that does the same; `name`: of the scheduler that is changed."""
    method, request = asked
    code = why = None
    try:
        code = program([(method, request())], visit.session.region)
    except ValidationException as error:  # Said where the program would stand: nobody has asked for anything yet.
        why = error.message
    components = [one.name for one in parse_schema(model["Schema"])]
    return visit.render(
        "scheduler_form.html",
        model=model,
        name=name,
        fields=fields,
        code=code,
        why=why,
        files=scheduler_plan.example_files(fields, components, visit.now()),
        plan=scheduler_plan,
        offsets=[(one, "UTC" if one == "+00:00" else f"UTC {one}") for one in scheduler_plan.OFFSETS],
    )


def _filled(visit: Visit, defaults: Mapping[str, str]) -> dict[str, str]:
    """What was posted, else what the address says, else what the form begins with."""
    given = visit.form if visit.is_post else visit.query
    return {**defaults, **{field: given[field] for field in FIELDS if field in given}}


def _defaults(visit: Visit, model: Mapping[str, Any]) -> dict[str, str]:
    """Beside the data that the model learned from, as often as its sampling rate lets it."""
    name = model["ModelName"]
    kept = visit.console.models.evaluation(visit.caller, name, model["ActiveModelVersion"])
    dataset = next(
        (one for one in visit.listed("ListDatasets", DatasetNameBeginsWith=model["DatasetName"])
         if one["DatasetName"] == model["DatasetName"]), None,
    )  # fmt: skip
    described: Mapping[str, Any] = (
        {} if dataset is None else visit.call("DescribeDataset", DatasetName=model["DatasetName"])
    )
    source = (described.get("IngestionInputConfiguration") or {}).get("S3InputConfiguration", {})
    bucket = source.get("Bucket", "")
    return {
        "name": f"{name}-live",
        "frequency": scheduler_plan.shortest(kept.rate_us),
        "delay": "0",
        "input_bucket": bucket,
        "input_prefix": f"live/{name}/",
        "output_bucket": bucket,
        "output_prefix": f"results/{name}/",
        "offset": "+00:00",
        "role": model.get("RoleArn") or default_role(visit, described),
    }


def _without(visit: Visit) -> list[Mapping[str, Any]]:
    """The models that could go live: with an active version, and no scheduler yet."""
    watched = {one["ModelName"] for one in visit.listed("ListInferenceSchedulers")}
    return [
        one
        for one in visit.listed("ListModels")
        if one.get("ActiveModelVersion") is not None and one["ModelName"] not in watched
    ]
