"""The service inside a program: a client without a socket, an engine that ends with it, and a client with our model."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import WaiterError

import openlookout
from openlookout.api.client_model import LIST_RESULTS, WAITERS
from openlookout.app.refused import StartRefused
from service.test_retraining import BUCKET, N_DAYS, ROWS_A_DAY, START, readings
from serving import ROLE, serving


def with_data(data: Path) -> Path:
    bucket = data / "buckets" / BUCKET
    (bucket / "training" / "pump").mkdir(parents=True)
    readings(START, N_DAYS * ROWS_A_DAY, 1).write_csv(bucket / "training" / "pump" / "all.csv")
    return data


def engines(data: Path) -> list[int]:
    """The processes whose command line names the folder, this one and its parents apart."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"engine" in words and str(data).encode() in words:
                found.append(int(entry.name))
    return found


def gone(data: Path) -> bool:
    deadline = time.monotonic() + 20
    while engines(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_from_files_to_versions_without_a_server_and_again_the_next_day(tmp_path: Path) -> None:
    """A path with a space; paginators and waiters as AWS never had them."""
    data = with_data(tmp_path / "my plant")
    with openlookout.local(data) as client:
        made = client.create_dataset(DatasetName="plant", ClientToken="constant")["DatasetArn"]
        place = {"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "training/"}}
        job = client.start_data_ingestion_job(DatasetName="plant", IngestionInputConfiguration=place, RoleArn=ROLE)
        client.get_waiter("ingestion_job_complete").wait(JobId=job["JobId"], WaiterConfig={"Delay": 1})
        client.create_model(ModelName="plant", DatasetName="plant")
        client.get_waiter("model_trained").wait(ModelName="plant", WaiterConfig={"Delay": 1})
        pages = client.get_paginator("list_model_versions").paginate(ModelName="plant")
        before = [row for page in pages for row in page["ModelVersionSummaries"]]
        assert [(row["ModelVersion"], row["Status"]) for row in before] == [(1, "SUCCESS")]
        assert len(engines(data)) == 1
    assert gone(data)
    with pytest.raises(StartRefused, match="is closed: its engine ended with 0"):
        client.list_datasets()
    client.close()  # A second time does nothing.
    with openlookout.local(data) as client:
        assert client.list_model_versions(ModelName="plant")["ModelVersionSummaries"] == before
        # A token survives a restart.
        assert client.create_dataset(DatasetName="plant", ClientToken="constant")["DatasetArn"] == made


def test_two_folders_at_once_and_one_folder_twice(tmp_path: Path) -> None:
    with openlookout.local(tmp_path / "a") as first, openlookout.local(tmp_path / "b") as second:
        first.create_dataset(DatasetName="a")
        assert second.list_datasets()["DatasetSummaries"] == []
        with pytest.raises(StartRefused, match=f"the data folder {tmp_path / 'a'} is in use by another openlookout"):
            openlookout.local(tmp_path / "a")
        assert len(first.list_datasets()["DatasetSummaries"]) == 1
    with serving(tmp_path / "a"), pytest.raises(StartRefused, match="is in use by another openlookout"):
        openlookout.local(tmp_path / "a")


def test_errors_are_the_modelled_ones_and_requests_are_signed_where_keys_are(tmp_path: Path) -> None:
    with openlookout.local(tmp_path) as client:
        with pytest.raises(client.exceptions.ResourceNotFoundException, match="The model 'nobody' does not exist"):
            client.describe_model(ModelName="nobody")
        with pytest.raises(client.exceptions.ValidationException, match="regular expression"):
            client.create_dataset(DatasetName="not a name")
        assert ":eu-west-1:" in region_of(tmp_path, client)
    line = [sys.executable, "-m", "openlookout.cli", "keys", "create", "--data", str(tmp_path)]
    said = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    key, secret = (part.partition("=")[2] for part in said.splitlines())
    with (
        openlookout.local(tmp_path) as client,
        pytest.raises(client.exceptions.ClientError, match="UnrecognizedClient"),
    ):
        client.list_datasets()
    with openlookout.local(tmp_path, aws_access_key_id=key, aws_secret_access_key=secret) as client:
        assert client.list_datasets()["DatasetSummaries"]


def region_of(data: Path, client: Any) -> str:
    """The ARN of what is made in a region that the caller chose."""
    made = client.create_dataset(DatasetName="here")
    assert ":us-east-1:" in made["DatasetArn"]
    client.close()
    with openlookout.local(data, region_name="eu-west-1") as elsewhere:
        return str(elsewhere.create_dataset(DatasetName="there")["DatasetArn"])


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
@pytest.mark.parametrize("end", ["kill", "exit", "raise"])
def test_the_engine_ends_with_its_program_however_that_ends(tmp_path: Path, end: str) -> None:
    program = textwrap.dedent(
        f"""
        import sys, time, openlookout
        client = openlookout.local({str(tmp_path)!r})
        client.create_dataset(DatasetName="here")
        print("made", flush=True)
        if {end!r} == "kill":
            time.sleep(60)
        if {end!r} == "raise":
            raise KeyError("mine")
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    if end == "kill":
        assert len(engines(tmp_path)) == 1
        os.kill(process.pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=40)
    assert process.returncode == {"kill": -9, "exit": 0, "raise": 1}[end], errors
    assert gone(tmp_path)
    with openlookout.local(tmp_path) as client:
        assert [row["DatasetName"] for row in client.list_datasets()["DatasetSummaries"]] == ["here"]


def test_an_engine_that_was_killed_is_said_to_be_gone(tmp_path: Path) -> None:
    client = openlookout.local(tmp_path)
    os.kill(engines(tmp_path)[0], signal.SIGKILL)
    assert gone(tmp_path)
    with pytest.raises(StartRefused, match="its engine ended with -9"):  # noqa: PT012  # The first call may be too soon.
        for _ in range(200):
            client.list_datasets()
            time.sleep(0.05)
    client.close()


def test_settings_that_do_not_fit_are_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLOOKOUT_LIMITS", "none")
    with pytest.raises(StartRefused, match="limits must be one of own, aws, not 'none'"):
        openlookout.local(tmp_path)
    monkeypatch.setenv("OPENLOOKOUT_PORT", "many")
    with pytest.raises(StartRefused, match="OPENLOOKOUT_PORT must be a whole number"):
        openlookout.local(tmp_path)
    assert engines(tmp_path) == []


def test_a_client_of_a_served_service_needs_nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with serving(tmp_path / "data") as process:
        endpoint = f"http://127.0.0.1:{process.port}"
        client = openlookout.client(endpoint)
        assert client.list_models()["ModelSummaries"] == []
        monkeypatch.setenv("AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT", endpoint)
        found = openlookout.client(region_name="eu-west-1")
        assert ":eu-west-1:" in found.create_dataset(DatasetName="d")["DatasetArn"]
        with pytest.raises(WaiterError, match="CREATED"):
            found.get_waiter("dataset_active").wait(DatasetName="d")
    assert set(client.waiter_names) == set(WAITERS)
    methods = client.meta.method_to_api_mapping
    assert {methods[name] for name in methods if client.can_paginate(name)} == set(LIST_RESULTS)
    assert not (tmp_path / "home").exists()


def test_importing_the_package_loads_nothing_of_it() -> None:
    program = "import sys, openlookout; print([name for name in sys.modules if name.startswith('openlookout.')])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
    with pytest.raises(AttributeError, match="has no attribute 'other'"):
        openlookout.other  # noqa: B018  # The access is what is tested.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("end", ["close", "kill", "child"])
def test_a_forked_child_of_the_program_neither_holds_nor_ends_the_engine(tmp_path: Path, end: str) -> None:
    """The child has a copy of every pipe, and runs what the program registered for its end."""
    program = textwrap.dedent(
        f"""
        import os, sys, time, openlookout
        client = openlookout.local({str(tmp_path)!r})
        child = os.fork()
        if child == 0:
            if {end!r} == "child":
                try:
                    client.list_datasets()
                except openlookout.embed.StartRefused as error:
                    print("refused", error, flush=True)
                sys.exit(0)
            time.sleep(60)
            os._exit(0)
        if {end!r} == "child":
            os.waitpid(child, 0)
            client.create_dataset(DatasetName="here")
        print("forked", child, flush=True)
        if {end!r} == "kill":
            time.sleep(60)
        started = time.monotonic()
        client.close()
        print("closed in", time.monotonic() - started, flush=True)
        os._exit(0)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    said = next(lines)
    if end == "child":
        assert said.startswith(f"refused the service on {tmp_path} belongs to process {process.pid}")
        said = next(lines)
    assert said.startswith("forked ")
    child = int(said.split()[1])
    try:
        if end == "kill":
            assert len(engines(tmp_path)) == 1
            os.kill(process.pid, signal.SIGKILL)
        else:
            assert float(next(lines).split()[-1]) < 20
        assert gone(tmp_path)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        process.communicate(timeout=40)


def test_no_busy_child_of_the_engine_outlives_a_killed_program(tmp_path: Path) -> None:
    """A training is under way in a child of the engine."""
    data = with_data(tmp_path)
    program = textwrap.dedent(
        f"""
        import time, openlookout
        client = openlookout.local({str(data)!r})
        client.create_dataset(DatasetName="plant")
        place = {{"S3InputConfiguration": {{"Bucket": {BUCKET!r}, "Prefix": "training/"}}}}
        job = client.start_data_ingestion_job(DatasetName="plant", IngestionInputConfiguration=place, RoleArn={ROLE!r})
        client.get_waiter("ingestion_job_complete").wait(JobId=job["JobId"], WaiterConfig={{"Delay": 1}})
        client.create_model(ModelName="plant", DatasetName="plant")
        while "TrainingExecutionStartTime" not in client.describe_model(ModelName="plant"):
            time.sleep(0.01)
        print("training", flush=True)
        time.sleep(60)
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    below = descendants(process.pid)
    assert len(below) >= 2  # The engine, and at least one child of it.
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=40)
    deadline = time.monotonic() + 20
    while left := [pid for pid in below if is_running(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    with openlookout.local(data) as client:  # Taken up where it was.
        client.get_waiter("model_trained").wait(ModelName="plant", WaiterConfig={"Delay": 1})


def descendants(pid: int) -> list[int]:
    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def is_running(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_embedded_api_has_the_settings_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is kept for no hour is free at once."""
    monkeypatch.setenv("OPENLOOKOUT_TOKEN_HOURS", "0")
    monkeypatch.setenv("OPENLOOKOUT_LIMIT_TAGS", "1")
    with openlookout.local(tmp_path) as client:
        client.create_dataset(DatasetName="a", ClientToken="constant")
        time.sleep(0.01)
        client.create_dataset(DatasetName="b", ClientToken="constant")
        with pytest.raises(client.exceptions.ServiceQuotaExceededException, match="2 tags on the resource; 1 is the"):
            client.create_dataset(DatasetName="c", Tags=[{"Key": key, "Value": "v"} for key in "ab"])
