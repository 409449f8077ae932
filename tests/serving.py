"""`openlookout serve` as a real process, for tests: starts it, finds its port, kills it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from served import boto_client

ROLE = "arn:aws:iam::123456789012:role/plant"
START_SECONDS_MAX = 60


class Process:
    """One run of the service on a data folder."""

    def __init__(self, data: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "openlookout.cli", "serve", "--data", str(data), "--port", "0", *flags]
        self.popen = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self.errors: list[str] = []
        threading.Thread(target=self._drain, daemon=True).start()
        self.port = self._find_port()

    def _drain(self) -> None:
        assert self.popen.stderr is not None
        self.errors.extend(self.popen.stderr)

    def _find_port(self) -> int:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            found = re.search(r"AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT=http://.*:(\d+)", line)
            if found:
                return int(found[1])
        time.sleep(0.2)
        raise AssertionError(f"serve ended with {self.popen.wait()}: {''.join(self.errors)}")

    def client(self, **options: Any) -> Any:
        return boto_client(self.port, **options)

    def kill(self) -> None:
        """kill -9: nothing is said goodbye to."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self) -> int:
        """SIGTERM; give the exit code."""
        self.popen.terminate()
        return self.popen.wait(timeout=40)


@contextlib.contextmanager
def serving(data: Path, *flags: str, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    process = Process(data, *flags, environment=environment)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.kill()


def wait(look: Callable[[], Mapping[str, Any]], seconds: float = 120) -> Mapping[str, Any]:
    """Look until the status is not one of work under way; give the last answer."""
    deadline = time.monotonic() + seconds
    while (answer := look())["Status"] in {"IN_PROGRESS", "PENDING", "STOPPING"}:
        assert time.monotonic() < deadline, f"still {answer['Status']} after {seconds} s"
        time.sleep(0.05)
    return answer


def ingest(client: Any, name: str, bucket: str, prefix: str, **more: Any) -> Mapping[str, Any]:
    """Create a dataset, ingest a prefix, give the ended job."""
    client.create_dataset(DatasetName=name)
    job = start_ingestion(client, name, bucket, prefix, **more)
    return wait(lambda: client.describe_data_ingestion_job(JobId=job))


def start_ingestion(client: Any, name: str, bucket: str, prefix: str, **more: Any) -> str:
    place = {"Bucket": bucket, "Prefix": prefix, **more}
    started = client.start_data_ingestion_job(
        DatasetName=name, IngestionInputConfiguration={"S3InputConfiguration": place}, RoleArn=ROLE
    )
    return str(started["JobId"])


def train(client: Any, name: str, dataset: str, **more: Any) -> Mapping[str, Any]:
    """Create a model, give the description of it when training has ended."""
    client.create_model(ModelName=name, DatasetName=dataset, RoleArn=ROLE, **more)
    return wait(lambda: client.describe_model(ModelName=name))
