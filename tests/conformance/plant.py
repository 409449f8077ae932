"""A small plant at an endpoint: files, a dataset, one training, and of its version as many copies as cases need."""

import math
import os
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3

from conformance.endpoint import Answer, Endpoint

ROLE = "arn:aws:iam::123456789012:role/conformance"
START = datetime(2024, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=10)
N_ROWS, N_TRAINED = 700, 500
SENSORS = ("a", "b", "c", "d")
N_MODELS = 3
BUCKET = os.environ.get("OPENLOOKOUT_CONFORMANCE_BUCKET", "conformance-plant")
WORKING = {"IN_PROGRESS", "PENDING", "STOPPING", "IMPORT_IN_PROGRESS", "INGESTION_IN_PROGRESS"}
WAIT_SECONDS_MAX = 120


@dataclass(frozen=True)
class Plant:
    """Names of what is there. `model` has `N_MODELS` versions; `models` have a scheduler of each kind, RUNNING.

    `failed`: a model whose only version is FAILED. `spare`: a model with nothing around it.
    """

    mark: str
    dataset: str
    dataset_arn: str
    job: str
    model: str
    version_arn: str
    models: tuple[str, ...]
    failed: str
    spare: str
    group: str
    labels: tuple[str, ...]
    account: str

    def arn(self, resource: str) -> str:
        """The ARN of another resource of the same account and region."""
        return ":".join([*self.dataset_arn.split(":")[:5], resource])


