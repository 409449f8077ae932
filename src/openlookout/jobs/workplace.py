"""What the jobs of one process share, and the two guarded updates that every job begins and ends with.

A job's row says that it is being worked on until it is published. `begin` counts the attempts; publishing asks for the
status and the attempt, so that a worker that was thought dead cannot overwrite what its successor wrote.
"""

import errno
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy import ColumnElement, Connection, select, update

from openlookout.buckets.buckets import BucketSettings
from openlookout.buckets.errors import BucketUnavailableError
from openlookout.clock import Clock
from openlookout.jobs.children import Children
from openlookout.jobs.engine import JobQueue, Steps
from openlookout.jobs.failures import Temporary
from openlookout.limits import OWN, Limits
from openlookout.logs import logger
from openlookout.store.database import Database
from openlookout.store.lifecycles import WORKING, Lifecycle, move

ATTEMPTS_MAX = 3
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REASON_CHARACTERS_MAX = 5000  # BoundedLengthString.

P = ParamSpec("P")
T = TypeVar("T")
log = logger(__name__)


@dataclass(frozen=True)
class Workplace:
    """The ports of the jobs. `scratch` is a folder that is emptied at each start: what a killed child left is gone.

    `late`: how long after its window an input file still corrects the results. `is_parquet_wanted`: results are
    written as Parquet too. `scores_kept_for`: in the database.
    """

    database: Database
    buckets: BucketSettings
    scratch: str
    children: Children
    queue: JobQueue
    clock: Clock
    limits: Limits = OWN
    late: timedelta = timedelta(hours=24)
    is_parquet_wanted: bool = False
    scores_kept_for: timedelta = timedelta(days=90)

    def now(self) -> datetime:
        now = self.clock.now()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def begin(
    workplace: Workplace,
    steps: Steps,
    lifecycle: Lifecycle,
    which: ColumnElement[bool],
    abandon: Callable[[str, int], None],
) -> int | None:
    """Count one more attempt of the work and give its number; None when there is nothing to do.

    That is so when the work has ended already, when its row is gone, and when the process died in each of the attempts
    before that count: then it is abandoned.
    """
    table = lifecycle.table
    with workplace.database.writing() as connection:
        counted = connection.execute(
            update(table).where(which, table.c.status.in_(WORKING)).values(attempt=table.c.attempt + 1)
        )
        if counted.rowcount != 1:
            return None
        row = connection.execute(select(table.c.attempt, table.c.forgiven).where(which)).one()
    steps.attempt = row.attempt
    n_counted = row.attempt - row.forgiven
    if n_counted <= ATTEMPTS_MAX:
        return steps.attempt
    abandon(
        f"The work was interrupted {n_counted - 1} times by the end of the process that did it; "
        f"{ATTEMPTS_MAX} times is the limit.",
        row.attempt,
    )
    return None


def forgive(workplace: Workplace, lifecycle: Lifecycle, which: ColumnElement[bool]) -> None:
    """Let one attempt not count: it ended with an orderly end of the process, or with an outage of the database."""
    table = lifecycle.table
    uncounted = update(table).where(which, table.c.status.in_(WORKING), table.c.forgiven < table.c.attempt)
    with workplace.database.writing() as connection:
        connection.execute(uncounted.values(forgiven=table.c.forgiven + 1))


def publish(
    connection: Connection,
    lifecycle: Lifecycle,
    identity: ColumnElement[bool],
    attempt: int | None,
    status: str,
    **values: object,
) -> bool:
    """End the work with a status, if it is still this attempt's to end; False when it is not: nothing was changed.

    `attempt` None: whoever does the work.
    """
    mine = identity if attempt is None else identity & (lifecycle.table.c.attempt == attempt)
    return move(connection, lifecycle, mine, status, **values) == 1


def is_disk_full(error: BaseException) -> bool:
    """Whether the work only lacked room on the disk; polars says it in words of its own."""
    number = getattr(error, "errno", None)
    return number in DISK_FULL or any(f"os error {code}" in str(error) for code in DISK_FULL)


def reason(text: str) -> str:
    """A sentence that fits FailedReason."""
    return text[:REASON_CHARACTERS_MAX]


def retried(function: Callable[P, T]) -> Callable[P, T]:
    """Let a step be tried again when a bucket does not answer just now, or this machine's disk is full."""

    @wraps(function)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        try:
            return function(*arguments, **named)
        except BucketUnavailableError as error:
            raise Temporary(str(error)) from error
        except Exception as error:
            if not is_disk_full(error):
                raise
            raise Temporary(f"the disk of the worker is full: {error}") from error

    return run
