"""Creating models and activating versions: what is checked before anything is written, each with its exception."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from operations.rows import NOW, ROLE, SCHEMA, add_dataset, add_model
from served import Api


@pytest.fixture
def active(api: Api) -> str:
    return add_dataset(api)


def create(api: Api, source: str, **more: Any) -> Any:
    return api.client.create_model(ModelName=f"m-{uuid.uuid4().hex}", DatasetName=source, **more)


def day(n: int) -> datetime:
    return NOW + timedelta(days=n)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "training ends before it starts": (
        {"TrainingDataStartTime": day(2), "TrainingDataEndTime": day(1)},
        "TrainingDataStartTime 2026-01-03T00:00:00Z must be before TrainingDataEndTime 2026-01-02T00:00:00Z",
    ),
    "half an evaluation": ({"EvaluationDataStartTime": day(2)}, "EvaluationDataEndTime is missing"),
    "evaluation before training's end": (
        {
            "TrainingDataStartTime": day(0),
            "TrainingDataEndTime": day(5),
            "EvaluationDataStartTime": day(4),
            "EvaluationDataEndTime": day(9),
        },
        "EvaluationDataStartTime 2026-01-05T00:00:00Z must not be before the training range's 2026-01-06T00:00:00Z",
    ),
    "labels without a role": (
        {"LabelsInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket"}}},
        "needs a RoleArn",
    ),
    "labels from two places": (
        {
            "RoleArn": ROLE,
            "LabelsInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket"}, "LabelGroupName": "g"},
        },
        "not both",
    ),
    "a label group that is not there": (
        {"LabelsInputConfiguration": {"LabelGroupName": "g"}},
        "The label group 'g' does not exist",
    ),
    "diagnostics without a role": (
        {"ModelDiagnosticsOutputConfiguration": {"S3OutputConfiguration": {"Bucket": "bucket"}}},
        "ModelDiagnosticsOutputConfiguration needs a RoleArn",
    ),
    "an off-condition on an unknown sensor": ({"OffCondition": "pump\\speed < 1"}, "OffCondition: .*speed"),
    "an off-condition that is none": ({"OffCondition": "pump is off"}, "OffCondition: "),
    "a sensor that the dataset lacks": (
        {"DatasetSchema": {"InlineDataSchema": SCHEMA.replace("flow", "speed")}},
        "DatasetSchema: .*speed",
    ),
    "a schema that is none": ({"DatasetSchema": {"InlineDataSchema": "{"}}, "DatasetSchema: not JSON"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_and_leaves_nothing(api: Api, active: str, name: str) -> None:
    more, message = REFUSED[name]
    with pytest.raises(ClientError, match=message):
        create(api, active, **more)
    assert api.client.list_models(DatasetNameBeginsWith=active)["ModelSummaries"] == []
    api.client.delete_dataset(DatasetName=active)


def test_a_dataset_without_data_cannot_be_trained_on(api: Api) -> None:
    name = f"d-{uuid.uuid4().hex}"
    api.client.create_dataset(DatasetName=name)
    with pytest.raises(api.client.exceptions.ConflictException, match="is CREATED"):
        create(api, name)
    with pytest.raises(api.client.exceptions.ResourceNotFoundException):
        create(api, "nowhere")


def test_a_model_in_training_is_described_listed_and_guarded(api: Api, active: str) -> None:
    name = f"m-{uuid.uuid4().hex}"
    more = {"DataPreProcessingConfiguration": {"TargetSamplingRate": "PT5M"}, "OffCondition": "pump\\flow<1"}
    made = api.client.create_model(ModelName=name, DatasetName=active, RoleArn=ROLE, **more)
    assert made["Status"] == "IN_PROGRESS"
    described = api.client.describe_model(ModelName=name)
    assert described["ModelArn"] == made["ModelArn"]
    assert {member: described[member] for member in more} == more
    assert json.loads(described["Schema"]) == json.loads(SCHEMA)
    assert "ModelMetrics" not in described
    assert "ActiveModelVersion" not in described
    summary = api.client.list_model_versions(ModelName=name)["ModelVersionSummaries"]
    assert [(row["ModelVersion"], row["Status"], row["SourceType"]) for row in summary] == [
        (1, "IN_PROGRESS", "TRAINING")
    ]
    with pytest.raises(api.client.exceptions.ConflictException, match="exists already"):
        api.client.create_model(ModelName=name, DatasetName=active)
    with pytest.raises(api.client.exceptions.ConflictException, match="IN_PROGRESS"):
        api.client.delete_model(ModelName=name)
    with pytest.raises(api.client.exceptions.ConflictException, match=f"used by the model '{name}'"):
        api.client.delete_dataset(DatasetName=active)
    with pytest.raises(api.client.exceptions.ConflictException, match="no active version"):
        api.client.create_inference_scheduler(
            ModelName=name,
            InferenceSchedulerName=name,
            DataUploadFrequency="PT5M",
            DataInputConfiguration={"S3InputConfiguration": {"Bucket": "bucket"}},
            DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": "bucket"}},
            RoleArn=ROLE,
        )


@pytest.fixture
def versions(api: Api, active: str) -> str:
    """A model with versions 1 to 4: SUCCESS (active), SUCCESS, FAILED, CANCELED."""
    return add_model(api, active, ("SUCCESS", "SUCCESS", "FAILED", "CANCELED"), status="SUCCESS", active_since=NOW)


def test_a_version_is_activated_and_rolled_back(api: Api, versions: str) -> None:
    forward = api.client.update_active_model_version(ModelName=versions, ModelVersion=2)
    assert (forward["CurrentActiveVersion"], forward["PreviousActiveVersion"]) == (2, 1)
    assert forward["CurrentActiveVersionArn"].endswith(
        f"model/{versions}/" + forward["ModelArn"].split("/")[-1] + "/model-version/2"
    )
    described = api.client.describe_model(ModelName=versions)
    assert (described["ActiveModelVersion"], described["PreviousActiveModelVersion"]) == (2, 1)
    assert described["PreviousModelVersionActivatedAt"] == NOW
    same = api.client.update_active_model_version(ModelName=versions, ModelVersion=2)
    assert (same["CurrentActiveVersion"], same["PreviousActiveVersion"]) == (2, 1)
    back = api.client.update_active_model_version(ModelName=versions, ModelVersion=1)
    assert (back["CurrentActiveVersion"], back["PreviousActiveVersion"]) == (1, 2)


def test_only_versions_that_succeeded_can_be_active(api: Api, versions: str) -> None:
    for number, status in ((3, "FAILED"), (4, "CANCELED")):
        with pytest.raises(api.client.exceptions.ConflictException, match=f"Version {number} .* is {status}"):
            api.client.update_active_model_version(ModelName=versions, ModelVersion=number)
    for number in (5, 10**18):
        with pytest.raises(api.client.exceptions.ResourceNotFoundException, match=f"has no version {number}"):
            api.client.update_active_model_version(ModelName=versions, ModelVersion=number)
    assert api.client.describe_model(ModelName=versions)["ActiveModelVersion"] == 1


def test_files_more_often_than_the_sampling_rate_are_refused(api: Api, versions: str) -> None:
    request: dict[str, Any] = {
        "ModelName": versions,
        "DataInputConfiguration": {"S3InputConfiguration": {"Bucket": "bucket"}},
        "DataOutputConfiguration": {"S3OutputConfiguration": {"Bucket": "bucket"}},
        "RoleArn": ROLE,
    }
    with pytest.raises(ClientError, match="PT5M must not be shorter than the model's sampling rate of 600 seconds"):
        api.client.create_inference_scheduler(InferenceSchedulerName=versions, DataUploadFrequency="PT5M", **request)
    bad = request | {"DataInputConfiguration": {"InputTimeZoneOffset": "+05:45"}}
    with pytest.raises(ClientError, match=r"InputTimeZoneOffset '\+05:45'"):
        api.client.create_inference_scheduler(InferenceSchedulerName=versions, DataUploadFrequency="PT1H", **bad)
    made = api.client.create_inference_scheduler(
        InferenceSchedulerName=versions, DataUploadFrequency="PT10M", **request
    )
    assert made["Status"] == "PENDING"
    with pytest.raises(api.client.exceptions.ConflictException, match="one is allowed"):
        api.client.create_inference_scheduler(InferenceSchedulerName="second", DataUploadFrequency="PT10M", **request)
    offset = {"S3InputConfiguration": {"Bucket": "bucket"}, "InputTimeZoneOffset": "+05:30"}
    api.client.update_inference_scheduler(
        InferenceSchedulerName=versions, DataDelayOffsetInMinutes=5, DataInputConfiguration=offset
    )
    described = api.client.describe_inference_scheduler(InferenceSchedulerName=versions)
    assert (described["DataDelayOffsetInMinutes"], described["DataUploadFrequency"]) == (5, "PT10M")
    assert described["DataInputConfiguration"] == offset
    assert "LatestInferenceResult" not in described


def test_what_the_next_version_is_trained_with_is_changed_and_the_last_one_keeps_its_own(
    api: Api, versions: str
) -> None:
    place = {"S3InputConfiguration": {"Bucket": "bucket", "Prefix": "labels/"}}
    output = {"S3OutputConfiguration": {"Bucket": "bucket"}}
    for more in ({"LabelsInputConfiguration": place}, {"ModelDiagnosticsOutputConfiguration": output}):
        with pytest.raises(api.client.exceptions.ValidationException, match="needs a RoleArn"):
            api.client.update_model(ModelName=versions, **more)
    api.client.update_model(ModelName=versions, LabelsInputConfiguration=place, RoleArn=ROLE)
    api.client.update_model(ModelName=versions, ModelDiagnosticsOutputConfiguration=output)  # The role stays.
    described = api.client.describe_model(ModelName=versions)
    assert described["LabelsInputConfiguration"] == place
    assert described["ModelDiagnosticsOutputConfiguration"] == output
    assert described["RoleArn"] == ROLE
    summary = api.client.list_models(ModelNameBeginsWith=versions)["ModelSummaries"][0]
    assert summary["ModelDiagnosticsOutputConfiguration"] == output
    version = api.client.describe_model_version(ModelName=versions, ModelVersion=1)
    assert not {"LabelsInputConfiguration", "ModelDiagnosticsOutputConfiguration", "RoleArn"} & set(version)
    with pytest.raises(api.client.exceptions.ResourceNotFoundException, match="label group 'g'"):
        api.client.update_model(ModelName=versions, LabelsInputConfiguration={"LabelGroupName": "g"})
    with pytest.raises(api.client.exceptions.ResourceNotFoundException, match="The model 'nobody'"):
        api.client.update_model(ModelName="nobody")
    assert api.client.describe_model(ModelName=versions)["LabelsInputConfiguration"] == place
