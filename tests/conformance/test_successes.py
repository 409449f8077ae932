"""Every operation carried out, its output held against the definition; what was sent is what is described."""

import time
from typing import Any

import pytest

from conformance.definition import OPERATIONS, WITH_TOKEN, WITHOUT_OUTPUT
from conformance.endpoint import Endpoint
from conformance.outputs import output_problems
from conformance.plant import Plant, wait
from conformance.successes import SUCCESSES

from .conftest import Judge

# What shows a Create, Put or Update: the operation, and its members from the request that made the thing.
SHOWN_BY: dict[str, tuple[str, tuple[str, ...]]] = {
    "CreateDataset": ("DescribeDataset", ("DatasetName",)),
    "CreateInferenceScheduler": ("DescribeInferenceScheduler", ("InferenceSchedulerName",)),
    "CreateLabel": ("DescribeLabel", ("LabelGroupName", "LabelId")),
    "CreateLabelGroup": ("DescribeLabelGroup", ("LabelGroupName",)),
    "CreateModel": ("DescribeModel", ("ModelName",)),
    "CreateRetrainingScheduler": ("DescribeRetrainingScheduler", ("ModelName",)),
    "PutResourcePolicy": ("DescribeResourcePolicy", ("ResourceArn",)),
    "StartDataIngestionJob": ("DescribeDataIngestionJob", ("JobId",)),
    "TagResource": ("ListTagsForResource", ("ResourceArn",)),
    "UpdateInferenceScheduler": ("DescribeInferenceScheduler", ("InferenceSchedulerName",)),
    "UpdateLabelGroup": ("DescribeLabelGroup", ("LabelGroupName",)),
    "UpdateModel": ("DescribeModel", ("ModelName",)),
    "UpdateRetrainingScheduler": ("DescribeRetrainingScheduler", ("ModelName",)),
}
GONE_FOR = {
    "DeleteDataset": "DescribeDataset",
    "DeleteInferenceScheduler": "DescribeInferenceScheduler",
    "DeleteLabel": "DescribeLabel",
    "DeleteLabelGroup": "DescribeLabelGroup",
    "DeleteModel": "DescribeModel",
    "DeleteResourcePolicy": "DescribeResourcePolicy",
    "DeleteRetrainingScheduler": "DescribeRetrainingScheduler",
}
# Accepted, and shown nowhere or in other words.
NOT_SHOWN = {"ClientToken", "Tags", "DatasetSchema", "DatasetName", "PolicyRevisionId"}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_carried_out_and_answers_as_defined(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, operation: str
) -> None:
    request = SUCCESSES[operation](endpoint, plant, unique)
    if operation in WITH_TOKEN:
        request["ClientToken"] = unique
    answer = endpoint.send(operation, request)
    assert answer.error == "", f"{answer.error}: {answer.message}"
    judge.reaches(operation, "success")
    judge.compare(f"{operation}:output", "model", output_problems(operation, answer.output), [])
    if operation in WITHOUT_OUTPUT:
        shown = (answer.status, answer.headers["content-length"], answer.body)
        judge.compare(f"{operation}:empty", "notebook", shown, (200, "0", b""))
    if operation in SHOWN_BY:
        _compare_with_what_is_shown(endpoint, judge, operation, {**request, **(answer.output or {})}, request)
    if operation in GONE_FOR:
        error = endpoint.send(GONE_FOR[operation], request).error
        judge.compare(f"{operation}:gone", "document", error, "ResourceNotFoundException")


def _compare_with_what_is_shown(
    endpoint: Endpoint, judge: Judge, operation: str, known: dict[str, Any], request: dict[str, Any]
) -> None:
    describe, members = SHOWN_BY[operation]
    shown = endpoint.done(describe, **{member: known[member] for member in members})
    sent = {name: value for name, value in request.items() if name not in NOT_SHOWN or name == "Tags" in shown.output}
    if operation != "TagResource":
        sent.pop("Tags", None)
    if operation == "TagResource":
        missing = [tag for tag in sent["Tags"] if tag not in shown["Tags"]]
        judge.compare(f"{operation}:shown", "model", missing, [])
        return
    for name in ("DatasetName", "ResourceArn"):
        sent.pop(name, None)
    found = {name: shown.output.get(name) for name in sent} if shown.output else {}
    judge.compare(f"{operation}:shown", "model", found, sent)


