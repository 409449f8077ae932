"""The process: starts and stops, guards its folder and its address, and takes up after kill -9 what it left."""

import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from serving import Process, ingest, serving, start_ingestion, train, wait

START = datetime(2024, 1, 1, tzinfo=UTC)


def plant(n: int, n_sensors: int = 4, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    load = np.sin(np.arange(n) / 50) + rng.normal(0, 0.1, n)
    columns = {f"s{i}": load * (i + 1) + rng.normal(0, 0.1, n) for i in range(n_sensors)}
    times = pl.datetime_range(START, START + timedelta(minutes=n - 1), "1m", eager=True)
    return pl.DataFrame({"time": times.dt.strftime("%Y-%m-%d %H:%M:%S"), **columns})


def write(bucket: Path, key: str, frame: pl.DataFrame) -> None:
    path = bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.write_csv(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("process")
    write(data / "buckets" / "plant-one", "in/pump/a.csv", plant(3000))
    return data


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator[Process]:
    with serving(folder) as running:
        yield running


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "openlookout.cli", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def test_health_and_metrics_are_served(process: Process) -> None:
    process.client().list_datasets()
    status, body = get(process.port, "/healthz")
    assert (status, json.loads(body)["status"]) == (200, "ok")
    status, body = get(process.port, "/metrics")
    assert status == 200
    assert 'openlookout_requests_total{operation="ListDatasets",outcome="ok"}' in body


def test_a_second_process_on_the_folder_is_refused_in_a_sentence(process: Process, folder: Path) -> None:
    second = run_cli("serve", "--data", str(folder), "--port", "0")
    assert second.returncode == 1
    assert second.stderr == (
        f"openlookout: the data folder {folder} is in use by another openlookout (process {process.popen.pid})\n"
    )


def test_a_taken_port_is_refused_in_a_sentence(process: Process, tmp_path: Path) -> None:
    second = run_cli("serve", "--data", str(tmp_path), "--port", str(process.port))
    assert second.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {process.port}" in second.stderr


def test_an_open_address_without_keys_is_refused_and_says_how_to_make_one(tmp_path: Path) -> None:
    refused = run_cli("serve", "--data", str(tmp_path), "--host", "0.0.0.0", "--port", "0")
    assert refused.returncode == 1
    assert f"openlookout keys create --data {tmp_path}" in refused.stderr


def test_with_keys_only_signed_requests_are_let_in_and_each_account_sees_its_own(tmp_path: Path) -> None:
    made = []
    for account in ("111111111111", "222222222222"):
        said = run_cli("keys", "create", "--data", str(tmp_path), "--account", account).stdout
        made.append(dict(line.removeprefix("export ").split("=", 1) for line in said.splitlines()))
    listed = run_cli("keys", "list", "--data", str(tmp_path)).stdout
    assert made[0]["AWS_ACCESS_KEY_ID"] in listed
    assert made[0]["AWS_SECRET_ACCESS_KEY"] not in listed
    with serving(tmp_path, "--host", "0.0.0.0") as process:
        one, two = (
            process.client(key=keys["AWS_ACCESS_KEY_ID"], secret=keys["AWS_SECRET_ACCESS_KEY"]) for keys in made
        )
        arn = one.create_dataset(DatasetName="mine")["DatasetArn"]
        assert ":111111111111:dataset/mine/" in arn
        assert len(one.list_datasets()["DatasetSummaries"]) == 1
        assert two.list_datasets()["DatasetSummaries"] == []
        one.create_dataset(DatasetName="more")
        token = one.list_datasets(MaxResults=1)["NextToken"]
        with pytest.raises(two.exceptions.ValidationException, match="NextToken does not belong"):
            two.list_datasets(NextToken=token)
        with pytest.raises(two.exceptions.ResourceNotFoundException):
            two.describe_dataset(DatasetName="mine")
        stranger = process.client(key=made[0]["AWS_ACCESS_KEY_ID"], secret="guessed")
        with pytest.raises(stranger.exceptions.ClientError, match="InvalidSignatureException"):
            stranger.list_datasets()
        nobody = process.client(key="AKIANOBODY", secret="x")
        with pytest.raises(nobody.exceptions.ClientError, match="UnrecognizedClientException"):
            nobody.list_datasets()
        assert process.stop() == 0


def test_regions_do_not_see_each_other(process: Process) -> None:
    process.client(region="eu-west-1").create_dataset(DatasetName="european")
    with pytest.raises(process.client().exceptions.ResourceNotFoundException):
        process.client().describe_dataset(DatasetName="european")


def test_rows_and_page_tokens_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as process:
        client = process.client()
        for name in "abc":
            client.create_dataset(DatasetName=name)
        token = client.list_datasets(MaxResults=1)["NextToken"]
        assert process.stop() == 0
    with serving(tmp_path) as process:
        rest = process.client().list_datasets(NextToken=token)["DatasetSummaries"]
        assert [row["DatasetName"] for row in rest] == ["b", "c"]


# The seconds are drawn anew each run, so that many runs see many places; a failure names its own.
@pytest.mark.parametrize("kind", ["ingestion", "training"])
def test_after_kill_9_the_job_is_resumed_and_ends_once(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "buckets" / "plant-two", "in/pump/a.csv", plant(60_000, 30))
    moments = [round(random.uniform(0.0, 1.0), 2) for _ in range(2)]
    with serving(tmp_path) as process:
        if kind == "training":
            assert ingest(process.client(), "d", "plant-two", "in/")["Status"] == "SUCCESS"
            process.client().create_model(ModelName="m", DatasetName="d")
        else:
            process.client().create_dataset(DatasetName="d")
            job = start_ingestion(process.client(), "d", "plant-two", "in/")
        time.sleep(moments[0])
        process.kill()
    with serving(tmp_path) as process:
        time.sleep(moments[1])
        process.kill()
    with serving(tmp_path) as process:
        client = process.client()
        if kind == "training":
            ended = wait(lambda: client.describe_model(ModelName="m"))
            assert ended["ActiveModelVersion"] == 1
            assert len(client.list_model_versions(ModelName="m")["ModelVersionSummaries"]) == 1
        else:
            ended = wait(lambda: client.describe_data_ingestion_job(JobId=job))
            assert client.describe_dataset(DatasetName="d")["Status"] == "ACTIVE"
            assert len(client.list_sensor_statistics(DatasetName="d")["SensorStatisticsSummaries"]) == 30
        assert ended["Status"] == "SUCCESS", (moments, ended)
        assert list((tmp_path / "scratch").iterdir()) == []


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    write(tmp_path / "buckets" / "plant-two", "in/pump/a.csv", plant(60_000, 30))
    with serving(tmp_path) as process:
        process.client().create_dataset(DatasetName="d")
        start_ingestion(process.client(), "d", "plant-two", "in/")
        deadline = time.monotonic() + 30
        while not (children := children_of(process.popen.pid)):
            assert time.monotonic() < deadline, "no child was started"
        process.kill()
        while any(Path(f"/proc/{child}").exists() for child in children):
            assert time.monotonic() < deadline, "a child outlived its parent"
            time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in listed.stdout.split()]


def test_a_re_ingestion_that_fails_leaves_the_dataset_as_it_was(process: Process, folder: Path) -> None:
    client = process.client()
    first = ingest(client, "kept", "plant-one", "in/")
    assert first["Status"] == "SUCCESS"
    job = start_ingestion(client, "kept", "plant-one", "nothing-here/")
    failed = wait(lambda: client.describe_data_ingestion_job(JobId=job))
    assert failed["Status"] == "FAILED"
    assert failed["FailedReason"].startswith(
        "No file of the components pump was found under s3://plant-one/nothing-here/"
    )
    described = client.describe_dataset(DatasetName="kept")
    assert described["Status"] == "ACTIVE"
    assert described["DataEndTime"] == first["DataEndTime"]
    shutil.rmtree(folder / "buckets" / "plant-one" / "nothing-here", ignore_errors=True)


BAD = {
    "too short": (plant(50), {}, r"50 rows of normal readings are there; 200 are needed"),
    "constant": (plant(500).with_columns(pl.col("^s.*$") * 0 + 7.5), {}, r"Every sensor is constant"),
    "always off": (plant(500), {"OffCondition": "pump\\s0 < 1000"}, r"off-condition 'pump\\s0 < 1000' holds for all"),
    "outside": (
        plant(500),
        {"TrainingDataStartTime": START - timedelta(days=9), "TrainingDataEndTime": START - timedelta(days=8)},
        r"no reading|not two readings",
    ),
}


BAD["nothing to evaluate"] = (
    plant(500),
    {"EvaluationDataStartTime": START + timedelta(days=30), "EvaluationDataEndTime": START + timedelta(days=31)},
    r"no reading in the evaluation range from 2024-01-31T00:00:00Z",
)


@pytest.mark.parametrize("name", BAD)
def test_data_that_cannot_be_learned_from_fails_with_a_sentence(process: Process, folder: Path, name: str) -> None:
    frame, more, pattern = BAD[name]
    key = name.replace(" ", "-")
    write(folder / "buckets" / f"bad-{key}", "pump/a.csv", frame)
    client = process.client()
    assert ingest(client, key, f"bad-{key}", "")["Status"] == "SUCCESS"
    model = train(client, key, key, **more)
    assert model["Status"] == "FAILED"
    assert re.search(pattern, model["FailedReason"]), model["FailedReason"]
    assert "Traceback" not in model["FailedReason"]
    summaries = client.list_model_versions(ModelName=key, Status="FAILED")["ModelVersionSummaries"]
    assert [summary["ModelVersion"] for summary in summaries] == [1]
    client.delete_model(ModelName=key)


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [
        ("1999-01-01T00:00:00,1999-01-02T00:00:00\n", "none of the 1 labels"),
        ("2024-01-01T03:00:00,2024-01-01T02:00:00\n", "line 1: the end"),
        ("soon,later\nyes,no\n", "line 2: 'yes' is no time"),
    ],
)
def test_labels_that_cannot_be_used_fail_the_version(
    process: Process, folder: Path, labels: str, pattern: str, request: pytest.FixtureRequest
) -> None:
    bucket = folder / "buckets" / "bad-labels"
    bucket.mkdir(exist_ok=True)
    (bucket / "labels.csv").write_text(labels)
    client = process.client()
    name = f"l{abs(hash(request.node.name))}"
    assert ingest(client, name, "plant-one", "in/")["Status"] == "SUCCESS"
    source: dict[str, Any] = {"S3InputConfiguration": {"Bucket": "bad-labels", "Prefix": ""}}
    model = train(client, name, name, LabelsInputConfiguration=source)
    assert model["Status"] == "FAILED"
    assert pattern.lower() in model["FailedReason"].lower()


