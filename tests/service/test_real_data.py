"""Real equipment data as CSV through the served API to a trained version and inference results: the fault is found."""

import gzip
import json
import os
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

DATA = Path(os.environ.get("BENCH_DATA", "/nowhere"))
pytestmark = [
    pytest.mark.skipif(not DATA.is_dir(), reason="BENCH_DATA names no folder of labelled equipment data"),
]

# Series, seconds between rows: a simulated chemical plant, three faults, and a real oil well with gaps.
SERIES = {
    "3w_dhsv/well11": 5,
    "tep/idv01": 180,
    "tep/idv08": 180,
    "tep/idv10": 180,
}
START = datetime(2024, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Service:
    """The service in this process, on a clock that can be set."""

    client: Any
    clock: ManualClock
    buckets: Path


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    data, clock = tmp_path_factory.mktemp("real"), ManualClock(START)
    with running(Settings(data=data), clock) as started, served(create_app(started.server)) as port:
        yield Service(boto_client(port), clock, data / "buckets")


def as_files(name: str, bucket: Path, step: timedelta) -> tuple[datetime, datetime, list[tuple[datetime, datetime]]]:
    """Write a series as the CSV files of one component; give where training ends, the end, and the labelled ranges.

    The times are evenly spaced anew, with a gap of a day at each border of two segments.
    """
    frame = pl.read_parquet(DATA / f"{name}.parquet")
    segment = frame["segment"].to_numpy()
    is_train = frame["is_train"].to_numpy() == 1
    breaks = np.r_[False, (segment[1:] != segment[:-1]) | (is_train[1:] != is_train[:-1])]
    offset = np.arange(len(frame)) * step + np.cumsum(breaks) * timedelta(days=1)
    times = np.array([START + by for by in offset.tolist()])
    order = np.lexsort((np.arange(len(frame)), ~is_train))
    assert (np.diff(order) > 0).all(), "training comes first in these series"
    unused = {"timestamp", "label", "is_train", "segment", "__index_level_0__"}
    sensors = [column for column in frame.columns if column not in unused]
    stamps = pl.Series("time", [at.strftime("%Y-%m-%dT%H:%M:%S.%f") for at in times])
    folder = bucket / "plant"
    folder.mkdir(parents=True)
    out = frame.select([pl.col(name).alias(name.replace(" ", "_")) for name in sensors]).insert_column(0, stamps)
    half = len(out) // 2
    out[:half].write_csv(folder / "first.csv")
    (folder / "second.csv.gz").write_bytes(gzip.compress(out[half:].write_csv().encode()))
    label = (frame["label"].to_numpy() == 1) & ~is_train
    edges = np.flatnonzero(np.diff(np.r_[0, label.astype(int), 0]))
    labels = [(times[a], times[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return times[is_train][-1], times[-1], labels


@pytest.mark.parametrize("name", SERIES)
def test_the_labelled_fault_is_found(service: Service, name: str) -> None:
    client, step = service.client, timedelta(seconds=SERIES[name])
    key = name.replace("/", "-").replace("_", "-")
    bucket = service.buckets / f"real-{key}"
    trained_until, end, labels = as_files(name, bucket, step)
    (bucket / "labels").mkdir()
    rows = "".join(f"{a:%Y-%m-%dT%H:%M:%S},{b:%Y-%m-%dT%H:%M:%S}\n" for a, b in labels)
    (bucket / "labels" / "labels.csv").write_text(rows)

    job = ingest(client, key, bucket.name, "", KeyPattern="{prefix}/{component_name}/*")
    assert job["Status"] == "SUCCESS", job
    model = train(
        client,
        key,
        key,
        TrainingDataStartTime=START,
        TrainingDataEndTime=trained_until,
        EvaluationDataStartTime=trained_until + step,
        EvaluationDataEndTime=end,
        LabelsInputConfiguration={"S3InputConfiguration": {"Bucket": bucket.name, "Prefix": "labels/"}},
    )
    assert model["Status"] == "SUCCESS", model
    assert model["ModelQuality"] == "QUALITY_THRESHOLD_MET"
    metrics = json.loads(model["ModelMetrics"])
    assert metrics["labeled_event_metrics"]["num_identified"] >= 0.8 * len(labels)

    lines = inferred(service, key, bucket, trained_until, end)
    inside, normal = alarm_shares(lines, labels)
    assert normal < 0.05
    assert inside >= 10 * normal
    assert inside > 0.25


def inferred(service: Service, name: str, bucket: Path, after: datetime, end: datetime) -> list[dict[str, Any]]:
    """Hand the rows after a time to a scheduler, an hour a file; give the lines of all results."""
    client, frames = service.client, [pl.read_csv(bucket / "plant" / "first.csv", infer_schema=False)]
    frames.append(pl.read_csv(gzip.decompress((bucket / "plant" / "second.csv.gz").read_bytes()), infer_schema=False))
    rows = pl.concat(frames, how="vertical")
    at = rows["time"].str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_zone="UTC")
    live = rows.with_columns((at - timedelta(microseconds=1)).dt.truncate("1h").alias("hour")).filter(at > after)
    (bucket / "in").mkdir()
    for (hour,), part in live.group_by("hour"):
        part.drop("hour").write_csv(bucket / "in" / f"plant_{hour:%Y%m%d%H%M%S}.csv")
    service.clock.set(live["hour"].min())
    client.create_inference_scheduler(
        ModelName=name,
        InferenceSchedulerName=name,
        DataUploadFrequency="PT1H",
        DataInputConfiguration={"S3InputConfiguration": {"Bucket": bucket.name, "Prefix": "in/"}},
        DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": bucket.name, "Prefix": "out/"}},
        RoleArn=ROLE,
    )
    wait(lambda: client.describe_inference_scheduler(InferenceSchedulerName=name))
    last = end.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    service.clock.set(last)

    def newest() -> dict[str, Any]:
        listed = client.list_inference_executions(InferenceSchedulerName=name, MaxResults=1)
        found = [row for row in listed["InferenceExecutionSummaries"] if row["DataEndTime"] == last]
        return found[0] if found else {"Status": "IN_PROGRESS"}

    assert wait(newest)["Status"] == "SUCCESS"
    client.stop_inference_scheduler(InferenceSchedulerName=name)
    files = sorted((bucket / "out").glob("*/results.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def alarm_shares(lines: list[dict[str, Any]], labels: list[tuple[datetime, datetime]]) -> tuple[float, float]:
    """The share of rows that alarm, inside the labels and outside."""
    times = [datetime.fromisoformat(line["timestamp"]).replace(tzinfo=UTC) for line in lines]
    inside = np.array([any(a <= at <= b for a, b in labels) for at in times])
    alarm = np.array([line["prediction"] == 1 for line in lines])
    return float(alarm[inside].mean()), float(alarm[~inside].mean())


def test_role_and_key_are_validated_and_echoed(service: Service) -> None:
    client = service.client
    key = "arn:aws:kms:us-east-1:123456789012:key/1234"
    client.create_dataset(DatasetName="with-key", ServerSideKmsKeyId=key)
    assert client.describe_dataset(DatasetName="with-key")["ServerSideKmsKeyId"] == key
    with pytest.raises(client.exceptions.ValidationException, match="roleArn"):
        client.start_data_ingestion_job(
            DatasetName="with-key",
            IngestionInputConfiguration={"S3InputConfiguration": {"Bucket": "bucket"}},
            RoleArn="no role, twenty characters long",
        )
    assert ROLE.startswith("arn:aws:iam::")
