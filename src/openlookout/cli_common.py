"""What every command of the command line shares: its common options, and how it refuses."""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[Path | None, typer.Option(help="Folder of the database and the buckets. [default: openlookout-data]")]
Host = Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. [default: 8580]")]
Account = Annotated[str | None, typer.Option(help="Account of every caller while there are no access keys.")]
Limits = Annotated[str | None, typer.Option(help="The quotas: own, or aws for the service's. [default: own]")]
Region = Annotated[str | None, typer.Option(help="Region of unsigned requests. [default: us-east-1]")]


def refuse(error: Exception) -> None:
    """Say why in a sentence, and end with 1 at once."""
    typer.echo(f"openlookout: {error}", err=True)
    sys.stderr.flush()
    os._exit(1)


def moment(flag: str, text: str) -> datetime:
    """Read a moment; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{flag} '{text}' is no moment: write 2026-10-07 or 2026-10-07T12:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
