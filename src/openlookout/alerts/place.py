"""Whose alerts are set or looked at, in which transaction, and the record that a change leaves. Knows no alert."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, delete

from openlookout.store.audit import Entry, note
from openlookout.store.database import Database
from openlookout.store.subjects import arn

NAME_CHARACTERS_MAX = 200


class Refused(Exception):
    """What was asked for cannot be; the message is a sentence."""


@dataclass(frozen=True)
class By:
    """Who changes something, for the audit log, and when."""

    principal: str
    at: datetime
    request_id: str


@dataclass(frozen=True)
class Place:
    """Whose alerts: an account in a region of a database. Each change leaves a record in the audit log, if it is said
    who makes it: whoever records it otherwise does not say so.
    """

    database: Database
    account: str
    region: str
    transaction: Connection | None = None
    by: By | None = None

    @contextmanager
    def together(self) -> Iterator["Place"]:
        """Give a place whose changes are one transaction."""
        with self.database.writing() as connection:
            yield replace(self, transaction=connection)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction, or go on in the one that is open."""
        if self.transaction is not None:
            yield self.transaction
            return
        with self.database.writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Look into the transaction that is open, or into the database."""
        if self.transaction is not None:
            yield self.transaction
            return
        with self.database.reading() as connection:
            yield connection

    def note(self, connection: Connection, operation: str, what: str, request: Mapping[str, Any]) -> None:
        """Record a change in its transaction; `what` is its kind and name, and `request` has no secret."""
        if self.by is None:
            return
        entry = Entry(
            at=self.by.at,
            account=self.account,
            region=self.region,
            principal=self.by.principal,
            operation=operation,
            resource=arn(self.account, self.region, what),
            request_id=self.by.request_id,
            request=request,
        )
        note(connection, entry)


def check_name(what: str, name: str) -> None:
    """Raises Refused: a channel or a window cannot have this name."""
    if not name.strip() or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise Refused(f"the name of a {what} has 1 to {NAME_CHARACTERS_MAX} printable characters")


def owner(place: Place) -> dict[str, str]:
    """The columns that say whose a new row is."""
    return {"account": place.account, "region": place.region}


def mine(place: Place, table: Table) -> Any:
    """The condition that a row is this account's in this region."""
    return (table.c.account == place.account) & (table.c.region == place.region)


def named(place: Place, table: Table, name: str) -> Any:
    """The condition that a row is this account's and has the name."""
    return mine(place, table) & (table.c.name == name)


def forget(place: Place, table: Table, name: str, *, what: str, operation: str, kind: str) -> None:
    """Delete the row of a name and record it; `what` it is in words, `kind` in the log.

    Raises:
        Refused: there is none of that name.
    """
    with place.writing() as connection:
        if connection.execute(delete(table).where(named(place, table, name))).rowcount == 0:
            raise Refused(f"there is no {what} '{name}'")
        place.note(connection, operation, f"{kind}/{name}", {})