def test_lists_show_exactly_what_was_made(endpoint: Endpoint, plant: Plant, judge: Judge) -> None:
    def names(operation: str, rows: str, member: str, **request: Any) -> list[Any]:
        return [row[member] for row in endpoint.done(operation, **request)[rows]]

    mark = plant.mark
    empty = [f"{mark}-empty-{i}" for i in range(3)]
    found = names("ListDatasets", "DatasetSummaries", "DatasetName", DatasetNameBeginsWith=mark)
    judge.compare("ListDatasets:rows", "decision", found, [*empty, plant.dataset])
    found = names("ListModels", "ModelSummaries", "ModelName", ModelNameBeginsWith=mark)
    judge.compare("ListModels:rows", "decision", found, [*plant.models, plant.failed, plant.model, plant.spare])
    both = {"DatasetNameBeginsWith": mark, "ModelNameBeginsWith": mark}  # Other cases make models of the dataset.
    found = names("ListModels", "ModelSummaries", "ModelName", **both, Status="FAILED")
    judge.compare("ListModels:failed", "model", found, [plant.failed])
    found = names("ListModelVersions", "ModelVersionSummaries", "ModelVersion", ModelName=plant.model)
    judge.compare("ListModelVersions:rows", "decision", found, [1, 2, 3])
    found = names("ListModelVersions", "ModelVersionSummaries", "SourceType", ModelName=plant.model)
    judge.compare("ListModelVersions:sources", "document", found, ["TRAINING", "IMPORT", "IMPORT"])
    found = names("ListModelVersions", "ModelVersionSummaries", "ModelVersion", ModelName="nobody")
    judge.compare("ListModelVersions:unknown", "document", found, [])
    found = names("ListLabels", "LabelSummaries", "LabelId", LabelGroupName=plant.group)
    judge.compare("ListLabels:rows", "decision", found, list(plant.labels))
    found = names("ListLabels", "LabelSummaries", "LabelId", LabelGroupName="nobody")
    judge.compare("ListLabels:unknown", "decision", found, [])
    found = names(
        "ListInferenceSchedulers", "InferenceSchedulerSummaries", "ModelName", InferenceSchedulerNameBeginsWith=mark
    )
    judge.compare("ListInferenceSchedulers:rows", "decision", found, list(plant.models))
    found = names("ListRetrainingSchedulers", "RetrainingSchedulerSummaries", "ModelName", ModelNameBeginsWith=mark)
    judge.compare("ListRetrainingSchedulers:rows", "decision", found, list(plant.models))


def test_an_import_that_is_repeated_tells_how_it_goes_and_ends_with_success(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str
) -> None:
    """AWS's bulk-import script polls so."""
    request = {"SourceDatasetArn": plant.dataset_arn, "DatasetName": unique, "ClientToken": unique}
    first = endpoint.done("ImportDataset", **request)
    statuses = [first["Status"]]
    while statuses[-1] == "IMPORT_IN_PROGRESS":
        time.sleep(0.1)
        statuses.append(endpoint.done("ImportDataset", **request)["Status"])
    judge.compare("ImportDataset:polled", "document", (statuses[0], statuses[-1]), ("IMPORT_IN_PROGRESS", "SUCCESS"))
    described = wait(endpoint, "DescribeDataset", DatasetName=unique)
    judge.compare("ImportDataset:status", "document", described["Status"], "ACTIVE")
    judge.compare("ImportDataset:source", "model", described["SourceDatasetArn"], plant.dataset_arn)


@pytest.mark.parametrize("kind", ["InferenceScheduler", "RetrainingScheduler"])
def test_starting_what_runs_and_stopping_what_is_stopped_is_no_error(
    endpoint: Endpoint, plant: Plant, judge: Judge, unique: str, kind: str
) -> None:
    which = SUCCESSES[f"Start{kind}"](endpoint, plant, unique)
    again = endpoint.call(f"Stop{kind}", **which)
    judge.compare(f"Stop{kind}:stopped", "decision", (again.error, again.output and again["Status"]), ("", "STOPPED"))
    endpoint.done(f"Start{kind}", **which)
    judge.compare(f"Start{kind}:running", "decision", endpoint.call(f"Start{kind}", **which).error, "")


@pytest.mark.parametrize(("frequency", "is_right"), [("P29D", False), ("P30D", True), ("P1Y", True), ("P366D", False)])
def test_a_retraining_comes_once_a_month_to_once_a_year(
    endpoint: Endpoint, plant: Plant, judge: Judge, frequency: str, is_right: bool
) -> None:
    error = endpoint.call("UpdateRetrainingScheduler", ModelName=plant.models[2], RetrainingFrequency=frequency).error
    judge.compare(f"RetrainingFrequency:{frequency}", "document", error, "" if is_right else "ValidationException")
