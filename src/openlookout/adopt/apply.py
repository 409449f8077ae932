"""Makes what a plan says, through the service's own operations. What is there already stays as it is; so it can be
repeated, and goes on where it was interrupted. Waits for each thing that the next one needs.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from openlookout.adopt.facts import moment
from openlookout.adopt.sensors import schema_of

Client = Any  # boto3's clients are made at run time.
POLL_SECONDS = 0.5
ROLE = "arn:aws:iam::123456789012:role/openlookout"
State = Literal["made", "there", "failed"]


@dataclass(frozen=True)
class Done:
    """What became of one resource; `said` is a sentence where there is something to say."""

    kind: str
    name: str
    state: State
    said: str = ""


Tell = Callable[[str], None]


def apply(client: Client, plan: Mapping[str, Any], tell: Tell) -> list[Done]:
    """Make everything, each thing after those that it needs; what fails is told, and the others are made anyway."""
    bucket, done = plan["source"]["bucket"], []
    for make, section in (
        (_dataset, "datasets"),
        (_label_group, "label_groups"),
        (_model, "models"),
        (_scheduler, "schedulers"),
        (_retraining, "retraining_schedulers"),
    ):
        for entry in plan[section]:
            kind = section[:-1].replace("_", " ")
            try:
                one = make(client, entry, bucket, _of(f"{kind} {entry['name']}", tell))
            except _refusals(client) as error:
                one = ("failed", str(error.response["Error"]["Message"]))
            except ValueError as error:
                one = ("failed", str(error))
            done.append(Done(kind, entry["name"], *one))
    return done


def _of(what: str, tell: Tell) -> Tell:
    return lambda said: tell(f"{what}: {said}")


def _refusals(client: Client) -> tuple[type[Any], ...]:
    errors = client.exceptions
    return (
        errors.ValidationException,
        errors.ConflictException,
        errors.ResourceNotFoundException,
        errors.ServiceQuotaExceededException,
        errors.AccessDeniedException,
    )


def _dataset(client: Client, entry: Mapping[str, Any], bucket: str, tell: Tell) -> tuple[State, str]:
    name, state = entry["name"], "there"
    place = {"Bucket": entry.get("bucket", bucket), "Prefix": entry["prefix"]}
    if "key_pattern" in entry:
        place["KeyPattern"] = entry["key_pattern"]
    there = _described(client, client.describe_dataset, DatasetName=name)
    if there is None:
        schema = {"DatasetSchema": {"InlineDataSchema": entry["schema"]}} if "schema" in entry else {}
        client.create_dataset(DatasetName=name, **schema, **_tags(entry))
        there, state = client.describe_dataset(DatasetName=name), "made"
    if there["Status"] == "CREATED":
        started = client.start_data_ingestion_job(
            DatasetName=name, IngestionInputConfiguration={"S3InputConfiguration": place}, RoleArn=ROLE
        )
        state = "made"
        job = _ended(lambda: client.describe_data_ingestion_job(JobId=started["JobId"]), tell)
        if job["Status"] == "FAILED":
            return "failed", job.get("FailedReason", "the ingestion failed")
    elif there["Status"] != "ACTIVE":
        there = _ended(lambda: client.describe_dataset(DatasetName=name), tell)
        if there["Status"] != "ACTIVE":
            return "failed", f"its ingestion ended, and it is {there['Status']}"
    else:
        used = there.get("IngestionInputConfiguration", {}).get("S3InputConfiguration", {})
        if (used.get("Bucket"), used.get("Prefix")) != (place["Bucket"], place["Prefix"]):
            return "there", f"it was read from s3://{used.get('Bucket')}/{used.get('Prefix')}, and stays so"
    return state, ""  # type: ignore[return-value]  # One of two.


def _label_group(client: Client, entry: Mapping[str, Any], _bucket: str, tell: Tell) -> tuple[State, str]:
    name, state = entry["name"], "there"
    if _described(client, client.describe_label_group, LabelGroupName=name) is None:
        client.create_label_group(LabelGroupName=name, FaultCodes=entry.get("fault_codes", []), **_tags(entry))
        state = "made"
    pages = client.get_paginator("list_labels").paginate(LabelGroupName=name)
    there = {_key(label) for page in pages for label in page["LabelSummaries"]}
    wanted = [_label(label) for label in entry.get("labels", [])]
    new = [label for label in wanted if _key(label) not in there]
    for number, label in enumerate(new, 1):
        client.create_label(LabelGroupName=name, **label)
        tell(f"{number} of {len(new)} labels")
    return ("made" if new else state), f"{len(new)} labels were added" if new else ""  # type: ignore[return-value]


def _label(label: Mapping[str, Any]) -> dict[str, Any]:
    members = {"rating": "Rating", "fault_code": "FaultCode", "notes": "Notes", "equipment": "Equipment"}
    given = {member: label[name] for name, member in members.items() if label.get(name) is not None}
    return {"Rating": "ANOMALY", "StartTime": moment(label["start"]), "EndTime": moment(label["end"]), **given}


def _key(label: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        *(int(moment(label[name]).timestamp()) for name in ("StartTime", "EndTime")),
        *(label.get(name) for name in ("Rating", "FaultCode", "Equipment")),
    )


def _model(client: Client, entry: Mapping[str, Any], bucket: str, tell: Tell) -> tuple[State, str]:
    name, state = entry["name"], "there"
    there = _described(client, client.describe_model, ModelName=name)
    if there is not None and there["Status"] == "FAILED" and "ActiveModelVersion" not in there:
        client.delete_model(ModelName=name)  # An earlier try of ours: nothing was ever trained under that name.
        there = None
    if there is None:
        client.create_model(**_model_request(entry, bucket), **_schema(client, entry), **_tags(entry))
        state = "made"
    there = _ended(lambda: client.describe_model(ModelName=name), tell)
    if there["Status"] != "SUCCESS" and "ActiveModelVersion" not in there:
        return "failed", there.get("FailedReason", "the training failed")
    if there["DatasetName"] != entry["dataset"]:
        return "there", f"it was trained on dataset {there['DatasetName']}, and stays so"
    return state, ""  # type: ignore[return-value]


def _tags(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {"Tags": [{"Key": key, "Value": value} for key, value in entry["tags"].items()]} if entry.get("tags") else {}


def _schema(client: Client, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the dataset's schema that the model is trained on, where that is not all of it.

    Raises:
        ValueError: the dataset has no such sensor.
    """
    if not entry.get("sensors"):
        return {}
    whole = client.describe_dataset(DatasetName=entry["dataset"])["Schema"]
    return {"DatasetSchema": {"InlineDataSchema": schema_of(whole, entry["sensors"])}}


