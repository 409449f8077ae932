"""Client tokens that were used: when their work ended, and when they are forgotten. Knows rows only."""

from datetime import datetime

from sqlalchemy import Connection, delete, update

from openlookout.store.tables import client_token


def note_ended(connection: Connection, made: str, now: datetime) -> None:
    """The work behind what a request made has ended: from now on its token may be forgotten."""
    connection.execute(
        update(client_token).where(client_token.c.made == made, client_token.c.ended_at.is_(None)).values(ended_at=now)
    )


def forget_made(connection: Connection, made: str) -> None:
    """What a request made is deleted: its token is free again, for clients use constant ones."""
    connection.execute(delete(client_token).where(client_token.c.made == made))


def forget_owned(connection: Connection, owner_id: str) -> None:
    """A resource is deleted with all that requests made in it."""
    connection.execute(delete(client_token).where(client_token.c.owner_id == owner_id))


def forget_ended(connection: Connection, before: datetime) -> None:
    """Forget the tokens whose work ended before a time."""
    connection.execute(delete(client_token).where(client_token.c.ended_at < before))