def wait(endpoint: Endpoint, operation: str, **request: Any) -> Answer:
    """Describe until no work is under way."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while (answer := endpoint.done(operation, **request))["Status"] in WORKING:
        assert time.monotonic() < deadline, f"{operation} {request}: still {answer['Status']}"
        time.sleep(0.1)
    return answer


def write(buckets: Path | None, key: str, text: str) -> None:
    """Write an object where the endpoint finds it: a folder of buckets, or S3 as the environment names it."""
    if buckets is None:
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=text.encode())
        return
    path = buckets / BUCKET / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def readings(n_rows: int = N_ROWS) -> str:
    """A CSV of four sensors; in three stretches the second no longer follows the first."""
    noise = random.Random(1)
    lines = [",".join(["time", *SENSORS])]
    for i in range(1, n_rows + 1):
        load = 10 + 2 * math.sin(i / 20) + noise.gauss(0, 0.1)
        fault = 6.0 if 250 < i <= 270 or 600 < i <= 615 or 630 < i <= 650 else 0.0
        values = [load, 2 * load + fault + noise.gauss(0, 0.1), 30 - load + noise.gauss(0, 0.1), 5 + noise.gauss(0, 1)]
        lines.append(f"{START + i * STEP:%Y-%m-%dT%H:%M:%S}," + ",".join(f"{value:.5f}" for value in values))
    return "\n".join(lines) + "\n"


def place(prefix: str, **more: Any) -> dict[str, Any]:
    return {"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": prefix, **more}}


def ingestion(prefix: str) -> dict[str, Any]:
    """What StartDataIngestionJob is asked besides the dataset."""
    return {"IngestionInputConfiguration": place(prefix), "RoleArn": ROLE}


def scheduler(model: str, name: str) -> dict[str, Any]:
    """A request of CreateInferenceScheduler."""
    return {
        "ModelName": model,
        "InferenceSchedulerName": name,
        "DataUploadFrequency": "PT1H",
        "DataInputConfiguration": place("in/"),
        "DataOutputConfiguration": {"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}},
        "RoleArn": ROLE,
    }


def retraining(model: str) -> dict[str, Any]:
    """A request of CreateRetrainingScheduler."""
    return {"ModelName": model, "RetrainingFrequency": "P1M", "LookbackWindow": "P180D"}


def filled(endpoint: Endpoint, name: str, prefix: str) -> str:
    """Create a dataset with data; give its ingestion job."""
    endpoint.done("CreateDataset", DatasetName=name)
    job = str(endpoint.done("StartDataIngestionJob", DatasetName=name, **ingestion(prefix))["JobId"])
    ended = wait(endpoint, "DescribeDataIngestionJob", JobId=job)
    assert ended["Status"] == "SUCCESS", ended
    return job


def copied(endpoint: Endpoint, version_arn: str, dataset: str, model: str) -> Answer:
    """Import a version into a model and wait."""
    made = endpoint.done("ImportModelVersion", SourceModelVersionArn=version_arn, DatasetName=dataset, ModelName=model)
    return wait(endpoint, "DescribeModelVersion", ModelName=model, ModelVersion=made["ModelVersion"])


def plant_on(endpoint: Endpoint, buckets: Path | None) -> Plant:
    """Set the plant up."""
    mark = f"c{uuid.uuid4().hex[:8]}"
    prefix = f"{mark}/"
    write(buckets, f"{prefix}pump/all.csv", readings())
    dataset, model, group = f"{mark}-plant", f"{mark}-model", f"{mark}-group"
    filled(endpoint, dataset, prefix)
    for _ in range(2):
        job = str(endpoint.done("StartDataIngestionJob", DatasetName=dataset, **ingestion(prefix))["JobId"])
        wait(endpoint, "DescribeDataIngestionJob", JobId=job)
    arn = str(endpoint.done("DescribeDataset", DatasetName=dataset)["DatasetArn"])
    for number in range(N_MODELS):
        endpoint.done("CreateDataset", DatasetName=f"{mark}-empty-{number}")
        endpoint.done("CreateLabelGroup", LabelGroupName=f"{mark}-more-{number}")
    endpoint.done("CreateLabelGroup", LabelGroupName=group, FaultCodes=["wear"])
    labels = [_label(endpoint, group, *span) for span in ((250, 270), (600, 615), (630, 650))]
    endpoint.done("CreateModel", **training(dataset, model), LabelsInputConfiguration={"LabelGroupName": group})
    failed = f"{mark}-failed"
    short = {"TrainingDataStartTime": START, "TrainingDataEndTime": START + 20 * STEP}
    endpoint.done("CreateModel", ModelName=failed, DatasetName=dataset, **short)
    described = wait(endpoint, "DescribeModel", ModelName=model)
    assert described["Status"] == "SUCCESS", described
    assert wait(endpoint, "DescribeModel", ModelName=failed)["Status"] == "FAILED"
    version = str(endpoint.done("DescribeModelVersion", ModelName=model, ModelVersion=1)["ModelVersionArn"])
    for _ in range(N_MODELS - 1):
        copied(endpoint, version, dataset, model)
    models = tuple(f"{mark}-copy-{number}" for number in range(N_MODELS))
    for name in models:
        copied(endpoint, version, dataset, name)
        endpoint.done("CreateInferenceScheduler", **scheduler(name, name))
        endpoint.done("CreateRetrainingScheduler", **retraining(name))
    for name in models:
        assert wait(endpoint, "DescribeInferenceScheduler", InferenceSchedulerName=name)["Status"] == "RUNNING"
        assert wait(endpoint, "DescribeRetrainingScheduler", ModelName=name)["Status"] == "RUNNING"
    spare = f"{mark}-spare"
    copied(endpoint, version, dataset, spare)
    account = arn.split(":")[4]
    return Plant(mark, dataset, arn, job, model, version, models, failed, spare, group, tuple(labels), account)


def training(dataset: str, model: str) -> Mapping[str, Any]:
    """A request of CreateModel with training and evaluation."""
    return {
        "ModelName": model,
        "DatasetName": dataset,
        "TrainingDataStartTime": START,
        "TrainingDataEndTime": START + N_TRAINED * STEP,
        "EvaluationDataStartTime": START + N_TRAINED * STEP,
        "EvaluationDataEndTime": START + N_ROWS * STEP,
        "DataPreProcessingConfiguration": {"TargetSamplingRate": "PT10M"},
        "RoleArn": ROLE,
    }


def _label(endpoint: Endpoint, group: str, start: int, end: int) -> str:
    given = {"StartTime": START + start * STEP, "EndTime": START + end * STEP, "FaultCode": "wear"}
    made = endpoint.done("CreateLabel", LabelGroupName=group, Rating="ANOMALY", Notes="said", Equipment="pump", **given)
    return str(made["LabelId"])


def until(look: Callable[[], bool], what: str) -> None:
    """Look until something is so."""
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not look():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS_MAX} s: {what}"
        time.sleep(0.1)
