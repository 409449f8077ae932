"""The API as a process shows it: where it listens, who is let in, and what answers. Loads no numbers."""

import gc
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from ipaddress import ip_address

import uvicorn
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette

from openlookout.app.foundation import Foundation
from openlookout.app.model_metrics import ModelMetrics
from openlookout.app.refused import StartRefused
from openlookout.jobs.gauges import InstallationGauges
from openlookout.operations.changes import refusals
from openlookout.operations.dispatch import dispatcher
from openlookout.settings import Settings
from openlookout.store.database import Database, ping
from openlookout.store.keys import KeyStore
from openlookout.wire.connections import BoundedConnection
from openlookout.wire.server import Server, create_app

VERSION = version("openlookout")
SHUTDOWN_SECONDS = 10
LISTEN_BACKLOG = 2048
GARBAGE_ALLOCATIONS = 10_000  # Between two looks for garbage: a page of rows alone makes hundreds of objects.


def api_server(foundation: Foundation) -> Server:
    """Give what answers requests."""
    settings, database = foundation.settings, foundation.database
    ports = foundation.ports()
    return Server(
        dispatch=dispatcher(ports),
        refused=refusals(ports),
        keys=KeyStore(database),
        account=settings.account,
        region=settings.region,
        health=partial(database_health, database),
        version=VERSION,
        metrics=installation_gauges(foundation),
        metrics_token=settings.metrics_token,
        # Whatever becomes of the keys while it runs: an address that others reach is never open.
        is_open_without_keys=is_loopback(settings.host),
        hosts=frozenset({"localhost", "127.0.0.1", "[::1]", in_url(settings.host)})
        if is_loopback(settings.host)
        else frozenset(),
    )


def installation_gauges(foundation: Foundation) -> CollectorRegistry:
    """What a process shows beside its own metrics: those of the whole installation."""
    registry = CollectorRegistry()
    registry.register(InstallationGauges(foundation.database, foundation.queue, foundation.clock))
    registry.register(ModelMetrics(foundation.database))
    return registry


def database_health(database: Database) -> Mapping[str, str]:
    """Whether the database answers, as a probe says it."""
    try:
        ping(database)
    except SQLAlchemyError as error:
        return {"database": type(error).__name__}
    return {"database": "ok"}


def embedded_app(foundation: Foundation) -> Starlette:
    """Give the ASGI application of a service inside a program: no socket, so only the program itself can ask."""
    return create_app(api_server(replace(foundation, settings=replace(foundation.settings, host="localhost"))))


def serve(application: Starlette, listening: socket.socket) -> None:
    """Answer requests on a bound socket until SIGINT or SIGTERM."""
    gc.collect()
    gc.freeze()  # What is loaded by now stays: it is not looked through again while requests are answered.
    gc.set_threshold(GARBAGE_ALLOCATIONS)
    uvicorn.Server(http_config(application)).run(sockets=[listening])


def http_config(application: Starlette) -> uvicorn.Config:
    """How uvicorn serves us: no access log (metrics count), few seconds for the last answers."""
    return uvicorn.Config(
        application,
        http=BoundedConnection,
        log_config=None,  # Ours, of the whole process.
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        lifespan="off",
    )


def bind(host: str, port: int) -> socket.socket:
    """Give the bound socket; port 0 takes a free one.

    Raises:
        StartRefused: the address is not ours or the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(LISTEN_BACKLOG)  # Whoever reads where to connect may do so at once.
    except OSError as error:
        listening.close()
        message = f"cannot listen on {host} port {port}: {error.strerror}"
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
