"""AWS's own clients, unmodified, each in an environment of its own: their SDK package, the AWS CLI, old and new boto3.

The environments are made with pip from the configured package index; where that cannot be, these tests fail.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from openlookout.api.client_model import install
from openlookout.api.definition import definition
from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import served

# Pip takes as long as the machine and the index let it: half an hour on a busy one is no fault of the client's.
PIP_SECONDS_MAX = 1500
pytestmark = pytest.mark.timeout(1800)

SCRIPTS = Path(__file__).parent / "scripts"
START = datetime(2024, 3, 1, tzinfo=UTC)
ROWS_A_DAY, N_DAYS = 144, 8
BUCKET = "sdk-plant"
REQUIREMENTS = {
    # The oldest boto3 whose model has all 49 operations.
    "oldest": ["boto3==1.28.15"],
    "newest": ["boto3"],
    "cli": ["awscli"],
    "sdk": [
        "lookoutequipment==0.1.5",
        "pandas<2.2",  # Its replay needs frequencies that later ones dropped.
        "boto3",
        "s3fs",
        "awswrangler",
        "pytz",
        "matplotlib",
        "scipy",
        "markdown",
        "tqdm",
    ],
}


def make_environment(folder: Path, requirements: list[str]) -> Path:
    """Give the folder of the environment's programs."""
    venv.create(folder, with_pip=False, symlinks=os.name != "nt")
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    line = [sys.executable, "-m", "pip", "--python", str(programs / "python"), "install", "--quiet"]
    done = subprocess.run(
        [*line, "--disable-pip-version-check", "--only-binary", ":all:", *requirements],
        capture_output=True,
        text=True,
        check=False,
        timeout=PIP_SECONDS_MAX,
    )
    assert done.returncode == 0, f"no environment with {requirements}: {done.stderr[-2000:]}"
    return programs


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[Path]]]:
    folder = tmp_path_factory.mktemp("environments")
    with ThreadPoolExecutor(2) as threads:
        yield {name: threads.submit(make_environment, folder / name, REQUIREMENTS[name]) for name in REQUIREMENTS}
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Place:
    """A running service over an S3 server, on a clock that the test sets, and what clients need to find both."""

    clock: ManualClock
    variables: Mapping[str, str]
    s3: Any


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    data = tmp_path_factory.mktemp("clients")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    more = {name.lower(): value for name, value in keys.items()}
    s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **more)
    for bucket in ("openlookout", BUCKET):
        s3.create_bucket(Bucket=bucket)
    clock = ManualClock(datetime.now(UTC))
    patched = pytest.MonkeyPatch()
    for name, value in keys.items():
        patched.setenv(name, value)
    settings = Settings(data=data, buckets="s3", s3_endpoint=endpoint, workers=2)
    with running(settings, clock) as service, served(create_app(service.server)) as api:
        variables = {
            **keys,
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT": f"http://127.0.0.1:{api}",
            "AWS_ENDPOINT_URL_S3": endpoint,
            "WR_S3_ENDPOINT_URL": endpoint,
            "MPLCONFIGDIR": str(data / "matplotlib"),
        }
        yield Place(clock, variables, s3)
    patched.undo()
    server.stop()


