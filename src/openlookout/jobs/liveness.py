"""Liveness: workers tell that they live; the jobs of one that no longer does are given to others.

Counted in rounds, never in times: a worker is dead when its beat was seen unchanged in DEAD_ROUNDS rounds of the one
who looks. So no clock matters, nor an outage of the database, in which nobody's rounds count.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from openlookout.clock import Clock
from openlookout.jobs.engine import AtWork, JobQueue
from openlookout.logs import logger
from openlookout.store.database import Database
from openlookout.store.service_tables import worker

BEAT_SECONDS = 1.0
DEAD_ROUNDS = 10
LATE_BEATS = 4  # A round that is later tells of us, not of the others.
FORGOTTEN_ROUNDS = 5

log = logger(__name__)


def new_executor() -> str:
    """A name that no other worker has or had: a job at work bears it, and must not be taken for a living one's."""
    return uuid.uuid4().hex


@dataclass
class _Seen:
    """What was last seen of a worker, and in how many rounds on end. `beat` None: jobs at work bear its name alone."""

    beat: int | None
    n_rounds: int = 0


class Liveness:
    """One worker's part. Where it is `alone` by nature (SQLite), every other one's jobs are left over."""

    def __init__(
        self,
        database: Database,
        queue: JobQueue,
        clock: Clock,
        executor: str,
        is_running: Callable[[str], bool],
        *,
        is_alone: bool,
        beat_seconds: float = BEAT_SECONDS,
    ) -> None:
        self._database, self._queue, self._clock = database, queue, clock
        self._executor, self._is_running, self._is_alone = executor, is_running, is_alone
        self._seen: dict[str, _Seen] = {}
        self._idle: dict[str, int] = {}
        self._last_round: float | None = None
        self._late_seconds = LATE_BEATS * beat_seconds

    def join(self) -> None:
        """Be known as alive; alone, give away at once what earlier processes left."""
        if self._is_alone:
            for job in self._queue.at_work():
                if job.executor != self._executor:
                    self._queue.requeue(job)
        else:
            self._register()

    def round(self) -> None:
        """Beat, look at the others, and give away the jobs of those who do not beat any more."""
        started = time.monotonic()
        is_late = self._last_round is None or started - self._last_round > self._late_seconds
        if is_late:
            self._seen.clear()
            self._idle.clear()
        at_work = self._queue.at_work()
        if not self._is_alone:
            self._beat()
            self._look({job.executor for job in at_work})
        self._take_up_forgotten(at_work)
        self._last_round = time.monotonic()

    def leave(self) -> None:
        """Be known as gone; what is still at work here must have been given back."""
        with self._database.writing() as connection:
            connection.execute(delete(worker).where(worker.c.id == self._executor))

    def _register(self) -> None:
        row = {"id": self._executor, "place": _place(), "beat": 0, "started_at": self._clock.now()}
        with self._database.writing() as connection:
            connection.execute(insert(worker), row)

    def _beat(self) -> None:
        mine = worker.c.id == self._executor
        with self._database.writing() as connection:
            n = connection.execute(update(worker).where(mine).values(beat=worker.c.beat + 1)).rowcount
        if n == 0:
            log.warning("this worker was thought dead, and its jobs were given to others", worker=self._executor)
            self._register()

    def _look(self, executors: set[str]) -> None:
        with self._database.reading() as connection:
            rows = connection.execute(select(worker.c.id, worker.c.beat)).all()
        beats: Mapping[str, int | None] = {**dict.fromkeys(executors), **{row.id: row.beat for row in rows}}
        seen = {}
        for executor, beat in beats.items():
            if executor == self._executor:
                continue
            before = self._seen.get(executor)
            is_same = before is not None and before.beat == beat
            seen[executor] = _Seen(beat, before.n_rounds + 1 if before is not None and is_same else 0)
        self._seen = seen
        for executor, found in seen.items():
            if found.n_rounds >= DEAD_ROUNDS:
                self._bury(executor, found.beat)

    def _bury(self, executor: str, beat: int | None) -> None:
        """Give a dead worker's jobs away. Whoever moves its beat does it; if that one dies meanwhile, the next does.

        A worker that was only asleep beats on and is let live: its jobs are gone, its name is as good as before.
        """
        moved = (beat or 0) + 1
        try:
            with self._database.writing() as connection:
                if beat is None:
                    row = {"id": executor, "place": "unknown", "beat": moved, "started_at": self._clock.now()}
                    connection.execute(insert(worker), row)
                elif not connection.execute(
                    update(worker).where(worker.c.id == executor, worker.c.beat == beat).values(beat=moved)
                ).rowcount:
                    return
        except IntegrityError:  # Another looked at the same time.
            return
        left = [job for job in self._queue.at_work() if job.executor == executor]
        log.warning("a worker is dead, its jobs are given to others", worker=executor, jobs=len(left))
        for job in left:
            self._queue.requeue(job)
        with self._database.writing() as connection:
            connection.execute(delete(worker).where(worker.c.id == executor, worker.c.beat == moved))

    def _take_up_forgotten(self, at_work: list[AtWork]) -> None:
        """Requeue jobs that bear our name and are not at work here: taken just as the database went away."""
        idle = {
            job: self._idle.get(job.id, 0) + 1
            for job in at_work
            if job.executor == self._executor and not self._is_running(job.id)
        }
        for job, n_rounds in idle.items():
            if n_rounds > FORGOTTEN_ROUNDS:
                log.warning("a job was taken and not begun", kind=job.kind, job=job.id)
                self._queue.requeue(job)
        self._idle = {job.id: n_rounds for job, n_rounds in idle.items() if n_rounds <= FORGOTTEN_ROUNDS}


def _place() -> str:
    return f"{socket.gethostname()}/{os.getpid()}"[:255]
