"""The command line: parses arguments and calls. Each command loads only the part it needs."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openlookout.cli_alerts import alerts
from openlookout.cli_archive import export_version, import_version
from openlookout.cli_collect import collect
from openlookout.cli_common import Account, Data, Host, Limits, Port, Region, refuse
from openlookout.cli_keys import audit, keys
from openlookout.cli_takeover import adopt, replay
from openlookout.cli_what_if import what_if

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from openlookout.settings import Settings

PARENT_LOOK_SECONDS = 1.0

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Amazon Lookout for Equipment, self-hosted: the same 49 operations, with real detection behind them.",
)
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
app.add_typer(alerts, name="alerts")
app.command()(adopt)
app.command()(replay)
app.command(name="what-if")(what_if)
app.command()(collect)
app.command(name="export")(export_version)
app.command(name="import")(import_version)


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
    from openlookout.app.console import prepare_pages
    from openlookout.app.service import running
    from openlookout.wire.server import create_app

    def work(settings: "Settings") -> None:
        prepare_pages()
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
    from openlookout.app.console import prepare_pages

    def work(settings: "Settings") -> None:
        prepare_pages()
        run_api(settings, lambda bound: _say_where(settings, bound))

    flags = {"data": data, "host": host, "port": port, "account": account, "region": region, "limits": limits}
    _run(flags, work)


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
        refuse(ValueError(f"the phase is pre or post, not '{phase}'"))

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
        refuse(error)
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
        refuse(error)
    except KeyboardInterrupt:
        pass
    sys.stdout.flush()
    configure_traces("off")
    # Jobs that are still running are blocked in their threads; they are given back, or taken up at the next start.
    os._exit(0)


def _say_where(settings: "Settings", port: int) -> None:
    from openlookout.app.api import in_url

    where = "S3" if settings.buckets == "s3" else f"the folders of {settings.data / 'buckets'}"
    typer.echo(f"OpenLookout listens on http://{in_url(settings.host)}:{port}, buckets are {where}")
    typer.echo(f"export AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT=http://{in_url(settings.host)}:{port}")
    sys.stdout.flush()


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
