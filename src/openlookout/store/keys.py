"""Access keys: who may sign requests, and for which account."""

import secrets
import string
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from openlookout.api.caller import AccessKey
from openlookout.store.audit import LOCAL, Entry, note
from openlookout.store.database import Database
from openlookout.store.service_tables import access_key

ID_LETTERS = string.ascii_uppercase + "234567"
SHOWN = ("id", "account", "note", "created_at", "is_read_only")  # Never the secret.
COMMAND = "command"  # The request id of what the command line does.
CACHE_SECONDS = 5.0  # A key that was deleted is let in this long.


@dataclass(frozen=True)
class ListedKey:
    """A key as it is shown: everything but its secret."""

    id: str
    account: str
    note: str | None
    created_at: datetime
    is_read_only: bool


class KeyStore:
    """The configured keys, read from the database and remembered for a few seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._read_at = -CACHE_SECONDS
        self._keys: dict[str, AccessKey] = {}

    def find(self, key_id: str) -> AccessKey | None:
        """Give a key, None when there is no such key."""
        return self._current().get(key_id)

    def any(self) -> bool:
        """Whether there are keys, so that requests must be signed."""
        return bool(self._current())

    def _current(self) -> dict[str, AccessKey]:
        with self._lock:
            if time.monotonic() - self._read_at >= CACHE_SECONDS:
                with self._database.reading() as connection:
                    columns = (access_key.c.id, access_key.c.secret, access_key.c.account, access_key.c.is_read_only)
                    self._keys = {row.id: AccessKey(*row) for row in connection.execute(select(*columns))}
                self._read_at = time.monotonic()
            return self._keys


def create_key(
    database: Database,
    account: str,
    purpose: str | None,
    now: datetime,
    region: str = "",
    *,
    is_read_only: bool = False,
    principal: str = LOCAL,
    request_id: str = COMMAND,
) -> AccessKey:
    """Make a key; its secret is shown once and kept in the database: signatures cannot be verified without it.

    A key acts in every region; `region` is the one under which its making is recorded, by `principal`.
    """
    key_id = "OLKA" + "".join(secrets.choice(ID_LETTERS) for _ in range(16))
    secret = secrets.token_urlsafe(30)
    shown = {"id": key_id, "account": account, "note": purpose, "created_at": now, "is_read_only": is_read_only}
    with database.writing() as connection:
        connection.execute(
            access_key.insert(),
            {**shown, "secret": secret},
        )
        by = (principal, request_id)
        note(connection, _entry("CreateAccessKey", now, account, region, key_id, by, after=shown))
    return AccessKey(key_id, secret, account, is_read_only)


def delete_key(
    database: Database,
    key_id: str,
    now: datetime,
    region: str = "",
    *,
    principal: str = LOCAL,
    request_id: str = COMMAND,
) -> bool:
    """Delete a key; False when there is no such key."""
    this = access_key.c.id == key_id
    shown = select(*(access_key.c[name] for name in SHOWN))
    with database.writing() as connection:
        found = connection.execute(shown.where(this)).one_or_none()
        if found is None:
            return False
        connection.execute(access_key.delete().where(this))
        before = dict(found._mapping)
        by = (principal, request_id)
        note(connection, _entry("DeleteAccessKey", now, found.account, region, key_id, by, before=before))
    return True


def list_keys(database: Database, account: str | None = None) -> Sequence[ListedKey]:
    """Give the keys, oldest first: those of one account, or all."""
    columns = (access_key.c[name] for name in SHOWN)
    query = select(*columns).order_by(access_key.c.created_at, access_key.c.id)
    if account is not None:
        query = query.where(access_key.c.account == account)
    with database.reading() as connection:
        return [ListedKey(*row) for row in connection.execute(query)]


def _entry(  # noqa: PLR0917  # As the record reads.
    operation: str, now: datetime, account: str, region: str, key_id: str, by: tuple[str, str], **states: Any
) -> Entry:
    """What was done to a key, by whom in which request; the secret is not in it."""
    principal, request_id = by
    return Entry(now, account, region, principal, operation, f"access-key/{key_id}", request_id, **states)
