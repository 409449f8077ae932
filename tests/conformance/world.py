"""A service to judge, and something in it: a dataset with data, a trained model. Made through the API alone."""

import contextlib
import json
import math
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

import openlookout
from serving import serving

ENDPOINT_VARIABLE, BUCKET_VARIABLE = "OPENLOOKOUT_CONFORMANCE_ENDPOINT", "OPENLOOKOUT_CONFORMANCE_BUCKET"
ROLE = "arn:aws:iam::123456789012:role/plant"
START = datetime(2024, 3, 1, tzinfo=UTC)
N_ROWS, STEP = 15 * 144, timedelta(minutes=10)
# So that a few calls meet them.
QUOTAS = {"OPENLOOKOUT_LIMIT_LABELS": "20", "OPENLOOKOUT_LIMIT_TAGS": "50"}
N_LABELS_MAX, N_TAGS_MAX = 20, 50


@dataclass
class Target:
    """`client`: boto3, that validates nothing itself. `last_text`: the last answer as it was sent; `last`: its JSON."""

    client: Any
    endpoint: str | None
    bucket: str
    has_our_quotas: bool = True
    last: dict[str, Any] = field(default_factory=dict)
    last_text: str = ""
    _world: "World | None" = None

    def __post_init__(self) -> None:
        self.client.meta.events.register("after-call.lookoutequipment", self._keep)

    def _keep(self, http_response: Any, **_: Any) -> None:
        self.last_text = http_response.content.decode()
        self.last = json.loads(self.last_text) if self.last_text else {}

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        names = self.client.meta.method_to_api_mapping
        python_name = next(each for each in names if names[each] == operation)
        answer: dict[str, Any] = getattr(self.client, python_name)(**request)
        answer.pop("ResponseMetadata")
        return answer

    @property
    def world(self) -> "World":
        if self._world is None:
            self._world = World(self)
        return self._world


