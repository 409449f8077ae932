"""One request for each operation that is carried out, with what must be there before it."""

from collections.abc import Callable
from typing import Any

from conformance.endpoint import Endpoint
from conformance.plant import (
    ROLE,
    START,
    STEP,
    Plant,
    copied,
    ingestion,
    place,
    retraining,
    scheduler,
    training,
    until,
    wait,
)

Request = dict[str, Any]
Prepare = Callable[[Endpoint, Plant, str], Request]

TAGS = [{"Key": "site", "Value": "north"}, {"Key": "line", "Value": ""}]
KEY = "alias/conformance"
SCHEMA = (
    '{"Components": [{"ComponentName": "pump", "Columns": '
    '[{"Name": "time", "Type": "DATETIME"}, {"Name": "a", "Type": "DOUBLE"}]}]}'
)
POLICY = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "210987654321"}, '
    '"Action": "lookoutequipment:ImportDataset"}]}'
)


def new_dataset(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateDataset", DatasetName=name)
    return {"DatasetName": name}


def new_model(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    copied(endpoint, plant.version_arn, plant.dataset, name)
    return {"ModelName": name}


def new_group(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateLabelGroup", LabelGroupName=name, FaultCodes=["wear"])
    return {"LabelGroupName": name}


def new_label(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    group = new_group(endpoint, plant, name)
    made = endpoint.done("CreateLabel", **group, StartTime=START, EndTime=START + STEP, Rating="ANOMALY")
    return {**group, "LabelId": made["LabelId"]}


def new_policy(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateDataset", DatasetName=name)
    arn = endpoint.done("DescribeDataset", DatasetName=name)["DatasetArn"]
    endpoint.done("PutResourcePolicy", ResourceArn=arn, ResourcePolicy=POLICY)
    return {"ResourceArn": arn}


def stopped_inference(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateInferenceScheduler", **scheduler(new_model(endpoint, plant, name)["ModelName"], name))
    stop(endpoint, "InferenceScheduler", InferenceSchedulerName=name)
    return {"InferenceSchedulerName": name}


def stopped_retraining(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateRetrainingScheduler", **retraining(new_model(endpoint, plant, name)["ModelName"]))
    stop(endpoint, "RetrainingScheduler", ModelName=name)
    return {"ModelName": name}


def stop(endpoint: Endpoint, kind: str, **which: str) -> None:
    """Stop a scheduler and wait until it is."""
    endpoint.done(f"Stop{kind}", **which)
    until(lambda: wait(endpoint, f"Describe{kind}", **which)["Status"] == "STOPPED", f"{which} STOPPED")


def running_inference(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateInferenceScheduler", **scheduler(new_model(endpoint, plant, name)["ModelName"], name))
    return {"InferenceSchedulerName": name}


def running_retraining(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("CreateRetrainingScheduler", **retraining(new_model(endpoint, plant, name)["ModelName"]))
    return {"ModelName": name}


def of_plant(**members: str) -> Prepare:
    """Members that are fields of the plant: nothing is prepared."""
    return lambda endpoint, plant, name: {member: getattr(plant, field) for member, field in members.items()}


def interval(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    return {
        "InferenceSchedulerName": plant.models[0],
        "IntervalStartTime": START,
        "IntervalEndTime": START + STEP,
    }


def tagged(endpoint: Endpoint, plant: Plant, name: str) -> Request:
    endpoint.done("TagResource", ResourceArn=plant.dataset_arn, Tags=TAGS)
    return {"ResourceArn": plant.dataset_arn}


SUCCESSES: dict[str, Prepare] = {
    "CreateDataset": lambda endpoint, plant, name: {
        "DatasetName": name,
        "DatasetSchema": {"InlineDataSchema": SCHEMA},
        "ServerSideKmsKeyId": KEY,
        "Tags": TAGS,
    },
    "CreateInferenceScheduler": lambda endpoint, plant, name: {
        **scheduler(new_model(endpoint, plant, name)["ModelName"], name),
        "DataDelayOffsetInMinutes": 5,
        "DataInputConfiguration": {
            **place("in/"),
            "InputTimeZoneOffset": "+05:30",
            "InferenceInputNameConfiguration": {
                "TimestampFormat": "yyyyMMddHHmmss",
                "ComponentTimestampDelimiter": "_",
            },
        },
    },
    "CreateLabel": lambda endpoint, plant, name: {
        **new_group(endpoint, plant, name),
        "StartTime": START,
        "EndTime": START + STEP,
        "Rating": "NO_ANOMALY",
        "FaultCode": "wear",
        "Notes": "e\u0301 \U0001f525",
        "Equipment": "pump",
    },
    "CreateLabelGroup": lambda endpoint, plant, name: {"LabelGroupName": name, "FaultCodes": ["wear"], "Tags": TAGS},
    "CreateModel": lambda endpoint, plant, name: {
        **training(plant.dataset, name),
        "ServerSideKmsKeyId": KEY,
        "Tags": TAGS,
        "OffCondition": "pump\\d < -1000",
        "ModelDiagnosticsOutputConfiguration": {"S3OutputConfiguration": place("d/")["S3InputConfiguration"]},
    },
    "CreateRetrainingScheduler": lambda endpoint, plant, name: {
        **retraining(new_model(endpoint, plant, name)["ModelName"]),
        "RetrainingStartDate": START,
        "PromoteMode": "MANUAL",
    },
    "DeleteDataset": new_dataset,
    "DeleteInferenceScheduler": stopped_inference,
    "DeleteLabel": new_label,
    "DeleteLabelGroup": new_group,
    "DeleteModel": new_model,
    "DeleteResourcePolicy": new_policy,
    "DeleteRetrainingScheduler": stopped_retraining,
    "DescribeDataIngestionJob": of_plant(JobId="job"),
    "DescribeDataset": of_plant(DatasetName="dataset"),
    "DescribeInferenceScheduler": running_inference,
    "DescribeLabel": lambda endpoint, plant, name: {"LabelGroupName": plant.group, "LabelId": plant.labels[0]},
    "DescribeLabelGroup": of_plant(LabelGroupName="group"),
    "DescribeModel": of_plant(ModelName="model"),
    "DescribeModelVersion": lambda endpoint, plant, name: {"ModelName": plant.model, "ModelVersion": 1},
    "DescribeResourcePolicy": new_policy,
    "DescribeRetrainingScheduler": running_retraining,
    "ImportDataset": lambda endpoint, plant, name: {
        "SourceDatasetArn": plant.dataset_arn,
        "DatasetName": name,
        "ServerSideKmsKeyId": KEY,
        "Tags": TAGS,
    },
    "ImportModelVersion": lambda endpoint, plant, name: {
        "SourceModelVersionArn": plant.version_arn,
        "DatasetName": plant.dataset,
        "ModelName": name,
        "LabelsInputConfiguration": {"LabelGroupName": plant.group},
        "RoleArn": ROLE,
        "ServerSideKmsKeyId": KEY,
        "Tags": TAGS,
        "InferenceDataImportStrategy": "OVERWRITE",
    },
    "ListDataIngestionJobs": of_plant(DatasetName="dataset"),
    "ListDatasets": of_plant(DatasetNameBeginsWith="mark"),
    "ListInferenceEvents": interval,
    "ListInferenceExecutions": lambda endpoint, plant, name: {"InferenceSchedulerName": plant.models[0]},
    "ListInferenceSchedulers": of_plant(InferenceSchedulerNameBeginsWith="mark"),
    "ListLabelGroups": of_plant(LabelGroupNameBeginsWith="mark"),
    "ListLabels": of_plant(LabelGroupName="group"),
    "ListModelVersions": of_plant(ModelName="model"),
    "ListModels": of_plant(ModelNameBeginsWith="mark"),
    "ListRetrainingSchedulers": of_plant(ModelNameBeginsWith="mark"),
    "ListSensorStatistics": of_plant(DatasetName="dataset"),
    "ListTagsForResource": tagged,
    "PutResourcePolicy": lambda endpoint, plant, name: {
        **new_policy(endpoint, plant, name),
        "ResourcePolicy": POLICY.replace("Allow", "Deny"),
    },
    "StartDataIngestionJob": lambda endpoint, plant, name: {
        **new_dataset(endpoint, plant, name),
        **ingestion(f"{plant.mark}/"),
    },
    "StartInferenceScheduler": stopped_inference,
    "StartRetrainingScheduler": stopped_retraining,
    "StopInferenceScheduler": running_inference,
    "StopRetrainingScheduler": running_retraining,
    "TagResource": lambda endpoint, plant, name: {"ResourceArn": plant.dataset_arn, "Tags": TAGS},
    "UntagResource": lambda endpoint, plant, name: {**tagged(endpoint, plant, name), "TagKeys": ["site", "none"]},
    "UpdateActiveModelVersion": lambda endpoint, plant, name: {"ModelName": plant.model, "ModelVersion": 2},
    "UpdateInferenceScheduler": lambda endpoint, plant, name: {
        **running_inference(endpoint, plant, name),
        "DataUploadFrequency": "PT30M",
        "DataDelayOffsetInMinutes": 0,
        "DataInputConfiguration": place("other/"),
        "DataOutputConfiguration": {"S3OutputConfiguration": place("out/")["S3InputConfiguration"]},
        "RoleArn": ROLE,
    },
    "UpdateLabelGroup": lambda endpoint, plant, name: {**new_group(endpoint, plant, name), "FaultCodes": ["a", "b"]},
    "UpdateModel": lambda endpoint, plant, name: {
        **new_model(endpoint, plant, name),
        "LabelsInputConfiguration": {"LabelGroupName": plant.group},
        "RoleArn": ROLE,
        "ModelDiagnosticsOutputConfiguration": {"S3OutputConfiguration": place("d/")["S3InputConfiguration"]},
    },
    "UpdateRetrainingScheduler": lambda endpoint, plant, name: {
        **running_retraining(endpoint, plant, name),
        "RetrainingFrequency": "P2M",
        "LookbackWindow": "P720D",
        "PromoteMode": "MANAGED",
        "RetrainingStartDate": START,
    },
}
