"""Many processes on PostgreSQL and S3, by settings only: what one API accepts any worker does, and any API tells."""

import os
import random
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.stage import Stage, staged
from crash.story import LIVE, START, csv, plant
from serving import ingest, train


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("many"), random.Random(0), LIVE) as made:
        yield made


def command(stage: Stage, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "openlookout.cli", *arguments],
        env={**stage.environment, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_what_one_api_accepts_any_worker_does_and_another_api_tells(stage: Stage) -> None:
    stage.s3.put_object(Bucket="plant", Key="in/pump/a.csv", Body=csv(plant(START, 1000, 1)))
    apis = [command(stage, "api", "--port", "0") for _ in range(2)]
    workers = [command(stage, "worker", "--queues", queues) for queues in ("ingest", "train, infer")]
    try:
        ports = [re.search(r":(\d+),", first_line(api)) for api in apis]
        assert [first_line(worker) for worker in workers] == ["OpenLookout works\n"] * 2
        clients = [stage.client_at(int(found[1])) for found in ports if found]
        assert ingest(clients[0], "d", "plant", "in/")["Status"] == "SUCCESS"
        assert train(clients[1], "m", "d")["Status"] == "SUCCESS"
        assert clients[0].describe_model(ModelName="m")["ActiveModelVersion"] == 1
        takers = stage.sql("SELECT name, executor_id FROM dbos.workflow_status")
        assert len({executor for _, executor in takers}) == 2, takers
        assert stage.sql("SELECT count(*) FROM worker") == [(2,)]
    finally:
        for process in (*apis, *workers):
            process.terminate()
        assert [process.wait(60) for process in (*apis, *workers)] == [0] * 4
    assert stage.sql("SELECT count(*) FROM worker") == [(0,)]


def test_a_worker_has_probes_and_a_scratch_folder_that_goes_with_it(stage: Stage) -> None:
    scratch = Path(stage.environment["OPENLOOKOUT_DATA"]) / "scratch-of-workers"
    worker = command(stage, "worker", "--probe-port", "0", OPENLOOKOUT_PROBE_PORT="1")
    try:
        assert first_line(worker) == "OpenLookout works\n"  # 0 by the flag: none.
        left = [*scratch.glob("*.lock")]
        assert len(left) == 1
        worker.kill()
        worker.wait()
    finally:
        worker.kill()
    assert [*scratch.glob("*.lock")] == left
    port = free_port()
    worker = command(stage, "worker", "--probe-port", str(port))
    try:
        assert f"probes are on http://127.0.0.1:{port}" in first_line(worker)
        assert len([*scratch.glob("*.lock")]) == 1
        assert [*scratch.glob("*.lock")] != left
        for path in ("healthz", "readyz", "metrics"):
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}").status == 200
    finally:
        worker.terminate()
        assert worker.wait(60) == 0
    assert [*scratch.iterdir()] == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


REFUSED = {
    "the database is SQLite, which 'openlookout serve' alone can have: set OPENLOOKOUT_DATABASE": {
        "OPENLOOKOUT_DATABASE": ""
    },
    "the database does not answer: ": {"OPENLOOKOUT_DATABASE": "postgresql://127.0.0.1:9/none"},
    "OPENLOOKOUT_DATABASE cannot be used: ": {"OPENLOOKOUT_DATABASE": "oracle9i://x/y"},
    "the bucket of the service's own objects cannot be used": {
        "OPENLOOKOUT_S3_ENDPOINT": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
    },
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_worker_that_cannot_work_says_why(stage: Stage, tmp_path: Path, sentence: str) -> None:
    worker = command(stage, "worker", "--data", str(tmp_path), **REFUSED[sentence])
    _, said = worker.communicate(timeout=120)
    assert worker.returncode == 1
    assert said.startswith(f"openlookout: {sentence}")


def test_an_api_on_sqlite_and_a_queue_that_is_not_there_are_refused(stage: Stage, tmp_path: Path) -> None:
    api = command(stage, "api", "--data", str(tmp_path), OPENLOOKOUT_DATABASE="")
    assert "the database is SQLite" in api.communicate(timeout=60)[1]
    worker = command(stage, "worker", "--queues", "ingest,nothing")
    assert "there is no queue 'nothing'; there are ingest, train, infer" in worker.communicate(timeout=60)[1]
    assert (api.returncode, worker.returncode) == (1, 1)


def test_two_that_migrate_at_once_apply_each_revision_once_and_nobody_starts_before(stage: Stage) -> None:
    stage.sql("CREATE DATABASE another")
    url = stage.uri.replace("/postgres?", "/another?")
    early = command(stage, "api", "--port", "0", OPENLOOKOUT_DATABASE=url)
    assert "run 'openlookout migrate' first" in early.communicate(timeout=60)[1]
    both = [command(stage, "migrate", "--phase", phase, OPENLOOKOUT_DATABASE=url) for phase in ("pre", "post")]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert "".join(said).count("The first tables") == 1
    assert os.linesep + "0 revisions were applied" in os.linesep + "".join(said)
