"""Every error of every operation that a client can provoke."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.cells import NOT_PROVOKED, PROVOKED
from conformance.requests_of_model import least_request, model
from conformance.test_success import POLICY
from conformance.world import N_LABELS_MAX, N_TAGS_MAX, ROLE, START, Target, World, label_request, unique

Request = dict[str, Any]
TAGS = [{"Key": f"k{i}", "Value": "v"} for i in range(N_TAGS_MAX + 1)]
SOURCE_ELSEWHERE = "arn:aws:lookoutequipment:us-east-1:210987654321:"


def full_group(world: World) -> Request:
    group = world.group()
    for _ in range(N_LABELS_MAX):
        world.label(group)
    return label_request(group)


def used_token(world: World) -> Request:
    group, token = world.group(), unique("token")
    world.target.call("CreateLabel", **label_request(group, ClientToken=token))
    return label_request(group, ClientToken=token, Notes="another")


def busy_dataset(world: World) -> str:
    """A dataset that is being ingested until it is seen to be."""
    name = unique("busy")
    world.target.call("CreateDataset", DatasetName=name)
    request = {"DatasetName": name, "IngestionInputConfiguration": world.place, "RoleArn": ROLE}
    world.target.call("StartDataIngestionJob", **request)
    return name


def group_in_use(world: World) -> str:
    group, name = world.group(), world.copied()
    world.target.call("UpdateModel", ModelName=name, LabelsInputConfiguration={"LabelGroupName": group})
    return group


def taken(world: World, operation: str) -> Request:
    """A request whose name another, different one has taken."""
    request = {"DatasetName": unique("taken")} if operation == "CreateDataset" else {"LabelGroupName": unique("taken")}
    world.target.call(operation, **request)
    return request


# (operation, error) -> the request that provokes it. What is not here is provoked in the general way below.
PARTICULAR: dict[tuple[str, str], Callable[[World], Request]] = {
    ("CreateDataset", "ConflictException"): lambda w: taken(w, "CreateDataset"),
    ("CreateLabelGroup", "ConflictException"): lambda w: taken(w, "CreateLabelGroup"),
    ("CreateLabel", "ConflictException"): used_token,
    ("CreateModel", "ConflictException"): lambda w: {"ModelName": w.model, "DatasetName": w.data},
    ("CreateInferenceScheduler", "ConflictException"): lambda w: {
        **w.scheduler(),
        "ModelName": w.target.call("DescribeInferenceScheduler", InferenceSchedulerName=w.stopped())["ModelName"],
    },
    ("CreateRetrainingScheduler", "ConflictException"): lambda w: {
        "ModelName": w.retraining(),
        "RetrainingFrequency": "P1M",
        "LookbackWindow": "P180D",
    },
    ("StartDataIngestionJob", "ConflictException"): lambda w: {
        "DatasetName": busy_dataset(w),
        "IngestionInputConfiguration": w.place,
        "RoleArn": ROLE,
    },
    ("DeleteDataset", "ConflictException"): lambda w: {"DatasetName": w.data},
    ("DeleteModel", "ConflictException"): lambda w: {"ModelName": w.retraining()},
    ("DeleteLabelGroup", "ConflictException"): lambda w: {"LabelGroupName": group_in_use(w)},
    ("DeleteInferenceScheduler", "ConflictException"): lambda w: {
        "InferenceSchedulerName": w.target.call("CreateInferenceScheduler", **w.scheduler())["InferenceSchedulerName"]
    },
    ("DeleteRetrainingScheduler", "ConflictException"): lambda w: {"ModelName": w.retraining()},
    ("PutResourcePolicy", "ConflictException"): lambda w: {
        "ResourceArn": w.data_arn,
        "ResourcePolicy": POLICY,
        "PolicyRevisionId": "0a",
    },
    ("ImportDataset", "ConflictException"): lambda w: {
        "SourceDatasetArn": w.data_arn,
        "DatasetName": busy_dataset(w),
    },
    ("ImportModelVersion", "ConflictException"): lambda w: {
        "SourceModelVersionArn": w.version_arn,
        "ModelName": w.model,
        "DatasetName": taken(w, "CreateDataset")["DatasetName"],
    },
    ("UpdateActiveModelVersion", "ConflictException"): lambda w: {"ModelName": failed_model(w), "ModelVersion": 1},
    ("CreateLabel", "ServiceQuotaExceededException"): full_group,
    ("CreateDataset", "ServiceQuotaExceededException"): lambda _: {"DatasetName": unique("tags"), "Tags": TAGS},
    ("CreateLabelGroup", "ServiceQuotaExceededException"): lambda _: {"LabelGroupName": unique("tags"), "Tags": TAGS},
    ("CreateModel", "ServiceQuotaExceededException"): lambda w: {
        "ModelName": unique("tags"),
        "DatasetName": w.data,
        "Tags": TAGS,
    },
    ("CreateInferenceScheduler", "ServiceQuotaExceededException"): lambda w: w.scheduler(Tags=TAGS),
    ("ImportDataset", "ServiceQuotaExceededException"): lambda w: {
        "SourceDatasetArn": w.data_arn,
        "DatasetName": unique("tags"),
        "Tags": TAGS,
    },
    ("ImportModelVersion", "ServiceQuotaExceededException"): lambda w: {
        "SourceModelVersionArn": w.version_arn,
        "ModelName": unique("tags"),
        "DatasetName": w.data,
        "Tags": TAGS,
    },
    ("TagResource", "ServiceQuotaExceededException"): lambda w: {"ResourceArn": w.data_arn, "Tags": TAGS},
    ("ImportDataset", "AccessDeniedException"): lambda _: {"SourceDatasetArn": SOURCE_ELSEWHERE + "dataset/none/0a"},
    ("ImportModelVersion", "AccessDeniedException"): lambda w: {
        "SourceModelVersionArn": SOURCE_ELSEWHERE + "model/none/0a/model-version/1",
        "DatasetName": w.data,
    },
}


def failed_model(world: World) -> str:
    """A model whose training range holds no reading."""
    name = unique("failed")
    before = {"TrainingDataStartTime": START.replace(year=2000), "TrainingDataEndTime": START.replace(year=2001)}
    world.target.call("CreateModel", ModelName=name, DatasetName=world.data, **before)
    world.wait(lambda: {"Status": world.target.call("DescribeModel", ModelName=name)["Status"].lower()}, "failed")
    return name


def invalid(operation: str) -> Request:
    """A request that breaks one constraint of its own."""
    shape = model().operation_model(operation).input_shape
    if "MaxResults" in shape.members:
        return {**least_request(operation), "MaxResults": 0}
    texts = [name for name, member in shape.members.items() if member.type_name == "string"]
    return {**least_request(operation), texts[0]: "\N{SNOWMAN}" * 5000}  # Too long where it is not outside the pattern.


@pytest.mark.parametrize(("operation", "error"), PROVOKED, ids=[" ".join(each) for each in PROVOKED])
def test_it_is_answered_where_it_is_due(target: Target, cell: Any, operation: str, error: str) -> None:
    if error == "ServiceQuotaExceededException" and not target.has_our_quotas:
        pytest.skip("the quotas of the service of the environment are not known")
    if error == "ValidationException":
        request = invalid(operation)
    elif (operation, error) in PARTICULAR:
        request = PARTICULAR[operation, error](target.world)
    else:
        assert error == "ResourceNotFoundException"
        nobody = unique("nobody")
        request = {name: nobody if value == "none" else value for name, value in least_request(operation).items()}
    with pytest.raises(ClientError) as raised:
        target.call(operation, **request)
    assert raised.value.response["Error"]["Code"] == error, raised.value
    assert raised.value.response["Message"] == raised.value.response["Error"]["Message"]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    cell(operation, error)


def test_what_no_client_can_provoke_is_listed() -> None:
    """Openly: load and failures of the service, identities, quotas far away, conflicts of a moment."""
    assert not set(NOT_PROVOKED) & set(PROVOKED)
    assert len(NOT_PROVOKED) + len(PROVOKED) == sum(
        len(model().operation_model(name).error_shapes) for name in model().operation_names
    )
    assert set(PARTICULAR) <= set(PROVOKED)
