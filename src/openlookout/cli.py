"""The command line: parses arguments and calls. Each command loads only the part it needs."""

import contextlib
import os
import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openlookout.cli_alerts import alerts
from openlookout.cli_collect import collect

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openlookout.archive.transfer import Place
    from openlookout.settings import Settings

PARENT_LOOK_SECONDS = 1.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Amazon Lookout for Equipment, self-hosted: the same 49 operations, with real detection behind them.",
)
keys = typer.Typer(no_args_is_help=True, help="Make, list and delete access keys.")
app.add_typer(keys, name="keys")
audit = typer.Typer(no_args_is_help=True, help="Export the audit log, and see that nobody changed it.")
app.add_typer(audit, name="audit")
app.add_typer(alerts, name="alerts")
app.command()(collect)

Data = Annotated[Path | None, typer.Option(help="Folder of the database and the buckets. [default: openlookout-data]")]
Host = Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one. [default: 8580]")]
Account = Annotated[str | None, typer.Option(help="Account of every caller while there are no access keys.")]
Limits = Annotated[str | None, typer.Option(help="The quotas: own, or aws for the service's. [default: own]")]
Region = Annotated[str | None, typer.Option(help="Region of unsigned requests. [default: us-east-1]")]


@app.command()
def serve(
    data: Data = None,
    host: Host = None,
    port: Port = None,
    account: Account = None,
    region: Region = None,
    limits: Limits = None,
) -> None:
    """Run the whole service in one process: API, workers and ticker."""
    from openlookout.app import api
    from openlookout.app.service import running
    from openlookout.wire.server import create_app

    def work(settings: "Settings") -> None:
        with running(settings) as service:
            api.check_keys(settings, service.database)
            with api.bind(settings.host, settings.port) as listening:
                _say_where(settings, listening.getsockname()[1])
                api.serve(create_app(service.server), listening)

    flags = {"data": data, "host": host, "port": port, "account": account, "region": region, "limits": limits}
    _run(flags, work)


@app.command()
def api(
    data: Data = None,
    host: Host = None,
    port: Port = None,
    account: Account = None,
    region: Region = None,
    limits: Limits = None,
) -> None:
    """Run the API alone, one of any number on PostgreSQL; workers do what it accepts."""
    from openlookout.app.api_process import run_api

    flags = {"data": data, "host": host, "port": port, "account": account, "region": region, "limits": limits}
    _run(flags, lambda settings: run_api(settings, lambda bound: _say_where(settings, bound)))


@app.command()
def worker(
    queues: Annotated[str | None, typer.Option(help="The queues to work on, by commas. [default: all]")] = None,
    data: Data = None,
    host: Host = None,
    probe_port: Annotated[
        int | None, typer.Option(help="Port of /healthz, /readyz and /metrics. [default: none]")
    ] = None,
    limits: Limits = None,
) -> None:
    """Run jobs and tick, one of any number on PostgreSQL."""
    from openlookout.app.worker_process import run_worker

    def say(words: str) -> None:
        typer.echo(words)
        sys.stdout.flush()

    only = [name.strip() for name in (queues or "").split(",") if name.strip()]
    flags = {"data": data, "host": host, "probe_port": probe_port, "limits": limits}
    _run(flags, lambda settings: run_worker(settings, only, say))


@app.command()
def migrate(
    phase: Annotated[
        str, typer.Option(help="pre: before this release starts; post: after the last of the old.")
    ] = "post",
    data: Data = None,
) -> None:
    """Bring the tables of the database to this release: by all changes, or by those that the earlier release bears."""
    from openlookout.app.foundation import migrate_alone

    if phase not in {"pre", "post"}:
        _refuse(ValueError(f"the phase is pre or post, not '{phase}'"))

    def work(settings: "Settings") -> None:
        done = migrate_alone(settings, "pre" if phase == "pre" else "post")
        for revision in done:
            typer.echo(f"{revision.id} ({revision.phase}): {revision.says}")
        typer.echo(f"{len(done)} revisions were applied; the tables fit this release")

    _run({"data": data}, work)


@app.command(hidden=True)
def engine(data: Data = None) -> None:
    """Run workers and ticker until a line comes or the process that started this has ended: for 'openlookout.local'."""
    from openlookout.app.refused import StartRefused
    from openlookout.app.service import running
    from openlookout.settings import read_settings

    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in a notebook is for the notebook.
    try:
        settings = read_settings({"data": data})
        _configure(settings)
        with running(settings):
            typer.echo("ready")
            sys.stdout.flush()
            # Not the pipe's end alone: a fork of the program holds a copy of it.
            told = threading.Event()

            def listen() -> None:
                sys.stdin.readline()
                told.set()

            threading.Thread(target=listen, daemon=True).start()
            while os.getppid() == parent and not told.wait(PARENT_LOOK_SECONDS):
                pass
    except (StartRefused, ValueError) as error:
        _refuse(error)
    os._exit(0)


