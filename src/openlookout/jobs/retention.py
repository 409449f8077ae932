"""Retention: what is kept for a while only. Ended jobs, which the engine keeps for ever, and used client tokens."""

from datetime import UTC, datetime, timedelta

from openlookout.clock import Clock
from openlookout.jobs.engine import JobQueue
from openlookout.store import client_tokens
from openlookout.store.audit import SYSTEM, Entry, note
from openlookout.store.database import Database
from openlookout.store.score_tables import forget_scores

KEEP = timedelta(hours=24)
LOOK_SECONDS = 60.0
BATCH = 1000


def forget_ended(queue: JobQueue) -> None:
    """Forget what ended more than KEEP ago."""
    # Real time: the engine stamps its jobs with it, whatever clock drives the schedule.
    while queue.forget_ended(datetime.now(UTC) - KEEP, BATCH) == BATCH:
        pass


def forget_old_scores(database: Database, clock: Clock, days: int) -> None:
    """Forget the scores of data that ended so many days ago; the results in the bucket stay."""
    n_forgotten = BATCH
    while n_forgotten == BATCH:
        with database.writing() as connection:
            n_forgotten = forget_scores(connection, clock.now() - timedelta(days=days), BATCH)


def forget_tokens(database: Database, clock: Clock, hours: int) -> None:
    """Forget the client tokens whose work ended so many hours ago."""
    now = clock.now()
    with database.writing() as connection:
        for account, region, n_forgotten in client_tokens.forget_ended(connection, now - timedelta(hours=hours)):
            entry = Entry(
                at=now,
                account=account,
                region=region,
                principal=SYSTEM,
                operation="ForgetClientTokens",
                resource=None,
                request_id="retention",
                request={"hours": hours},
                after={"n_forgotten": n_forgotten},
            )
            note(connection, entry)
