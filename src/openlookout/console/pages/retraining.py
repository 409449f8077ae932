"""Retraining of a model: its schedule, and what became of each retrained version."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ResourceNotFoundException
from openlookout.console import charts
from openlookout.console.pages.models import scheduler_of
from openlookout.console.rendering import path
from openlookout.console.visit import Visit, page

FREQUENCIES = (
    ("P1M", "every month"),
    ("P2M", "every 2 months"),
    ("P3M", "every 3 months"),
    ("P6M", "every 6 months"),
    ("P1Y", "every year"),
)
LOOKBACKS = (("P180D", "180 days"), ("P270D", "270 days"), ("P360D", "360 days"), ("P540D", "540 days"))
MODES = (("MANAGED", "a better version is activated by itself"), ("MANUAL", "I activate versions by hand"))
RETRAININGS_SHOWN_MAX = 50
RESULTS = {
    "MODEL_PROMOTED": ("good", "promoted"),
    "MODEL_NOT_PROMOTED": ("calm", "not promoted"),
    "RETRAINING_INTERNAL_ERROR": ("bad", "failed"),
    "RETRAINING_CUSTOMER_ERROR": ("bad", "failed"),
    "RETRAINING_CANCELLED": ("calm", "cancelled"),
}


@page("/models/{name}/retraining", ("GET", "POST"))
def retraining(visit: Visit, name: str) -> Response:
    """The schedule in a form that makes or changes it, and the history."""
    known = schedule_of(visit, name)
    if visit.is_post:
        with visit.attempt():
            asked = {
                "ModelName": name,
                "RetrainingFrequency": visit.form.get("frequency"),
                "LookbackWindow": visit.form.get("lookback"),
                "PromoteMode": visit.form.get("mode"),
                "RetrainingStartDate": charts.moment(visit.form.get("start"), "The first day"),
            }
            if known is None:
                visit.call("CreateRetrainingScheduler", ClientToken=visit.client_token, **asked)
            else:
                visit.call("UpdateRetrainingScheduler", **asked)
            return visit.go(path("models", name, "retraining"), "The schedule is kept.")
    model = visit.call("DescribeModel", ModelName=name)
    retrained = list(visit.listed("ListModelVersions", ModelName=name, SourceType="RETRAINING"))
    history = [
        visit.call("DescribeModelVersion", ModelName=name, ModelVersion=one["ModelVersion"])
        for one in retrained[::-1][:RETRAININGS_SHOWN_MAX]
    ]
    return visit.render(
        "retraining.html",
        model=model,
        factor=visit.console.what_ifs.factors(visit.caller, name).get(model.get("ActiveModelVersion", 0)),
        scheduler=scheduler_of(visit, name),
        schedule=known,
        history=history,
        results=RESULTS,
        frequencies=FREQUENCIES,
        lookbacks=LOOKBACKS,
        modes=MODES,
    )


@page("/models/{name}/retraining/{action}", ("POST",))
def act(visit: Visit, name: str, action: str) -> Response:
    """Start, stop or delete the schedule."""
    back = path("models", name, "retraining")
    known = {
        "start": ("StartRetrainingScheduler", "Retraining is on."),
        "stop": ("StopRetrainingScheduler", "Retraining is stopped."),
        "delete": ("DeleteRetrainingScheduler", "The schedule is deleted."),
    }
    if action not in known:
        raise ResourceNotFoundException(f"A retraining schedule cannot be told to '{action}'.")
    operation, done = known[action]
    return visit.act(operation, back, done, ModelName=name)


def schedule_of(visit: Visit, name: str) -> Mapping[str, Any] | None:
    """The retraining schedule of a model, None without one."""
    try:
        return visit.call("DescribeRetrainingScheduler", ModelName=name)
    except ResourceNotFoundException:
        return None
