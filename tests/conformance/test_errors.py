"""Every exception that an operation lists and a client can provoke, provoked; the others are listed with their reason."""

from collections.abc import Callable
from typing import Any

import pytest

from conformance.cells import cells
from conformance.definition import minimal_request
from conformance.endpoint import Answer, Endpoint
from conformance.plant import (
    Plant,
    ingestion,
    retraining,
    scheduler,
    training,
    until,
    wait,
)

from .conftest import Judge

OTHER_ACCOUNT = "210987654321"
MISSING = "ResourceNotFoundException"
CONFLICT = "ConflictException"
QUOTA = "ServiceQuotaExceededException"
DENIED = "AccessDeniedException"

# Requests that name what is not there, where the minimal one does not: (operation, members of another request).
UNKNOWN: dict[str, Callable[[Plant], dict[str, Any]]] = {
    "CreateModel": lambda plant: training("nobody", "nobody"),
    "CreateInferenceScheduler": lambda plant: scheduler("nobody", "nobody"),
    "CreateRetrainingScheduler": lambda plant: retraining("nobody"),
    "DeleteLabel": lambda plant: {"LabelGroupName": plant.group, "LabelId": "0" * 32},
    "DescribeLabel": lambda plant: {"LabelGroupName": plant.group, "LabelId": "0" * 32},
    "DescribeModelVersion": lambda plant: {"ModelName": plant.model, "ModelVersion": 99},
    "ImportDataset": lambda plant: {"SourceDatasetArn": plant.arn("dataset/nobody/0a")},
    "ImportModelVersion": lambda plant: {
        "SourceModelVersionArn": plant.arn("model/nobody/0a/model-version/1"),
        "DatasetName": plant.dataset,
    },
    "PutResourcePolicy": lambda plant: {"ResourceArn": plant.arn("dataset/nobody/0a"), "ResourcePolicy": policy()},
    "UpdateActiveModelVersion": lambda plant: {"ModelName": plant.model, "ModelVersion": 99},
    **{
        operation: lambda plant: {"ResourceArn": plant.arn("dataset/nobody/0a")}
        for operation in (
            "DeleteResourcePolicy",
            "DescribeResourcePolicy",
            "ListTagsForResource",
            "TagResource",
            "UntagResource",
        )
    },
}


def policy(effect: str = "Allow") -> str:
    return (
        f'{{"Version": "2012-10-17", "Statement": [{{"Effect": "{effect}", "Principal": {{"AWS": "{OTHER_ACCOUNT}"}}, '
        '"Action": "lookoutequipment:ImportDataset"}]}'
    )


@pytest.mark.parametrize("operation", sorted(name for name, aspect in cells() if aspect == MISSING))
def test_what_is_not_there_is_not_found(endpoint: Endpoint, plant: Plant, judge: Judge, operation: str) -> None:
    request = minimal_request(operation)
    if operation in UNKNOWN:
        request |= UNKNOWN[operation](plant)
    request.pop("ClientToken", None)
    answer = endpoint.call(operation, **request)
    judge.reaches(operation, MISSING)
    judge.compare(f"{operation}:unknown", "model", answer.error, MISSING)


Provocation = Callable[[Endpoint, Plant, str], Answer]


def taken(operation: str, request: Callable[[Plant], dict[str, Any]]) -> Provocation:
    """A request that names what is there already, or is used."""
    return lambda endpoint, plant, unique: endpoint.call(operation, **request(plant))


def token_used(
    operation: str, request: Callable[[Plant, str], dict[str, Any]], other: Callable[[Plant, str], dict[str, Any]]
) -> Provocation:
    """The same token with other parameters."""

    def provoke(endpoint: Endpoint, plant: Plant, unique: str) -> Answer:
        endpoint.done(operation, **request(plant, unique), ClientToken=unique)
        return endpoint.call(operation, **other(plant, unique), ClientToken=unique)

    return provoke


