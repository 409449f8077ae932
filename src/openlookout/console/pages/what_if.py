"""What-if: any stretch of data through any version; what another limit would have done; and a version made of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import ResourceNotFoundException, ValidationException
from openlookout.api.service_error import ServiceError
from openlookout.console import charts
from openlookout.console.pages.models import ranges_shown, scheduler_of, sensors_of, version_choices
from openlookout.console.rendering import advice, moment, path
from openlookout.console.visit import Notice, Visit, page
from openlookout.console.what_if_ports import FACTOR_MAX, FACTOR_MIN, Run

ALARMS_A_PAGE = 25
FAILURES_TICKED_MAX = 8
# What the two curves show, each beside the factor: traces of name, member and axis.
CURVES = {
    "cost": (
        ("alarms a month", "alarms", 1),
        ("hours of alarm outside labels a month", "false_hours", 1),
    ),
    "gain": (("failures caught", "found", 1), ("days of warning, median", "warning_days", 2)),
}


@page("/models/{name}/what-if")
def what_if(visit: Visit, name: str) -> Response:
    """The runs, and what a factor of the limit comes to in the one that the address names, else in the newest."""
    found = visit.call("DescribeModel", ModelName=name)
    versions = list(visit.listed("ListModelVersions", ModelName=name))
    usable = [one["ModelVersion"] for one in versions if one["Status"] == "SUCCESS"]
    runs = visit.console.what_ifs.runs(visit.caller, name)
    run = _chosen(runs, visit.query.get("run"), name) if runs else None
    beside = _chosen(runs, visit.query["beside"], name) if visit.query.get("beside") else None
    factor, beside_factor = factor_of(visit.query.get("factor")), factor_of(visit.query.get("beside_factor"))
    first = visit.query_number("first", 0)
    tries, sensors = [], []
    if run is not None and run.status == "SUCCESS":
        tries = [(run, 1.0)] if factor == 1.0 else [(run, 1.0), (run, factor)]
        sensors = sensors_of(visit.call("DescribeModelVersion", ModelName=name, ModelVersion=run.version))
        if beside is not None and beside.status == "SUCCESS":
            tries.append((beside, beside_factor))
    tried = [
        (one, visit.console.what_ifs.tried(visit.caller, name, one.id, tried_factor, (first, ALARMS_A_PAGE)))
        for one, tried_factor in tries
    ]
    # What the factor of the address comes to: the last of the run's own.
    chosen = next((outcome for one, outcome in reversed(tried) if one is run), None)
    return visit.render(
        "what_if.html",
        model=found,
        scheduler=scheduler_of(visit, name),
        choices=version_choices(usable, found.get("ActiveModelVersion")),
        others=version_choices([one for one in usable if run and one != run.version], found.get("ActiveModelVersion")),
        version=visit.query_number("version", run.version if run else found.get("ActiveModelVersion") or 0),
        stretches=_stretches(visit, found, usable),
        runs=runs,
        run=run,
        beside=beside,
        factor=factor,
        beside_factor=beside_factor,
        tried=tried,
        chosen=chosen,
        n_sensors=len(sensors),
        first=first,
        page_size=ALARMS_A_PAGE,
        next_version=versions[-1]["ModelVersion"] + 1 if versions else 1,
        is_busy=found["Status"] in {"IN_PROGRESS", "IMPORT_IN_PROGRESS"},
        FACTOR_MIN=FACTOR_MIN,
        FACTOR_MAX=FACTOR_MAX,
    )


@page("/models/{name}/what-if/run", ("POST",))
def start(visit: Visit, name: str) -> Response:
    """Have a stretch scored with a version."""
    here = path("models", name, "what-if")
    try:
        begin = charts.moment(visit.form.get("start"), "From")
        end = charts.moment(visit.form.get("end"), "to")
        if begin is None or end is None:
            raise ValidationException("From and to must both be given.")
        run = visit.console.what_ifs.start(visit.caller, name, _number(visit.form.get("version")), (begin, end))
    except ServiceError as error:
        return visit.go(here, _refusal(error))
    return visit.go(here, run=run)


@page("/models/{name}/what-if/compare", ("POST",))
def compare(visit: Visit, name: str) -> Response:
    """Show another version beside a run, over the same stretch: it is scored now, unless it was."""
    here = path("models", name, "what-if")
    run_id, factor = visit.form.get("run", ""), visit.form.get("factor", "1")
    try:
        runs = visit.console.what_ifs.runs(visit.caller, name)
        run, version = _chosen(runs, run_id, name), _number(visit.form.get("version"))
        alike = (
            one.id
            for one in runs
            if (one.version, one.start, one.end) == (version, run.start, run.end) and one.status != "FAILED"
        )
        beside = next(alike, None) or visit.console.what_ifs.start(visit.caller, name, version, (run.start, run.end))
    except ServiceError as error:
        return visit.go(here, _refusal(error), run=run_id, factor=factor)
    return visit.go(here, run=run_id, factor=factor, beside=beside)


@page("/models/{name}/what-if/stop", ("POST",))
def stop(visit: Visit, name: str) -> Response:
    """End a run that is under way, else forget it."""
    here = path("models", name, "what-if")
    try:
        visit.console.what_ifs.stop(visit.caller, name, visit.form.get("run", ""))
    except ServiceError as error:
        return visit.go(here, _refusal(error))
    return visit.go(here)


@page("/models/{name}/what-if/apply", ("POST",))
def apply(visit: Visit, name: str) -> Response:
    """Make a version with another limit."""
    run = visit.form.get("run", "")
    try:
        factor = factor_of(visit.form.get("factor"))
        number = visit.console.what_ifs.apply(visit.caller, name, run, factor, visit.client_token)
    except ServiceError as error:
        return visit.go(path("models", name, "what-if"), _refusal(error), run=run, factor=visit.form.get("factor", "1"))
    said = f"Version {number} is being made with the limit × {factor:g}. Activate it here when it is ready."
    return visit.go(path("models", name, "versions"), said)


@page("/models/{name}/what-if/figures/timeline")
def timeline(visit: Visit, name: str) -> Response:
    """What decides, in multiples of the limit, with the alarms at a factor and the labels."""
    run, factor = visit.query.get("run", ""), factor_of(visit.query.get("factor"))
    read = visit.console.what_ifs.timeline(visit.caller, name, run, factor, charts.span(visit.query))
    start, end = read["start"], read["end"]
    alarms, labels = _ranges(read["alarms"]), _ranges(read["labels"])
    highest = max((value for value in read["y"] if value is not None), default=factor)
    return visit.figure(
        {
            "start": start,
            "end": end,
            "first": read["first"],
            "last": read["last"],
            "traces": [{"name": "score", "x": read["x"], "y": read["y"], "kind": "line"}],
            "ranges": [
                *ranges_shown(alarms, (start, end), "event", "alarm", (0, 0.92)),
                *ranges_shown(labels, (start, end), "label", "labelled", (0.94, 1)),
            ],
            "lines": [{"y": factor, "text": "limit"}],
            "y": {"low": 0, "high": 1.15 * max(highest, factor)},
            "note": "" if read["n_rows"] else "There is no score in this range.",
        }
    )


@page("/models/{name}/what-if/figures/curve")
def curve(visit: Visit, name: str) -> Response:
    """What the factors come to; a mark where the address is."""
    factor, which = factor_of(visit.query.get("factor")), visit.query.get("which", "cost")
    if which not in CURVES:
        raise ResourceNotFoundException(f"There is no curve '{which[:20]}'.")
    read = visit.console.what_ifs.curve(visit.caller, name, visit.query.get("run", ""), factor)
    traces: list[dict[str, Any]] = []
    for number, (label, member, axis) in enumerate(CURVES[which], 1):
        values = read[member]
        kind = "steps" if member == "found" else "line"
        traces.append(
            {"name": label, "x": read["factors"], "y": values, "kind": kind, "axis": axis, "tone": f"s{number}"}
        )
    first_axis = [value for _, member, axis in CURVES[which] if axis == 1 for value in read[member]]
    highest = max([*first_axis, 1.0])
    at = {"x": [factor], "y": [read[CURVES[which][0][1]][read["factors"].index(factor)]]}
    traces.append({"name": f"× {factor:g}", **at, "kind": "marks", "symbol": "circle", "tone": "accent"})
    note = "" if read["n_labelled"] or which == "cost" else "Nothing is labelled in this stretch: label known failures."
    y = {"low": 0, "high": 1.05 * highest}
    if which == "gain" and highest <= FAILURES_TICKED_MAX:
        y["step"] = 1  # There is no half of a failure.
    return visit.figure({"x": {"kind": "number"}, "y": y, "traces": traces, "note": note})


def factor_of(text: str | None) -> float:
    """The factor that an address or a form asks for, 1 for none.

    Raises:
        ValidationException: it is no number, or one that no limit is multiplied with.
    """
    try:
        factor = float(text) if text and text.strip() else 1.0
    except ValueError:
        factor = float("nan")
    if not FACTOR_MIN <= factor <= FACTOR_MAX:
        message = f"The limit is multiplied with {FACTOR_MIN:g} to {FACTOR_MAX:g}, not '{(text or '')[:20]}'."
        raise ValidationException(message)
    return round(factor, 3)


def _chosen(runs: Sequence[Run], identity: str | None, name: str) -> Run:
    if identity is None:
        return runs[0]
    found = next((one for one in runs if one.id == identity), None)
    if found is None:
        raise ResourceNotFoundException(
            f"The model '{name}' has no what-if {identity[:50]}; it may be forgotten by now."
        )
    return found


def _stretches(visit: Visit, model: Mapping[str, Any], usable: Sequence[int]) -> list[tuple[str, str, str]]:
    """Stretches to begin with: what they are called, from, to."""
    found: list[tuple[str, datetime | None, datetime | None]] = []
    if usable:
        number = model.get("ActiveModelVersion") or usable[-1]
        about = visit.call("DescribeModelVersion", ModelName=model["ModelName"], ModelVersion=number)
        for called, kind in (("Its evaluation range", "Evaluation"), ("Its training range", "Training")):
            found.append((called, about.get(f"{kind}DataStartTime"), about.get(f"{kind}DataEndTime")))
    live = "AccumulatedInferenceData"
    found.append(("What inference has seen", model.get(f"{live}StartTime"), model.get(f"{live}EndTime")))
    return [(called, moment(start), moment(end)) for called, start, end in found if start and end]


def _ranges(pairs: Sequence[Sequence[int]]) -> list[tuple[datetime, datetime]]:
    return [(charts.from_milliseconds(start), charts.from_milliseconds(end)) for start, end in pairs]


def _number(text: str | None) -> int:
    if text and text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text)
    raise ValidationException(f"The version must be a number, not '{(text or '')[:20]}'.")


def _refusal(error: ServiceError) -> Notice:
    return Notice(f"{error.message} {advice(error)}", is_refusal=True)
