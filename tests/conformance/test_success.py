"""Every operation does what its name says, once with success; its answer has the model's members and none that is null."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from conformance.requests_of_model import model, operations
from conformance.world import ROLE, START, Target, World, label_request, unique

Do = Callable[[World], Any]
POLICY = (
    '{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":{"AWS":"210987654321"},'
    '"Action":["lookoutequipment:ImportDataset"]}}'
)


def _made(world: World, operation: str, **request: Any) -> Any:
    return world.target.call(operation, **request)


def create_dataset(world: World) -> None:
    name = unique("dataset")
    made = _made(world, "CreateDataset", DatasetName=name)
    assert (made["DatasetName"], made["Status"]) == (name, "CREATED")
    assert f":dataset/{name}/" in made["DatasetArn"]


def delete_dataset(world: World) -> None:
    name = unique("dataset")
    _made(world, "CreateDataset", DatasetName=name)
    assert _made(world, "DeleteDataset", DatasetName=name) == {}
    assert _made(world, "ListDatasets", DatasetNameBeginsWith=name)["DatasetSummaries"] == []


def start_ingestion(world: World) -> None:
    name = unique("dataset")
    _made(world, "CreateDataset", DatasetName=name)
    request = {"DatasetName": name, "IngestionInputConfiguration": world.place, "RoleArn": ROLE}
    job = _made(world, "StartDataIngestionJob", **request)
    assert (len(job["JobId"]), job["Status"]) == (32, "IN_PROGRESS")
    world.wait(lambda: _made(world, "DescribeDataIngestionJob", JobId=job["JobId"]), "SUCCESS")
    assert _made(world, "DescribeDataset", DatasetName=name)["Status"] == "ACTIVE"


def import_dataset(world: World) -> None:
    request = {"SourceDatasetArn": world.data_arn, "DatasetName": unique("dataset"), "ClientToken": unique("token")}
    assert _made(world, "ImportDataset", **request)["Status"] == "IMPORT_IN_PROGRESS"
    world.wait(lambda: _made(world, "ImportDataset", **request), "SUCCESS")


def update_active(world: World) -> None:
    name = world.copied()
    request = {"SourceModelVersionArn": world.version_arn, "ModelName": name, "DatasetName": world.data}
    assert _made(world, "ImportModelVersion", **request)["ModelVersion"] == 2
    world.wait(lambda: _made(world, "DescribeModelVersion", ModelName=name, ModelVersion=2), "SUCCESS")
    moved = _made(world, "UpdateActiveModelVersion", ModelName=name, ModelVersion=2)
    assert (moved["CurrentActiveVersion"], moved["PreviousActiveVersion"]) == (2, 1)
    assert _made(world, "DescribeModel", ModelName=name)["ActiveModelVersion"] == 2


def import_version(world: World) -> None:
    name = world.copied()
    found = _made(world, "DescribeModelVersion", ModelName=name, ModelVersion=1)
    assert (found["SourceType"], found["SourceModelVersionArn"]) == ("IMPORT", world.version_arn)


def delete_model(world: World) -> None:
    name = world.copied()
    assert _made(world, "DeleteModel", ModelName=name) == {}
    assert _made(world, "ListModels", ModelNameBeginsWith=name)["ModelSummaries"] == []


def update_model(world: World) -> None:
    name, place = world.copied(), {"S3InputConfiguration": {"Bucket": "bucket", "Prefix": "labels/"}}
    assert _made(world, "UpdateModel", ModelName=name, LabelsInputConfiguration=place, RoleArn=ROLE) == {}
    assert _made(world, "DescribeModel", ModelName=name)["LabelsInputConfiguration"] == place


def create_scheduler(world: World) -> None:
    request = world.scheduler()
    made = _made(world, "CreateInferenceScheduler", **request)
    assert (made["InferenceSchedulerName"], made["Status"]) == (request["InferenceSchedulerName"], "PENDING")
    found = _made(world, "DescribeInferenceScheduler", InferenceSchedulerName=request["InferenceSchedulerName"])
    for member in ("ModelName", "DataInputConfiguration", "DataOutputConfiguration", "DataUploadFrequency", "RoleArn"):
        assert found[member] == request[member]


def start_stop_scheduler(world: World) -> None:
    name = world.stopped()
    assert _made(world, "StopInferenceScheduler", InferenceSchedulerName=name)["Status"] == "STOPPED"
    assert _made(world, "StartInferenceScheduler", InferenceSchedulerName=name)["Status"] == "PENDING"
    look = {"InferenceSchedulerName": name}
    world.wait(lambda: _made(world, "DescribeInferenceScheduler", **look), "RUNNING")
    assert _made(world, "StartInferenceScheduler", **look)["Status"] == "RUNNING"
    assert _made(world, "StopInferenceScheduler", **look)["Status"] == "STOPPING"


def update_scheduler(world: World) -> None:
    name = world.stopped()
    change = {"DataDelayOffsetInMinutes": 7, "DataUploadFrequency": "PT30M"}
    assert _made(world, "UpdateInferenceScheduler", InferenceSchedulerName=name, **change) == {}
    found = _made(world, "DescribeInferenceScheduler", InferenceSchedulerName=name)
    assert {member: found[member] for member in change} == change


def delete_scheduler(world: World) -> None:
    name = world.stopped()
    assert _made(world, "DeleteInferenceScheduler", InferenceSchedulerName=name) == {}
    listed = _made(world, "ListInferenceSchedulers", InferenceSchedulerNameBeginsWith=name)
    assert listed["InferenceSchedulerSummaries"] == []


def list_executions(world: World) -> None:
    name = world.stopped()
    assert _made(world, "ListInferenceExecutions", InferenceSchedulerName=name)["InferenceExecutionSummaries"] == []
    interval = {"IntervalStartTime": START, "IntervalEndTime": START + timedelta(days=900)}
    found = _made(world, "ListInferenceEvents", InferenceSchedulerName=name, **interval)
    assert found["InferenceEventSummaries"] == []


def retraining(world: World) -> None:
    name = world.copied()
    request = {"ModelName": name, "RetrainingFrequency": "P1M", "LookbackWindow": "P180D"}
    assert _made(world, "CreateRetrainingScheduler", **request)["Status"] == "PENDING"
    world.wait(lambda: _made(world, "DescribeRetrainingScheduler", ModelName=name), "RUNNING")
    assert _made(world, "UpdateRetrainingScheduler", ModelName=name, PromoteMode="MANUAL") == {}
    found = _made(world, "DescribeRetrainingScheduler", ModelName=name)
    assert {**request, "PromoteMode": "MANUAL"}.items() <= found.items()
    assert _made(world, "StopRetrainingScheduler", ModelName=name)["Status"] == "STOPPING"
    world.wait(lambda: _made(world, "DescribeRetrainingScheduler", ModelName=name), "STOPPED")
    assert _made(world, "StartRetrainingScheduler", ModelName=name)["Status"] == "PENDING"
    listed = _made(world, "ListRetrainingSchedulers", ModelNameBeginsWith=name)["RetrainingSchedulerSummaries"]
    assert [row["ModelName"] for row in listed] == [name]
    _made(world, "StopRetrainingScheduler", ModelName=name)
    world.wait(lambda: _made(world, "DescribeRetrainingScheduler", ModelName=name), "STOPPED")
    assert _made(world, "DeleteRetrainingScheduler", ModelName=name) == {}
    assert _made(world, "ListRetrainingSchedulers", ModelNameBeginsWith=name)["RetrainingSchedulerSummaries"] == []


def labels(world: World) -> None:
    group = world.group()
    request = label_request(group, FaultCode="leak", Notes="seen", Equipment="pump 1")
    label_id = _made(world, "CreateLabel", **request)["LabelId"]
    assert request.items() <= _made(world, "DescribeLabel", LabelGroupName=group, LabelId=label_id).items()
    rows = _made(world, "ListLabels", LabelGroupName=group)["LabelSummaries"]
    assert [row["LabelId"] for row in rows] == [label_id]
    assert _made(world, "UpdateLabelGroup", LabelGroupName=group, FaultCodes=["a", "b"]) == {}
    assert _made(world, "DescribeLabelGroup", LabelGroupName=group)["FaultCodes"] == ["a", "b"]
    groups = _made(world, "ListLabelGroups", LabelGroupNameBeginsWith=group)["LabelGroupSummaries"]
    assert [row["LabelGroupName"] for row in groups] == [group]
    assert _made(world, "DeleteLabel", LabelGroupName=group, LabelId=label_id) == {}
    assert _made(world, "ListLabels", LabelGroupName=group)["LabelSummaries"] == []
    assert _made(world, "DeleteLabelGroup", LabelGroupName=group) == {}
    assert _made(world, "ListLabelGroups", LabelGroupNameBeginsWith=group)["LabelGroupSummaries"] == []


def tags(world: World) -> None:
    arn = world.data_arn
    assert _made(world, "TagResource", ResourceArn=arn, Tags=[{"Key": "site", "Value": "A"}]) == {}
    assert _made(world, "ListTagsForResource", ResourceArn=arn)["Tags"] == [{"Key": "site", "Value": "A"}]
    assert _made(world, "UntagResource", ResourceArn=arn, TagKeys=["site"]) == {}
    assert _made(world, "ListTagsForResource", ResourceArn=arn)["Tags"] == []


def policies(world: World) -> None:
    arn = world.data_arn
    revision = _made(world, "PutResourcePolicy", ResourceArn=arn, ResourcePolicy=POLICY)["PolicyRevisionId"]
    found = _made(world, "DescribeResourcePolicy", ResourceArn=arn)
    assert (found["ResourcePolicy"], found["PolicyRevisionId"]) == (POLICY, revision)
    assert _made(world, "DeleteResourcePolicy", ResourceArn=arn) == {}


def create_model(world: World) -> None:
    name = world.trained()
    found = _made(world, "DescribeModel", ModelName=name)
    assert (found["ActiveModelVersion"], found["DatasetName"]) == (1, world.data)


def listings(world: World) -> None:
    versions = _made(world, "ListModelVersions", ModelName=world.model, Status="SUCCESS")["ModelVersionSummaries"]
    assert [(row["ModelVersion"], row["SourceType"]) for row in versions] == [(1, "TRAINING")]
    assert _made(world, "ListModelVersions", ModelName="nobody")["ModelVersionSummaries"] == []
    models = _made(world, "ListModels", ModelNameBeginsWith=world.model)["ModelSummaries"]
    assert [row["ModelName"] for row in models] == [world.model]
    datasets = _made(world, "ListDatasets", DatasetNameBeginsWith=world.data)["DatasetSummaries"]
    assert [row["DatasetName"] for row in datasets] == [world.data]
    jobs = _made(world, "ListDataIngestionJobs", DatasetName=world.data)["DataIngestionJobSummaries"]
    assert [row["JobId"] for row in jobs] == [world.job]
    sensors = _made(world, "ListSensorStatistics", DatasetName=world.data)["SensorStatisticsSummaries"]
    assert [row["SensorName"] for row in sensors] == ["flow", "load"]


STORIES: list[tuple[Do, tuple[str, ...]]] = [
    (create_dataset, ("CreateDataset",)),
    (delete_dataset, ("DeleteDataset",)),
    (start_ingestion, ("StartDataIngestionJob", "DescribeDataIngestionJob", "DescribeDataset")),
    (import_dataset, ("ImportDataset",)),
    (update_active, ("UpdateActiveModelVersion",)),
    (import_version, ("ImportModelVersion", "DescribeModelVersion")),
    (delete_model, ("DeleteModel",)),
    (update_model, ("UpdateModel",)),
    (create_model, ("CreateModel", "DescribeModel")),
    (create_scheduler, ("CreateInferenceScheduler", "DescribeInferenceScheduler")),
    (start_stop_scheduler, ("StartInferenceScheduler", "StopInferenceScheduler")),
    (update_scheduler, ("UpdateInferenceScheduler",)),
    (delete_scheduler, ("DeleteInferenceScheduler", "ListInferenceSchedulers")),
    (list_executions, ("ListInferenceExecutions", "ListInferenceEvents")),
    (
        retraining,
        (
            "CreateRetrainingScheduler",
            "DeleteRetrainingScheduler",
            "DescribeRetrainingScheduler",
            "ListRetrainingSchedulers",
            "StartRetrainingScheduler",
            "StopRetrainingScheduler",
            "UpdateRetrainingScheduler",
        ),
    ),
    (
        labels,
        (
            "CreateLabel",
            "CreateLabelGroup",
            "DeleteLabel",
            "DeleteLabelGroup",
            "DescribeLabel",
            "DescribeLabelGroup",
            "ListLabelGroups",
            "ListLabels",
            "UpdateLabelGroup",
        ),
    ),
    (tags, ("TagResource", "UntagResource", "ListTagsForResource")),
    (policies, ("PutResourcePolicy", "DescribeResourcePolicy", "DeleteResourcePolicy")),
    (
        listings,
        ("ListModelVersions", "ListModels", "ListDatasets", "ListDataIngestionJobs", "ListSensorStatistics"),
    ),
]


@pytest.mark.parametrize("number", range(len(STORIES)), ids=[story.__name__ for story, _ in STORIES])
def test_it_does_what_its_name_says(target: Target, cell: Any, number: int) -> None:
    story, exercised = STORIES[number]
    called: dict[str, list[dict[str, Any]]] = {}
    call = target.call

    def watched(operation: str, **request: Any) -> dict[str, Any]:
        answer = call(operation, **request)
        called.setdefault(operation, []).append(target.last)
        return answer

    world = target.world
    target.call = watched  # type: ignore[method-assign]
    try:
        story(world)
    finally:
        del target.call  # type: ignore[attr-defined]
    for operation, answers in called.items():
        for answer in answers:
            check(model().operation_model(operation).output_shape, answer, operation)
    for operation in exercised:
        assert operation in called
        cell(operation, "success")


def check(shape: Any, value: Any, where: str) -> None:
    """A raw answer has members of the model only, each of its type, none null."""
    assert value is not None, where
    kinds: dict[str, tuple[type, ...]] = {
        "structure": (dict,),
        "list": (list,),
        "string": (str,),
        "integer": (int,),
        "long": (int,),
        "float": (float, int),
        "timestamp": (float, int),
        "boolean": (bool,),
    }
    if shape is None:
        assert value == {}, where
        return
    assert isinstance(value, kinds[shape.type_name]), where
    if shape.type_name == "structure":
        for name, member in value.items():
            assert name in shape.members, f"{where}.{name}"
            check(shape.members[name], member, f"{where}.{name}")
    if shape.type_name == "list":
        for item in value:
            check(shape.member, item, f"{where}[]")
    if shape.metadata.get("enum") and where != "ImportDataset.Status":  # SUCCESS and FAILED are documented there.
        assert value in shape.metadata["enum"], where


def test_every_operation_is_in_a_story() -> None:
    assert sorted(name for _, exercised in STORIES for name in exercised) == operations()
