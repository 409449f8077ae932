"""The API served for tests: real HTTP, real SQLite, and a clock that stands still."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import boto3
import uvicorn
from botocore.config import Config

from openlookout.clock import ManualClock
from openlookout.jobs import engine
from openlookout.limits import OWN, Limits
from openlookout.operations.bucket_owners import BucketOwners
from openlookout.operations.changes import refusals
from openlookout.operations.dispatch import dispatcher
from openlookout.operations.operation import Ports
from openlookout.operations.tokens import Tokens
from openlookout.store.database import Database
from openlookout.store.keys import KeyStore
from openlookout.wire.server import Server, create_app

ACCOUNT = "123456789012"
REGION = "us-east-1"


@contextmanager
def served(application: Any, **more: Any) -> Iterator[int]:
    """Serve an ASGI application from a thread; give its port."""
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning", lifespan="off", **more))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the test server did not start"
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(timeout=20)


def boto_client(port: int, *, region: str = REGION, key: str = "none", secret: str = "none", **more: Any) -> Any:
    """An unmodified boto3 client that finds the service at a port of this machine."""
    return boto3.client(
        "lookoutequipment",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"max_attempts": 1}, parameter_validation=False),
        **more,
    )


@dataclass(frozen=True)
class Api:
    """The API alone: requests are answered, jobs wait in the queue for ever."""

    port: int
    database: Database
    clock: ManualClock
    client: Any
    connect: Callable[..., Any]


@contextmanager
def api_alone(url: str, limits: Limits = OWN, bucket_owners: BucketOwners | None = None, **more: Any) -> Iterator[Api]:
    """Serve the API over a database, without workers and ticker; `more` is for uvicorn."""
    database = Database(url)
    database.migrate()
    engine.migrate(database)
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    queue = engine.JobQueue(database)
    ports = Ports(database, queue, clock, Tokens.of(database), limits, bucket_owners=bucket_owners)
    server = Server(
        dispatch=dispatcher(ports),
        refused=refusals(ports),
        keys=KeyStore(database),
        account=ACCOUNT,
        region=REGION,
        health=lambda: {"database": "ok"},
        version="0",
        hosts=frozenset({"127.0.0.1", "localhost"}),
    )
    with served(create_app(server), **more) as port:
        yield Api(port, database, clock, boto_client(port), lambda **options: boto_client(port, **options))
    queue.close()
    database.close()