class World:
    """Resources of the suite on a target: `data`, an ACTIVE dataset, and `model`, trained from it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.data = unique("data")
        call = target.call
        call("CreateDataset", DatasetName=self.data)
        self.place = {"S3InputConfiguration": {"Bucket": target.bucket, "Prefix": "conformance/"}}
        self.job = call(
            "StartDataIngestionJob", DatasetName=self.data, IngestionInputConfiguration=self.place, RoleArn=ROLE
        )["JobId"]
        self.wait(lambda: call("DescribeDataIngestionJob", JobId=self.job), "SUCCESS")
        self.model = self.trained()
        self.data_arn = call("DescribeDataset", DatasetName=self.data)["DatasetArn"]
        version = call("DescribeModelVersion", ModelName=self.model, ModelVersion=1)
        self.version_arn = version["ModelVersionArn"]

    def wait(self, look: Callable[[], Mapping[str, Any]], *wanted: str) -> Mapping[str, Any]:
        deadline = time.monotonic() + 120
        while (answer := look())["Status"] not in wanted:
            assert answer["Status"] not in {"FAILED", "CANCELED"}, answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.1)
        return answer

    def trained(self) -> str:
        """A new model, evaluated on its last days."""
        name = unique("model")
        days = {
            "EvaluationDataStartTime": START + timedelta(days=13),
            "EvaluationDataEndTime": START + timedelta(days=15),
        }
        self.target.call("CreateModel", ModelName=name, DatasetName=self.data, RoleArn=ROLE, **days)
        self.wait(lambda: self.target.call("DescribeModel", ModelName=name), "SUCCESS")
        return name

    def copied(self) -> str:
        """A new model with a version, without training."""
        name = unique("copy")
        self.target.call(
            "ImportModelVersion", SourceModelVersionArn=self.version_arn, ModelName=name, DatasetName=self.data
        )
        self.wait(lambda: self.target.call("DescribeModel", ModelName=name), "SUCCESS")
        return name

    def scheduler(self, **more: Any) -> dict[str, Any]:
        """What CreateInferenceScheduler takes, for a model without one."""
        where = {"Bucket": self.target.bucket, "Prefix": "conformance-live/"}
        return {
            "ModelName": self.copied(),
            "InferenceSchedulerName": unique("scheduler"),
            "DataUploadFrequency": "PT1H",
            "DataInputConfiguration": {"S3InputConfiguration": where},
            "DataOutputConfiguration": {"S3OutputConfiguration": where},
            "RoleArn": ROLE,
            **more,
        }

    def stopped(self) -> str:
        """A stopped inference scheduler; its name."""
        name: str = self.target.call("CreateInferenceScheduler", **self.scheduler())["InferenceSchedulerName"]
        self.target.call("StopInferenceScheduler", InferenceSchedulerName=name)
        self.wait(lambda: self.target.call("DescribeInferenceScheduler", InferenceSchedulerName=name), "STOPPED")
        return name

    def retraining(self) -> str:
        """A model with a running retraining scheduler; its name."""
        name = self.copied()
        request = {"ModelName": name, "RetrainingFrequency": "P1M", "LookbackWindow": "P180D"}
        self.target.call("CreateRetrainingScheduler", **request)
        return name

    def group(self) -> str:
        name = unique("group")
        self.target.call("CreateLabelGroup", LabelGroupName=name, FaultCodes=["leak"])
        return name

    def label(self, group: str) -> str:
        return str(self.target.call("CreateLabel", **label_request(group))["LabelId"])


def label_request(group: str, **more: Any) -> dict[str, Any]:
    return {"LabelGroupName": group, "StartTime": START, "EndTime": START + STEP, "Rating": "ANOMALY", **more}


def unique(what: str) -> str:
    return f"{what}-{uuid.uuid4().hex[:12]}"


def plant_csv() -> str:
    """Fifteen days of two related sensors."""
    made = random.Random(3)
    lines = ["Timestamp,load,flow"]
    for i in range(N_ROWS):
        load = 10 + 2 * math.sin(i / 20) + made.gauss(0, 0.1)
        lines.append(f"{START + i * STEP:%Y-%m-%dT%H:%M:%S},{load:.4f},{2 * load + made.gauss(0, 0.1):.4f}")
    return "\n".join(lines) + "\n"


_CONFIG = Config(parameter_validation=False, retries={"max_attempts": 1})


def _fill(data: Path) -> str:
    folder = data / "buckets" / "conformance" / "conformance" / "pump"
    folder.mkdir(parents=True)
    (folder / "all.csv").write_text(plant_csv())
    return "conformance"


def from_environment() -> Target | None:
    """The endpoint that the environment names, with boto3's own credentials; its bucket is filled through S3."""
    endpoint, bucket = os.environ.get(ENDPOINT_VARIABLE), os.environ.get(BUCKET_VARIABLE)
    if endpoint is None:
        return None
    assert bucket is not None, f"{ENDPOINT_VARIABLE} needs {BUCKET_VARIABLE}, a bucket that the service reads"
    boto3.client("s3").put_object(Bucket=bucket, Key="conformance/pump/all.csv", Body=plant_csv().encode())
    client = boto3.client("lookoutequipment", endpoint_url=endpoint, config=_CONFIG)
    return Target(client, endpoint, bucket, has_our_quotas=False)


@contextlib.contextmanager
def over_http(data: Path) -> Iterator[Target]:
    """Our service as its users run it."""
    bucket = _fill(data)
    with serving(data, environment=QUOTAS) as process:
        endpoint = f"http://127.0.0.1:{process.port}"
        client = boto3.client(
            "lookoutequipment",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id="none",
            aws_secret_access_key="none",
            config=_CONFIG,
        )
        yield Target(client, endpoint, bucket)


@contextlib.contextmanager
def in_process(data: Path) -> Iterator[Target]:
    """Our service inside this program."""
    bucket = _fill(data)
    os.environ.update(QUOTAS)
    try:
        with openlookout.local(data, config=_CONFIG) as client:
            yield Target(client, None, bucket)
    finally:
        for name in QUOTAS:
            os.environ.pop(name)
