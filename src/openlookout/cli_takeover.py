"""`openlookout adopt` and `openlookout replay`: what the old service left, and input of the past. Parses and calls."""

import contextlib
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from openlookout.cli_common import Account, Data, Region, moment, refuse


def replay(
    scheduler: Annotated[str, typer.Argument(help="The inference scheduler.")],
    start: Annotated[str, typer.Option("--from", help="The first moment, such as 2026-10-07 or 2026-10-07T12:00Z.")],
    end: Annotated[str | None, typer.Option("--to", help="The last moment. [default: now]")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Score historic or late input files of a scheduler, and correct its results and events."""
    from openlookout.app.refused import StartRefused
    from openlookout.app.replay import replay as run
    from openlookout.app.replay import sentence
    from openlookout.jobs.replay_request import ReplayRefused, Told
    from openlookout.settings import read_settings

    def tell(now: Told) -> None:
        if now.position is not None and sys.stderr.isatty():
            typer.echo(f"\r{now.position:%Y-%m-%d %H:%M}Z, {now.counts['n_scored']:,} windows", nl=False, err=True)

    try:
        span = moment("--from", start), datetime.now(UTC) if end is None else moment("--to", end)
        told = run(read_settings({"data": data, "account": account, "region": region}), scheduler, span, tell)
    except (ReplayRefused, StartRefused, ValueError) as error:
        refuse(error)
    else:
        if told.status != "SUCCESS":
            refuse(ValueError(sentence(scheduler, told)))
        typer.echo(sentence(scheduler, told))
        sys.stdout.flush()
        os._exit(0)


def adopt(
    source: Annotated[str, typer.Argument(help="What the old service left: s3://bucket/prefix/ or a folder.")],
    labels: Annotated[str | None, typer.Option(help="Label files, where they are elsewhere.")] = None,
    old_results: Annotated[str | None, typer.Option(help="Old results, where they are elsewhere.")] = None,
    plan: Annotated[Path, typer.Option(help="The plan: written if it is not there, else done.")] = Path("adopt.yaml"),
    report: Annotated[Path, typer.Option(help="Where the agreement report goes: .html, .json.")] = Path("agreement"),
    yes: Annotated[bool, typer.Option("--yes", help="Do the plan at once, as it was found.")] = False,
    endpoint: Annotated[str | None, typer.Option(help="A service that runs. [default: one inside, on --data]")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Take over what Lookout for Equipment left: plan, make everything again, and compare with the old results."""
    from rich.console import Console

    from openlookout.adopt.leftovers import AdoptRefused
    from openlookout.adopt.run import Request
    from openlookout.adopt.run import adopt as run
    from openlookout.app.foundation import bucket_settings
    from openlookout.app.refused import StartRefused
    from openlookout.app.replay import replaying
    from openlookout.clients import client as remote
    from openlookout.embed import local
    from openlookout.settings import read_settings

    try:
        settings = read_settings({"data": data, "account": account, "region": region})
        buckets = bucket_settings(settings)
        can_copy = endpoint is None or data is not None
        request = Request(source, labels, old_results, plan, report, yes, buckets, can_copy)
        if endpoint is None:
            connect = lambda: local(settings.data, region_name=settings.region)  # noqa: E731
        else:
            connect = lambda: contextlib.nullcontext(remote(endpoint, region_name=settings.region))  # noqa: E731
        code = run(request, connect, replaying(settings) if can_copy else None, Console())
    except (AdoptRefused, StartRefused, ValueError) as error:
        refuse(error)
    else:
        sys.stdout.flush()
        os._exit(code)
