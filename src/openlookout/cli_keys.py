"""`openlookout keys` and `openlookout audit`: who may come in, and what was changed by whom."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openlookout.cli_common import Account, Data, refuse

if TYPE_CHECKING:
    from openlookout.store.database import Database

keys = typer.Typer(no_args_is_help=True, help="Make, list and delete access keys.")
audit = typer.Typer(no_args_is_help=True, help="Export the audit log, and see that nobody changed it.")


@keys.command(name="create")
def create_key(
    data: Data = None,
    account: Account = None,
    note: Annotated[str | None, typer.Option(help="What the key is for.")] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="It may look at everything and change nothing.")
    ] = False,
) -> None:
    """Make an access key; from then on every request must be signed with one."""
    from openlookout.settings import read_settings
    from openlookout.store import keys as store

    settings = read_settings({"data": data, "account": account})
    database = _database(settings.data, settings.database_url)
    made = store.create_key(
        database, settings.account, note, datetime.now(UTC), settings.region, is_read_only=read_only
    )
    typer.echo(f"export AWS_ACCESS_KEY_ID={made.id}")
    typer.echo(f"export AWS_SECRET_ACCESS_KEY={made.secret}")


@keys.command(name="list")
def list_keys(data: Data = None) -> None:
    """List the access keys; secrets are not shown."""
    from openlookout.settings import read_settings
    from openlookout.store import keys as store

    settings = read_settings({"data": data})
    for key in store.list_keys(_database(settings.data, settings.database_url)):
        may = "read-only" if key.is_read_only else "full     "
        typer.echo(f"{key.id}  {key.account}  {key.created_at:%Y-%m-%dT%H:%M:%SZ}  {may}  {key.note or ''}".rstrip())


@keys.command(name="delete")
def delete_key(key_id: str, data: Data = None) -> None:
    """Delete an access key; a running service lets it in for a few seconds more."""
    from openlookout.settings import read_settings
    from openlookout.store import keys as store

    settings = read_settings({"data": data})
    database = _database(settings.data, settings.database_url)
    if not store.delete_key(database, key_id, datetime.now(UTC), settings.region):
        refuse(ValueError(f"there is no access key {key_id}"))
    typer.echo(f"Deleted {key_id}")


@audit.command(name="export")
def export_audit(
    data: Data = None,
    after: Annotated[int, typer.Option(min=0, help="Only records with a higher sequence.")] = 0,
) -> None:
    """Write the audit log of all accounts to standard output, oldest first, one JSON object a line."""
    from openlookout.settings import read_settings
    from openlookout.store.audit import records

    settings = read_settings({"data": data})
    for record in records(_database(settings.data, settings.database_url), after=after):
        sys.stdout.write(record.line() + "\n")


@audit.command(name="verify")
def verify_audit(
    data: Data = None,
    file: Annotated[Path | None, typer.Option(help="An export to verify, instead of the database.")] = None,
    known: Annotated[
        list[str] | None, typer.Option(help="SEQUENCE:HASH as an earlier call told; may be given often.")
    ] = None,
) -> None:
    """Hold every record against its hash and the one before; say the last sequence and hash, to be noted elsewhere."""
    from openlookout.settings import read_settings
    from openlookout.store.audit import AuditBroken, read_line, read_noted, verify, verify_database

    try:
        noted = read_noted(known or [])
        if file is None:
            settings = read_settings({"data": data})
            sequence, last = verify_database(_database(settings.data, settings.database_url), noted)
        else:
            with file.open() as lines:
                sequence, last = verify(map(read_line, lines), noted)
    except (AuditBroken, OSError, ValueError) as error:
        refuse(error)
    typer.echo(f"{sequence} records, unchanged" if file is None else f"up to record {sequence}, unchanged")
    typer.echo(f"{sequence}:{last}")


def _database(data: Path, url: str) -> "Database":
    from openlookout.store.database import Database

    data.mkdir(parents=True, exist_ok=True)
    database = Database(url)
    database.migrate("post" if database.is_sqlite else "pre")
    return database
