"""The database: where SQLite and PostgreSQL differ, and only here. Knows connections; knows no table's meaning.

A transaction is opened as `reading()` or `writing()`. On SQLite a writing transaction takes the write lock at once
(BEGIN IMMEDIATE): pysqlite would begin only at the first write, and two tickers would read the same due rows.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from openlookout.store import schema
from openlookout.store.questions import Questions

SQLITE_BUSY_TIMEOUT_MS = 30_000
POOL_SIZE = 20
POSTGRES_CONNECTIONS = 8
POSTGRES_LOCK = 0x4F4C4F4F  # Any number of ours: who holds it changes the tables.
SQLITE_OUTAGES = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED")
# Classes of SQLSTATE: connection, rolled back (deadlock), resources (disk full), operator (restart), system.
POSTGRES_OUTAGES = ("08", "40", "53", "57", "58", "25P03")
SQLITE_WITH_SUBSECONDS = (3, 42)

_LAST = "openlookout_last"  # In a connection's `info`: what its transaction ends with.


class Database:
    """One SQLite file or one PostgreSQL database, holding the service's rows and the job engine's."""

    def __init__(self, url: str, connections: int = POSTGRES_CONNECTIONS) -> None:
        self.url = make_url(_with_driver(url))
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine: Engine = _sqlite_engine(self.url) if self.is_sqlite else _postgres_engine(self.url, connections)
        self.questions = Questions(self.engine)

    @property
    def extremes(self) -> tuple[str, str]:
        """The names of the functions that give the greatest and the least of several values."""
        return ("MAX", "MIN") if self.is_sqlite else ("GREATEST", "LEAST")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Open one connection for reads; every statement sees what is committed."""
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open one transaction; commit at the end, roll back on any exception."""
        with self.engine.begin() as connection:
            connection.info.pop(_LAST, None)  # Of a transaction on this pooled connection that was rolled back.
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            for write in connection.info.pop(_LAST, ()):
                write(connection)

    def migrate(self, phase: schema.Phase = "post") -> list[schema.Revision]:
        """Bring the tables to this release, or, for `pre`, only so far that it can run; give what was applied.

        Raises:
            SchemaError: see `schema.migrate`.
        """
        with self.writing() as connection:
            if not self.is_sqlite:  # Processes that start together would all make the tables.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": POSTGRES_LOCK})
            return schema.migrate(connection, phase)

    def check_schema(self) -> None:
        """Raises SchemaError: this release cannot run on the tables."""
        with self.reading() as connection:
            schema.check(connection)

    def close(self) -> None:
        self.questions.close()
        self.engine.dispose()


def at_the_end(connection: Connection, write: Callable[[Connection], None]) -> None:
    """Have something written as the last of a `writing()` transaction, in the order of the calls.

    For a row that all transactions lock: whoever locks it last waits for nobody while holding it.
    """
    connection.info.setdefault(_LAST, []).append(write)


def _with_driver(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def _postgres_engine(url: Any, connections: int) -> Engine:
    return create_engine(url, pool_size=connections, max_overflow=0, pool_pre_ping=True)


def _sqlite_engine(url: Any) -> Engine:
    engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=-1, connect_args={"check_same_thread": False})

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # An accepted request survives a power cut.
        connection.execute("PRAGMA foreign_keys=ON")
        if sqlite3.sqlite_version_info < SQLITE_WITH_SUBSECONDS:
            connection.create_function("unixepoch", 1, _unixepoch)

    return engine


def _unixepoch(modifier: str) -> float | None:
    """`unixepoch('subsec')` for a SQLite that answers NULL to it: dbos stamps rows with that from Python 3.12 on."""
    return time.time() if modifier == "subsec" else None


def is_outage(error: BaseException) -> bool:
    """Whether the database did not answer, was full or in the way, and may answer the same question later."""
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    said = getattr(error.orig, "sqlite_errorname", None)
    if said is not None:
        return str(said).startswith(SQLITE_OUTAGES)
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or _is_connecting(error) or str(state or "").startswith(POSTGRES_OUTAGES)


def _is_connecting(error: DBAPIError) -> bool:
    """A failure to connect has no code: psycopg raises its plain OperationalError."""
    return type(error.orig).__name__ in {"OperationalError", "ConnectionTimeout"} and not getattr(
        error.orig, "sqlstate", None
    )


def ping(database: Database) -> None:
    """Ask the database for an answer; raises what the driver raises."""
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
