"""Who is dead, who finds it out, and what becomes of the jobs; counted in rounds, so no clock is asked."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from openlookout.clock import ManualClock
from openlookout.jobs.engine import JobQueue
from openlookout.jobs.liveness import DEAD_ROUNDS, FORGOTTEN_ROUNDS, Liveness, new_executor
from openlookout.store.database import Database
from openlookout.store.service_tables import worker

CLOCK = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def queue(postgres: Database) -> Any:
    made = JobQueue(postgres)
    yield made
    made.close()


def member(database: Database, queue: JobQueue, name: str, running: tuple[str, ...] = (), **more: Any) -> Liveness:
    made = Liveness(database, queue, CLOCK, name, running.__contains__, **{"is_alone": False, **more})
    made.join()
    return made


def add_job(database: Database, queue: JobQueue, identity: str, executor: str | None) -> None:
    """Enqueue a job; with an executor, as if that had taken it."""
    with database.writing() as connection:
        queue.enqueue(connection, "infer", identity)
        if executor is not None:
            taken = "UPDATE {}workflow_status SET status = 'PENDING', executor_id = :e WHERE workflow_uuid = :id"
            schema = "" if database.is_sqlite else "dbos."
            connection.execute(text(taken.format(schema)), {"e": executor, "id": f"infer-{identity}"})


def jobs(database: Database) -> dict[str, tuple[str, str | None]]:
    """Job -> status and queue."""
    schema = "" if database.is_sqlite else "dbos."
    with database.reading() as connection:
        rows = connection.execute(text(f"SELECT workflow_uuid, status, queue_name FROM {schema}workflow_status"))
        return {row[0].removeprefix("infer-"): (row[1], row[2]) for row in rows}


def workers(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.execute(select(worker.c.id)).scalars())


def test_a_worker_whose_beat_stands_still_is_dead_after_ten_rounds_and_its_jobs_are_queued_again(
    postgres: Database, queue: JobQueue
) -> None:
    member(postgres, queue, "dead")
    living, looker = member(postgres, queue, "living", ("infer-theirs",)), member(postgres, queue, "looker")
    add_job(postgres, queue, "left", "dead")
    add_job(postgres, queue, "theirs", "living")
    for _ in range(DEAD_ROUNDS):
        looker.round()
        living.round()
    assert jobs(postgres)["left"][0] == "PENDING"
    looker.round()
    assert jobs(postgres) == {"left": ("ENQUEUED", "infer"), "theirs": ("PENDING", "infer")}
    assert workers(postgres) == {"living", "looker"}


def test_jobs_of_a_name_that_no_worker_bears_are_queued_again(postgres: Database, queue: JobQueue) -> None:
    looker = member(postgres, queue, "looker")
    add_job(postgres, queue, "left", "nobody")
    for _ in range(DEAD_ROUNDS + 1):
        looker.round()
    assert jobs(postgres)["left"] == ("ENQUEUED", "infer")
    assert workers(postgres) == {"looker"}


def test_who_looks_too_late_counts_from_the_start(postgres: Database, queue: JobQueue) -> None:
    """A process that slept, or for which the database was away, must not think that all others are dead."""
    member(postgres, queue, "other")
    looker = member(postgres, queue, "looker", beat_seconds=0.001)
    for _ in range(3 * DEAD_ROUNDS):
        looker.round()
        time.sleep(0.01)
    assert workers(postgres) == {"other", "looker"}


def test_an_undertaker_that_dies_is_followed_by_the_next(postgres: Database, queue: JobQueue) -> None:
    member(postgres, queue, "dead")
    looker = member(postgres, queue, "looker")
    add_job(postgres, queue, "left", "dead")
    for _ in range(DEAD_ROUNDS):
        looker.round()
    with postgres.writing() as connection:  # Another has just begun to bury, and dies.
        connection.execute(update(worker).where(worker.c.id == "dead").values(beat=worker.c.beat + 1))
    looker.round()
    assert jobs(postgres)["left"][0] == "PENDING"
    for _ in range(DEAD_ROUNDS):
        looker.round()
    assert jobs(postgres)["left"][0] == "ENQUEUED"


def test_two_that_find_a_worker_dead_bury_it_once(postgres: Database, queue: JobQueue) -> None:
    member(postgres, queue, "dead")
    both = [member(postgres, queue, name) for name in ("one", "two")]
    add_job(postgres, queue, "left", "dead")
    for _ in range(DEAD_ROUNDS + 2):
        for each in both:
            each.round()
    assert jobs(postgres)["left"][0] == "ENQUEUED"
    assert workers(postgres) == {"one", "two"}


def test_a_worker_that_was_thought_dead_is_alive_again_with_its_next_round(postgres: Database, queue: JobQueue) -> None:
    sleeper, looker = member(postgres, queue, "sleeper"), member(postgres, queue, "looker")
    for _ in range(DEAD_ROUNDS + 1):
        looker.round()
    assert workers(postgres) == {"looker"}
    sleeper.round()
    assert workers(postgres) == {"looker", "sleeper"}


def test_a_job_that_was_taken_and_not_begun_is_queued_again(database: Database) -> None:
    queue = JobQueue(database)
    try:
        mine = member(database, queue, "me", ("infer-running",), is_alone=database.is_sqlite)
        add_job(database, queue, "running", "me")
        add_job(database, queue, "forgotten", "me")
        for _ in range(FORGOTTEN_ROUNDS):
            mine.round()
        assert jobs(database)["forgotten"][0] == "PENDING"
        mine.round()
        assert jobs(database) == {"running": ("PENDING", "infer"), "forgotten": ("ENQUEUED", "infer")}
    finally:
        queue.close()


def test_the_one_process_of_a_file_takes_up_at_once_what_earlier_ones_left(sqlite: Database) -> None:
    queue = JobQueue(sqlite)
    try:
        add_job(sqlite, queue, "left", "an earlier one")
        member(sqlite, queue, "me", is_alone=True)
        assert jobs(sqlite)["left"] == ("ENQUEUED", "infer")
        with sqlite.reading() as connection:
            assert connection.execute(select(func.count()).select_from(worker)).scalar_one() == 0
    finally:
        queue.close()


def test_a_worker_leaves_no_trace_when_it_ends_in_order(postgres: Database, queue: JobQueue) -> None:
    leaving = member(postgres, queue, "leaving")
    leaving.round()
    leaving.leave()
    assert workers(postgres) == set()


def test_no_two_workers_have_the_same_name() -> None:
    assert len({new_executor() for _ in range(100)}) == 100
