"""Runs the demo: the service in this process on a clock that can be set, and the story against it over HTTP."""

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import boto3
import uvicorn
from botocore.config import Config
from rich.console import Console

from openlookout.app.api import bind, http_config
from openlookout.app.refused import StartRefused
from openlookout.app.service import Service, running
from openlookout.clock import ManualClock
from openlookout.demo.files import YEAR_END, write_labels, write_window, write_year
from openlookout.demo.plant import Plant
from openlookout.demo.story import BUCKET, FREQUENCY, N_WINDOWS, DemoFailed, Found, tell
from openlookout.settings import Settings
from openlookout.wire.server import create_app


def run_demo(data: Path | None, *, port: int = 0, keep: bool = False) -> int:
    """Run the demo in a folder, or in a scratch one; give the exit code."""
    console = Console()
    try:
        if data is not None:
            _run(data, port, keep, console)
        else:
            with tempfile.TemporaryDirectory(prefix="openlookout-demo-", ignore_cleanup_errors=True) as scratch:
                _run(Path(scratch), port, keep, console)
    except (DemoFailed, StartRefused) as error:
        console.print(f"[red]{error}[/red]")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _run(data: Path, port: int, keep: bool, console: Console) -> Found:
    if (data / "openlookout.db").exists():
        raise StartRefused(f"the folder {data} holds a service already; the demo needs a new one")
    started = time.monotonic()
    settings, clock, plant = Settings(data=data, port=port), ManualClock(YEAR_END), Plant()
    bucket = data / "buckets" / BUCKET
    console.rule("A simulated pump train")
    with console.status("writing a year of files …"):
        n_bytes = write_year(plant, bucket / "training")
        n_labels = write_labels(bucket / "labels")
    console.print(
        f"one year, every 5 minutes: {n_bytes / 1e6:.0f} MB of CSV, {n_labels} labelled failures, in {bucket}"
    )
    with running(settings, clock) as service, _listening(settings, service) as url:
        client = boto3.client(
            "lookoutequipment",
            endpoint_url=url,
            region_name=settings.region,
            aws_access_key_id="demo",
            aws_secret_access_key="demo",  # noqa: S106  # Any signature is let in on a loopback address without keys.
            config=Config(connect_timeout=10, read_timeout=60),
        )
        found = tell(client, bucket, plant, clock.set, console)
        console.print(f"done in {time.monotonic() - started:.0f} s")
        if keep:
            _keep(plant, bucket, clock, url, console)
    return found


@contextmanager
def _listening(settings: Settings, service: Service) -> Iterator[str]:
    server = uvicorn.Server(http_config(create_app(service.server)))
    with bind(settings.host, settings.port) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://{settings.host}:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(timeout=15)


def _keep(plant: Plant, bucket: Path, clock: ManualClock, url: str, console: Console) -> None:
    """Leave the service running at normal speed, with the files of each window arriving when it ends."""
    console.print(
        f"\nThe service goes on at normal speed from {clock.now():%d %b %Y %H:%M}, simulated; Ctrl-C ends it."
    )
    console.print(f"export AWS_ENDPOINT_URL_LOOKOUTEQUIPMENT={url}", soft_wrap=True)
    start: datetime = YEAR_END + N_WINDOWS * FREQUENCY
    clock.run()
    while True:
        while clock.now() < start + FREQUENCY - FREQUENCY / 30:  # Shortly before the window ends.
            time.sleep(1)
        write_window(plant, bucket / "live", start, start + FREQUENCY)
        start += FREQUENCY
