"""What the form of a new model says, as requests of the API and as the same calls in boto3. Knows no page."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from openlookout.api.errors import ValidationException
from openlookout.console.boto3_code import program
from openlookout.console.charts import moment
from openlookout.timeseries.schema import Component, schema_text

SAMPLING_RATES = ("PT1S", "PT5S", "PT10S", "PT15S", "PT30S", "PT1M", "PT5M", "PT10M", "PT15M", "PT30M", "PT1H")
# Of the data, what training takes unless somebody says otherwise; the rest is for evaluation.
TRAINING_SHARE = 0.7
_LABEL_LINE = re.compile(
    r"\s*(?P<start>[^,;]+?)\s*[,;]\s*(?P<end>[^,;]+?)\s*(?:[,;]\s*(?P<code>[^,;]*?)\s*)?(?:[,;]\s*(?P<notes>.*?)\s*)?"
)


@dataclass(frozen=True)
class DrawnLabel:
    """A stretch of time that was drawn or typed; it becomes a label of a new group."""

    start: datetime
    end: datetime
    fault_code: str | None = None
    notes: str | None = None


@dataclass(frozen=True)
class Plan:
    """The CreateModel request, and the group and labels that are made before it."""

    request: dict[str, Any]
    group: str | None = None
    labels: list[DrawnLabel] = field(default_factory=list)

    @property
    def fault_codes(self) -> list[str]:
        return list(dict.fromkeys(one.fault_code for one in self.labels if one.fault_code))


def plan(fields: Mapping[str, str], sensors: Sequence[str], schema: Sequence[Component]) -> Plan:
    """Read the form: `fields` by name, `sensors` by full name, of the dataset's `schema`.

    Raises:
        ValidationException: a time cannot be read, a label line is none, or no sensor is left.
    """
    given = {name: text.strip() for name, text in fields.items() if text.strip()}
    request: dict[str, Any] = {"ModelName": given.get("name", ""), "DatasetName": given.get("dataset", "")}
    chosen = _chosen(sensors, schema)
    if chosen is not None:
        request["DatasetSchema"] = {"InlineDataSchema": schema_text(chosen)}
    for member, name in (
        ("TrainingDataStartTime", "train_from"),
        ("TrainingDataEndTime", "train_to"),
        ("EvaluationDataStartTime", "evaluate_from"),
        ("EvaluationDataEndTime", "evaluate_to"),
    ):
        at = moment(given.get(name), member)
        if at is not None:
            request[member] = at
    if "rate" in given:
        request["DataPreProcessingConfiguration"] = {"TargetSamplingRate": given["rate"]}
    if "off_sensor" in given and "off_value" in given:
        request["OffCondition"] = f"{given['off_sensor']} {given.get('off_is', '<')} {given['off_value']}"
    labels = _labels(given, request)
    if "diagnostics_bucket" in given:
        place = {"Bucket": given["diagnostics_bucket"]}
        if "diagnostics_prefix" in given:
            place["Prefix"] = given["diagnostics_prefix"]
        request["ModelDiagnosticsOutputConfiguration"] = {"S3OutputConfiguration": place}
    if "role" in given:
        request["RoleArn"] = given["role"]
    group = request.get("LabelsInputConfiguration", {}).get("LabelGroupName") if labels else None
    return Plan(request, group, labels)


def off_condition(fields: Mapping[str, str]) -> tuple[str, float] | None:
    """Give operator and value of what the address says of being off, None where it says nothing.

    Raises:
        ValidationException: the value is no number.
    """
    text = fields.get("off_value", "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValidationException(f"The value of the off-condition must be a number, not '{text[:100]}'.") from None
    return (">" if fields.get("off_is") == ">" else "<"), value


def drawn_labels(text: str) -> list[DrawnLabel]:
    """Read lines of `start, end[, fault code[, notes]]`; blank ones are nothing.

    Raises:
        ValidationException: a line has another form, or ends before it starts.
    """
    labels = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        match = _LABEL_LINE.fullmatch(line)
        if match is None:
            raise ValidationException(f"Label line {number}, '{line[:100]}', must be: start, end, fault code, notes.")
        start, end = moment(match["start"], f"Label line {number}"), moment(match["end"], f"Label line {number}")
        assert start is not None
        assert end is not None
        if start >= end:
            raise ValidationException(f"Label line {number} ends before it starts: '{line[:100]}'.")
        labels.append(DrawnLabel(start, end, match["code"] or None, match["notes"] or None))
    return labels


def default_ranges(start: datetime, end: datetime) -> dict[str, datetime]:
    """The ranges that the form begins with: training first, evaluation on what it has not seen."""
    middle = (start + TRAINING_SHARE * (end - start)).replace(second=0, microsecond=0)
    return {"train_from": start, "train_to": middle, "evaluate_from": middle, "evaluate_to": end}


def as_boto3(planned: Plan, region: str) -> str:
    """The same as a program; ClientTokens are boto3's own."""
    calls: list[tuple[str, Mapping[str, Any]]] = []
    if planned.group is not None:
        codes = {"FaultCodes": planned.fault_codes} if planned.fault_codes else {}
        calls.append(("create_label_group", {"LabelGroupName": planned.group, **codes}))
        calls += [("create_label", label_request(planned.group, one)) for one in planned.labels]
    return program([*calls, ("create_model", planned.request)], region)


def label_request(group: str, label: DrawnLabel) -> dict[str, Any]:
    """The CreateLabel request of a drawn label."""
    request = {
        "LabelGroupName": group,
        "StartTime": label.start,
        "EndTime": label.end,
        "Rating": "ANOMALY",
        "FaultCode": label.fault_code,
        "Notes": label.notes,
    }
    return {member: value for member, value in request.items() if value is not None}


def _chosen(sensors: Sequence[str], schema: Sequence[Component]) -> list[Component] | None:
    """The components with the sensors that were ticked, None for all."""
    wanted = set(sensors)
    kept = [
        Component(
            one.name,
            one.timestamp,
            tuple(s for s, full in zip(one.sensors, one.full_names, strict=True) if full in wanted),
        )
        for one in schema
    ]
    kept = [one for one in kept if one.sensors]
    if not kept:
        raise ValidationException("No sensor is ticked: a model needs at least one.")
    return None if [one.full_names for one in kept] == [one.full_names for one in schema] else kept


def _labels(given: Mapping[str, str], request: dict[str, Any]) -> list[DrawnLabel]:
    """Put the labels' place into the request; give those that are still to be made."""
    source = given.get("labels", "none")
    if source == "group" and "group" in given:
        request["LabelsInputConfiguration"] = {"LabelGroupName": given["group"]}
    if source == "files" and "labels_bucket" in given:
        place = {"Bucket": given["labels_bucket"]}
        if "labels_prefix" in given:
            place["Prefix"] = given["labels_prefix"]
        request["LabelsInputConfiguration"] = {"S3InputConfiguration": place}
    if source == "drawn":
        drawn = drawn_labels(given.get("drawn", ""))
        if drawn:
            name = given.get("new_group") or f"{given.get('name', 'model')}-labels"
            request["LabelsInputConfiguration"] = {"LabelGroupName": name}
        return drawn
    return []
