"""`openlookout collect` as a process between a real broker and the API: killed in the middle, nothing lost or doubled."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from collect.broker import Broker
from collect.conftest import MINUTE_US, START_US, publisher, until
from operations.rows import add_dataset, add_model, scheduler_request
from served import Api, api_alone

N_MESSAGES = 300


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    with api_alone(f"sqlite:///{tmp_path_factory.mktemp('api') / 'openlookout.db'}") as api:
        yield api


def configuration(folder: Path, api: Api, broker: Broker, sensor: str = "pump\\flow") -> Path:
    name = add_model(api, add_dataset(api))
    api.client.create_inference_scheduler(**scheduler_request(name, name))
    file = folder / "collect.yaml"
    topic = {"topic": "plant/#", "format": "json", "time": "ts", "values": {"flow": sensor}}
    mqtt = {"host": "127.0.0.1", "port": broker.port, "client_id": name}
    said = {
        "scheduler": name,
        "endpoint": f"http://127.0.0.1:{api.port}",
        "settle_seconds": 0,
        "sources": [{"mqtt": {**mqtt, "topics": [topic]}}],
    }
    file.write_text(json.dumps(said))  # JSON is YAML.
    return file


def start(file: Path, data: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "openlookout.cli", "collect", str(file), "--data", str(data), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ})


def rows(data: Path) -> list[str]:
    files = sorted((data / "buckets" / "bucket").glob("pump_*.csv"))
    return [line for file in files for line in file.read_text().splitlines()[1:]]


def test_a_collection_that_is_killed_goes_on_and_every_reading_is_there_once(
    tmp_path: Path, service: Api, broker: Broker
) -> None:
    (tmp_path / "buckets" / "bucket").mkdir(parents=True)
    file = configuration(tmp_path, service, broker)
    process = start(file, tmp_path)
    assert process.stdout is not None
    while "subscribed" not in (line := process.stdout.readline()):
        assert line, "the collection ended"
    device = publisher(broker.port)
    device.send("plant/a", json.dumps({"ts": START_US // 1000, "flow": 0}))
    until(lambda: rows(tmp_path))
    for number in range(1, N_MESSAGES):
        at = START_US + number * MINUTE_US
        device.client.publish("plant/a", json.dumps({"ts": at // 1000, "flow": number}), qos=1)
        if number == N_MESSAGES // 3:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if number == 2 * N_MESSAGES // 3:
            broker.stop()  # Killed it would lose what it has acknowledged and not saved yet: nobody could get that again.
            broker.start()
    again = start(file, tmp_path)
    until(lambda: len(rows(tmp_path)) >= N_MESSAGES, 90)
    again.terminate()
    assert again.wait(30) == 0
    device.client.disconnect()
    assert sorted(float(row.split(",")[1]) for row in rows(tmp_path)) == [float(n) for n in range(N_MESSAGES)]


def test_a_check_looks_at_the_file_and_the_scheduler_only(tmp_path: Path, service: Api, broker: Broker) -> None:
    process = start(configuration(tmp_path, service, broker), tmp_path, "--check")
    said, _ = process.communicate(timeout=60)
    assert "has no DataDelayOffsetInMinutes: its executions begin before the last" in said
    assert "All is well; the first file of 1970 would be s3://bucket/pump_19700101000000.csv" in said
    assert process.returncode == 0


def test_a_sensor_that_the_model_does_not_have_is_refused(tmp_path: Path, service: Api, broker: Broker) -> None:
    process = start(configuration(tmp_path, service, broker, "pump\\temp"), tmp_path)
    said, _ = process.communicate(timeout=60)
    assert said.startswith("openlookout: 'pump\\temp' is no sensor of the model of scheduler")
    assert process.returncode == 1
