"""Client tokens that were used: when their work ended, and when they are forgotten. Knows rows only."""

from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update

from openlookout.store.service_tables import client_token


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


def forget_ended(connection: Connection, before: datetime) -> list[tuple[str, str, int]]:
    """Forget the tokens whose work ended before a time; give account, region and how many of each."""
    ended = client_token.c.ended_at < before
    counted = select(client_token.c.account, client_token.c.region, func.count()).where(ended)
    found = connection.execute(counted.group_by(client_token.c.account, client_token.c.region)).all()
    if found:
        connection.execute(delete(client_token).where(ended))
    return [(account, region, n) for account, region, n in found]