def while_stopping(kind: str, change: str, key: str) -> Provocation:
    """A change while the scheduler is STOPPING, which lasts a moment: tried until it falls into it."""

    def provoke(endpoint: Endpoint, plant: Plant, unique: str) -> Answer:
        name, answers = plant.models[0], []

        def attempt() -> bool:
            wait_for(endpoint, kind, key, name, "RUNNING", f"Start{kind}")
            endpoint.done(f"Stop{kind}", **{key: name})
            answers.append(endpoint.call(change, **{key: name}))
            wait_for(endpoint, kind, key, name, "STOPPED", f"Stop{kind}")
            return bool(answers[-1].error)

        until(attempt, f"{change} of a scheduler that is STOPPING")
        wait_for(endpoint, kind, key, name, "RUNNING", f"Start{kind}")
        return answers[-1]

    return provoke


def wait_for(endpoint: Endpoint, kind: str, key: str, name: str, status: str, operation: str) -> None:
    """Bring a scheduler into a status."""

    def look() -> bool:
        found = wait(endpoint, f"Describe{kind}", **{key: name})["Status"]
        if found != status:
            endpoint.call(operation, **{key: name})
        return bool(found == status)

    until(look, f"{name} {status}")


def group_request(plant: Plant, unique: str, rating: str = "ANOMALY") -> dict[str, Any]:
    return {"LabelGroupName": f"{plant.mark}-more-1", "StartTime": 0, "EndTime": 1, "Rating": rating}


def wrong_revision(endpoint: Endpoint, plant: Plant, unique: str) -> Answer:
    endpoint.done("CreateDataset", DatasetName=unique)
    arn = endpoint.done("DescribeDataset", DatasetName=unique)["DatasetArn"]
    endpoint.done("PutResourcePolicy", ResourceArn=arn, ResourcePolicy=policy())
    return endpoint.call("PutResourcePolicy", ResourceArn=arn, ResourcePolicy=policy(), PolicyRevisionId="0a")


CONFLICTS: dict[str, tuple[str, Provocation]] = {
    "CreateDataset": ("document", taken("CreateDataset", lambda plant: {"DatasetName": plant.dataset})),
    "CreateInferenceScheduler": (
        "document",
        taken("CreateInferenceScheduler", lambda plant: scheduler(plant.models[0], f"{plant.mark}-second")),
    ),
    "CreateLabel": (
        "document",
        token_used("CreateLabel", group_request, lambda plant, unique: group_request(plant, unique, "NEUTRAL")),
    ),
    "CreateLabelGroup": ("document", taken("CreateLabelGroup", lambda plant: {"LabelGroupName": plant.group})),
    "CreateModel": ("document", taken("CreateModel", lambda plant: training(plant.dataset, plant.model))),
    "CreateRetrainingScheduler": (
        "document",
        taken("CreateRetrainingScheduler", lambda plant: retraining(plant.models[0])),
    ),
    "DeleteDataset": ("document", taken("DeleteDataset", lambda plant: {"DatasetName": plant.dataset})),
    "DeleteInferenceScheduler": (
        "document",
        taken("DeleteInferenceScheduler", lambda plant: {"InferenceSchedulerName": plant.models[1]}),
    ),
    "DeleteLabelGroup": ("decision", taken("DeleteLabelGroup", lambda plant: {"LabelGroupName": plant.group})),
    "DeleteModel": ("document", taken("DeleteModel", lambda plant: {"ModelName": plant.models[1]})),
    "DeleteRetrainingScheduler": (
        "document",
        taken("DeleteRetrainingScheduler", lambda plant: {"ModelName": plant.models[1]}),
    ),
    "ImportModelVersion": (
        "document",
        token_used(
            "ImportModelVersion",
            lambda plant, unique: {
                "SourceModelVersionArn": plant.version_arn,
                "DatasetName": plant.dataset,
                "ModelName": unique,
            },
            lambda plant, unique: {
                "SourceModelVersionArn": plant.version_arn,
                "DatasetName": plant.dataset,
                "ModelName": f"{unique}-2",
            },
        ),
    ),
    "PutResourcePolicy": ("decision", wrong_revision),
    "StartInferenceScheduler": (
        "decision",
        while_stopping("InferenceScheduler", "StartInferenceScheduler", "InferenceSchedulerName"),
    ),
    "StartRetrainingScheduler": (
        "decision",
        while_stopping("RetrainingScheduler", "StartRetrainingScheduler", "ModelName"),
    ),
    "UpdateActiveModelVersion": (
        "document",
        taken("UpdateActiveModelVersion", lambda plant: {"ModelName": plant.failed, "ModelVersion": 1}),
    ),
    "UpdateInferenceScheduler": (
        "decision",
        while_stopping("InferenceScheduler", "UpdateInferenceScheduler", "InferenceSchedulerName"),
    ),
    "UpdateRetrainingScheduler": (
        "decision",
        while_stopping("RetrainingScheduler", "UpdateRetrainingScheduler", "ModelName"),
    ),
}


