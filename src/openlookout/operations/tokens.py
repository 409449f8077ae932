"""Page tokens: sealed, so that they are opaque, cannot be made up, and fit only the listing that issued them.

The key lives in the database: it survives a restart, and all API processes share it.
"""

import base64
import os
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from openlookout.store.database import Database
from openlookout.store.service_tables import secret

SECRET_NAME = "page-token-key"  # noqa: S105  # A row's name.
NONCE_BYTES = 12

_SCOPE = msgspec.json.Encoder(order="deterministic")

Position = Sequence[str | int]


class InvalidToken(Exception):
    """The token was not issued for this listing, or was changed."""


class Tokens:
    """Seals and opens the position in a listing. `scope` is what a token is bound to: any JSON."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    @classmethod
    def of(cls, database: Database) -> "Tokens":
        """Read the key from the database, or make it there."""
        with database.writing() as connection:
            stored = select(secret.c.value).where(secret.c.name == SECRET_NAME)
            key = connection.execute(stored).scalar_one_or_none()
            if key is None:
                try:
                    with connection.begin_nested():
                        connection.execute(
                            secret.insert(), {"name": SECRET_NAME, "value": AESGCM.generate_key(bit_length=256)}
                        )
                except IntegrityError:  # Another process was first; its key is everybody's.
                    pass
                key = connection.execute(stored).scalar_one()
        return cls(key)

    def seal(self, position: Position, scope: Any) -> str:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, msgspec.json.encode(position), _bytes(scope))
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, token: str, scope: Any) -> list[str | int]:
        """Give the position.

        Raises:
            InvalidToken: the token was changed, or sealed for another scope or with another key.
        """
        try:
            raw = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
            if base64.urlsafe_b64encode(raw) != token.encode():  # The last letter has bits that mean nothing.
                raise InvalidToken
            position: list[str | int] = msgspec.json.decode(
                self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bytes(scope))
            )
        except (InvalidTag, ValueError):
            raise InvalidToken from None
        return position


def _bytes(scope: Any) -> bytes:
    return _SCOPE.encode(scope)
