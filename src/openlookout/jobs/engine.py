"""Durable jobs: enqueued in the caller's transaction, run in named steps, resumed after a crash.

With `fitting` the only importer of dbos. A job is a kind, an identity and nothing else: what it needs it reads from the
rows. A step's answer is kept (as JSON) and not computed again when the job is resumed; what runs between the steps runs
each time.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NoReturn, Protocol, TypeVar

from dbos import DBOS, DBOSClient
from sqlalchemy import Connection, Select, column, select, table, text
from sqlalchemy.exc import SQLAlchemyError
from structlog.contextvars import bound_contextvars

from openlookout.jobs.failures import Final, Lost, Temporary
from openlookout.jobs.fitting import Json, limit_this_process, look_before_taking
from openlookout.logs import logger
from openlookout.metrics import JOB_SECONDS, JOBS
from openlookout.store.database import Database, is_outage
from openlookout.traces import span

# Pinned: dbos strands queued jobs of another version for ever. Raise it by hand, after the queues have drained.
APPLICATION_VERSION = "1"
POLLING_SECONDS = 0.1
POLLING_SECONDS_OF_MANY = 0.5  # On a server that many processes ask, each for each queue.
STEP_RETRY_SECONDS = 0.5
STEP_RETRY_SECONDS_MAX = 30.0
PATIENCE_SECONDS = 3600.0  # An outage of the buckets is waited for so long; after that the work is FAILED and says why.
LOST_MAX = 3
ALIVE = ("ENQUEUED", "PENDING", "DELAYED")

T = TypeVar("T")
log = logger(__name__)


class Steps:
    """The named steps of one running job. `attempt` is the number under which it may publish, once it has one."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self.attempt: int | None = None

    def run(self, name: str, step: Callable[..., T], *arguments: Any) -> T:
        """Give the step's answer, computed at most once unless the process dies within it.

        `Temporary` is tried again with growing pauses; any other exception ends the job.
        """
        with span(f"step {name}", step=name):
            return DBOS.run_step({"name": name}, self._patiently, name, step, arguments)

    def again(self, name: str, step: Callable[..., T], *arguments: Any) -> T:
        """Give the step's answer without keeping it: where keeping costs more than doing it once more after a crash."""
        with span(f"step {name}", step=name):
            return self._patiently(name, step, arguments)

    def _patiently(self, name: str, step: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        pause, n_lost, until = STEP_RETRY_SECONDS, 0, time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return step(*arguments)
            except Exception as error:
                if self._stopping.is_set():
                    _stay()
                # What leaves a step is kept as its answer: an outage that left it would be met again and again.
                if not (isinstance(error, Temporary) or is_outage(error)):
                    raise
                n_lost += isinstance(error, Lost)
                if n_lost >= LOST_MAX or time.monotonic() + pause > until:
                    raise Final(f"The work was given up: {str(error)[:1000]}.") from error
                log.warning("step is tried again", name=name, error=str(error)[:300], pause_seconds=pause)
            if self._stopping.wait(pause):
                _stay()
            pause = min(2 * pause, STEP_RETRY_SECONDS_MAX)


def _stay() -> NoReturn:
    """Keep the thread until the process ends: dbos must see no end of any kind, or nobody would take the job up."""
    while True:
        threading.Event().wait()


class Job(Protocol):
    """What the engine runs: one kind of job."""

    def run(self, steps: Steps, identity: str) -> None:
        """Do the work; may be called again after a crash, and must then end in the same state."""
        ...

    def abandon(self, identity: str, reason: str, attempt: int | None) -> None:
        """Mark the work FAILED, if it is still this attempt's; None: whoever does it."""
        ...

    def forgive(self, identity: str) -> None:
        """Note that the attempt under way ends for no fault of the work: it does not count."""
        ...


@dataclass(frozen=True)
class Queue:
    """Jobs that share a limit; `concurrency` is per process."""

    name: str
    concurrency: int


@dataclass(frozen=True)
class Waiting:
    """One queue of all processes together: jobs that wait, since when the first of them does, and jobs under way."""

    queue: str
    n_waiting: int
    n_running: int
    oldest_seconds: float


def migrate(database: Database) -> None:
    """Create the engine's tables, or bring them to its release; a process that only enqueues needs them too."""
    DBOS.migrate(database.url.render_as_string(hide_password=False))


class JobQueue:
    """Where the API puts jobs: needs the database only, runs nothing."""

    def __init__(self, database: Database) -> None:
        self._is_sqlite, self._questions = database.is_sqlite, database.questions
        self._client = DBOSClient(system_database_engine=database.engine, serializer=Json(), lazy=True)

    def enqueue(self, connection: Connection, kind: str, identity: str, again: int = 0) -> None:
        """Add a job in the caller's transaction: both are there after the commit, or neither.

        `again`: the number of attempts of a work whose job is gone; the new one has another id.
        """
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": kind,
                "queue_name": kind,
                "workflow_id": job_id(kind, identity, again),
                "app_version": APPLICATION_VERSION,
            },
            identity,
        )

    def alive(self, job_ids: Sequence[str]) -> set[str]:
        """Those of the jobs that are queued or at work."""
        if not job_ids:
            return set()
        found = self._client.list_workflows(
            workflow_ids=list(job_ids), status=list(ALIVE), load_input=False, load_output=False
        )
        return {workflow.workflow_id for workflow in found}

    def at_work(self) -> list["AtWork"]:
        """Every job that a worker has taken."""
        found = self._client.list_workflows(status="PENDING", load_input=False, load_output=False)
        return [AtWork(workflow.workflow_id, workflow.name, workflow.executor_id or "") for workflow in found]

    def requeue(self, job: "AtWork") -> None:
        """Take a job from its worker and let any take it; what that still writes about it is refused."""
        # Without its queue's name the job would move to a queue without limits.
        self._client.resume_workflow(job.id, queue_name=job.kind)

    def has_waiting(self, queue: str) -> bool:
        """Whether a job waits in a queue of SQLite's."""
        return bool(self._questions.ask({"queue": queue}, _first_waiting))

    def waiting(self, connection: Connection) -> list[Waiting]:
        """Give the state of every queue that has a job waiting or under way (real time)."""
        # The engine's own listing loads every job; this is one look into its index.
        table = "workflow_status" if self._is_sqlite else "dbos.workflow_status"
        look = text(
            f"SELECT queue_name, status, COUNT(*), MIN(created_at) FROM {table} "  # noqa: S608  # One of two constants.
            "WHERE status IN ('ENQUEUED', 'PENDING') AND queue_name IS NOT NULL GROUP BY queue_name, status"
        )
        found: dict[str, dict[str, tuple[int, int]]] = {}
        for queue, status, n, first in connection.execute(look):
            found.setdefault(queue, {})[status] = (n, first)
        now_ms, none = time.time() * 1000, (0, None)
        return [
            Waiting(
                queue,
                of.get("ENQUEUED", none)[0],
                of.get("PENDING", none)[0],
                max(0.0, now_ms - of["ENQUEUED"][1]) / 1000 if "ENQUEUED" in of else 0.0,
            )
            for queue, of in sorted(found.items())
        ]

    def forget_ended(self, before: datetime, n_max: int) -> int:
        """Forget at most `n_max` jobs that ended and were enqueued before a time (real time); give how many."""
        ended = self._client.list_workflows(
            status=["SUCCESS", "ERROR", "CANCELLED"],
            end_time=before.isoformat(),
            limit=n_max,
            load_input=False,
            load_output=False,
        )
        if ended:
            self._client.delete_workflows([workflow.workflow_id for workflow in ended])
        return len(ended)

    def close(self) -> None:
        self._client.destroy()