def _model_request(entry: Mapping[str, Any], bucket: str) -> dict[str, Any]:
    times = {
        "TrainingDataStartTime": "training_start",
        "TrainingDataEndTime": "training_end",
        "EvaluationDataStartTime": "evaluation_start",
        "EvaluationDataEndTime": "evaluation_end",
    }
    request: dict[str, Any] = {"ModelName": entry["name"], "DatasetName": entry["dataset"], "RoleArn": ROLE}
    request |= {member: moment(entry[name]) for member, name in times.items() if name in entry}
    if "sampling_rate" in entry:
        request["DataPreProcessingConfiguration"] = {"TargetSamplingRate": entry["sampling_rate"]}
    if "off_condition" in entry:
        request["OffCondition"] = entry["off_condition"]
    if "label_group" in entry:
        request["LabelsInputConfiguration"] = {"LabelGroupName": entry["label_group"]}
    elif "labels_prefix" in entry:
        place = {"Bucket": entry.get("labels_bucket", bucket), "Prefix": entry["labels_prefix"]}
        request["LabelsInputConfiguration"] = {"S3InputConfiguration": place}
    if "diagnostics_prefix" in entry:
        place = {"Bucket": entry.get("diagnostics_bucket", bucket), "Prefix": entry["diagnostics_prefix"]}
        request["ModelDiagnosticsOutputConfiguration"] = {"S3OutputConfiguration": place}
    return request


def _scheduler(client: Client, entry: Mapping[str, Any], bucket: str, _tell: Tell) -> tuple[State, str]:
    name = entry["name"]
    there = _described(client, client.describe_inference_scheduler, InferenceSchedulerName=name)
    if there is not None:
        differs = there["DataUploadFrequency"] != entry["upload_frequency"] or there["ModelName"] != entry["model"]
        said = (
            f"it is of model {there['ModelName']} every {there['DataUploadFrequency']}, and stays so" if differs else ""
        )
        return "there", said
    names = {"delimiter": "ComponentTimestampDelimiter", "timestamp_format": "TimestampFormat"}
    naming = {member: entry[key] for key, member in names.items() if key in entry}
    source: dict[str, Any] = {
        "S3InputConfiguration": {"Bucket": entry.get("input_bucket", bucket), "Prefix": entry["input_prefix"]}
    }
    source |= {"InferenceInputNameConfiguration": naming} if naming else {}
    source |= {"InputTimeZoneOffset": entry["time_zone_offset"]} if "time_zone_offset" in entry else {}
    target = {"Bucket": entry.get("output_bucket", bucket), "Prefix": entry["output_prefix"]}
    delay = {"DataDelayOffsetInMinutes": entry["delay_minutes"]} if "delay_minutes" in entry else {}
    client.create_inference_scheduler(
        ModelName=entry["model"],
        InferenceSchedulerName=name,
        DataUploadFrequency=entry["upload_frequency"],
        DataInputConfiguration=source,
        DataOutputConfiguration={"S3OutputConfiguration": target},
        RoleArn=ROLE,
        **delay,
        **_tags(entry),
    )
    if entry.get("started") is False:
        client.stop_inference_scheduler(InferenceSchedulerName=name)
    return "made", ""


def _retraining(client: Client, entry: Mapping[str, Any], _bucket: str, _tell: Tell) -> tuple[State, str]:
    name = entry["name"]
    there = _described(client, client.describe_retraining_scheduler, ModelName=name)
    if there is not None:
        differs = there["RetrainingFrequency"] != entry["frequency"] or there["LookbackWindow"] != entry["lookback"]
        said = f"it is every {there['RetrainingFrequency']} on {there['LookbackWindow']}, and stays so"
        return "there", said if differs else ""
    more = {"RetrainingStartDate": moment(entry["start"])} if "start" in entry else {}
    more |= {"PromoteMode": entry["promote_mode"]} if "promote_mode" in entry else {}
    client.create_retraining_scheduler(
        ModelName=name, RetrainingFrequency=entry["frequency"], LookbackWindow=entry["lookback"], **more
    )
    if entry.get("started") is False:
        client.stop_retraining_scheduler(ModelName=name)
    return "made", ""


def _described(client: Client, describe: Callable[..., Mapping[str, Any]], **name: str) -> Mapping[str, Any] | None:
    try:
        return describe(**name)
    except client.exceptions.ResourceNotFoundException:
        return None


def _ended(look: Callable[[], Mapping[str, Any]], tell: Tell) -> Mapping[str, Any]:
    """Look until nothing is under way any more."""
    started = time.monotonic()
    while "IN_PROGRESS" in (answer := look())["Status"]:
        tell(f"{answer['Status']}, {time.monotonic() - started:.0f} s")
        time.sleep(POLL_SECONDS)
    return answer
