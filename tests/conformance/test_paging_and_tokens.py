"""Pages and client tokens: every List operation page by page, every operation with a token twice."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from conformance.cells import PAGED, WITH_TOKEN
from conformance.requests_of_model import model
from conformance.test_success import POLICY
from conformance.world import ROLE, START, Target, World, label_request, unique

Request = dict[str, Any]


def three(make: Callable[[], Any]) -> None:
    for _ in range(3):
        make()


def scheduler_without_runs(world: World) -> Request:
    return {"InferenceSchedulerName": world.stopped()}


def listed(world: World, operation: str) -> Request:
    """A request of a listing with three rows or more, where the API alone can make them."""
    if operation == "ListDatasets":
        three(lambda: world.target.call("CreateDataset", DatasetName=unique("paged")))
    if operation == "ListLabelGroups":
        three(world.group)
    if operation == "ListLabels":
        group = world.group()
        three(lambda: world.label(group))
        return {"LabelGroupName": group}
    if operation in {"ListModels", "ListModelVersions"}:
        three(world.copied)
    if operation == "ListModelVersions":
        name = world.copied()
        request = {"SourceModelVersionArn": world.version_arn, "ModelName": name, "DatasetName": world.data}
        for number in (2, 3):
            world.target.call("ImportModelVersion", **request)
            look = {"ModelName": name, "ModelVersion": number}
            world.wait(lambda look=look: world.target.call("DescribeModelVersion", **look), "SUCCESS")  # type: ignore[misc]
        return {"ModelName": name}
    if operation == "ListRetrainingSchedulers":
        three(world.retraining)
    if operation == "ListInferenceSchedulers":
        three(world.stopped)
    if operation == "ListDataIngestionJobs":
        request = {"IngestionInputConfiguration": world.place, "RoleArn": ROLE, "DatasetName": unique("paged")}
        world.target.call("CreateDataset", DatasetName=request["DatasetName"])
        for _ in range(3):
            job = world.target.call("StartDataIngestionJob", **request)["JobId"]
            world.wait(lambda job=job: world.target.call("DescribeDataIngestionJob", JobId=job), "SUCCESS")  # type: ignore[misc]
        return {"DatasetName": request["DatasetName"]}
    if operation == "ListSensorStatistics":
        return {"DatasetName": world.data}
    if operation in {"ListInferenceExecutions", "ListInferenceEvents"}:
        times = {"IntervalStartTime": START, "IntervalEndTime": START + timedelta(days=1)}
        return {**scheduler_without_runs(world), **(times if operation == "ListInferenceEvents" else {})}
    return {}


# Their rows come with time only; the pages of full ones have tests of their own inside the project.
EMPTY = {"ListInferenceExecutions", "ListInferenceEvents"}


@pytest.mark.parametrize("operation", PAGED)
def test_pages_of_any_size_are_the_whole_and_a_token_fits_its_listing_alone(
    target: Target, cell: Any, operation: str
) -> None:
    request = listed(target.world, operation)
    shape = model().operation_model(operation).output_shape
    result = next(name for name, member in shape.members.items() if member.type_name == "list")
    whole = target.call(operation, **request, MaxResults=500)
    assert "NextToken" not in target.last
    assert len(whole[result]) >= (0 if operation in EMPTY else 2)
    for size in (1, 2):
        got, more = [], {}
        while True:
            page = target.call(operation, **request, **more, MaxResults=size)
            assert len(page[result]) <= size
            got += page[result]
            if "NextToken" not in page:
                break
            assert len(page[result]) == size
            more = {"NextToken": page["NextToken"]}
        assert got == whole[result]
    wrong = ["never issued"]
    if more:
        wrong += [more["NextToken"][:-2] + "AA", more["NextToken"].swapcase()]
    for token in wrong:
        with pytest.raises(target.client.exceptions.ValidationException, match="NextToken"):
            target.call(operation, **request, NextToken=token)
    cell(operation, "paging")


def token_request(world: World, operation: str) -> tuple[Request, Request]:
    """A request, and what makes it another one."""
    group = {"LabelGroupName": world.group()}
    return {
        "CreateDataset": lambda: ({"DatasetName": unique("twice")}, {"ServerSideKmsKeyId": "k"}),
        "CreateLabelGroup": lambda: ({"LabelGroupName": unique("twice")}, {"FaultCodes": ["a"]}),
        "CreateLabel": lambda: (label_request(group=group["LabelGroupName"]), {"Notes": "another"}),
        "CreateModel": lambda: ({"ModelName": unique("twice"), "DatasetName": world.data}, {"RoleArn": ROLE}),
        "CreateInferenceScheduler": lambda: (world.scheduler(), {"DataUploadFrequency": "PT30M"}),
        "CreateRetrainingScheduler": lambda: (
            {"ModelName": world.copied(), "RetrainingFrequency": "P1M", "LookbackWindow": "P180D"},
            {"LookbackWindow": "P360D"},
        ),
        "StartDataIngestionJob": lambda: (
            {"DatasetName": _dataset(world), "IngestionInputConfiguration": world.place, "RoleArn": ROLE},
            {"RoleArn": f"{ROLE}2"},
        ),
        "PutResourcePolicy": lambda: (
            {"ResourceArn": world.version_arn, "ResourcePolicy": POLICY.replace("Dataset", "ModelVersion")},
            {"ResourcePolicy": POLICY.replace("Dataset", "ModelVersion") + " "},
        ),
        "ImportDataset": lambda: (
            {"SourceDatasetArn": world.data_arn, "DatasetName": unique("twice")},
            {"ServerSideKmsKeyId": "k"},
        ),
        "ImportModelVersion": lambda: (
            {"SourceModelVersionArn": world.version_arn, "ModelName": unique("twice"), "DatasetName": world.data},
            {"ServerSideKmsKeyId": "k"},
        ),
    }[operation]()


def _dataset(world: World) -> str:
    name = unique("twice")
    world.target.call("CreateDataset", DatasetName=name)
    return name


@pytest.mark.parametrize("operation", WITH_TOKEN)
def test_the_same_request_twice_makes_one_thing_and_another_conflicts(
    target: Target, cell: Any, operation: str
) -> None:
    request, change = token_request(target.world, operation)
    token = uuid.uuid4().hex
    first = target.call(operation, **request, ClientToken=token)
    second = target.call(operation, **request, ClientToken=token)
    assert {**first, "Status": ""} == {**second, "Status": ""}  # The status is that of now.
    with pytest.raises(target.client.exceptions.ConflictException, match="ClientToken"):
        target.call(operation, **{**request, **change}, ClientToken=token)
    # Another operation may use the same text.
    target.call("CreateLabelGroup", LabelGroupName=unique("other"), ClientToken=f"{token}x")
    target.call("CreateDataset", DatasetName=unique("other"), ClientToken=f"{token}x")
    cell(operation, "idempotency")


def test_a_token_is_free_again_when_what_it_made_is_deleted(target: Target) -> None:
    name, token = unique("again"), uuid.uuid4().hex
    first = target.call("CreateDataset", DatasetName=name, ClientToken=token)["DatasetArn"]
    target.call("DeleteDataset", DatasetName=name)
    assert target.call("CreateDataset", DatasetName=name, ClientToken=token)["DatasetArn"] != first
