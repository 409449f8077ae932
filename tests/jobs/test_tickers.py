"""Several tickers on one database, and clocks that jump: each window has one execution, none is left out."""

import random
import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from openlookout.clock import ManualClock
from openlookout.jobs.engine import JobQueue
from openlookout.jobs.retraining_ticker import RetrainingTicker
from openlookout.jobs.ticker import Ticker
from openlookout.jobs.unfinished import Unfinished
from openlookout.store.database import Database
from openlookout.store.tables import (
    dataset,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
    retraining_scheduler,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(minutes=5)
N_SCHEDULERS, N_TICKERS = 20, 4


@pytest.fixture
def queue(database: Database) -> Any:
    made = JobQueue(database)
    yield made
    made.close()


def add_schedulers(database: Database, n: int) -> None:
    place = {"account": "123456789012", "region": "us-east-1", "created_at": START, "updated_at": START}
    with database.writing() as connection:
        row = {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False, **place}
        connection.execute(dataset.insert(), row)
        for number in range(n):
            name = f"m{number}"
            row = {"id": name, "name": name, "dataset_id": "d", "status": "SUCCESS", "active_version": 1, **place}
            connection.execute(model.insert(), row)
            version: dict[str, Any] = {"model_id": name, "version": 1, "created_at": START, "updated_at": START}
            version |= {"status": "SUCCESS", "source_type": "TRAINING", "attempt": 1, "configuration": {}}
            connection.execute(model_version.insert(), {**version, "data_schema": "{}"})
            scheduler: dict[str, Any] = {"id": f"s{number}", "name": f"s{number}", "model_id": name, **place}
            scheduler |= {"status": "RUNNING", "frequency": "PT5M", "input": {}, "output": {}, "role_arn": "r"}
            connection.execute(inference_scheduler.insert(), {**scheduler, "next_due": START + STEP})
            again: dict[str, Any] = {"model_id": name, "status": "RUNNING", "start_date": START, "frequency": "P1M"}
            again |= {"lookback": "P180D", "promote_mode": "MANUAL", "created_at": START, "updated_at": START}
            connection.execute(retraining_scheduler.insert(), {**again, "next_due": START + STEP})


def executions(database: Database) -> dict[str, list[datetime]]:
    with database.reading() as connection:
        rows = connection.execute(
            select(inference_execution.c.scheduler_id, inference_execution.c.due_at).order_by(
                inference_execution.c.due_at
            )
        )
        found: dict[str, list[datetime]] = {}
        for scheduler, due in rows:
            found.setdefault(scheduler, []).append(due)
    return found


def test_tickers_that_tick_at_once_make_each_execution_and_each_retraining_once(
    database: Database, queue: JobQueue
) -> None:
    add_schedulers(database, N_SCHEDULERS)
    clock = ManualClock(START + 3 * STEP)
    made: list[int] = []
    retrained: list[int] = []
    ready = threading.Barrier(N_TICKERS)

    def tick() -> None:
        ready.wait()
        for _ in range(5):
            made.append(Ticker(database, queue, clock).tick())
            retrained.append(RetrainingTicker(database, queue, clock).tick())

    threads = [threading.Thread(target=tick) for _ in range(N_TICKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    due = [START + number * STEP for number in (1, 2, 3)]
    assert executions(database) == {f"s{number}": due for number in range(N_SCHEDULERS)}
    assert (sum(made), sum(retrained)) == (3 * N_SCHEDULERS, N_SCHEDULERS)
    with database.reading() as connection:
        numbers = connection.execute(select(model_version.c.version)).scalars().all()
    assert sorted(numbers) == [1] * N_SCHEDULERS + [2] * N_SCHEDULERS


@pytest.mark.parametrize("seed", range(3))
def test_a_clock_that_jumps_leaves_no_window_out_and_doubles_none(
    database: Database, queue: JobQueue, seed: int
) -> None:
    add_schedulers(database, 1)
    draw, clock = random.Random(seed), ManualClock(START)
    latest = clock.now()
    for _ in range(60):
        minutes = draw.choice((1, 2, 5, 7, 60, -60, 60, -61))
        clock.set(max(START, clock.now() + timedelta(minutes=minutes)))
        latest = max(latest, clock.now())
        Ticker(database, queue, clock).tick()
    n = (latest - START) // STEP
    assert executions(database).get("s0", []) == [START + (number + 1) * STEP for number in range(n)]


def test_work_without_a_job_gets_one_and_only_one(database: Database, queue: JobQueue) -> None:
    add_schedulers(database, 1)
    identities = [uuid.uuid4().hex for _ in range(2)]
    with database.writing() as connection:
        for number, identity in enumerate(identities):
            row: dict[str, Any] = {"id": identity, "scheduler_id": "s0", "due_at": START + number * STEP, "attempt": 0}
            row |= {"data_start": START, "data_end": START, "status": "IN_PROGRESS", "input": {}, "output": {}}
            connection.execute(inference_execution.insert(), row)
        version: dict[str, Any] = {"model_id": "m0", "version": 2, "created_at": START, "updated_at": START}
        version |= {"status": "IN_PROGRESS", "source_type": "TRAINING", "attempt": 2, "configuration": {}}
        connection.execute(model_version.insert(), {**version, "data_schema": "{}"})
        connection.execute(update(model).values(status="IN_PROGRESS"))
    look = Unfinished(database, queue)
    assert look.look() == 2  # The version, and the older of the executions: they follow each other.
    assert look.look() == 0
    assert queue.alive([f"infer-{identities[0]}-again-1", "train-m0.2-again-3"]) == {
        f"infer-{identities[0]}-again-1",
        "train-m0.2-again-3",
    }
