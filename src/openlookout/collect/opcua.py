"""OPC UA: subscribed nodes as readings, with the source's time; connects again whenever the server is away.

A server tells only what changes, so the last value holds while the session lives. A value of bad status is no reading.
"""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.subscription import DataChangeNotif
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.uaerrors import UaError

from openlookout.collect.keeper import Keeper, Taken
from openlookout.collect.values import EPOCH, number
from openlookout.logs import logger

RETRY_SECONDS = 2.0
ALIVE_SECONDS = 2.0
ANSWER_SECONDS = 10.0
# A server keeps so many changes of a node while the line is slow.
QUEUE_SIZE = 100
OLD_US = 60_000_000

log = logger(__name__)


@dataclass(frozen=True)
class OpcuaSource:
    """A server and its nodes. `values`: node id (ns=2;s=Pump.Flow) -> sensor."""

    url: str
    values: Mapping[str, str]
    interval_ms: int = 1000
    user: str | None = None
    password: str | None = None
    certificate: Path | None = None
    private_key: Path | None = None


@dataclass
class Opcua:
    """One session, kept up until it is stopped, in a thread with a loop of its own."""

    source: OpcuaSource
    keeper: Keeper
    _stopping: threading.Event = field(default_factory=threading.Event)
    _told: set[str] = field(default_factory=set)

    def start(self) -> None:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="opcua", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._session()
            except (TimeoutError, OSError, UaError, ConnectionError) as error:
                said = str(error) or type(error).__name__
                log.warning("the server does not answer; it is tried again", server=self.source.url, reason=said[:200])
            finally:
                self.keeper.release(self.source.url)
            await asyncio.sleep(RETRY_SECONDS if not self._stopping.is_set() else 0)

    async def _session(self) -> None:
        client = Client(self.source.url, timeout=ANSWER_SECONDS)
        if self.source.user is not None:
            client.set_user(self.source.user)
            client.set_password(self.source.password or "")
        if self.source.certificate is not None and self.source.private_key is not None:
            await client.set_security(
                SecurityPolicyBasic256Sha256, str(self.source.certificate), str(self.source.private_key)
            )
        async with client:
            self._told.clear()
            log.info("connected", server=self.source.url)
            subscription = await client.create_subscription(self.source.interval_ms, _Changes(self))
            for name in self.source.values:
                try:
                    await subscription.subscribe_data_change(client.get_node(name), queuesize=QUEUE_SIZE)
                except UaError as error:
                    log.warning("no such node", server=self.source.url, node=name, reason=str(error)[:200])
            while not self._stopping.is_set():
                await client.check_connection()
                await asyncio.wait_for(client.nodes.server_state.read_value(), ANSWER_SECONDS)
                await asyncio.sleep(ALIVE_SECONDS)

    def came(self, node: str, value: ua.DataValue) -> None:
        """A node has changed."""
        sensor = self.source.values.get(node)
        if sensor is None:
            return
        at = value.SourceTimestamp or value.ServerTimestamp
        is_good = value.StatusCode is None or value.StatusCode.is_good()
        reading = number(value.Value.Value) if is_good and value.Value is not None else None
        now_us = self.keeper.now_us()
        at_us = now_us if at is None else _microseconds(at)
        is_first = node not in self._told
        self._told.add(node)
        if is_first and now_us - at_us > OLD_US:
            # What a node is when it is subscribed to may have come about long ago: it is a reading of now.
            at_us = now_us
        self.keeper.take([Taken(self.source.url, [(sensor, at_us, reading)], is_live=not is_first, holds=True)])


@dataclass
class _Changes:
    """What asyncua calls."""

    opcua: Opcua

    def datachange_notification(self, node: Any, _value: Any, data: DataChangeNotif) -> None:
        self.opcua.came(node.nodeid.to_string(), data.monitored_item.Value)


def _microseconds(at: datetime) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(microseconds=1)
