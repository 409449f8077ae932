"""What every role stands on: the rows, the objects, the queue and the clock of one installation."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openlookout.app.refused import StartRefused
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.clock import Clock, SystemClock
from openlookout.jobs.engine import JobQueue
from openlookout.limits import Limits, read_limits
from openlookout.operations.operation import Ports
from openlookout.operations.tokens import Tokens
from openlookout.settings import Settings
from openlookout.store.database import Database


@dataclass(frozen=True)
class Foundation:
    """One installation, opened by one process."""

    settings: Settings
    database: Database
    buckets: BucketSettings
    queue: JobQueue
    clock: Clock
    limits: Limits

    def ports(self) -> Ports:
        """What the operations work with."""
        tokens = Tokens.of(self.database)
        return Ports(self.database, self.queue, self.clock, tokens, self.limits, self.settings.token_hours)


@contextmanager
def opened(settings: Settings, clock: Clock | None = None) -> Iterator[Foundation]:
    """Open an installation, its tables brought to this release; closes it at the end."""
    limits = read_limits(settings.limits)
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        database = Database(settings.database_url)
        stack.callback(database.close)
        database.migrate()
        queue = JobQueue(database)
        stack.callback(queue.close)
        yield Foundation(settings, database, bucket_settings(settings), queue, clock or SystemClock(), limits)


def bucket_settings(settings: Settings) -> BucketSettings:
    """Where the users' buckets and our own objects are."""
    return BucketSettings(
        kind="s3" if settings.buckets == "s3" else "folder",
        root=settings.data.resolve() / "buckets",
        objects=settings.data.resolve() / "objects",
        endpoint=settings.s3_endpoint or None,
        region=settings.region,
        service_bucket=settings.s3_bucket,
        path_style={"yes": True, "no": False}.get(settings.s3_path_style),
        ca_file=Path(settings.s3_ca_file) if settings.s3_ca_file else None,
    )


def check_buckets(buckets: BucketSettings) -> None:
    """Look into our own bucket once, so that a wrong endpoint or key is said at the start.

    Raises:
        StartRefused: it cannot be listed.
    """
    try:
        next(iter(open_buckets(buckets).list(SERVICE, "")), None)
    except BucketError as error:
        message = f"the bucket of the service's own objects cannot be used: {error}"
        raise StartRefused(message) from None
