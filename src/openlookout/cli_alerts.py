"""`openlookout alerts`: channels, rules, maintenance, snooze, log and test. Parses arguments and calls."""

import base64
import secrets as random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from openlookout.alerts.place import Place

alerts = typer.Typer(no_args_is_help=True, help="Tell people of events, failures, silence, trainings and promotions.")
channel = typer.Typer(no_args_is_help=True, help="Where alerts go.")
maintenance = typer.Typer(no_args_is_help=True, help="Times in which machines are worked on, and alerts not wanted.")
alerts.add_typer(channel, name="channel")
alerts.add_typer(maintenance, name="maintenance")

Data = Annotated[Path | None, typer.Option(help="Folder of the database. [default: openlookout-data]")]
Account = Annotated[str | None, typer.Option(help="The account.")]
Region = Annotated[str | None, typer.Option(help="The region.")]
Model = Annotated[str, typer.Argument(help="The model.")]
Name = Annotated[str, typer.Argument(help="Its name.")]

SECRET_BYTES = 32


@channel.command(name="set")
def set_channel(
    name: Name,
    kind: Annotated[str, typer.Option(help="webhook, email or mqtt.")],
    option: Annotated[list[str], typer.Option(help="name=value, see docs/alerts.md. Repeat for each.")] = [],  # noqa: B006  # typer reads it, nobody changes it.
    alert: Annotated[list[str] | None, typer.Option(help="A kind of alert; repeat. [default: all]")] = None,
    model: Annotated[list[str] | None, typer.Option(help="A model; repeat. [default: all]")] = None,
    per_hour: Annotated[int, typer.Option(help="Messages an hour; more are put together in one.")] = 60,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Make a channel or change the one of that name; a webhook without a secret gets one, shown this once."""
    from openlookout.alerts.channel_settings import put_channel

    configuration: dict[str, str] = {}
    for text in option:
        key, sign, value = text.partition("=")
        if not sign:
            _refuse(f"'{key}': an option is name=value")
        configuration[key] = value
    made = None
    if kind == "webhook" and "secret" not in configuration:
        made = "whsec_" + base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()
        configuration["secret"] = made
    with _place(data, account, region) as (place, _):
        now = datetime.now(UTC)
        put_channel(place, name, kind, configuration, now, kinds=alert, models=model, per_hour=per_hour)
    if made is not None:
        typer.echo(f"secret={made}")


@channel.command(name="list")
def list_channels(data: Data = None, account: Account = None, region: Region = None) -> None:
    """List the channels; secrets are not shown."""
    from openlookout.alerts.channel_settings import channels

    with _place(data, account, region) as (place, _):
        for found in channels(place):
            wants = f"{','.join(found.kinds or ['all'])} of {','.join(found.models or ['all models'])}"
            waits = f"{found.n_pending} waiting" if found.n_pending else ""
            troubled = f"failed {found.n_failures} times" if found.n_failures else ""
            typer.echo(
                "  ".join(part for part in (found.name, found.kind, found.where, wants, waits, troubled) if part)
            )


@channel.command(name="delete")
def remove_channel(name: Name, data: Data = None, account: Account = None, region: Region = None) -> None:
    """Delete a channel, with what waits for it."""
    from openlookout.alerts.channel_settings import delete_channel

    with _place(data, account, region) as (place, _):
        delete_channel(place, name)
    typer.echo(f"Deleted {name}")


@alerts.command(name="test")
def send(name: Name, data: Data = None, account: Account = None, region: Region = None) -> None:
    """Send a test over a channel, now."""
    from openlookout.alerts.channel_settings import send_test

    with _place(data, account, region) as (place, base_url):
        where = send_test(place, name, datetime.now(UTC), base_url)
    typer.echo(f"Sent a test over {name} to {where}")


@alerts.command(name="rule")
def rule(
    model: Model,
    persistence: Annotated[str | None, typer.Option(help="k/n: k of the last n rows are anomalous.")] = None,
    minimum: Annotated[str | None, typer.Option(help="For at least so long: 90s, 15m, 2h.")] = None,
    silence: Annotated[str | None, typer.Option(help="Without a row for longer than this; auto: 3 windows.")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Show when a model's alerts are told, or change it."""
    from dataclasses import replace

    from openlookout.alerts.rule_settings import rule_of, set_rule
    from openlookout.alerts.spans import rows_of, seconds_of

    with _place(data, account, region) as (place, _):
        now = rule_of(place, model)
        if persistence is not None:
            k, n = rows_of(persistence)
            now = replace(now, rows_anomalous=k, rows_looked_at=n)
        if minimum is not None:
            now = replace(now, seconds_min=seconds_of(minimum))
        if silence is not None:
            now = replace(now, silence_seconds=None if silence == "auto" else seconds_of(silence))
        if (persistence, minimum, silence) != (None, None, None):
            set_rule(place, model, now)
    silent = "3 windows" if now.silence_seconds is None else f"{now.silence_seconds} s"
    typer.echo(
        f"{model}: {now.rows_anomalous} of {now.rows_looked_at} rows anomalous, for at least {now.seconds_min} s; "
        f"silent after {silent}"
        + (f"; snoozed until {now.snoozed_until:%Y-%m-%dT%H:%M:%SZ}" if now.snoozed_until else "")
    )


@alerts.command(name="snooze")
def snooze(
    model: Model,
    span: Annotated[str, typer.Option("--for", help="How long: 30m, 4h, 2d; 0s ends a snooze.")] = "4h",
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Tell nothing of a model's machine for a while; what goes on after it is told then."""
    from openlookout.alerts import rule_settings  # The command has the name of the function.
    from openlookout.alerts.spans import seconds_of

    with _place(data, account, region) as (place, _):
        seconds = seconds_of(span)
        until = datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None
        rule_settings.snooze(place, model, until)
    typer.echo(f"{model}: " + (f"snoozed until {until:%Y-%m-%dT%H:%M:%SZ}" if until else "not snoozed"))


@maintenance.command(name="set")
def set_maintenance(
    name: Name,
    start: Annotated[str, typer.Option(help="On the wall clock of the zone: 2026-01-31T22:00.")],
    duration: Annotated[str, typer.Option(help="How long: 90m, 8h, 2d.")],
    zone: Annotated[str, typer.Option(help="IANA time zone, such as Europe/Berlin.")],
    recurrence: Annotated[str | None, typer.Option(help="RRULE of RFC 5545: FREQ=WEEKLY;BYDAY=SU. [once]")] = None,
    model: Annotated[str | None, typer.Option(help="The model. [default: all]")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Make a maintenance window or change the one of that name."""
    from openlookout.alerts.maintenance import Maintenance
    from openlookout.alerts.rule_settings import put_maintenance
    from openlookout.alerts.spans import seconds_of

    with _place(data, account, region) as (place, _):
        window = Maintenance(name, datetime.fromisoformat(start), seconds_of(duration) // 60, zone, recurrence)
        put_maintenance(place, window, model)
    for first, last in window.occurrences(datetime.now(UTC), 3):
        typer.echo(f"{name}: {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}")


@maintenance.command(name="list")
def list_maintenance(data: Data = None, account: Account = None, region: Region = None) -> None:
    """List the maintenance windows, each with its next time."""
    from openlookout.alerts.rule_settings import maintenances

    with _place(data, account, region) as (place, _):
        for window, model in maintenances(place):
            near = window.occurrences(datetime.now(UTC), 1)
            shown = f"{near[0][0]:%Y-%m-%dT%H:%MZ} to {near[0][1]:%Y-%m-%dT%H:%MZ}" if near else "over"
            typer.echo(f"{window.name}  {model or 'all models'}  {shown}  {window.zone}  {window.recurrence or 'once'}")


@maintenance.command(name="delete")
def remove_maintenance(name: Name, data: Data = None, account: Account = None, region: Region = None) -> None:
    """Delete a maintenance window."""
    from openlookout.alerts.rule_settings import delete_maintenance

    with _place(data, account, region) as (place, _):
        delete_maintenance(place, name)
    typer.echo(f"Deleted {name}")


@alerts.command(name="log")
def log(
    model: Annotated[str | None, typer.Option(help="Of one model only.")] = None,
    number: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """List the newest alerts and what became of them."""
    from openlookout.alerts.log import alert_log

    with _place(data, account, region) as (place, _):
        for found in alert_log(place, number, model):
            title = found.message["title"] if found.message else f"{found.model}: {found.kind}"
            typer.echo(f"{found.created_at:%Y-%m-%dT%H:%M:%SZ}  {found.kind}  {title}")
            for end in found.deliveries:
                failed = f" after {end.attempts} attempts: {end.last_error}" if end.last_error else ""
                typer.echo(f"    {end.channel}: {end.state.lower()}{failed}")


@alerts.command(name="apply")
def apply(
    file: Annotated[Path, typer.Argument(help="YAML with channels, rules and maintenance; see docs/alerts.md.")],
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Make what a file says; what it does not name stays as it is. All of it, or nothing."""
    from openlookout.alerts.file import apply_file

    with _place(data, account, region) as (place, _):
        for line in apply_file(place, file, datetime.now(UTC)):
            typer.echo(line)


@contextmanager
def _place(data: Path | None, account: str | None, region: str | None) -> "Iterator[tuple[Place, str]]":
    from openlookout.alerts.place import By, Place, Refused
    from openlookout.settings import read_settings
    from openlookout.store.audit import LOCAL
    from openlookout.store.database import Database

    try:
        settings = read_settings({"data": data, "account": account, "region": region})
        settings.data.mkdir(parents=True, exist_ok=True)
        database = Database(settings.database_url)
        try:
            database.migrate()
            by = By(LOCAL, datetime.now(UTC), str(uuid.uuid4()))
            yield Place(database, settings.account, settings.region, by=by), settings.console_url
        finally:
            database.close()
    except (Refused, ValueError) as error:
        _refuse(str(error))


def _refuse(sentence: str) -> NoReturn:
    typer.echo(f"openlookout: {sentence}", err=True)
    raise typer.Exit(1)
