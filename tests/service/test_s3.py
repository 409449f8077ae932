"""The whole path with the buckets on an S3 server: set by environment alone."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from service.test_process import plant
from serving import Process, ingest, serving, train

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    for bucket in ("openlookout", "customer-data"):
        client.create_bucket(Bucket=bucket)
    yield client
    server.stop()


@pytest.fixture(scope="module")
def process(s3: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    environment = {
        **KEYS,
        "OPENLOOKOUT_BUCKETS": "s3",
        "OPENLOOKOUT_S3_ENDPOINT": s3.meta.endpoint_url,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    with serving(tmp_path_factory.mktemp("s3"), environment=environment) as running:
        yield running


def test_files_in_s3_become_a_trained_version_and_diagnostics_in_s3(s3: Any, process: Process) -> None:
    text = io.BytesIO()
    plant(3000).write_csv(text)
    s3.put_object(Bucket="customer-data", Key="in/pump/a.csv", Body=text.getvalue())
    client = process.client()
    job = ingest(client, "d", "customer-data", "in/")
    assert job["Status"] == "SUCCESS", job
    output = {"S3OutputConfiguration": {"Bucket": "customer-data", "Prefix": "diagnostics/"}}
    model = train(client, "m", "d", ModelDiagnosticsOutputConfiguration=output)
    assert model["Status"] == "SUCCESS", model
    place = client.describe_model_version(ModelName="m", ModelVersion=1)["ModelDiagnosticsResultsObject"]
    assert s3.head_object(Bucket=place["Bucket"], Key=place["Key"])["ContentLength"] > 0
    ours = s3.list_objects_v2(Bucket="openlookout")["Contents"]
    assert {found["Key"].split("/")[0] for found in ours} == {"datasets", "models"}


def test_a_missing_bucket_fails_the_job_with_its_name(process: Process) -> None:
    failed = ingest(process.client(), "none", "no-such-bucket", "in/")
    assert failed["Status"] == "FAILED"
    assert "no-such-bucket" in failed["FailedReason"]


def test_an_endpoint_that_does_not_answer_is_refused_at_the_start(tmp_path: Path) -> None:
    environment = {
        **KEYS,
        "OPENLOOKOUT_BUCKETS": "s3",
        "OPENLOOKOUT_S3_ENDPOINT": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    }
    with pytest.raises(AssertionError, match="the bucket of the service's own objects cannot be used"):
        Process(tmp_path, environment=environment)
