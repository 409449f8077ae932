"""A plant for the browser tests: real series as CSV files, taken through the served API to models and live results.

Built once a test run, whatever the number of test processes, and copied for each; see `conftest.plant`. Where no folder
of equipment data is given, simulated series of the same shape take its place.

* dataset `air-handler`: 15 days of a real air handling unit at 1 minute, with a gap, duplicates and values that are no
  numbers; label group `air-handler-faults`; model `air-handler` with diagnostics, its scheduler NORMAL or ANOMALOUS as
  it goes, one execution FAILED for lack of a file; a what-if over its evaluation range.
* dataset `reactor`: a simulated chemical plant at 3 minutes, 52 sensors, with a fault from 9 o'clock of the last day on;
  model `reactor`, its scheduler ANOMALOUS. Model `spare`: a version of `reactor` imported, which no scheduler watches.
* model `compressor`: FAILED, its range is too short. dataset `empty`: nothing ingested.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import requests

from served import boto_client
from serving import ROLE, ingest, train, wait

DATA = Path(os.environ.get("BENCH_DATA", "/nowhere"))
START = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
AIR_STEP, REACTOR_STEP = MINUTE, 3 * MINUTE
TRAINED_DAYS = 8
REACTOR_START = START + 5 * DAY
LIVE_END = START + 8 * DAY + timedelta(hours=15)
LIVE_HOURS = 30
FAILED_HOUR = 20  # Of the live hours the one whose file never comes.


@dataclass(frozen=True)
class Series:
    """Evenly spaced rows: times, a frame of sensors, and the labelled ranges."""

    times: list[datetime]
    sensors: pl.DataFrame
    labels: list[tuple[datetime, datetime]]

    @property
    def end(self) -> datetime:
        return self.times[-1]


class PlantProcess:
    """A running service on a data folder, its clock set by `at`."""

    def __init__(self, data: Path, start: datetime) -> None:
        self.data, self.now = data, start
        path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        self._popen = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("plant_process.py")), str(data), start.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._popen.stdout is not None
        self.port = int(self._popen.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = boto_client(self.port)
        self.buckets = data / "buckets"

    def at(self, now: datetime) -> None:
        """Set the service's clock."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._popen.stdin.write(f"{now.isoformat()}\n")
        self._popen.stdin.flush()
        assert self._popen.stdout.readline() == "set\n"
        self.now = now

    def stop(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._popen.wait(timeout=60)


def build(data: Path) -> datetime:
    """Make the plant in a data folder; give the time at which its story stands still."""
    plant = PlantProcess(data, START + 20 * DAY)
    air, reactor = air_handler(), reactor_series()
    write(air, plant.buckets / "plant" / "air", "unit", spoil=True)
    write(reactor, plant.buckets / "plant" / "reactor", "reactor")
    client = plant.client
    client.create_dataset(DatasetName="empty")
    assert (
        ingest(client, "air-handler", "plant", "air/", KeyPattern="{prefix}/{component_name}/*")["Status"] == "SUCCESS"
    )
    assert (
        ingest(client, "reactor", "plant", "reactor/", KeyPattern="{prefix}/{component_name}/*")["Status"] == "SUCCESS"
    )
    label(client, "air-handler-faults", air.labels)
    trained_until = START + TRAINED_DAYS * DAY
    diagnostics = {"S3OutputConfiguration": {"Bucket": "plant", "Prefix": "diagnostics/"}}
    model = train(
        client,
        "air-handler",
        "air-handler",
        TrainingDataStartTime=START,
        TrainingDataEndTime=trained_until,
        EvaluationDataStartTime=trained_until + MINUTE,
        EvaluationDataEndTime=air.end,
        LabelsInputConfiguration={"LabelGroupName": "air-handler-faults"},
        ModelDiagnosticsOutputConfiguration=diagnostics,
        DataPreProcessingConfiguration={"TargetSamplingRate": "PT5M"},
    )
    assert model["Status"] == "SUCCESS", model
    split = reactor.times[1459]
    model = train(
        client,
        "reactor",
        "reactor",
        TrainingDataStartTime=REACTOR_START,
        TrainingDataEndTime=split,
        EvaluationDataStartTime=split + REACTOR_STEP,
        EvaluationDataEndTime=reactor.end,
        ModelDiagnosticsOutputConfiguration=diagnostics,
    )
    assert model["Status"] == "SUCCESS", model
    model = train(
        client, "compressor", "air-handler", TrainingDataStartTime=START, TrainingDataEndTime=START + timedelta(hours=1)
    )
    assert model["Status"] == "FAILED", model
    client.create_retraining_scheduler(ModelName="air-handler", RetrainingFrequency="P1M", LookbackWindow="P180D")
    copy = client.describe_model_version(ModelName="reactor", ModelVersion=1)["ModelVersionArn"]
    client.import_model_version(SourceModelVersionArn=copy, ModelName="spare", DatasetName="reactor")
    wait(lambda: client.describe_model(ModelName="spare"))
    replayed(plant, "air-handler", 1, trained_until, air.end)
    live(plant, {"air-handler": ("unit", air), "reactor": ("reactor", reactor)})
    plant.stop()
    return plant.now


def replayed(plant: PlantProcess, model: str, version: int, start: datetime, end: datetime) -> None:
    """Replay a stretch of data through a version, by the form of the page, and wait until it is scored."""
    browser, here = requests.Session(), f"{plant.url}/models/{model}/what-if"
    csrf = re.search(r'name="csrf" value="([^"]+)"', browser.get(here, timeout=60).text)
    assert csrf
    form = {"csrf": csrf[1], "version": version, "start": start.isoformat(), "end": end.isoformat()}
    browser.post(f"{here}/run", data=form, timeout=60)
    wait(lambda: {"Status": "SUCCESS" if "Alarms a month" in browser.get(here, timeout=60).text else "IN_PROGRESS"})


def live(plant: PlantProcess, watched: Mapping[str, tuple[str, Series]]) -> None:
    """Let schedulers score the hours up to LIVE_END, an hour a file."""
    client, begin = plant.client, LIVE_END - timedelta(hours=LIVE_HOURS)
    plant.at(begin)
    for model, (component, series) in watched.items():
        folder = plant.buckets / "plant" / "live" / model
        folder.mkdir(parents=True)
        frame = series.sensors.insert_column(0, pl.Series("time", stamps(series.times)))
        times = np.array(series.times)
        for hour in range(LIVE_HOURS):
            start = begin + timedelta(hours=hour)
            rows = frame.filter((times > start) & (times <= start + timedelta(hours=1)))
            if hour != FAILED_HOUR or model == "reactor":
                rows.write_csv(folder / f"{component}_{start + timedelta(hours=1):%Y%m%d%H%M%S}.csv")
        client.create_inference_scheduler(
            ModelName=model,
            InferenceSchedulerName=f"{model}-live",
            DataUploadFrequency="PT1H",
            DataInputConfiguration={"S3InputConfiguration": {"Bucket": "plant", "Prefix": f"live/{model}/"}},
            DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": "plant", "Prefix": f"results/{model}/"}},
            RoleArn=ROLE,
        )
        wait(partial(client.describe_inference_scheduler, InferenceSchedulerName=f"{model}-live"))
    plant.at(LIVE_END + timedelta(minutes=2))
    for model in watched:
        assert wait(partial(newest, client, f"{model}-live"))["Status"] == "SUCCESS"


def newest(client: Any, scheduler: str) -> Mapping[str, Any]:
    """The execution of the last hour, once it is there."""
    listed = client.list_inference_executions(InferenceSchedulerName=scheduler, MaxResults=1)
    found = [row for row in listed["InferenceExecutionSummaries"] if row["DataEndTime"] == LIVE_END]
    return found[0] if found else {"Status": "IN_PROGRESS"}


def air_handler() -> Series:
    """15 days at 1 minute, of which the first 8 are normal."""
    path = DATA / "lbnl_ahu" / "mzvav-2-1.parquet"
    if not path.exists():
        names = ["Supply_Air_Temperature", "Mixed_Air_Temperature", *(f"Point_{number}" for number in range(3, 19))]
        return simulated(START, 21_600, 18_000, AIR_STEP, names)
    frame = pl.read_parquet(path)
    names = {name: name.split(": ")[-1].replace(" ", "_").replace(",", "") for name in frame.columns}
    times = [START + i * AIR_STEP for i in range(len(frame))]
    is_fault = (frame["label"].to_numpy() == 1) & (frame["is_train"].to_numpy() != 1)
    return Series(
        times,
        sensors_of(frame).rename({k: v for k, v in names.items() if k in sensors_of(frame).columns}),
        ranges(times, is_fault),
    )


def reactor_series() -> Series:
    """5 days at 3 minutes, of which the first 3 are normal."""
    path = DATA / "tep" / "idv01.parquet"
    if not path.exists():
        names = [*(f"xmeas_{number}" for number in range(1, 42)), *(f"xmv_{number}" for number in range(1, 12))]
        return simulated(REACTOR_START, 2_420, 1_620, REACTOR_STEP, names)
    frame = pl.read_parquet(path)
    times = [REACTOR_START + i * REACTOR_STEP for i in range(len(frame))]
    is_fault = (frame["label"].to_numpy() == 1) & (frame["is_train"].to_numpy() != 1)
    return Series(times, sensors_of(frame), ranges(times, is_fault))


def sensors_of(frame: pl.DataFrame) -> pl.DataFrame:
    unused = {"timestamp", "label", "is_train", "segment", "__index_level_0__"}
    return frame.select([name for name in frame.columns if name not in unused])


def simulated(start: datetime, n_rows: int, first_fault: int, step: timedelta, names: list[str]) -> Series:
    """Sensors that follow the day and one another, but one that stands still; with a shift of the first from a row on."""
    rng = np.random.default_rng(7)
    times = [start + i * step for i in range(n_rows)]
    day = 2 * np.pi * np.arange(n_rows) * (step / DAY)
    load = np.sin(day)[:, None] * rng.uniform(0.5, 2, len(names)) + rng.normal(0, 0.1, (n_rows, len(names)))
    is_fault = np.arange(n_rows) >= first_fault
    load[is_fault, 0] += 6
    load[:, -1] = 1
    return Series(times, pl.DataFrame(load, schema=names), ranges(times, is_fault))


def ranges(times: list[datetime], flags: np.ndarray) -> list[tuple[datetime, datetime]]:
    edges = np.flatnonzero(np.diff(np.r_[0, flags.astype(int), 0]))
    return [(times[a], times[b - 1]) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def stamps(times: list[datetime]) -> list[str]:
    return [f"{at:%Y-%m-%dT%H:%M:%S}" for at in times]


def write(series: Series, folder: Path, component: str, *, spoil: bool = False) -> None:
    """Write a series as CSV, a file a few days; `spoil`: with a gap, rows that come twice, and cells of words."""
    place = folder / component
    place.mkdir(parents=True)
    frame = series.sensors.cast(pl.String).insert_column(0, pl.Series("time", stamps(series.times)))
    if spoil:
        first = frame.columns[1]
        bad = pl.int_range(len(frame)).is_between(2000, 2019)
        frame = frame.with_columns(pl.when(bad).then(pl.lit("#VALUE!")).otherwise(pl.col(first)).alias(first))
        frame = pl.concat([frame[:4000], frame[3960:4000], frame[4600:]])
    for number, first_row in enumerate(range(0, len(frame), 5000)):
        frame[first_row : first_row + 5000].write_csv(place / f"part-{number}.csv")


def label(client: Any, group: str, faults: list[tuple[datetime, datetime]]) -> None:
    client.create_label_group(LabelGroupName=group, FaultCodes=["damper stuck", "valve leaking"])
    for number, (start, end) in enumerate(faults):
        client.create_label(
            LabelGroupName=group,
            StartTime=start,
            EndTime=end,
            Rating="ANOMALY",
            FaultCode="valve leaking" if number % 2 else "damper stuck",
            Notes="From the maintenance log",
        )


if __name__ == "__main__":
    began = time.monotonic()
    print(build(Path(sys.argv[1])), f"{time.monotonic() - began:.1f} s")