def from_empty(endpoint: Endpoint, plant: Plant, unique: str) -> Answer:
    """An import of a dataset without data."""
    endpoint.done("CreateDataset", DatasetName=unique)
    arn = endpoint.done("DescribeDataset", DatasetName=unique)["DatasetArn"]
    return endpoint.call("ImportDataset", SourceDatasetArn=arn, DatasetName=f"{unique}-2")


def ingestion_token(endpoint: Endpoint, plant: Plant, unique: str) -> Answer:
    """The same token with another prefix, when the first ingestion has ended."""
    endpoint.done("CreateDataset", DatasetName=unique)
    asked = {"DatasetName": unique, "ClientToken": unique}
    job = endpoint.done("StartDataIngestionJob", **asked, **ingestion(f"{plant.mark}/"))["JobId"]
    wait(endpoint, "DescribeDataIngestionJob", JobId=job)
    return endpoint.call("StartDataIngestionJob", **asked, **ingestion("other/"))


CONFLICTS |= {"ImportDataset": ("decision", from_empty), "StartDataIngestionJob": ("document", ingestion_token)}


@pytest.mark.parametrize("operation", CONFLICTS)
def test_what_stands_against_a_request_is_a_conflict(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, operation: str
) -> None:
    origin, provoke = CONFLICTS[operation]
    answer = provoke(endpoint, plant, unique)
    judge.reaches(operation, CONFLICT)
    judge.compare(f"{operation}:conflict", origin, answer.error, CONFLICT)


def test_every_conflict_that_can_be_provoked_is() -> None:
    assert set(CONFLICTS) == {operation for operation, aspect in cells() if aspect == CONFLICT}


@pytest.mark.parametrize("operation", ["ImportDataset", "ImportModelVersion"])
def test_nothing_is_imported_from_an_account_that_does_not_allow_it(
    endpoint: Endpoint, plant: Plant, judge: Judge, operation: str
) -> None:
    source = {"ImportDataset": plant.dataset_arn, "ImportModelVersion": plant.version_arn}[operation]
    member = {"ImportDataset": "SourceDatasetArn", "ImportModelVersion": "SourceModelVersionArn"}[operation]
    request = {member: source.replace(plant.account, OTHER_ACCOUNT), "DatasetName": plant.dataset}
    answer = endpoint.call(operation, **request)
    judge.reaches(operation, DENIED)
    judge.compare(f"{operation}:denied", "document", answer.error, DENIED)


QUOTAS: dict[str, Callable[[Plant], dict[str, Any]]] = {
    "CreateDataset": lambda plant: {"DatasetName": "more"},
    "CreateLabel": lambda plant: {"LabelGroupName": plant.group, "StartTime": 0, "EndTime": 1, "Rating": "NEUTRAL"},
    "CreateLabelGroup": lambda plant: {"LabelGroupName": "more"},
    "CreateModel": lambda plant: training(plant.dataset, "more"),
    "ImportDataset": lambda plant: {"SourceDatasetArn": plant.dataset_arn, "DatasetName": "more"},
    "ImportModelVersion": lambda plant: {
        "SourceModelVersionArn": plant.version_arn,
        "DatasetName": plant.dataset,
        "ModelName": "more",
    },
    "StartDataIngestionJob": lambda plant: {"DatasetName": plant.dataset, **ingestion("more/")},
    "TagResource": lambda plant: {"ResourceArn": plant.dataset_arn, "Tags": [{"Key": "more", "Value": ""}]},
}


@pytest.mark.parametrize("operation", sorted(name for name, aspect in cells() if aspect == QUOTA))
def test_what_passes_a_quota_is_refused(full: tuple[Endpoint, Plant], judge: Judge, operation: str) -> None:
    endpoint, plant = full
    answer = endpoint.call(operation, **QUOTAS[operation](plant))
    judge.reaches(operation, QUOTA)
    judge.compare(f"{operation}:quota", "document", answer.error, QUOTA)
