"""The quota of an execution's rows: met exactly by one file, passed by the next."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from openlookout.app.replay import replay
from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import boto_client, served
from serving import ROLE, ingest, train, wait

START = datetime(2024, 3, 1, tzinfo=UTC)
N_TRAINED, STEP, WINDOW = 1_500, timedelta(seconds=10), timedelta(minutes=5)


def write(path: Path, first: datetime, n_rows: int, step: timedelta) -> None:
    """Readings after `first`, a step apart."""
    rng = np.random.default_rng(n_rows)
    load = np.sin(np.arange(n_rows) / 20) + rng.normal(0, 0.1, n_rows)
    times = [f"{first + i * step:%Y-%m-%dT%H:%M:%S}" for i in range(1, n_rows + 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"time": times, "load": load, "flow": 2 * load + rng.normal(0, 0.1, n_rows)}).write_csv(path)


def test_an_execution_with_a_row_too_many_fails_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five minutes have five rows at most here; the model's rows are ten seconds apart."""
    monkeypatch.setenv("OPENLOOKOUT_LIMIT_INFERENCE_ROWS_A_MINUTE", "1")
    bucket = tmp_path / "buckets" / "plant"
    write(bucket / "training" / "pump" / "a.csv", START, N_TRAINED, STEP)
    first = START + timedelta(hours=6)
    for number, n_rows in enumerate((5, 6)):
        at = first + number * WINDOW
        write(bucket / "in" / f"pump_{at:%Y%m%d%H%M%S}.csv", at, n_rows, STEP)
    clock = ManualClock(first)
    with running(Settings(data=tmp_path, workers=1), clock) as service, served(create_app(service.server)) as port:
        client = boto_client(port)
        ingest(client, "plant", "plant", "training/")
        assert train(client, "plant", "plant")["Status"] == "SUCCESS"
        client.create_inference_scheduler(
            ModelName="plant",
            InferenceSchedulerName="plant",
            DataUploadFrequency="PT5M",
            DataInputConfiguration={"S3InputConfiguration": {"Bucket": "plant", "Prefix": "in/"}},
            DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": "plant", "Prefix": "out/"}},
            RoleArn=ROLE,
        )
        wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="plant"))
        clock.advance(2 * WINDOW)

        def ended() -> dict[str, Any]:
            rows = client.list_inference_executions(InferenceSchedulerName="plant")["InferenceExecutionSummaries"]
            busy = len(rows) < 2 or any(row["Status"] == "IN_PROGRESS" for row in rows)
            return {"Status": "IN_PROGRESS" if busy else "SUCCESS", "rows": rows}

        newest, oldest = wait(ended)["rows"]
        replayed = replay(Settings(data=tmp_path), "plant", (first, first + 2 * WINDOW), lambda _: None)
        assert wait(ended)["rows"] == [newest, oldest], "a replay holds the quota too"
    assert replayed.counts == {"n_scored": 1, "n_revised": 0, "n_failed": 1}
    assert oldest["Status"] == "SUCCESS", oldest
    assert newest["FailedReason"] == "The execution has 6 rows; 5 is the quota."
    assert len((bucket / "out" / f"{first:%Y-%m-%dT%H:%M:%SZ}" / "results.jsonl").read_text().splitlines()) == 5
