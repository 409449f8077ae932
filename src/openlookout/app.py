"""The composition root: the only place where everything is built and joined."""

import os
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import IO

import uvicorn
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from openlookout.buckets.buckets import SERVICE, BucketSettings, open_buckets
from openlookout.buckets.errors import BucketError
from openlookout.clock import Clock, SystemClock
from openlookout.jobs.children import Children
from openlookout.jobs.discard import Discard
from openlookout.jobs.engine import Job, JobQueue, Queue, Worker
from openlookout.jobs.infer import Infer
from openlookout.jobs.ingest import Ingest
from openlookout.jobs.retention import LOOK_SECONDS, forget_ended, forget_tokens
from openlookout.jobs.retraining_ticker import TICK_SECONDS as RETRAINING_TICK_SECONDS
from openlookout.jobs.retraining_ticker import RetrainingTicker
from openlookout.jobs.rounds import Rounds
from openlookout.jobs.ticker import TICK_SECONDS, Ticker
from openlookout.jobs.train import Train
from openlookout.jobs.transfer import ImportDataset, ImportVersion
from openlookout.jobs.workplace import Workplace
from openlookout.limits import read_limits
from openlookout.operations.dispatch import dispatcher
from openlookout.operations.operation import Ports
from openlookout.operations.tokens import Tokens
from openlookout.settings import Settings
from openlookout.store.database import Database, ping
from openlookout.store.keys import KeyStore
from openlookout.wire.server import Server, create_app

if sys.platform != "win32":
    import fcntl

VERSION = version("openlookout")
SHUTDOWN_SECONDS = 10
LISTEN_BACKLOG = 2048


class StartRefused(Exception):
    """The service cannot start as it is set up; the message is a sentence for the person who starts it."""


@dataclass(frozen=True)
class Service:
    """A running service, except for its socket."""

    settings: Settings
    database: Database
    server: Server


@contextmanager
def running(settings: Settings, clock: Clock | None = None) -> Iterator[Service]:
    """Run workers and ticker on the data folder; give what answers requests. Stops them at the end.

    Raises:
        StartRefused: another process has the folder.
    """
    clock = clock or SystemClock()
    limits = read_limits(settings.limits)
    with ExitStack() as stack:
        settings.data.mkdir(parents=True, exist_ok=True)
        stack.enter_context(locked(settings.data))
        database = Database(settings.database_url)
        stack.callback(database.close)
        database.migrate()
        buckets = bucket_settings(settings)
        check_buckets(buckets)
        n_children = settings.workers or os.cpu_count() or 1
        children = Children(n_children)
        stack.callback(children.close)
        queue = JobQueue(database)
        stack.callback(queue.close)
        scratch = emptied(settings.data / "scratch")
        workplace = Workplace(database, buckets, scratch, children, queue, clock, limits)
        jobs: dict[str, Job] = {
            "ingest": Ingest(workplace),
            "train": Train(workplace),
            "infer": Infer(workplace),
            "discard": Discard(workplace),
            "import-dataset": ImportDataset(workplace),
            "import-version": ImportVersion(workplace),
        }
        queues = (
            Queue("ingest", 1),
            Queue("train", 1),
            Queue("infer", n_children + 2),
            Queue("discard", 1),
            Queue("import-dataset", 1),
            Queue("import-version", 1),
        )
        worker = Worker(database, jobs, queues)
        worker.start()
        stack.callback(worker.stop, SHUTDOWN_SECONDS)
        for rounds in (
            Rounds("ticker", TICK_SECONDS, Ticker(database, queue, clock).tick),
            Rounds("retraining", RETRAINING_TICK_SECONDS, RetrainingTicker(database, queue, clock).tick),
            Rounds("tokens", LOOK_SECONDS, partial(forget_tokens, database, clock, settings.token_hours)),
            Rounds("retention", LOOK_SECONDS, partial(forget_ended, queue)),
        ):
            rounds.start()
            stack.callback(rounds.stop)
        ports = _ports(settings, database, queue, clock)
        yield Service(settings, database, _server(settings, database, ports))


@contextmanager
def beside(settings: Settings) -> Iterator[tuple[Ports, BucketSettings]]:
    """Give what a command works with beside the service, running or not: its rows and its objects, and no jobs."""
    settings.data.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        database = Database(settings.database_url)
        stack.callback(database.close)
        database.migrate()
        queue = JobQueue(database)
        stack.callback(queue.close)
        yield _ports(settings, database, queue, SystemClock()), bucket_settings(settings)


