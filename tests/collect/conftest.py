"""A broker, a publisher, and what a collection writes to: real ones."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from collect.broker import Broker
from openlookout.collect.keeper import Keeper
from openlookout.collect.spool import Spool
from openlookout.collect.target import Target

MINUTE_US = 60_000_000
WINDOW_US = 5 * MINUTE_US
START_US = 1_772_000_100_000_000  # At a multiple of five minutes.
assert START_US % WINDOW_US == 0

TARGET = Target(
    scheduler="pump",
    bucket="plant",
    prefix="in/",
    delimiter="_",
    timestamp_format="yyyyMMddHHmmss",
    offset=timedelta(),
    window_us=WINDOW_US,
    delay_us=MINUTE_US,
    sensors={"pump": ["flow", "speed"], "motor": ["current"]},
)


@dataclass
class Publisher:
    """A device: publishes with QoS 1 and waits until the broker has it."""

    client: paho.Client

    def send(self, topic: str, payload: str | bytes) -> None:
        sent = self.client.publish(topic, payload, qos=1)
        sent.wait_for_publish(20)
        assert sent.is_published()


def publisher(port: int, user: tuple[str, str] | None = None, tls: tuple[Path, Path, Path] | None = None) -> Publisher:
    """`tls`: the authority, and the device's certificate and key."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="device", protocol=paho.MQTTv311)
    if user is not None:
        client.username_pw_set(*user)
    if tls is not None:
        client.tls_set(*map(str, tls))
    client.connect("127.0.0.1", port)
    client.loop_start()
    return Publisher(client)


def until(look: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    keeper = Keeper(Spool(tmp_path / "spool.db", WINDOW_US))
    yield keeper
    keeper.spool.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker").up() as broker:
        yield broker


@contextmanager
def full(spool: Spool) -> Iterator[None]:
    """SQLite refuses to write meanwhile, as it does on a disk that is full."""
    spool._file.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        spool._file.execute("PRAGMA query_only = OFF")


def all_readings(keeper: Keeper) -> list[tuple[str, str, int, float | None]]:
    """Everything in the spool, by component, sensor and time."""
    rows = keeper.spool._file.execute("SELECT component, sensor, time_us, value FROM reading ORDER BY 1, 2, 3")
    return list(rows.fetchall())
