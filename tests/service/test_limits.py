"""Quotas of jobs: an ingestion, a training or an execution that passes one is FAILED and names quota and value."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.limits import ENVIRONMENT_PREFIX
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import boto_client, served
from service.test_retraining import BUCKET, END, N_DAYS, ROWS_A_DAY, START, at, readings
from serving import ROLE, ingest, train, wait

QUOTAS = {
    "FILES": 3,
    "FILE_BYTES": 120_000,
    "DATASET_BYTES": 200_000,
    "COMPONENTS": 2,
    "COLUMNS": 6,
    "TRAINING_ROWS": 1_200,
    "TRAINING_DAYS_MIN": 3,
    "EVALUATION_ROWS": 300,
    "INFERENCE_FILES": 2,
    "INFERENCE_BYTES_A_MINUTE": 10,
}


def put(bucket: Path, prefix: str, files: dict[str, pl.DataFrame]) -> None:
    for name, frame in files.items():
        path = bucket / prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frame.write_csv(path)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, ManualClock, Path]]:
    data = tmp_path_factory.mktemp("limits")
    bucket = data / "buckets" / BUCKET
    put(bucket, "good", {"pump/all.csv": readings(START, N_DAYS * ROWS_A_DAY, 1)})
    clock, patched = ManualClock(END), pytest.MonkeyPatch()
    for name, value in QUOTAS.items():
        patched.setenv(ENVIRONMENT_PREFIX + name, str(value))
    with running(Settings(data=data, workers=2), clock) as service, served(create_app(service.server)) as port:
        client = boto_client(port)
        assert ingest(client, "plant", BUCKET, "good/")["Status"] == "SUCCESS"
        yield client, clock, bucket
    patched.undo()


def wide(n_sensors: int) -> pl.DataFrame:
    return readings(START, 20, 1).select("time", *(pl.col("load").alias(f"s{i}") for i in range(n_sensors)))


INGESTIONS: dict[str, tuple[dict[str, pl.DataFrame], str]] = {
    "files": ({f"pump/{i}.csv": readings(START + timedelta(days=i), 5, i) for i in range(4)}, "has 4 files; 3 is the"),
    "file": ({"pump/a.csv": readings(START, 4_000, 1)}, "'file/pump/a.csv' has .* bytes; 120000 is the quota"),
    "bytes": (
        {f"pump/{i}.csv": readings(START + timedelta(days=20 * i), 2_000, i) for i in range(3)},
        "The files have .* bytes; 200000 is the quota",
    ),
    "components": ({f"c{i}/a.csv": readings(START, 5, i) for i in range(3)}, "have 3 components; 2 is the quota"),
    "columns": ({"pump/a.csv": wide(6)}, "have 7 columns; 6 is the quota"),
}


@pytest.mark.parametrize("name", INGESTIONS)
def test_an_ingestion_that_passes_a_quota_fails_and_leaves_the_dataset_empty(plant: Any, name: str) -> None:
    client, _, bucket = plant
    files, message = INGESTIONS[name]
    put(bucket, name, files)
    job = ingest(client, name, BUCKET, f"{name}/", KeyPattern="{prefix}/{component_name}/*")
    assert job["Status"] == "FAILED"
    assert re.search(message, job["FailedReason"]), job["FailedReason"]
    assert client.describe_dataset(DatasetName=name)["Status"] == "CREATED"


def test_a_training_has_rows_and_days_within_its_quotas(plant: Any) -> None:
    client, _, _ = plant
    fine = {"DataPreProcessingConfiguration": {"TargetSamplingRate": "PT5M"}}
    model = train(client, "rows", "plant", **fine)
    assert model["Status"] == "FAILED"
    assert "1,200 are the limit" in model["FailedReason"]
    model = train(client, "days", "plant", TrainingDataStartTime=at(0), TrainingDataEndTime=at(2))
    assert model["FailedReason"] == "The training range holds 2 days of data; 3 are needed."
    model = train(client, "evaluated", "plant", EvaluationDataStartTime=at(4), EvaluationDataEndTime=at(8))
    assert model["Status"] == "FAILED"
    assert "are the limit" in model["FailedReason"]
    # Without an evaluation range the training range is scored, and has the training's quota.
    output = {"ModelDiagnosticsOutputConfiguration": {"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}}}
    assert train(client, "good", "plant", TrainingDataEndTime=at(7), **output)["Status"] == "SUCCESS"


def test_an_execution_has_files_bytes_and_rows_within_its_quotas(plant: Any) -> None:
    """An hour has at most 600 bytes here, and two files of a component."""
    client, clock, bucket = plant
    client.create_inference_scheduler(
        ModelName="good",
        InferenceSchedulerName="good",
        DataUploadFrequency="PT1H",
        DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "live/"}},
        DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}},
        RoleArn=ROLE,
    )
    wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="good"))
    first = clock.now()
    small = readings(first, 6, 1)
    put(bucket, "live", {f"pump_{first:%Y%m%d%H%M%S}.csv": small})
    large = readings(first + timedelta(hours=10), 60, 1)
    put(bucket, "live", {f"pump_{first + timedelta(hours=10):%Y%m%d%H%M%S}.csv": large})
    for minute in (0, 20, 40):
        start = first + timedelta(hours=20, minutes=minute)
        put(bucket, "live", {f"pump_{start:%Y%m%d%H%M%S}.csv": readings(start, 2, 1)})
    clock.advance(timedelta(hours=21))

    def ended() -> dict[str, Any]:
        rows = client.list_inference_executions(InferenceSchedulerName="good")["InferenceExecutionSummaries"]
        busy = len(rows) < 21 or any(row["Status"] == "IN_PROGRESS" for row in rows)
        return {"Status": "IN_PROGRESS" if busy else "SUCCESS", "rows": rows}

    rows = {row["DataStartTime"]: row for row in wait(ended)["rows"]}
    assert rows[first]["Status"] == "SUCCESS"
    assert re.search("have .* bytes; 600 is the quota", rows[first + timedelta(hours=10)]["FailedReason"])
    assert "'pump' has 3 files; 2 is the quota" in rows[first + timedelta(hours=20)]["FailedReason"]