def embedded_app(settings: Settings, ports: Ports) -> Starlette:
    """Give the ASGI application of a service inside a program: no socket, so only the program itself can ask."""
    return create_app(_server(replace(settings, host="localhost"), ports.database, ports))


def serve(service: Service, listening: socket.socket) -> None:
    """Answer requests on a bound socket until SIGINT or SIGTERM."""
    uvicorn.Server(http_config(service)).run(sockets=[listening])


def http_config(service: Service) -> uvicorn.Config:
    """How uvicorn serves us: no access log (metrics count), few seconds for the last answers."""
    return uvicorn.Config(
        create_app(service.server),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        lifespan="off",
    )


def bind(settings: Settings) -> socket.socket:
    """Give the bound socket; port 0 takes a free one.

    Raises:
        StartRefused: the address is not ours or the port is taken.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((settings.host, settings.port))
        listening.listen(LISTEN_BACKLOG)  # Whoever reads where to connect may do so at once.
    except OSError as error:
        listening.close()
        message = f"cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        raise StartRefused(message) from None
    return listening


def check_keys(settings: Settings, database: Database) -> None:
    """Refuse an address that others reach while nobody has to sign.

    Raises:
        StartRefused: the host is no loopback address and no access keys are configured.
    """
    if not is_loopback(settings.host) and not KeyStore(database).any():
        message = (
            f"refusing to listen on {settings.host} without access keys: anybody could read and delete everything. "
            f"Make one with 'openlookout keys create --data {settings.data}', or listen on 127.0.0.1."
        )
        raise StartRefused(message)


def in_url(host: str) -> str:
    """A host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def locked(data: Path) -> Iterator[None]:
    """Hold the data folder: two processes on one SQLite would run a job twice.

    Raises:
        StartRefused: another process holds it.
    """
    with (data / "lock").open("a+") as file:
        try:
            _lock(file)
        except OSError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            message = f"the data folder {data} is in use by another openlookout (process {owner})"
            raise StartRefused(message) from None
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _lock(file: IO[str]) -> None:
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    else:
        import msvcrt  # noqa: PLC0415  # Exists on Windows only.

        file.seek(2**30)  # Beyond what is written: a locked byte cannot be read by the process that asks who holds it.
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)


def emptied(folder: Path) -> str:
    """Give the absolute path of a folder that is there and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder.resolve())


def bucket_settings(settings: Settings) -> BucketSettings:
    """Where the users' buckets and our own objects are."""
    return BucketSettings(
        kind="s3" if settings.buckets == "s3" else "folder",
        root=settings.data.resolve() / "buckets",
        objects=settings.data.resolve() / "objects",
        endpoint=settings.s3_endpoint or None,
        region=settings.region,
        service_bucket=settings.s3_bucket,
        path_style={"yes": True, "no": False}.get(settings.s3_path_style),
        ca_file=Path(settings.s3_ca_file) if settings.s3_ca_file else None,
    )


def check_buckets(buckets: BucketSettings) -> None:
    """Look into our own bucket once, so that a wrong endpoint or key is said at the start.

    Raises:
        StartRefused: it cannot be listed.
    """
    try:
        next(iter(open_buckets(buckets).list(SERVICE, "")), None)
    except BucketError as error:
        message = f"the bucket of the service's own objects cannot be used: {error}"
        raise StartRefused(message) from None


def _ports(settings: Settings, database: Database, queue: JobQueue, clock: Clock) -> Ports:
    return Ports(database, queue, clock, Tokens.of(database), read_limits(settings.limits), settings.token_hours)


def _server(settings: Settings, database: Database, ports: Ports) -> Server:
    def health() -> Mapping[str, str]:
        try:
            ping(database)
        except SQLAlchemyError as error:
            return {"database": type(error).__name__}
        return {"database": "ok"}

    return Server(
        dispatch=dispatcher(ports),
        keys=KeyStore(database),
        account=settings.account,
        region=settings.region,
        health=health,
        version=VERSION,
        # Whatever becomes of the keys while it runs: an address that others reach is never open.
        is_open_without_keys=is_loopback(settings.host),
        hosts=frozenset({"localhost", "127.0.0.1", "[::1]", in_url(settings.host)})
        if is_loopback(settings.host)
        else frozenset(),
    )
