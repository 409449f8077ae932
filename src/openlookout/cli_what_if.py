"""`openlookout what-if`: a table of what limits come to. Parses arguments and calls."""

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from openlookout.cli_common import Account, Data, Region, moment, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openlookout.console.what_if_ports import Run, Tried

FACTORS = (0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 2.0)
HEAD = ("limit", "alarms a month", "outside labels", "hours of them a month", "caught", "warning")


def table(model: str, run: "Run", tried: "Sequence[Tried]") -> str:
    """Give what some factors come to, as lines of text."""
    rows = [HEAD, *(_row(one) for one in tried)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(HEAD))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(
        [f"Version {run.version} of {model}, {run.start:%Y-%m-%d %H:%M} to {run.end:%Y-%m-%d %H:%M}", *lines]
    )


def _row(one: "Tried") -> tuple[str, ...]:
    caught = f"{one.n_found} of {len(one.labelled)}" if one.labelled else "-"
    warning = "-" if one.warning is None else f"{one.warning.total_seconds() / 86400:.2f} days"
    costs = (f"{one.alarms_a_month:.2f}", str(one.n_false), f"{one.false_hours_a_month:.2f}")
    return (f"x {one.factor:g}", *costs, caught, warning)


def what_if(
    model: Annotated[str, typer.Argument(help="The model.")],
    start: Annotated[str, typer.Option("--from", help="The first moment, such as 2026-10-07 or 2026-10-07T12:00Z.")],
    end: Annotated[str | None, typer.Option("--to", help="The last moment. [default: now]")] = None,
    version: Annotated[int | None, typer.Option(help="The version. [default: the active one]")] = None,
    factor: Annotated[list[float] | None, typer.Option(help="Of the limit, 0.5 to 3; may be given again.")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Score a stretch of data with a version, and tell what other limits would have cost and caught."""
    from openlookout.api.service_error import ServiceError
    from openlookout.app.refused import StartRefused
    from openlookout.app.what_if_command import what_if as run
    from openlookout.settings import read_settings

    try:
        span = moment("--from", start), datetime.now(UTC) if end is None else moment("--to", end)
        settings = read_settings({"data": data, "account": account, "region": region})
        said = table(model, *run(settings, model, version, span, factor or FACTORS))
    except (ServiceError, StartRefused, ValueError) as error:
        refuse(error)
    else:
        typer.echo(said)
        sys.stdout.flush()
        os._exit(0)
