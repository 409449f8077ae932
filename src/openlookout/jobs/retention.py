"""Retention: the job engine keeps ended jobs for ever; here they are forgotten after a day."""

import threading
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from openlookout.jobs.engine import JobQueue

KEEP = timedelta(hours=24)
LOOK_SECONDS = 60.0
BATCH = 1000

log = structlog.get_logger()


class Retention:
    """One thread that forgets what ended more than a day ago."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                # Real time: the engine stamps its jobs with it, whatever clock drives the schedule.
                while self._queue.forget_ended(datetime.now(UTC) - KEEP, BATCH) == BATCH:
                    pass
            except SQLAlchemyError:
                log.exception("ended jobs could not be forgotten")
