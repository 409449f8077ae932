"""A database with a model and its scheduler, a real HTTP server that takes webhooks, and a clock that is set by hand."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from sqlalchemy import Row, select

import openlookout.alerts
from openlookout.alerts.channel_settings import put_channel
from openlookout.alerts.delivery import Delivery
from openlookout.alerts.notes import note_scored
from openlookout.alerts.place import Place
from openlookout.api.instants import to_microseconds
from openlookout.clock import ManualClock
from openlookout.store.database import Database
from openlookout.store.tables import (
    dataset,
    inference_event,
    inference_execution,
    inference_scheduler,
    model,
    model_version,
)
from postgres import postgresql_in

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
STEP = timedelta(minutes=5)
OF = {"account": "123456789012", "region": "us-east-1"}
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBwbGFudA=="
SCHEMA = json.loads((Path(openlookout.alerts.__file__).parent / "schema.json").read_text())


@dataclass
class Received:
    headers: Mapping[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        message = json.loads(self.body)
        jsonschema.validate(message, SCHEMA)
        return dict(message)


@dataclass
class Receiver:
    """A webhook's other side; `answers` are the status codes of the next requests, then 204 for ever."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    meanwhile: Callable[[], None] = lambda: None
    """Done before each answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/s3cret-path"

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [received.message for received in self.received]

    @contextmanager
    def up(self) -> Iterator[None]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.meanwhile()
                status = outer.answers.pop(0) if outer.answers else 204
                if status == 204:
                    outer.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@dataclass
class Plant:
    """A model `pump` with a scheduler of five minutes, and what delivers its alerts."""

    place: Place
    clock: ManualClock
    delivery: Delivery

    @property
    def database(self) -> Database:
        return self.place.database

    def add_channel(self, url: str, name: str = "ops", **more: Any) -> None:
        put_channel(self.place, name, "webhook", {"url": url, "secret": SECRET}, self.clock.now(), **more)

    def deliver(self) -> None:
        self.delivery.round()
        self.delivery.finish()

    def execution(self, end: datetime, status: str = "SUCCESS", scheduler_id: str = "s") -> Row[Any]:
        """The execution of the window that ends then."""
        identity = f"{scheduler_id}{end:%Y%m%d%H%M%S}"
        row = {"id": identity, "scheduler_id": scheduler_id, "due_at": end, "data_start": end - STEP, "data_end": end}
        with self.database.writing() as connection:
            connection.execute(
                inference_execution.insert(), {**row, "status": status, "attempt": 1, "input": {}, "output": {}}
            )
            return connection.execute(select(inference_execution).where(inference_execution.c.id == identity)).one()

    def score(self, end: datetime, *flags: int, **more: Any) -> None:
        """One execution whose last row is at `end`, each flag a row, with an event for each run of anomalous ones."""
        shares = {"pump\\flow": 0.7, "pump\\speed": 0.3}
        execution = self.execution(end)
        times = [end - STEP * (len(flags) - 1 - i) for i in range(len(flags))]
        with self.database.writing() as connection:
            for at, flag in zip(times, flags, strict=True):
                if flag:
                    add_event(connection, "s", at - STEP, at, shares, **more)
            rows = [
                (to_microseconds(at), 0.9 if flag else 0.1, bool(flag)) for at, flag in zip(times, flags, strict=True)
            ]
            note_scored(connection, execution, rows, self.clock.now())


def add_event(
    connection: Any, scheduler_id: str, start: datetime, end: datetime, shares: Mapping[str, float], **more: Any
) -> str:
    identity = f"event-{scheduler_id}-{to_microseconds(start)}"[:32]
    row = {"id": identity, "scheduler_id": scheduler_id, "started_at": start, "ended_at": end, "n_rows": 1}
    connection.execute(inference_event.insert(), {**row, "diagnostics": dict(shares), **more})
    return identity


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = postgresql_in(tmp_path_factory.mktemp("alerts") / "postgresql")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path / 'rows.db'}")
        database.migrate()
    else:
        database = Database(request.getfixturevalue("postgresql"))
        database.migrate()
        with database.writing() as connection:
            connection.exec_driver_sql("TRUNCATE alert, alert_channel, maintenance, model, dataset CASCADE")
    yield database
    database.close()


@pytest.fixture
def plant(database: Database) -> Iterator[Plant]:
    clock = ManualClock(NOW)
    made = {**OF, "created_at": NOW, "updated_at": NOW}
    version = {"model_id": "m", "status": "SUCCESS", "source_type": "TRAINING", "attempt": 1, "configuration": {}}
    scheduler = {"id": "s", "name": "live", "model_id": "m", "status": "RUNNING", "frequency": "PT5M", "role_arn": "r"}
    with database.writing() as connection:
        data = {"id": "d", "name": "d", "status": "ACTIVE", "schema_given": False}
        connection.execute(dataset.insert(), {**data, **made})
        row = {"id": "m", "name": "pump", "dataset_id": "d", "status": "SUCCESS", "active_version": 1}
        connection.execute(model.insert(), {**row, **made})
        version |= {"version": 1, "data_schema": "", "created_at": NOW, "updated_at": NOW}
        connection.execute(model_version.insert(), version)
        connection.execute(inference_scheduler.insert(), {**scheduler, "input": {}, "output": {}, **made})
    delivery = Delivery(database, clock, "http://console.plant:8580")
    yield Plant(Place(database, **OF), clock, delivery)
    delivery.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    with made.up():
        yield made
