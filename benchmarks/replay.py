"""How long a replay of a year takes: 30 sensors of three components every five minutes, from input files to results.

`python benchmarks/replay.py [--days 365] [--frequency PT1H] [--sensors 30] [--data FOLDER]` makes the files, trains on
the first month, and replays all of them through `openlookout replay` (its process included). Each window has a file of
each component; each gives results, an execution and readings for retraining, as live.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psutil

import openlookout

START, STEP = datetime(2025, 1, 1, tzinfo=UTC), timedelta(minutes=5)
COMPONENTS = ("motor", "pump", "cooling")
ROLE = "arn:aws:iam::123456789012:role/benchmark"
FREQUENCIES = {"PT5M": 1, "PT15M": 3, "PT1H": 12}
TRAINED_ROWS = 30 * 288
LOOK_SECONDS = 0.25


def readings(n_rows: int, n_sensors: int) -> np.ndarray:
    """Sensors that six common causes drive; a tenth of the days one of them drifts away."""
    rng = np.random.default_rng(0)
    causes = np.sin(np.arange(n_rows)[:, None] / rng.uniform(20, 400, 6)) + rng.normal(0, 0.1, (n_rows, 6))
    rows = np.asarray(causes @ rng.normal(0, 1, (6, n_sensors)) + rng.normal(0, 0.3, (n_rows, n_sensors)))
    for day in range(40, n_rows // 288, 10):
        rows[day * 288 : (day + 1) * 288, day % n_sensors] += np.linspace(0, 8, 288)
    return rows.round(4)


def write_files(folder: Path, rows: np.ndarray, per_file: int) -> None:
    names = [f"s{i}" for i in range(rows.shape[1])]
    times = [f"{START + (i + 1) * STEP:%Y-%m-%dT%H:%M:%S}" for i in range(len(rows))]
    for number, component in enumerate(COMPONENTS):
        own = list(range(number, rows.shape[1], len(COMPONENTS)))
        frame = pl.DataFrame({"time": times, **{names[j]: rows[:, j] for j in own}})
        (folder / "training" / component).mkdir(parents=True)
        frame[:TRAINED_ROWS].write_csv(folder / "training" / component / "all.csv")
        (folder / "in").mkdir(exist_ok=True)
        header, *lines = frame.write_csv().splitlines()
        for first in range(0, len(lines), per_file):
            start = START + first * STEP
            text = "\n".join([header, *lines[first : first + per_file], ""])
            (folder / "in" / f"{component}_{start:%Y%m%d%H%M%S}.csv").write_text(text)


def prepare(client: Any, frequency: str) -> None:
    client.create_dataset(DatasetName="plant")
    job = client.start_data_ingestion_job(
        DatasetName="plant",
        IngestionInputConfiguration={"S3InputConfiguration": {"Bucket": "plant", "Prefix": "training/"}},
        RoleArn=ROLE,
    )
    client.get_waiter("ingestion_job_complete").wait(JobId=job["JobId"])
    client.create_model(ModelName="plant", DatasetName="plant", RoleArn=ROLE)
    client.get_waiter("model_trained").wait(ModelName="plant")
    client.create_inference_scheduler(
        ModelName="plant",
        InferenceSchedulerName="plant",
        DataUploadFrequency=frequency,
        DataInputConfiguration={"S3InputConfiguration": {"Bucket": "plant", "Prefix": "in/"}},
        DataOutputConfiguration={"S3OutputConfiguration": {"Bucket": "plant", "Prefix": "out/"}},
        RoleArn=ROLE,
    )
    client.stop_inference_scheduler(InferenceSchedulerName="plant")
    client.get_waiter("inference_scheduler_stopped").wait(InferenceSchedulerName="plant")


def cpu_seconds(process: "subprocess.Popen[str]") -> float:
    """Wait for a process; give the processor time that it and its children took, to about a look's length."""
    spent: dict[int, float] = {}
    while process.poll() is None:
        try:
            tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for one in tree:
                times = one.cpu_times()
                spent[one.pid] = times.user + times.system
        except psutil.NoSuchProcess:
            pass
        time.sleep(LOOK_SECONDS)
    return sum(spent.values())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--frequency", choices=FREQUENCIES, default="PT1H")
    parser.add_argument("--sensors", type=int, default=30)
    parser.add_argument("--data", type=Path, default=None)
    given = parser.parse_args()
    data = given.data or Path(tempfile.mkdtemp(prefix="replay-"))
    write_files(data / "buckets" / "plant", readings(given.days * 288, given.sensors), FREQUENCIES[given.frequency])
    with openlookout.local(data) as client:
        prepare(client, given.frequency)
    span = ("--from", START.isoformat(), "--to", (START + timedelta(days=given.days)).isoformat())
    command = [sys.executable, "-m", "openlookout.cli", "replay", "plant", *span, "--data", str(data)]
    for what in ("first replay", "the same again"):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        cpu = cpu_seconds(process)
        assert process.stdout is not None
        said = process.stdout.read().strip()
        print(
            f"{what}, {given.days} days, {given.sensors} sensors, {given.frequency}: "
            f"{time.perf_counter() - started:.1f} s, {cpu:.1f} s of processor time; {said}",
            flush=True,
        )
    print(data)


if __name__ == "__main__":
    main()
