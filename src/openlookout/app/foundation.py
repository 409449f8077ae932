"""What every role stands on: the rows, the objects, the queue and the clock of one installation."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError

from openlookout.app.folder import locked
from openlookout.app.refused import StartRefused
from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.clock import Clock, SystemClock
from openlookout.jobs import engine
from openlookout.jobs.engine import JobQueue
from openlookout.limits import Limits, read_limits
from openlookout.operations.bucket_owners import BucketOwners, BucketOwnersError, parse_bucket_owners
from openlookout.operations.operation import Ports
from openlookout.operations.tokens import Tokens
from openlookout.settings import Settings
from openlookout.store.database import Database
from openlookout.store.schema import Phase, Revision, SchemaError


@dataclass(frozen=True)
class Foundation:
    """One installation, opened by one process."""

    settings: Settings
    database: Database
    buckets: BucketSettings
    queue: JobQueue
    clock: Clock
    limits: Limits
    bucket_owners: BucketOwners | None = None

    def ports(self) -> Ports:
        """What the operations work with."""
        tokens, hours = Tokens.of(self.database), self.settings.token_hours
        return Ports(self.database, self.queue, self.clock, tokens, self.limits, hours, self.bucket_owners)


@contextmanager
def opened(settings: Settings, clock: Clock | None = None, *, is_one_of_many: bool = False) -> Iterator[Foundation]:
    """Open an installation; closes it at the end.

    Its tables are brought to this release, on SQLite by every change; on PostgreSQL, where an earlier release may still
    be at work, by those that it bears. For one of many processes they must have been.

    Raises:
        StartRefused: the tables do not fit, or the database cannot be used by many or not at all.
    """
    limits = read_limits(settings.limits)
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        database = open_database(settings)
        stack.callback(database.close)
        try:
            if is_one_of_many:
                check_for_many(database)
                database.check_schema()
            else:
                migrate(database, "post" if database.is_sqlite else "pre")
        except SchemaError as error:
            raise StartRefused(str(error)) from None
        except OperationalError as error:
            raise StartRefused(f"the database does not answer: {str(error.orig).strip()}") from None
        queue = JobQueue(database)
        stack.callback(queue.close)
        buckets, owners = bucket_settings(settings), bucket_owners(settings)
        yield Foundation(settings, database, buckets, queue, clock or SystemClock(), limits, owners)


def migrate_alone(settings: Settings, phase: Phase) -> list[Revision]:
    """Bring an installation's tables to this release; give what was applied.

    Raises:
        StartRefused: a process has the data folder (SQLite), or the database or its tables do not do.
    """
    with ExitStack() as stack:
        database = open_database(settings)
        stack.callback(database.close)
        if database.is_sqlite:
            settings.data.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(settings.data))
        try:
            return migrate(database, phase)
        except SchemaError as error:
            raise StartRefused(str(error)) from None
        except OperationalError as error:
            raise StartRefused(f"the database does not answer: {str(error.orig).strip()}") from None


def migrate(database: Database, phase: Phase) -> list[Revision]:
    """Bring our tables and, where others may start at the same time, the engine's to this release."""
    done = database.migrate(phase)
    if not database.is_sqlite:  # A file's are made by the one process that has it.
        engine.migrate(database)
    return done


def open_database(settings: Settings) -> Database:
    """Give the database of the settings.

    Raises:
        StartRefused: its URL is none, or of a kind that we do not know.
    """
    try:
        return Database(settings.database_url, settings.database_connections)
    except (ArgumentError, NoSuchModuleError) as error:
        raise StartRefused(f"OPENLOOKOUT_DATABASE cannot be used: {error}") from None


def check_for_many(database: Database) -> None:
    """Raises StartRefused: the database is a file, which has one process."""
    if database.is_sqlite:
        raise StartRefused(
            "the database is SQLite, which 'openlookout serve' alone can have: set OPENLOOKOUT_DATABASE to a "
            "postgresql:// URL for 'api' and 'worker', or run 'openlookout serve'"
        )


def bucket_owners(settings: Settings) -> BucketOwners | None:
    """Whose the buckets are, None: everybody's.

    Raises:
        StartRefused: the file that should say so cannot be read.
    """
    if not settings.bucket_owners:
        return None
    try:
        return parse_bucket_owners(Path(settings.bucket_owners).read_text(encoding="utf-8"))
    except (OSError, ValueError, BucketOwnersError) as error:
        raise StartRefused(f"the owners of buckets cannot be read from {settings.bucket_owners}: {error}") from None


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
