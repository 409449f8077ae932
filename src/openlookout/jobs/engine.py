"""Durable jobs: enqueued in the caller's transaction, run in named steps, resumed after a crash.

The only importer of dbos. A job is a kind, an identity and nothing else: what it needs it reads from the rows. A step's
answer is kept (as JSON) and not computed again when the job is resumed; what runs between the steps runs each time.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Protocol, TypeVar

import structlog
from dbos import DBOS, DBOSClient, Serializer, StepOptions
from sqlalchemy import Connection

from openlookout.store.database import Database

# Pinned: dbos strands queued jobs of another version for ever. Raise it by hand, after the queues have drained.
APPLICATION_VERSION = "1"
POLLING_SECONDS = 0.1
STEP_ATTEMPTS_MAX = 4
STEP_RETRY_SECONDS = 0.5

T = TypeVar("T")
log = structlog.get_logger()


class Temporary(Exception):
    """The world does not answer just now (bucket, database); the step is tried again."""


class Steps:
    """The named steps of one running job."""

    def run(self, name: str, step: Callable[..., T], *arguments: Any) -> T:
        """Give the step's answer, computed at most once unless the process dies within it.

        `Temporary` is tried again with growing pauses; any other exception ends the job.
        """
        options: StepOptions = {
            "name": name,
            "retries_allowed": True,
            "max_attempts": STEP_ATTEMPTS_MAX,
            "interval_seconds": STEP_RETRY_SECONDS,
            "should_retry": lambda error: isinstance(error, Temporary),
        }
        return DBOS.run_step(options, step, *arguments)


class Job(Protocol):
    """What the engine runs: one kind of job."""

    def run(self, steps: Steps, identity: str) -> None:
        """Do the work; may be called again after a crash, and must then end in the same state."""
        ...

    def abandon(self, identity: str, reason: str) -> None:
        """Mark the work FAILED: it raised what it does not know how to handle."""
        ...


@dataclass(frozen=True)
class Queue:
    """Jobs that share a limit; `concurrency` is per process."""

    name: str
    concurrency: int


def migrate(database: Database) -> None:
    """Create the engine's tables, or bring them to its release; a process that only enqueues needs them too."""
    DBOS.migrate(database.url.render_as_string(hide_password=False))


class JobQueue:
    """Where the API puts jobs: needs the database only, runs nothing."""

    def __init__(self, database: Database) -> None:
        self._client = DBOSClient(system_database_engine=database.engine, serializer=_Json(), lazy=True)

    def enqueue(self, connection: Connection, kind: str, identity: str) -> None:
        """Add a job in the caller's transaction: both are there after the commit, or neither."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": kind,
                "queue_name": kind,
                "workflow_id": f"{kind}-{identity}",
                "app_version": APPLICATION_VERSION,
            },
            identity,
        )

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


class Worker:
    """Runs the jobs of this process. One a process: dbos would silently give a second one the first one's database."""

    _is_there: ClassVar[bool] = False

    def __init__(
        self, database: Database, jobs: Mapping[str, Job], queues: tuple[Queue, ...], executor: str = "local"
    ) -> None:
        assert not Worker._is_there, "this process has a worker already; one a process is possible"
        Worker._is_there = True
        self._queues = queues
        self._stopping = threading.Event()
        DBOS(
            config={
                "name": "openlookout",
                "system_database_url": "sqlite:///unused" if database.is_sqlite else None,
                "system_database_engine": database.engine,
                "application_version": APPLICATION_VERSION,
                "executor_id": executor,
                "serializer": _Json(),
                "use_listen_notify": False,
                "log_level": "WARNING",
                "notification_listener_polling_interval_sec": 1.0,
            }
        )
        for kind, job in jobs.items():
            DBOS.workflow(name=kind)(_workflow(kind, job, self._stopping))

    def start(self) -> None:
        """Create the engine's tables if need be, take up what an earlier process left, and start working."""
        DBOS.launch()
        for queue in self._queues:
            DBOS.register_queue(queue.name, worker_concurrency=queue.concurrency, polling_interval_sec=POLLING_SECONDS)

    def stop(self, seconds: int = 5) -> None:
        """Stop taking jobs and wait a little for the running ones; what is left is resumed at the next start.

        A job that is still running when this returns stays blocked: end the process with `os._exit`.
        """
        threading.Timer(seconds, self._stopping.set).start()
        DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=seconds)
        self._stopping.set()
        Worker._is_there = False


def _workflow(kind: str, job: Job, stopping: threading.Event) -> Callable[[str], None]:
    def run(identity: str) -> None:
        try:
            job.run(Steps(), identity)
        except Exception as error:
            if stopping.is_set():
                # A child that was killed because the process ends is no failure. dbos must not see an end of any kind,
                # or it would not resume the job at the next start.
                threading.Event().wait()
            log.exception("job failed", kind=kind, identity=identity)
            job.abandon(identity, f"The work ended with an unexpected error ({type(error).__name__}); see the log.")

    run.__name__ = run.__qualname__ = f"run_{kind}"
    return run


class _Json(Serializer):
    """Arguments and step answers as JSON: readable in the database, and no pickle."""

    def serialize(self, data: Any) -> str:
        return json.dumps(data, default=_exception_text)

    def deserialize(self, serialized_data: str) -> Any:
        data = json.loads(serialized_data)
        return RuntimeError(data["exception"]) if isinstance(data, dict) and set(data) == {"exception"} else data

    def name(self) -> str:
        return "json"


def _exception_text(value: Any) -> Any:
    if isinstance(value, BaseException):
        return {"exception": f"{type(value).__name__}: {value}"}
    message = f"not JSON: {type(value).__name__}"
    raise TypeError(message)
