"""A request that comes again with its ClientToken makes nothing new, and tells how what it made is now."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.definition import WITH_TOKEN
from conformance.endpoint import Endpoint
from conformance.plant import Plant, ingestion, retraining, scheduler, training, wait
from conformance.successes import POLICY, new_group, new_model, new_policy, stop

from .conftest import Judge

Request = dict[str, Any]


def forget_dataset(endpoint: Endpoint, name: str, request: Request) -> None:
    wait(endpoint, "DescribeDataset", DatasetName=name)
    endpoint.done("DeleteDataset", DatasetName=name)


def forget_model(endpoint: Endpoint, name: str, request: Request) -> None:
    wait(endpoint, "DescribeModel", ModelName=name)
    endpoint.done("DeleteModel", ModelName=name)


def forget_inference(endpoint: Endpoint, name: str, request: Request) -> None:
    stop(endpoint, "InferenceScheduler", InferenceSchedulerName=name)
    endpoint.done("DeleteInferenceScheduler", InferenceSchedulerName=name)


def forget_retraining(endpoint: Endpoint, name: str, request: Request) -> None:
    stop(endpoint, "RetrainingScheduler", ModelName=request["ModelName"])
    endpoint.done("DeleteRetrainingScheduler", ModelName=request["ModelName"])


def forget_label(endpoint: Endpoint, name: str, request: Request) -> None:
    group = request["LabelGroupName"]
    (row,) = endpoint.done("ListLabels", LabelGroupName=group)["LabelSummaries"]
    endpoint.done("DeleteLabel", LabelGroupName=group, LabelId=row["LabelId"])


def forget_group(endpoint: Endpoint, name: str, request: Request) -> None:
    endpoint.done("DeleteLabelGroup", LabelGroupName=name)


def forget_policy(endpoint: Endpoint, name: str, request: Request) -> None:
    endpoint.done("DeleteResourcePolicy", ResourceArn=request["ResourceArn"])


def again_empty(endpoint: Endpoint, name: str, request: Request) -> None:
    """The dataset of an ingestion, deleted and made again."""
    forget_dataset(endpoint, name, request)
    endpoint.done("CreateDataset", DatasetName=name)


def label(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    return {**new_group(endpoint, plant, name), "StartTime": 0, "EndTime": 1, "Rating": "ANOMALY"}


def policy(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    request = new_policy(endpoint, plant, name)
    endpoint.done("DeleteResourcePolicy", **request)
    return {**request, "ResourcePolicy": POLICY}


def started(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateDataset", DatasetName=name)
    return {"DatasetName": name, **ingestion(f"{plant.mark}/")}


# The request, other parameters, the members that stay as they are, and how what was made is deleted.
Case = tuple[
    Callable[[Endpoint, Plant, str], Request], Request, tuple[str, ...], Callable[[Endpoint, str, Request], None]
]
CASES: dict[str, Case] = {
    "CreateDataset": (
        lambda endpoint, plant, name: {"DatasetName": name},
        {"ServerSideKmsKeyId": "alias/other"},
        ("DatasetArn",),
        forget_dataset,
    ),
    "CreateInferenceScheduler": (
        lambda endpoint, plant, name: scheduler(new_model(endpoint, plant, name)["ModelName"], name),
        {"DataDelayOffsetInMinutes": 7},
        ("InferenceSchedulerArn",),
        forget_inference,
    ),
    "CreateLabel": (label, {"Rating": "NEUTRAL"}, ("LabelId",), forget_label),
    "CreateLabelGroup": (
        lambda endpoint, plant, name: {"LabelGroupName": name},
        {"FaultCodes": ["other"]},
        ("LabelGroupArn",),
        forget_group,
    ),
    "CreateModel": (
        lambda endpoint, plant, name: {
            **training(plant.dataset, name),
            # Too little to train on: the version fails at once, and the request is what is looked at.
            "TrainingDataEndTime": training(plant.dataset, name)["TrainingDataStartTime"].replace(hour=2),
        },
        {"ServerSideKmsKeyId": "alias/other"},
        ("ModelArn",),
        forget_model,
    ),
    "CreateRetrainingScheduler": (
        lambda endpoint, plant, name: retraining(new_model(endpoint, plant, name)["ModelName"]),
        {"LookbackWindow": "P360D"},
        ("ModelArn",),
        forget_retraining,
    ),
    "ImportDataset": (
        lambda endpoint, plant, name: {"SourceDatasetArn": plant.dataset_arn, "DatasetName": name},
        {"ServerSideKmsKeyId": "alias/other"},
        ("DatasetArn", "JobId"),
        forget_dataset,
    ),
    "ImportModelVersion": (
        lambda endpoint, plant, name: {
            "SourceModelVersionArn": plant.version_arn,
            "DatasetName": plant.dataset,
            "ModelName": name,
        },
        {"ServerSideKmsKeyId": "alias/other"},
        ("ModelArn", "ModelVersionArn", "ModelVersion"),
        forget_model,
    ),
    "PutResourcePolicy": (
        policy,
        {"ResourcePolicy": POLICY.replace("Allow", "Deny")},
        ("PolicyRevisionId",),
        forget_policy,
    ),
    "StartDataIngestionJob": (
        started,
        {"RoleArn": "arn:aws:iam::123456789012:role/other"},
        ("JobId",),
        again_empty,
    ),
}


@pytest.mark.parametrize("operation", WITH_TOKEN)
def test_a_token_makes_one_thing_until_that_is_deleted(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, operation: str
) -> None:
    prepare, other, identity, forget = CASES[operation]
    request = {**prepare(endpoint, plant, unique), "ClientToken": f"{unique}-token"}
    first = endpoint.done(operation, **request)
    again = endpoint.call(operation, **request)
    ids = {member: first[member] for member in identity}
    found = {member: again[member] for member in identity} if not again.error else again.error
    judge.compare(f"{operation}:again", "document", found, ids)
    error = endpoint.call(operation, **{**request, **other}).error
    judge.compare(f"{operation}:other parameters", "document", error, "ConflictException")
    forget(endpoint, unique, request)
    anew = endpoint.call(operation, **{**request, **other})
    judge.compare(f"{operation}:anew", "decision", (anew.error, anew.message), ("", ""))
    judge.reaches(operation, "idempotency")


def test_one_text_is_a_token_of_its_own_in_each_operation(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str
) -> None:
    """A client that was published uses its machine's name for all of them."""
    token = {"ClientToken": unique}
    for number, operation in enumerate(WITH_TOKEN):
        request = CASES[operation][0](endpoint, plant, f"{unique}-{number}")
        judge.compare(f"{operation}:scope", "notebook", endpoint.call(operation, **request, **token).error, "")


def test_the_repeated_answer_is_the_state_of_now(endpoint: Endpoint, plant: Plant, judge: Judge, unique: str) -> None:
    request = {**started(endpoint, plant, unique), "ClientToken": unique}
    first = endpoint.done("StartDataIngestionJob", **request)
    wait(endpoint, "DescribeDataIngestionJob", JobId=first["JobId"])
    again = endpoint.done("StartDataIngestionJob", **request)
    statuses = (first["Status"], again["Status"])
    judge.compare("StartDataIngestionJob:state", "document", statuses, ("IN_PROGRESS", "SUCCESS"))