def test_a_bucket_that_does_not_exist_fails_the_job_and_names_the_folder(process: Process) -> None:
    failed = ingest(process.client(), "nowhere", "no-such-bucket", "in/")
    assert failed["Status"] == "FAILED"
    assert "no-such-bucket" in failed["FailedReason"]
    assert process.client().describe_dataset(DatasetName="nowhere")["Status"] == "CREATED"


def test_prefixes_that_point_outside_are_refused(process: Process) -> None:
    client = process.client()
    failed = ingest(client, "outside-prefix", "plant-one", "../")
    assert failed["Status"] == "FAILED"
    assert os.sep + "etc" not in failed["FailedReason"]


def test_install_client_says_where_and_what_to_export(tmp_path: Path) -> None:
    done = run_cli("install-client", "--directory", str(tmp_path))
    folder = tmp_path / "lookoutequipment" / "2020-12-15"
    assert done.stdout == f"Installed {folder}\nexport AWS_DATA_PATH={tmp_path}\n"
    assert (folder / "service-2.json").is_file()


def test_a_finished_job_and_its_statistics_have_the_recorded_members(process: Process) -> None:
    """Origin: notebook, DescribeDataIngestionJob and ListSensorStatistics of May 2022."""
    client = process.client()
    job = dict(ingest(client, "recorded", "plant-one", "in/"))
    assert set(job) - {"ResponseMetadata"} == {
        *("JobId", "DatasetArn", "IngestionInputConfiguration", "RoleArn", "CreatedAt", "Status"),
        *("DataQualitySummary", "IngestedFilesSummary", "IngestedDataSize", "DataStartTime", "DataEndTime"),
    }
    assert job["IngestionInputConfiguration"] == {"S3InputConfiguration": {"Bucket": "plant-one", "Prefix": "in/"}}
    assert job["DataQualitySummary"] == {
        "InsufficientSensorData": {
            "MissingCompleteSensorData": {"AffectedSensorCount": 0},
            "SensorsWithShortDateRange": {"AffectedSensorCount": 4},
        },
        "MissingSensorData": {"AffectedSensorCount": 0, "TotalNumberOfMissingValues": 0},
        "InvalidSensorData": {"AffectedSensorCount": 0, "TotalNumberOfInvalidValues": 0},
        "UnsupportedTimestamps": {"TotalNumberOfUnsupportedTimestamps": 0},
        "DuplicateTimestamps": {"TotalNumberOfDuplicateTimestamps": 0},
    }
    assert job["IngestedFilesSummary"] == {
        "TotalNumberOfFiles": 1,
        "IngestedNumberOfFiles": 1,
        "DiscardedFiles": [],
    }
    rows = client.list_sensor_statistics(DatasetName="recorded")["SensorStatisticsSummaries"]
    assert [row["SensorName"] for row in rows] == ["s0", "s1", "s2", "s3"]
    assert set(rows[0]) == {
        *("ComponentName", "SensorName", "DataExists", "MissingValues", "InvalidValues", "InvalidDateEntries"),
        *("DuplicateTimestamps", "CategoricalValues", "MultipleOperatingModes", "LargeTimestampGaps"),
        *("MonotonicValues", "DataStartTime", "DataEndTime"),
    }
    assert rows[0]["MissingValues"] == {"Count": 0, "Percentage": 0.0}
    assert rows[0]["LargeTimestampGaps"] == {"Status": "NO_ISSUE_DETECTED"}
    assert rows[0]["DataStartTime"] == START
    older = client.list_sensor_statistics(DatasetName="recorded", IngestionJobId=job["JobId"])
    assert older["SensorStatisticsSummaries"] == rows
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="ingestion job"):
        client.list_sensor_statistics(DatasetName="recorded", IngestionJobId="0" * 32)


