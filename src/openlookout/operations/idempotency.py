"""Idempotency: a request that comes again with the same ClientToken is answered with what it made, as that is now.

A token is scoped by account, region and operation, because clients use one text in several operations. It is forgotten
some hours after its work ended, and with the resource that it made, because clients use constant tokens.
AWS's own scripts poll an import by repeating it (guide, "Bulk importing").
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.exc import IntegrityError

from openlookout.api.errors import ConflictException
from openlookout.api.instants import to_microseconds
from openlookout.operations.operation import Context
from openlookout.store.service_tables import client_token


def claim(
    context: Context, connection: Connection, request: Mapping[str, Any], *, made: str, owner: str, ends_later: bool
) -> str | None:
    """Take the request's token for what is about to be made; give what was made with it earlier, None the first time.

    `owner`: the id of the resource with which the token is forgotten. `ends_later`: a job ends the work, and calls
    `note_ended`. The token is written first in a transaction: of two requests at once the second waits for the first.

    Raises:
        ConflictException: the token was used with other parameters.
    """
    now = context.now()
    token, digest = request["ClientToken"], _digest(request)
    mine = {"account": context.account, "region": context.region, "operation": context.operation, "token": token}
    this = [client_token.c[name] == value for name, value in mine.items()]
    kept_since = now - timedelta(hours=context.ports.token_hours)
    connection.execute(delete(client_token).where(*this, client_token.c.ended_at < kept_since))
    row = {**mine, "digest": digest, "made": made, "owner_id": owner, "ended_at": None if ends_later else now}
    try:
        with connection.begin_nested():
            connection.execute(client_token.insert(), row)
    except IntegrityError:
        earlier = connection.execute(select(client_token.c.digest, client_token.c.made).where(*this)).one()
        if earlier.digest != digest:
            raise ConflictException(
                f"The ClientToken '{token}' was used for {context.operation} with other parameters; "
                "a new request needs a new token."
            ) from None
        return str(earlier.made)
    return None


def _digest(request: Mapping[str, Any]) -> str:
    others = {member: value for member, value in request.items() if member != "ClientToken"}
    text = json.dumps(others, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: datetime) -> int:
    return to_microseconds(value)