@app.command()
def demo(
    data: Annotated[Path | None, typer.Option(help="Folder to work in. [default: a scratch folder]")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the server running afterwards, with new files arriving.")] = False,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 0,
) -> None:
    """Simulate a plant and take its data all the way: dataset, model, versions, scheduler, results."""
    from openlookout.demo.run import run_demo

    code = run_demo(data, port=port, keep=keep)
    sys.stdout.flush()
    os._exit(code)


@app.command()
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
        _refuse(error)
    else:
        if told.status != "SUCCESS":
            _refuse(ValueError(sentence(scheduler, told)))
        typer.echo(sentence(scheduler, told))
        sys.stdout.flush()
        os._exit(0)


@app.command("what-if")
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
    from openlookout.cli_what_if import FACTORS, table
    from openlookout.settings import read_settings

    try:
        span = moment("--from", start), datetime.now(UTC) if end is None else moment("--to", end)
        settings = read_settings({"data": data, "account": account, "region": region})
        said = table(model, *run(settings, model, version, span, factor or FACTORS))
    except (ServiceError, StartRefused, ValueError) as error:
        _refuse(error)
    else:
        typer.echo(said)
        sys.stdout.flush()
        os._exit(0)


@app.command()
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
        _refuse(error)
    else:
        sys.stdout.flush()
        os._exit(code)


@app.command(name="export")
def export_version(
    model: Annotated[str, typer.Argument(help="The model.")],
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    version: Annotated[int | None, typer.Option(min=1, help="The version. [default: the active one]")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Write a model version to a file that can be read without OpenLookout."""
    from openlookout.archive.transfer import export_version as export

    def work(place: "Place") -> None:
        number, digest = export(place, model, version, file)
        typer.echo(f"Exported version {number} of {model} to {file}")
        typer.echo(f"Digest {digest}")

    _with_archive({"data": data, "account": account, "region": region}, work)


@app.command(name="import")
def import_version(
    file: Annotated[Path, typer.Argument(help="The file that 'openlookout export' wrote.")],
    model: Annotated[str | None, typer.Option(help="The model to add it to. [default: as it was called]")] = None,
    dataset: Annotated[str | None, typer.Option(help="Its dataset. [default: as it was called]")] = None,
    digest: Annotated[str | None, typer.Option(help="The digest that the export told; others are refused.")] = None,
    data: Data = None,
    account: Account = None,
    region: Region = None,
) -> None:
    """Make an exported file a model version: version 1 of a new model, or the next of one that is there."""
    from openlookout.archive.transfer import import_version as import_file

    def work(place: "Place") -> None:
        made = import_file(place, file, digest=digest, model_name=model, dataset_name=dataset)
        active = "active" if made.is_active else "not active"
        typer.echo(f"Imported {file} as version {made.version} of {made.model}, dataset {made.dataset}, {active}")

    _with_archive({"data": data, "account": account, "region": region}, work)


@app.command(name="install-client")
def install_client(
    directory: Annotated[
        Path | None, typer.Option(help="A folder for AWS_DATA_PATH. [default: ~/.aws/models, which boto3 always reads]")
    ] = None,
) -> None:
    """Install the service's model for boto3 and the AWS CLI, with paginators and waiters."""
    from openlookout.api.client_model import install

    installed = install(directory)
    typer.echo(f"Installed {installed}")
    if directory is not None:
        typer.echo(f"export AWS_DATA_PATH={directory.resolve()}")


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
        _refuse(ValueError(f"there is no access key {key_id}"))
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
        _refuse(error)
    typer.echo(f"{sequence} records, unchanged" if file is None else f"up to record {sequence}, unchanged")
    typer.echo(f"{sequence}:{last}")


def _configure(settings: "Settings") -> None:
    """Logs and traces of a process that serves or works."""
    from openlookout.logs import configure_logs
    from openlookout.traces import configure_traces

    configure_logs(settings.logs, settings.log_level)
    configure_traces(settings.traces)


def _run(flags: "Mapping[str, object]", work: "Callable[[Settings], None]") -> None:
    """Do a process's work with its settings until it ends, or SIGINT or SIGTERM ends it."""
    from openlookout.app.refused import StartRefused
    from openlookout.settings import read_settings
    from openlookout.traces import configure_traces

    # Stopping by SIGTERM is stopping by Ctrl-C: uvicorn handles both once it runs, this until then.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        settings = read_settings(flags)
        _configure(settings)
        work(settings)
    except (StartRefused, ValueError) as error:
        _refuse(error)
    except KeyboardInterrupt:
        pass
    sys.stdout.flush()
    configure_traces("off")
    # Jobs that are still running are blocked in their threads; they are given back, or taken up at the next start.
    os._exit(0)


def _with_archive(flags: dict[str, object], work: "Callable[[Place], None]") -> None:
    from openlookout.app.foundation import opened
    from openlookout.archive.file import ArchiveError
    from openlookout.archive.transfer import Place
    from openlookout.buckets.errors import BucketError
    from openlookout.settings import read_settings

    try:
        settings = read_settings(flags)
        with opened(settings) as foundation:
            work(Place(foundation.ports(), foundation.buckets, settings.account, settings.region))
    except (ArchiveError, BucketError, OSError, ValueError) as error:
        _refuse(error)


def _database(data: Path, url: str):  # type: ignore[no-untyped-def]  # Loaded late, so that --help answers at once.
    from openlookout.store.database import Database

    data.mkdir(parents=True, exist_ok=True)
    database = Database(url)
    database.migrate("post" if database.is_sqlite else "pre")
    return database


def _say_where(settings: "Settings", port: int) -> None:
    from openlookout.app.api import in_url

    where = "S3" if settings.buckets == "s3" else f"the folders of {settings.data / 'buckets'}"
    typer.echo(f"OpenLookout listens on http://{in_url(settings.host)}:{port}, buckets are {where}")
    typer.echo(f"export AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT=http://{in_url(settings.host)}:{port}")
    sys.stdout.flush()


def moment(flag: str, text: str) -> datetime:
    """Read a moment; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{flag} '{text}' is no moment: write 2026-10-07 or 2026-10-07T12:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _refuse(error: Exception) -> None:
    typer.echo(f"openlookout: {error}", err=True)
    sys.stderr.flush()
    os._exit(1)


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