def run(place: Place, *words: str | Path, **more: str) -> str:
    """Run a program against the service; give what it printed."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**place.variables, **more},
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return done.stdout


def write_plant(folder: Path) -> None:
    """Two components; in the evaluated days `flow` stops following `load` for six hours."""
    rng = np.random.default_rng(4)
    n = N_DAYS * ROWS_A_DAY
    days = np.arange(n) / ROWS_A_DAY
    load = 10 + 2 * np.sin(2 * np.pi * days * 3) + rng.normal(0, 0.1, n)
    flow = 2 * load + rng.normal(0, 0.1, n) + np.where((days >= 6.5) & (days < 6.75), 5.0, 0.0)
    times = [f"{START + timedelta(minutes=10 * i):%Y-%m-%dT%H:%M:%S.%f}" for i in range(n)]
    frames = {
        "motor": pl.DataFrame({"Timestamp": times, "load": load, "speed": rng.normal(1500, 5, n)}),
        "pump": pl.DataFrame({"Timestamp": times, "flow": flow, "heat": rng.normal(50, 1, n)}),
    }
    for name, frame in frames.items():
        (folder / "training-data" / name).mkdir(parents=True)
        frame.write_csv(folder / "training-data" / name / "all.csv")
    label = [START + timedelta(days=6.5), START + timedelta(days=6.75)]
    (folder / "labels.csv").write_text(",".join(f"{at:%Y-%m-%dT%H:%M:%S.%f}" for at in label) + "\n")


def test_aws_sdk_package_from_upload_to_predictions(
    place: Place, environments: Mapping[str, Future[Path]], tmp_path: Path
) -> None:
    python = environments["sdk"].result() / "python"
    write_plant(tmp_path)
    run(place, python, SCRIPTS / "sdk_story.py", "before", tmp_path, tmp_path / "before.json")
    saw = json.loads((tmp_path / "before.json").read_text())
    assert saw["schema"] == ["motor", "pump"]
    assert saw["job"] == ["SUCCESS", 2]
    assert saw["trained"] == "IN_PROGRESS"
    assert saw["models"] == ["sdk", "sdk"]
    assert saw["datasets"] == ["sdk"]
    assert saw["labels"] == [["2024-03-07 12:00:00", "2024-03-07 18:00:00"]]
    inside = [row for row in saw["predicted"] if row[0] < "2024-03-07 18:00:00" and row[1] > "2024-03-07 12:00:00"]
    assert inside
    assert all(row[2] == 4 for row in saw["predicted"])
    assert set(saw["ranked"]) == {"load", "speed", "flow", "heat"}
    assert "It will wake up every **1 minutes**" in saw["report"]  # It reads PT1H so.
    assert "`pump_" in saw["report"]
    assert (tmp_path / "report.html").read_text().startswith("<!DOCTYPE html>")
    advance(place)
    run(place, python, SCRIPTS / "sdk_story.py", "after", tmp_path, tmp_path / "after.json")
    saw = json.loads((tmp_path / "after.json").read_text())
    assert len(saw["executions"]) >= 2
    assert all(key.endswith("Z/results.jsonl") for key in saw["executions"])
    assert {"prediction", "anomaly_score"} <= set(saw["columns"])
    assert saw["rows"] >= 6
    assert saw["datasets"] == []


def advance(place: Place) -> None:
    """Let three hours pass, and wait until what was due has run."""
    client = boto3.client(
        "lookoutequipment",
        endpoint_url=place.variables["AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT"],
        region_name="us-east-1",
    )
    place.clock.advance(timedelta(hours=3))
    for _ in range(600):
        rows = client.list_inference_executions(InferenceSchedulerName="sdk")["InferenceExecutionSummaries"]
        if len(rows) == 3 and not [row for row in rows if row["Status"] == "IN_PROGRESS"]:
            return
        time.sleep(0.1)
    raise AssertionError(rows)


def test_the_aws_cli_with_our_waiters_and_paginators(
    place: Place, environments: Mapping[str, Future[Path]], tmp_path: Path
) -> None:
    aws = environments["cli"].result() / "aws"
    install(tmp_path)

    def call(*words: str) -> Any:
        said = run(place, aws, "lookoutequipment", *words, AWS_DATA_PATH=str(tmp_path))
        return json.loads(said) if said else None

    write_plant(tmp_path / "data")
    for component in ("motor", "pump"):
        key = f"cli/{component}/all.csv"
        place.s3.upload_file(str(tmp_path / "data" / "training-data" / component / "all.csv"), BUCKET, key)
    assert call("create-dataset", "--dataset-name", "cli")["Status"] == "CREATED"
    where = json.dumps({"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "cli/"}})
    role = ("--role-arn", "arn:aws:iam::123456789012:role/plant")
    job = call("start-data-ingestion-job", "--dataset-name", "cli", "--ingestion-input-configuration", where, *role)
    call("wait", "ingestion-job-complete", "--job-id", job["JobId"])
    assert call("create-model", "--model-name", "cli", "--dataset-name", "cli")["Status"] == "IN_PROGRESS"
    call("wait", "model-trained", "--model-name", "cli")
    versions = call("list-model-versions", "--model-name", "cli", "--status", "SUCCESS", "--min-model-version", "1")
    assert [row["ModelVersion"] for row in versions["ModelVersionSummaries"]] == [1]
    statistics = call("list-sensor-statistics", "--dataset-name", "cli", "--page-size", "1")
    assert len(statistics["SensorStatisticsSummaries"]) == 4  # Page by page, put together.
    first = call("list-sensor-statistics", "--dataset-name", "cli", "--max-items", "3")
    assert len(first["SensorStatisticsSummaries"]) == 3
    rest = call("list-sensor-statistics", "--dataset-name", "cli", "--starting-token", first["NextToken"])
    assert len(rest["SensorStatisticsSummaries"]) == 1
    call("delete-model", "--model-name", "cli")
    call("delete-dataset", "--dataset-name", "cli")


def check_every_operation(came: Mapping[str, Any]) -> None:
    assert set(came["came"]) == set(definition()["operations"])
    for name, outcome in came["came"].items():
        assert outcome == "ok" or outcome in came["modelled"][name], (name, outcome)
    assert [name for name, outcome in came["came"].items() if outcome == "InternalServerException"] == []
    assert {"CreateDataset", "CreateLabelGroup", "ListModelVersions"} <= {
        name for name, outcome in came["came"].items() if outcome == "ok"
    }


def test_the_oldest_boto3_with_all_operations(place: Place, environments: Mapping[str, Future[Path]]) -> None:
    """It knows no endpoint variables yet: the endpoint comes as its users then gave it."""
    python = environments["oldest"].result() / "python"
    script = SCRIPTS / "every_operation.py"
    endpoint = place.variables["AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT"]
    program = f"""
import boto3, functools, runpy
boto3.client = functools.partial(boto3.client, endpoint_url={endpoint!r})
runpy.run_path({str(script)!r})
"""
    came = json.loads(run(place, python, "-c", program))
    assert came["boto3"] == "1.28.15"
    check_every_operation(came)


def test_the_newest_boto3_without_a_model_of_the_service(
    place: Place, environments: Mapping[str, Future[Path]], tmp_path: Path
) -> None:
    """As after its retirement from botocore: our installed model is all that there is."""
    python = environments["newest"].result() / "python"
    for found in python.parents[1].rglob("botocore/data/lookoutequipment"):
        shutil.rmtree(found)
    install(tmp_path)
    program = "import boto3\ntry:\n    boto3.client('lookoutequipment')\nexcept Exception as error:\n    print(type(error).__name__)"
    assert run(place, python, "-c", program) == "UnknownServiceError\n"
    check_every_operation(json.loads(run(place, python, SCRIPTS / "every_operation.py", AWS_DATA_PATH=str(tmp_path))))
