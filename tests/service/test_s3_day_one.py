"""The first day with everything in S3: adopt from a bucket, the old input scored there, a late file correcting it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import select

from adopt import simulator
from adopt.simulator import Leftovers
from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.store.tables import inference_execution, replay
from service.test_live import two_components
from service.test_replay import until

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
N_HOURS = simulator.N_EVALUATED // 12
LATE_HOUR = N_HOURS - 4


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {"region_name": "us-east-1", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", **given)
    client.create_bucket(Bucket="openlookout")
    yield client
    server.stop()


def fill(s3: Any, bucket: str, left: Leftovers) -> None:
    """As the old service's users left it."""
    s3.create_bucket(Bucket=bucket)
    for path in left.folder.rglob("*"):
        if path.is_file():
            s3.put_object(Bucket=bucket, Key=path.relative_to(left.folder).as_posix(), Body=path.read_bytes())


def adopt(s3: Any, folder: Path, buckets: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    environment = {**os.environ, **KEYS, **files, "OPENLOOKOUT_BUCKETS": buckets}
    environment["OPENLOOKOUT_S3_ENDPOINT"] = s3.meta.endpoint_url
    command = [sys.executable, "-m", "openlookout.cli", "adopt", *arguments, "--data", str(folder / "data"), "--yes"]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=240
    )


def text(s3: Any, key: str) -> str:
    body: bytes = s3.get_object(Bucket="old-plant", Key=key)["Body"].read()
    return body.decode()


def test_a_bucket_is_adopted_scored_and_corrected_where_it_is(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = Leftovers(tmp_path / "left")
    for write in ("write_labels", "write_input", "write_results", "write_answers"):
        getattr(left, write)()
    left.write_training("{prefix}/{component_name}/*")
    fill(s3, "old-plant", left)
    ran = adopt(s3, tmp_path, "s3", "s3://old-plant/")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "files copied" not in ran.stdout, "they stay where they are"
    for what in ("dataset old-pump", "model old-pump-model", "scheduler old-pump-scheduler"):
        assert f"{what}: made" in ran.stdout
    (report,) = json.loads((tmp_path / "agreement.json").read_text())["models"]
    assert (report["n_then"], report["n_found"]) == (2, 1)
    start = simulator.EVALUATED + LATE_HOUR * simulator.HOUR
    key = f"inference/output/{start:%Y-%m-%dT%H:%M:%SZ}/results.jsonl"
    first, old = text(s3, key), text(s3, f"{key}.revision-0")
    assert old.splitlines()[0] == json.dumps(simulator.result(start + simulator.STEP))
    assert len(first.splitlines()) == 12

    again = adopt(s3, tmp_path, "s3", "s3://old-plant/")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "model old-pump-model: is there" in again.stdout
    assert "windows of old-pump-scheduler" not in again.stdout
    assert text(s3, key) == first

    # A file of a window that was scored is written again, and the results follow by themselves.
    rows = two_components(simulator.readings()[simulator.N_TRAINED :])["pump"][LATE_HOUR * 12 : LATE_HOUR * 12 + 12]
    name = f"inference/input/pump_{start:%Y%m%d%H%M%S}.csv"
    s3.put_object(Bucket="old-plant", Key=name, Body=rows.with_columns(pl.col("b") + 0.5).write_csv().encode())
    for variable, value in KEYS.items():
        monkeypatch.setenv(variable, value)
    settings = Settings(data=tmp_path / "data", workers=2, buckets="s3", s3_endpoint=s3.meta.endpoint_url)
    with running(settings, ManualClock(simulator.END)) as service:

        def replays() -> list[str]:
            with service.database.reading() as connection:
                asked = select(replay.c.status).where(replay.c.origin == "LATE")
                return list(connection.execute(asked).scalars())

        until(lambda: replays() == ["SUCCESS"], 90)
        with service.database.reading() as connection:
            mine = select(inference_execution.c.revision).where(inference_execution.c.data_start == start)
            assert connection.execute(mine).scalar_one() == 2
    assert text(s3, f"{key}.revision-0") == old
    assert text(s3, f"{key}.revision-1") == first
    assert text(s3, key) != first


def test_what_is_in_s3_is_copied_to_a_service_of_folders_and_an_unknown_bucket_is_named(
    s3: Any, tmp_path: Path
) -> None:
    left = Leftovers(tmp_path / "left")
    left.write_training("{prefix}/{component_name}_*", prefix="a/training/")
    left.write("b/training/other.csv", "time,x\n2024-01-01 00:00:00,1\n")
    fill(s3, "copied", left)
    ran = adopt(s3, tmp_path, "folder", "s3://copied/a/")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 files copied into bucket copied" in ran.stdout
    there = tmp_path / "data" / "buckets" / "copied"
    assert sorted(path.relative_to(there).as_posix() for path in there.rglob("*.csv")) == [
        f"a/training/{component}_{number}.csv" for component in ("motor", "pump") for number in range(2)
    ]
    refused = adopt(s3, tmp_path, "folder", "s3://no-such-bucket/", "--plan", "other.yaml")
    assert refused.returncode == 1
    assert refused.stderr == (
        "openlookout: s3://no-such-bucket/ cannot be listed: there is no bucket 'no-such-bucket': create it first\n"
    )