def test_broken_files_are_left_out_and_named_and_a_bad_header_fails_the_job(process: Process, folder: Path) -> None:
    bucket = folder / "buckets" / "mixed-files"
    write(bucket, "in/pump/good.csv", plant(300))
    (bucket / "in/pump/empty.csv").touch()
    (bucket / "in/pump/picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    client = process.client()
    job = ingest(client, "mixed", "mixed-files", "in/")
    assert job["Status"] == "SUCCESS", job
    assert job["IngestedFilesSummary"] == {
        "TotalNumberOfFiles": 3,
        "IngestedNumberOfFiles": 1,
        "DiscardedFiles": [
            {"Bucket": "mixed-files", "Key": "in/pump/empty.csv"},
            {"Bucket": "mixed-files", "Key": "in/pump/picture.csv"},
        ],
    }
    assert job["StatusDetail"].startswith("2 files were left out: 'in/pump/empty.csv': ")
    (bucket / "in/pump/header.csv").write_text("time,flow,pressure bar,flow\n2024-01-01 00:00:00,1,2,3\n")
    again = start_ingestion(client, "mixed", "mixed-files", "in/")
    failed = wait(lambda: client.describe_data_ingestion_job(JobId=again))
    assert failed["Status"] == "FAILED"
    assert failed["FailedReason"].startswith("file 'in/pump/header.csv', column 3: ")
    listed = client.list_data_ingestion_jobs(DatasetName="mixed")["DataIngestionJobSummaries"]
    assert [row["Status"] for row in listed] == ["FAILED", "SUCCESS"]
