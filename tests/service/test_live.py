"""Inference on compressed time: the ticker, the files, the results; live equals batch through the files, to the bit."""

import gzip
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from openlookout.app.service import running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.wire.server import create_app
from served import boto_client, served
from serving import ROLE, ingest, train, wait

START = datetime(2024, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
N_TRAINED, N_LIVE = 1500, 132
LIVE_START = START + N_TRAINED * STEP + timedelta(days=2)  # A silence that no model looks across.
FAULT_ROW = 60
HOUR = timedelta(hours=1)
BUCKET = "live-plant"


@dataclass(frozen=True)
class Live:
    client: Any
    clock: ManualClock
    bucket: Path
    batch: list[dict[str, Any]]
    first: datetime


def plant(n: int, first: datetime, seed: int, fault_row: int | None) -> pl.DataFrame:
    """Four related sensors; `speed` falls to nought at times; from the fault on, `b` no longer follows `a`."""
    rng = np.random.default_rng(seed)
    load = 10 + np.cumsum(rng.normal(0, 0.05, n)) * 0.2 + 2 * np.sin(np.arange(n) / 40)
    speed = np.where((np.arange(n) // 25) % 7 == 3, 0.0, 1500 + rng.normal(0, 5, n))
    b = 2 * load + rng.normal(0, 0.1, n)
    if fault_row is not None:
        b[fault_row:] += np.linspace(0, 8, n - fault_row)
    columns = {"a": load + rng.normal(0, 0.1, n), "b": b, "c": rng.normal(3, 0.2, n) - 0.5 * load, "speed": speed}
    times = [first + i * STEP for i in range(1, n + 1)]
    frame = pl.DataFrame({"time": [f"{at:%Y-%m-%dT%H:%M:%S}" for at in times], **columns})
    blanks = rng.integers(0, n, 20)
    return frame.with_columns(
        pl.Series("c", [None if i in set(blanks.tolist()) else v for i, v in enumerate(frame["c"])])
    )


def two_components(frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    return {"motor": frame.select("time", "a", "speed"), "pump": frame.select("time", "b", "c")}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A trained model, a running scheduler, and what the same rows score in batch."""
    data = tmp_path_factory.mktemp("live")
    bucket = data / "buckets" / BUCKET
    trained = plant(N_TRAINED, START, 1, None)
    fresh = plant(N_LIVE, LIVE_START, 2, FAULT_ROW)
    for component, frame in two_components(pl.concat([trained, fresh])).items():
        (bucket / "training" / component).mkdir(parents=True)
        frame.write_csv(bucket / "training" / component / "all.csv")
    clock = ManualClock(LIVE_START)
    with running(Settings(data=data, workers=1), clock) as service, served(create_app(service.server)) as port:
        client = boto_client(port)
        assert ingest(client, "plant", BUCKET, "training/")["Status"] == "SUCCESS"
        model = train(
            client,
            "plant",
            "plant",
            TrainingDataStartTime=START,
            TrainingDataEndTime=START + N_TRAINED * STEP,
            EvaluationDataStartTime=LIVE_START,
            EvaluationDataEndTime=LIVE_START + N_LIVE * STEP,
            OffCondition="motor\\speed < 100",
            ModelDiagnosticsOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "diag/"}},
        )
        assert model["Status"] == "SUCCESS", model
        version = client.describe_model_version(ModelName="plant", ModelVersion=1)
        place = version["ModelDiagnosticsResultsObject"]
        text = gzip.decompress((data / "buckets" / place["Bucket"] / place["Key"]).read_bytes())
        client.create_inference_scheduler(
            ModelName="plant",
            InferenceSchedulerName="plant",
            DataUploadFrequency="PT1H",
            DataInputConfiguration={"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "in/"}},
            DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": "out/"}},
            RoleArn=ROLE,
        )
        wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="plant"))
        for component, frame in two_components(fresh).items():
            (bucket / "in").mkdir(exist_ok=True)
            for number in range(N_LIVE // 12):
                start = LIVE_START + number * HOUR
                frame[number * 12 : number * 12 + 12].write_csv(bucket / "in" / f"{component}_{start:%Y%m%d%H%M%S}.csv")
        yield Live(client, clock, bucket, [json.loads(line) for line in text.splitlines()], LIVE_START)


def execute(live: Live, end: datetime) -> dict[str, Any]:
    """Set the clock to the end of a window; give its execution once it has ended."""
    live.clock.set(end)

    def look() -> dict[str, Any]:
        rows = live.client.list_inference_executions(InferenceSchedulerName="plant")["InferenceExecutionSummaries"]
        found = [row for row in rows if row["DataEndTime"] == end]
        return found[0] if found else {"Status": "IN_PROGRESS"}

    return dict(wait(look, 60))


def test_live_equals_batch_through_the_files(live: Live) -> None:
    """Seven windows at once, as after downtime, then four one by one."""
    execute(live, live.first + 7 * HOUR)
    for number in range(7, N_LIVE // 12):
        execution = execute(live, live.first + (number + 1) * HOUR)
        assert execution["Status"] == "SUCCESS", execution
        assert (
            execution["CustomerResultObject"]["Key"]
            == f"out/{live.first + number * HOUR:%Y-%m-%dT%H:%M:%SZ}/results.jsonl"
        )
    got: list[dict[str, Any]] = []
    for number in range(N_LIVE // 12):
        path = live.bucket / "out" / f"{live.first + number * HOUR:%Y-%m-%dT%H:%M:%SZ}" / "results.jsonl"
        text = path.read_text()
        assert text.endswith("\n")
        got += [eval(line) for line in text.splitlines()]  # Clients do.
    assert got == live.batch
    assert {line["prediction_reason"] for line in got} == {"ANOMALY_DETECTED", "NO_ANOMALY_DETECTED", "MACHINE_OFF"}
    for line in got:
        if line["prediction_reason"] == "MACHINE_OFF":
            assert set(line) == {"timestamp", "prediction", "prediction_reason"}
        else:
            assert (line["anomaly_score"] > 0.5) == (line["prediction"] == 1)
            assert sum(sensor["value"] for sensor in line["diagnostics"]) == pytest.approx(1, abs=1e-4)


def test_executions_are_newest_first_and_filtered(live: Live) -> None:
    def list_executions(**filters: Any) -> list[dict[str, Any]]:
        answer = live.client.list_inference_executions(InferenceSchedulerName="plant", **filters)
        return list(answer["InferenceExecutionSummaries"])

    every = list_executions()
    due = [row["ScheduledStartTime"] for row in every]
    assert due == sorted(due, reverse=True)
    middle = live.first + 5 * HOUR
    after = [row for row in every if row["DataStartTime"] > middle]
    assert list_executions(DataStartTimeAfter=middle) == after
    before = [row for row in every if row["DataEndTime"] < middle]
    assert list_executions(DataEndTimeBefore=middle) == before
    assert list_executions(Status="FAILED") == [row for row in every if row["Status"] == "FAILED"]
    assert every[-1]["ModelVersion"] == 1
    assert every[-1]["ModelVersionArn"].endswith("/model-version/1")


def test_an_event_that_runs_over_windows_is_one_event(live: Live) -> None:
    alarmed = [line for line in live.batch if line["prediction"] == 1]
    answer = live.client.list_inference_events(
        InferenceSchedulerName="plant", IntervalStartTime=live.first, IntervalEndTime=live.first + 48 * HOUR
    )
    events = answer["InferenceEventSummaries"]
    last = datetime.fromisoformat(alarmed[-1]["timestamp"]).replace(tzinfo=UTC)
    assert events[0]["EventEndTime"] == last
    assert events[0]["EventDurationInSeconds"] > 3600
    shares = {sensor["name"]: sensor["value"] for sensor in json.loads(events[0]["Diagnostics"])}
    assert max(shares, key=lambda name: shares[name]) == "pump\\b"
    described = live.client.describe_inference_scheduler(InferenceSchedulerName="plant")
    assert described["LatestInferenceResult"] == "ANOMALOUS"


def test_the_evidence_of_live_events_is_that_of_the_evaluation(live: Live) -> None:
    folder = live.bucket / "diag" / "plant" / "model-version-1"
    batch = {event["end"]: event["evidence"] for event in json.loads((folder / "events.json").read_text())["events"]}
    with sqlite3.connect(live.bucket.parent.parent / "openlookout.db") as database:
        rows = database.execute("SELECT ended_at, evidence FROM inference_event ORDER BY ended_at").fetchall()
    assert len(rows) == len(batch) > 0
    for (ended_us, text), (end, theirs) in zip(rows, sorted(batch.items()), strict=True):
        ours = json.loads(text)
        assert datetime.fromtimestamp(ended_us / 1e6, UTC).replace(tzinfo=None) == datetime.fromisoformat(end)
        assert {part: ours[part] for part in ("kind", "reason", "onset_order")} == {
            part: theirs[part] for part in ("kind", "reason", "onset_order")
        }
        assert [each["sensor"] for each in ours["sensors"]] == [each["sensor"] for each in theirs["sensors"]]
    last = json.loads(rows[-1][1])
    led = last["sensors"][0]
    assert led["sensor"] == "pump\\b"
    assert not led["low"] <= led["measured"] <= led["high"]
    assert datetime.fromisoformat(led["onset"]).replace(tzinfo=UTC) < live.first + N_LIVE * STEP
    files = sorted(live.bucket.glob("out/*/evidence.jsonl"))
    assert files
    assert json.loads(files[-1].read_text().splitlines()[-1])["end"] == max(batch)


def test_what_was_expected_in_each_row_is_beside_the_pointwise_diagnostics(live: Live) -> None:
    folder = live.bucket / "diag" / "plant" / "model-version-1"
    said = json.loads((folder / "bands.json").read_text())
    frame = pl.concat([pl.read_parquet(folder / part["key"]) for part in said["parts"]])
    scored = [line for line in live.batch if "anomaly_score" in line]
    assert frame["timestamp"].to_list() == [datetime.fromisoformat(line["timestamp"]) for line in scored]
    assert frame["anomaly_score"].to_list() == [line["anomaly_score"] for line in scored]
    below, above = said["bands"]["pump\\b"]
    off = frame["measured:pump\\b"] - frame["expected:pump\\b"]
    outside = (off < below) | (off > above)
    assert outside[-20:].mean() > 0.9  # The fault has grown: b no longer follows a.
    assert outside[: FAULT_ROW // 2].mean() < 0.2
    others = frame["measured:motor\\a"] - frame["expected:motor\\a"]
    (below, above), wider = said["bands"]["motor\\a"], frame["wider:motor\\a"]
    assert ((others < below * wider) | (others > above * wider))[-20:].mean() < 0.1
    assert wider[: FAULT_ROW // 2].median() == 1


def test_a_window_without_files_fails_in_the_services_words_and_the_scheduler_goes_on(live: Live) -> None:
    end = live.first + (N_LIVE // 12 + 2) * HOUR  # The windows next to the last files still find those by their names.
    execution = execute(live, end)
    assert execution["Status"] == "FAILED"
    start = end - HOUR
    assert execution["FailedReason"] == (
        f"Could not find data file for sensor motor within expected range of ({start:%Y-%m-%dT%H:%M:%SZ}, "
        f"{end:%Y-%m-%dT%H:%M:%SZ}]. Please ensure data is present for all sensors of the machine under prefix "
        f"'s3://{BUCKET}/in/motor_{start - HOUR:%Y%m%d%H%M%S}' ~ 's3://{BUCKET}/in/motor_{end + HOUR:%Y%m%d%H%M%S}'"
    )
    described = live.client.describe_inference_scheduler(InferenceSchedulerName="plant")
    assert described["Status"] == "RUNNING"


def test_a_scheduler_stops_starts_and_is_deleted_only_when_stopped(live: Live) -> None:
    client = live.client
    with pytest.raises(client.exceptions.ConflictException, match="RUNNING"):
        client.delete_inference_scheduler(InferenceSchedulerName="plant")
    with pytest.raises(client.exceptions.ConflictException, match="used by the inference scheduler"):
        client.delete_model(ModelName="plant")
    assert client.start_inference_scheduler(InferenceSchedulerName="plant")["Status"] == "RUNNING"
    assert client.stop_inference_scheduler(InferenceSchedulerName="plant")["Status"] == "STOPPING"
    assert wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="plant"))["Status"] == "STOPPED"
    assert client.stop_inference_scheduler(InferenceSchedulerName="plant")["Status"] == "STOPPED"
    assert client.start_inference_scheduler(InferenceSchedulerName="plant")["Status"] == "PENDING"
    assert wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="plant"))["Status"] == "RUNNING"
    client.stop_inference_scheduler(InferenceSchedulerName="plant")
    wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName="plant"))
    client.delete_inference_scheduler(InferenceSchedulerName="plant")
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="'plant' does not exist"):
        client.describe_inference_scheduler(InferenceSchedulerName="plant")
    client.delete_model(ModelName="plant")
    client.delete_dataset(DatasetName="plant")
    assert client.list_datasets()["DatasetSummaries"] == []
