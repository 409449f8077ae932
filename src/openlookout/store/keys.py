"""Access keys: who may sign requests, and for which account."""

import secrets
import string
import threading
import time
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from openlookout.api.caller import AccessKey
from openlookout.store.database import Database
from openlookout.store.tables import access_key

ID_LETTERS = string.ascii_uppercase + "234567"
CACHE_SECONDS = 5.0  # A key that was deleted is let in this long.


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
                    rows = connection.execute(select(access_key.c.id, access_key.c.secret, access_key.c.account))
                    self._keys = {row.id: AccessKey(row.id, row.secret, row.account) for row in rows}
                self._read_at = time.monotonic()
            return self._keys


def create_key(database: Database, account: str, note: str | None, now: datetime) -> AccessKey:
    """Make a key; its secret is shown once and kept in the database: signatures cannot be verified without it."""
    key_id = "OLKA" + "".join(secrets.choice(ID_LETTERS) for _ in range(16))
    secret = secrets.token_urlsafe(30)
    with database.writing() as connection:
        connection.execute(
            access_key.insert(),
            {"id": key_id, "secret": secret, "account": account, "note": note, "created_at": now},
        )
    return AccessKey(key_id, secret, account)


def delete_key(database: Database, key_id: str) -> bool:
    """Delete a key; False when there is no such key."""
    with database.writing() as connection:
        return connection.execute(access_key.delete().where(access_key.c.id == key_id)).rowcount == 1


def list_keys(database: Database) -> Sequence[tuple[str, str, str | None, datetime]]:
    """Give id, account, note and creation time of each key, oldest first."""
    with database.reading() as connection:
        rows = connection.execute(
            select(access_key.c.id, access_key.c.account, access_key.c.note, access_key.c.created_at).order_by(
                access_key.c.created_at, access_key.c.id
            )
        )
        return [(row.id, row.account, row.note, row.created_at) for row in rows]