def _first_waiting() -> Select[Any]:
    found: Select[Any] = select(column("workflow_uuid")).select_from(table("workflow_status"))
    # The second condition is the one of the engine's index, word for word.
    where = "queue_name = :queue AND status = 'ENQUEUED' AND status IN ('ENQUEUED', 'PENDING')"
    return found.where(text(where)).limit(1)


@dataclass(frozen=True)
class AtWork:
    """A job that the worker `executor` has taken."""

    id: str
    kind: str
    executor: str


def job_id(kind: str, identity: str, again: int = 0) -> str:
    """What the engine calls a job."""
    return f"{kind}-{identity}" + (f"-again-{again}" if again else "")


class Worker:
    """Runs the jobs of this process. One a process: dbos would silently give a second one the first one's database.

    `executor` is a name that no other process has or had: a job that is at work bears it.
    """

    _is_there: ClassVar[bool] = False

    def __init__(
        self, database: Database, queue: JobQueue, jobs: Mapping[str, Job], queues: Sequence[Queue], executor: str
    ) -> None:
        assert not Worker._is_there, "this process has a worker already; one a process is possible"
        Worker._is_there = True
        self.executor = executor
        self._queue, self._jobs, self._queues = queue, dict(jobs), queues
        self._stopping, self._is_alone = threading.Event(), database.is_sqlite
        self._running: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._dbos = DBOS(
            config={
                "name": "openlookout",
                "system_database_url": "sqlite:///unused" if database.is_sqlite else None,
                "system_database_engine": database.engine,
                "application_version": APPLICATION_VERSION,
                "executor_id": executor,
                "serializer": Json(),
                "run_migrations": database.is_sqlite,  # PostgreSQL: see `migrate`; a worker needs no right to do it.
                "use_listen_notify": False,
                "log_level": "WARNING",
                "notification_listener_polling_interval_sec": 1.0,
            }
        )
        for kind, job in jobs.items():
            DBOS.workflow(name=kind)(self._workflow(kind, job))

    def start(self) -> None:
        """Start working; on SQLite, create the engine's tables if need be."""
        DBOS.listen_queues([queue.name for queue in self._queues])
        DBOS.launch()
        known = limit_this_process(self._dbos, {queue.name: queue.concurrency for queue in self._queues})
        if self._is_alone:
            look_before_taking(self._dbos, self._queue.has_waiting)
        seconds = POLLING_SECONDS if self._is_alone else POLLING_SECONDS_OF_MANY
        for queue in self._queues:
            DBOS.register_queue(queue.name, worker_concurrency=queue.concurrency, polling_interval_sec=seconds)
        known.clear()  # What an earlier process had registered.

    def stop(self, seconds: int = 5) -> None:
        """Stop taking jobs and wait a little for the running ones. What is left is still this worker's: see `leave`.

        A job that is still running when this returns stays blocked: end the process with `os._exit`.
        """
        threading.Timer(seconds, self._stopping.set).start()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds)
        self._stopping.set()
        Worker._is_there = False

    def leave(self) -> None:
        """Give back the jobs that were left when it stopped: an orderly end counts as no attempt."""
        for job in self._queue.at_work():
            if job.executor == self.executor:
                self._forgive(job)
                self._queue.requeue(job)

    def is_running(self, job: str) -> bool:
        """Whether a job is at work in this process."""
        with self._counting:
            return self._running[job] > 0

    @contextmanager
    def _noted(self, job: str) -> Iterator[None]:
        with self._counting:
            self._running[job] += 1
        try:
            yield
        finally:
            with self._counting:
                self._running[job] -= 1
                self._running += Counter()  # Drops those that are nought.

    def _forgive(self, job: AtWork) -> None:
        if job.kind in self._jobs:
            self._jobs[job.kind].forgive(job.id.removeprefix(f"{job.kind}-").partition("-again-")[0])

    def _workflow(self, kind: str, job: Job) -> Callable[[str], None]:
        def run(identity: str) -> None:
            assert DBOS.workflow_id is not None
            this = AtWork(DBOS.workflow_id, kind, self.executor)
            with self._noted(this.id), _measured(kind, identity) as measured:
                try:
                    measured.outcome = self._carry_out(job, identity)
                except SQLAlchemyError as error:
                    if not is_outage(error):
                        raise
                    self._give_back(this, error)
                    measured.outcome = "given back"

        run.__name__ = run.__qualname__ = f"run_{kind}"
        return run

    def _carry_out(self, job: Job, identity: str) -> str:
        """Give how it ended: `ended`, or `failed` with an error that the job does not know."""
        steps = Steps(self._stopping)
        try:
            job.run(steps, identity)
        except Exception as error:
            if self._stopping.is_set():
                _stay()
            if is_outage(error):
                raise
            log.exception("job failed")
            said = (
                str(error)
                if isinstance(error, Final)
                else f"The work ended with an unexpected error ({type(error).__name__}); see the log."
            )
            job.abandon(identity, said, steps.attempt)
            return "failed"
        return "ended"

    def _give_back(self, this: AtWork, error: SQLAlchemyError) -> None:
        """Let the job be taken up again once the database answers: its row still says that it is under way."""
        log.warning("the database does not answer", error=str(error)[:300])
        pause = STEP_RETRY_SECONDS
        while True:
            if self._stopping.wait(pause):
                _stay()
            try:
                self._forgive(this)
                self._queue.requeue(this)
            except SQLAlchemyError as still:
                if not is_outage(still):
                    raise
                pause = min(2 * pause, STEP_RETRY_SECONDS_MAX)
            else:
                return


@dataclass
class _Measured:
    outcome: str = "failed"


@contextmanager
def _measured(kind: str, identity: str) -> Iterator[_Measured]:
    """Have the job's ids on every line that is logged meanwhile, and count and log how it ended."""
    started, measured = time.perf_counter(), _Measured()
    with bound_contextvars(kind=kind, job=identity), span(f"job {kind}", kind=kind, job=identity):
        yield measured
        seconds = time.perf_counter() - started
        log.info("job ended", outcome=measured.outcome, seconds=round(seconds, 3))
    JOBS.labels(kind, measured.outcome).inc()
    JOB_SECONDS.labels(kind).observe(seconds)
