"""The job engine on a real SQLite: jobs and rows in one transaction, steps kept, nothing kept for ever."""

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dbos import DBOS
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from openlookout.jobs.children import ChildLost, Children, ChildTimeout, ChildUnwanted
from openlookout.jobs.engine import JobQueue, Queue, Steps, Worker
from openlookout.jobs.failures import Temporary
from openlookout.metrics import REGISTRY
from openlookout.store.database import Database


class Recorder:
    """A job whose work is given by the identity; records what happened."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.left = 2

    def run(self, steps: Steps, identity: str) -> None:
        kept = steps.run("first", lambda: {"identity": identity})
        if identity.startswith("temporary"):
            steps.run("second", self._temporary)
        if identity.startswith("again"):
            steps.again("second", self._temporary)
        if identity.startswith("outage within"):
            steps.run("second", self._outage)
        if identity.startswith("outage between"):
            self._outage()
        if identity.startswith("broken"):
            raise ValueError("no such thing")
        self.said.append(f"{kept['identity']} done")

    def _temporary(self) -> None:
        self.left -= 1
        if self.left > 0:
            raise Temporary("not just now")

    def _outage(self) -> None:
        """As a database that is locked for longer than one waits for it."""
        self.left -= 1
        if self.left > 0:
            failure = sqlite3.OperationalError("database is locked")
            failure.sqlite_errorname = "SQLITE_BUSY"
            raise OperationalError("SELECT 1", {}, failure)

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        self.said.append(f"{identity} abandoned: {reason}")

    def forgive(self, identity: str) -> None:
        self.said.append(f"{identity} forgiven")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[Database, JobQueue, Recorder]]:
    database, job = Database(f"sqlite:///{tmp_path / 'jobs.db'}"), Recorder()
    queue = JobQueue(database)
    worker = Worker(database, queue, {"work": job}, (Queue("work", 2),), "this")
    worker.start()
    yield database, queue, job
    queue.close()
    worker.stop(1)
    database.close()


def killed(reason: str) -> float:
    """How many children were killed for a reason, as Prometheus is told."""
    return REGISTRY.get_sample_value("openlookout_children_killed_total", {"reason": reason}) or 0.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_runs_once_its_transaction_is_committed_and_never_when_it_is_not(
    engine: tuple[Database, JobQueue, Recorder],
) -> None:
    database, queue, job = engine

    def fail() -> None:
        with database.writing() as connection:
            queue.enqueue(connection, "work", "lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.writing() as connection:
        queue.enqueue(connection, "work", "kept")
    until(lambda: "kept done" in job.said)
    assert job.said == ["kept done"]
    until(lambda: (REGISTRY.get_sample_value("openlookout_job_seconds_count", {"kind": "work"}) or 0) > 0)


def test_a_job_waits_in_its_queue_from_the_commit_on(engine: tuple[Database, JobQueue, Recorder]) -> None:
    """In one that no worker looks into: what waits elsewhere is taken at once."""
    database, queue, _ = engine
    with database.writing() as connection:
        queue.enqueue(connection, "elsewhere", "x")
        assert not queue.has_waiting("elsewhere")
    assert queue.has_waiting("elsewhere")
    assert not queue.has_waiting("work")


def test_what_is_temporary_is_tried_again_and_what_is_unknown_is_abandoned(
    engine: tuple[Database, JobQueue, Recorder],
) -> None:
    database, queue, job = engine
    with database.writing() as connection:
        queue.enqueue(connection, "work", "temporary")
        queue.enqueue(connection, "work", "broken")
    until(lambda: len(job.said) == 2)
    assert "temporary done" in job.said
    assert "broken abandoned: The work ended with an unexpected error (ValueError); see the log." in job.said


def test_an_outage_of_the_database_within_a_step_is_waited_for(engine: tuple[Database, JobQueue, Recorder]) -> None:
    database, queue, job = engine
    with database.writing() as connection:
        queue.enqueue(connection, "work", "outage within")
    until(lambda: job.said == ["outage within done"])


def test_a_job_that_meets_an_outage_between_its_steps_is_given_back_and_done(
    engine: tuple[Database, JobQueue, Recorder],
) -> None:
    database, queue, job = engine
    with database.writing() as connection:
        queue.enqueue(connection, "work", "outage between")
    until(lambda: job.said == ["outage between forgiven", "outage between done"])


def test_a_step_whose_answer_is_not_kept_is_tried_again_as_any_other(
    engine: tuple[Database, JobQueue, Recorder],
) -> None:
    database, queue, job = engine
    with database.writing() as connection:
        queue.enqueue(connection, "work", "again")
    until(lambda: job.said == ["again done"])
    assert job.left == 0
    with database.reading() as connection:
        kept = connection.execute(text("SELECT function_name FROM operation_outputs")).scalars().all()
    assert kept == ["first"]


def test_what_was_lost_three_times_is_given_up_with_a_sentence(engine: tuple[Database, JobQueue, Recorder]) -> None:
    database, queue, job = engine
    job.left = 100
    job.run = lambda steps, identity: steps.run("lost", lose)  # type: ignore[method-assign]
    with database.writing() as connection:
        queue.enqueue(connection, "work", "heavy")
    until(lambda: job.said == ["heavy abandoned: The work was given up: a child process ended without an answer."])


def lose() -> None:
    raise ChildLost("a child process ended without an answer")


def test_how_much_a_process_does_at_once_is_its_own_matter(engine: tuple[Database, JobQueue, Recorder]) -> None:
    """The engine keeps the limit in the database, where the process that started last writes it for all."""
    database, _, _ = engine
    with database.writing() as connection:
        connection.execute(text("UPDATE queues SET worker_concurrency = 99"))
    found = DBOS.retrieve_queue("work")
    assert found is not None
    assert found._worker_concurrency == 2


def test_jobs_are_of_one_pinned_version_whatever_the_code_is(engine: tuple[Database, JobQueue, Recorder]) -> None:
    """The engine strands queued jobs of another version, and makes a version of the code where none is given."""
    database, queue, job = engine
    with database.writing() as connection:
        queue.enqueue(connection, "work", "one")
    until(lambda: job.said == ["one done"])
    with database.reading() as connection:
        assert connection.execute(text("SELECT application_version FROM workflow_status")).scalars().all() == ["1"]


def test_ended_jobs_are_forgotten(engine: tuple[Database, JobQueue, Recorder]) -> None:
    database, queue, job = engine
    for number in range(3):
        with database.writing() as connection:
            queue.enqueue(connection, "work", f"n{number}")
    until(lambda: len(job.said) == 3)

    def n_kept() -> int:
        with database.reading() as connection:
            return int(connection.execute(text("SELECT count(*) FROM workflow_status")).scalar_one())

    assert n_kept() == 3
    assert queue.forget_ended(datetime.now(UTC) - timedelta(hours=1), 10) == 0
    until(lambda: queue.forget_ended(datetime.now(UTC) + timedelta(hours=1), 2) > 0 or n_kept() == 0)
    until(lambda: queue.forget_ended(datetime.now(UTC) + timedelta(hours=1), 2) == 0 and n_kept() == 0)


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    made = Children(2)
    yield made
    made.close()


def test_a_child_answers_and_raises_what_its_function_does(children: Children) -> None:
    assert children.run(30, divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        children.run(30, divmod, 7, 0)


def test_a_child_that_takes_too_long_is_killed_and_the_next_is_served(children: Children) -> None:
    started, n_killed = time.monotonic(), killed("timeout")
    with pytest.raises(ChildTimeout, match="took longer than 1 s"):
        children.run(1, time.sleep, 60)
    assert time.monotonic() - started < 20
    assert killed("timeout") == n_killed + 1
    assert children.run(30, abs, -1) == 1


# Ends at once; what it leaves behind holds its output open until it is gone for good.
GONE = """#!/bin/sh
(while kill -0 $$; do sleep 0.01; done) 2>&- &
"""


@pytest.mark.skipif(os.name != "posix", reason="a shell script stands in for the interpreter")
def test_a_child_that_is_gone_before_it_is_ready_is_lost_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.write_text(GONE)
    gone.chmod(0o755)
    made = Children(1)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(gone))
        with pytest.raises(ChildLost, match="ended without an answer"):
            made.run(60, abs, -1)
    assert made.run(60, abs, -1) == 1
    made.close()


def test_closing_frees_who_waits() -> None:
    made, said = Children(1), []

    def wait() -> None:
        try:
            made.run(60, time.sleep, 60)
        except ChildLost as error:
            said.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 60
    while not made._busy:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    made.close()
    thread.join(timeout=10)
    assert said == ["the process is stopping"]


def test_a_child_that_nobody_wants_any_more_is_killed_and_others_go_on(children: Children) -> None:
    wanted, n_killed = [True, True, False], killed("unwanted")
    started = time.monotonic()
    with pytest.raises(ChildUnwanted):
        children.run(60, time.sleep, 60, is_wanted=lambda: wanted.pop(0))
    assert time.monotonic() - started < 30
    assert killed("unwanted") == n_killed + 1
    assert children.run(60, abs, -7, is_wanted=lambda: True) == 7
    with pytest.raises(ValueError, match="invalid literal"):
        children.run(60, int, "x", is_wanted=lambda: True)


def test_a_process_has_one_worker(engine: tuple[Database, JobQueue, Recorder]) -> None:
    database, queue, job = engine
    with pytest.raises(AssertionError, match="this process has a worker already"):
        Worker(database, queue, {"work": job}, (Queue("work", 1),), "another")
