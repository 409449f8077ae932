"""Retention: the job engine keeps ended jobs for ever; here they are forgotten after a day."""

from datetime import UTC, datetime, timedelta

from openlookout.jobs.engine import JobQueue

KEEP = timedelta(hours=24)
LOOK_SECONDS = 60.0
BATCH = 1000


def forget_ended(queue: JobQueue) -> None:
    """Forget what ended more than KEEP ago."""
    # Real time: the engine stamps its jobs with it, whatever clock drives the schedule.
    while queue.forget_ended(datetime.now(UTC) - KEEP, BATCH) == BATCH:
        pass
