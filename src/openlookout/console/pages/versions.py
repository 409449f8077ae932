"""The versions of a model: which is active, how they came to be, and two of them side by side."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from openlookout.console.evaluation import Score, score
from openlookout.console.pages.models import scheduler_of, sensors_of, version_choices
from openlookout.console.rendering import path
from openlookout.console.visit import Visit, page

# Details of so many versions are read for the page; older ones by the address.
VERSIONS_A_PAGE = 20


@dataclass(frozen=True)
class Seen:
    """A version with what its evaluation came to, None without one."""

    about: Mapping[str, Any]
    score: Score | None
    n_sensors: int

    @property
    def number(self) -> int:
        return int(self.about["ModelVersion"])


@page("/models/{name}/versions")
def versions(visit: Visit, name: str) -> Response:
    """All versions, the newest first; `a` and `b` of the address are compared."""
    found = visit.call("DescribeModel", ModelName=name)
    listed = list(visit.listed("ListModelVersions", ModelName=name))[::-1]
    first = visit.query_number("first", 0)
    shown = [_seen(visit, name, one["ModelVersion"]) for one in listed[first : first + VERSIONS_A_PAGE]]
    usable = [one["ModelVersion"] for one in listed if one["Status"] == "SUCCESS"]
    active = found.get("ActiveModelVersion")
    a = visit.query_number("a", active or 0)
    b = visit.query_number("b", next((one for one in usable if one != a), 0))
    pair = (
        [_seen(visit, name, number) for number in (a, b)] if "a" in visit.query and a in usable and b in usable else []
    )
    return visit.render(
        "versions.html",
        model=found,
        scheduler=scheduler_of(visit, name),
        versions=shown,
        n_versions=len(listed),
        first=first,
        page_size=VERSIONS_A_PAGE,
        usable=usable,
        choices=version_choices(usable[::-1], active),
        a=a,
        b=b,
        pair=pair,
        factors=visit.console.what_ifs.factors(visit.caller, name),
        is_working=any(one.about["Status"] in {"IN_PROGRESS", "IMPORT_IN_PROGRESS"} for one in shown),
    )


@page("/models/{name}/activate", ("POST",))
def activate(visit: Visit, name: str) -> Response:
    """Let a version be the one that schedulers score with from their next execution on."""
    number = visit.form.get("version", "")
    number = number if number.isascii() and number.isdecimal() and len(number) < 10 else "0"
    return visit.act(
        "UpdateActiveModelVersion",
        path("models", name, "versions"),
        f"Version {number} is active: schedulers score with it from their next execution on.",
        ModelName=name,
        ModelVersion=int(number),
    )


def _seen(visit: Visit, name: str, number: int) -> Seen:
    about = visit.call("DescribeModelVersion", ModelName=name, ModelVersion=number)
    kept = visit.console.models.evaluation(visit.caller, name, number)
    return Seen(about, score(about.get("ModelMetrics"), kept), len(sensors_of(about)))
