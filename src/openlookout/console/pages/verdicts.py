"""Verdicts on events: what somebody says of a stretch of time becomes a label, so that the next training learns it."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from openlookout.api.errors import AccessDeniedException, ResourceNotFoundException, ValidationException
from openlookout.api.service_error import ServiceError
from openlookout.console import charts
from openlookout.console.pages.sign_in import own_path
from openlookout.console.rendering import advice, moment
from openlookout.console.visit import Notice, Visit, page

GROUP_NAME_CHARACTERS_MAX = 200
SAID = {"ANOMALY": "a fault", "NO_ANOMALY": "normal", "NEUTRAL": "left out"}
SNOOZE_HOURS_MAX = 24 * 90


@page("/models/{name}/verdicts", ("POST",))
def give(visit: Visit, name: str) -> Response:
    """Write a label over the stretch that the form names, into the group that the model is trained with."""
    back = own_path(visit.form.get("back"))
    try:
        rating = visit.form.get("rating", "")
        start, end = _stretch(visit)
        code, note = visit.form.get("code", "").strip(), visit.form.get("note", "").strip()
        if rating == "NO_ANOMALY" and not note:
            raise ValidationException("Why was it normal? One sentence helps whoever looks at the next such event.")
        model = visit.call("DescribeModel", ModelName=name)
        group = _group_of(visit, model)
        if code and rating == "ANOMALY":
            _know_code(visit, group, code)
        visit.call(
            "CreateLabel",
            LabelGroupName=group,
            StartTime=start,
            EndTime=end,
            Rating=rating,
            FaultCode=code if code and rating == "ANOMALY" else None,
            Notes=note or None,
            ClientToken=visit.client_token,
        )
        if model.get("LabelsInputConfiguration") != {"LabelGroupName": group}:
            visit.call("UpdateModel", ModelName=name, LabelsInputConfiguration={"LabelGroupName": group})
    except ServiceError as error:
        return visit.go(back, Notice(f"{error.message} {advice(error)}", is_refusal=True))
    return visit.go(back, f"{moment(start)} to {moment(end)} is {SAID[rating]}. The next training learns it.")


@page("/models/{name}/verdicts/take-back", ("POST",))
def take_back(visit: Visit, name: str) -> Response:
    """Delete the label that a verdict wrote."""
    model = visit.call("DescribeModel", ModelName=name)
    group = model.get("LabelsInputConfiguration", {}).get("LabelGroupName", "")
    back = own_path(visit.form.get("back"))
    label = visit.form.get("label", "")
    return visit.act("DeleteLabel", back, "The verdict is taken back.", LabelGroupName=group, LabelId=label)


@page("/models/{name}/snooze", ("POST",))
def snooze(visit: Visit, name: str) -> Response:
    """Let no alert of the model be sent for some hours; 0 ends it."""
    back, hours = own_path(visit.form.get("back")), visit.form.get("hours", "")
    if not visit.may_change:
        raise AccessDeniedException("This access key is read-only and may not snooze alerts.")
    if not (hours.isascii() and hours.isdecimal() and len(hours) < 6 and int(hours) <= SNOOZE_HOURS_MAX):
        raise ValidationException(f"Alerts are snoozed for 0 to {SNOOZE_HOURS_MAX} hours, not '{hours[:20]}'.")
    until = visit.now() + timedelta(hours=int(hours)) if int(hours) else None
    visit.console.alerts.snooze(visit.caller, name, until)
    said = f"Alerts of {name} are quiet until {moment(until)}." if until else f"Alerts of {name} are sent again."
    return visit.go(back, said)


def codes_of(visit: Visit, model: Mapping[str, Any]) -> list[str]:
    """The fault codes that labels of the model's group may have so far."""
    group = model.get("LabelsInputConfiguration", {}).get("LabelGroupName")
    found = None if group is None else _described(visit, group)
    return [] if found is None else list(found.get("FaultCodes") or ())


def _stretch(visit: Visit) -> tuple[datetime, datetime]:
    start = charts.moment(visit.form.get("start"), "From")
    end = charts.moment(visit.form.get("end"), "to")
    if start is None or end is None:
        raise ValidationException("From and to must both be given.")
    return start, end


def _group_of(visit: Visit, model: Mapping[str, Any]) -> str:
    """The label group that the model is trained with. One without gets its own, with what is labelled in S3 so far.

    Each step may be done twice: whoever is interrupted gives the verdict again.
    """
    name, said = model["ModelName"], model.get("LabelsInputConfiguration", {})
    group: str = said.get("LabelGroupName") or f"{name[: GROUP_NAME_CHARACTERS_MAX - 9]}-verdicts"
    if _described(visit, group) is None:
        visit.call("CreateLabelGroup", LabelGroupName=group, ClientToken=_token(group))
    if "S3InputConfiguration" in said:
        there = {(one["StartTime"], one["EndTime"]) for one in visit.listed("ListLabels", LabelGroupName=group)}
        for start, end in visit.console.models.file_labels(visit.caller, said["S3InputConfiguration"]):
            if (start, end) not in there:
                visit.call(
                    "CreateLabel",
                    LabelGroupName=group,
                    StartTime=start,
                    EndTime=end,
                    Rating="ANOMALY",
                    Notes="Copied from the label files",
                    ClientToken=_token(group, start.isoformat(), end.isoformat()),
                )
    return group


def _know_code(visit: Visit, group: str, code: str) -> None:
    found = _described(visit, group)
    known = list(found.get("FaultCodes") or ()) if found else []
    if code not in known:
        visit.call("UpdateLabelGroup", LabelGroupName=group, FaultCodes=[*known, code])


def _described(visit: Visit, group: str) -> Mapping[str, Any] | None:
    try:
        return visit.call("DescribeLabelGroup", LabelGroupName=group)
    except ResourceNotFoundException:
        return None


def _token(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
