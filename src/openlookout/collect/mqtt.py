"""MQTT: JSON and Sparkplug B messages as readings. QoS 1, a session that the broker keeps, acknowledged from the disk.

A message is acknowledged after the spool has it: whoever dies before that gets it again, and the spool knows a reading
that it has. Messages that are no readings are acknowledged too, and named; otherwise they would come for ever.
"""

import json
import queue
import ssl
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from openlookout.collect.errors import CollectError, SpoolUnavailable
from openlookout.collect.keeper import Keeper, Taken, Value
from openlookout.collect.sparkplug import Births, parse_topic, rebirth
from openlookout.collect.values import BadValue, at_path, number, time_us
from openlookout.logs import logger

QOS = 1
BATCH_MAX = 500
WAITING_MAX = 20_000
RECONNECT_SECONDS_MAX = 30
KEPT_SESSION_SECONDS = 7 * 24 * 3600
BAD_NAMED_MAX = 100
SPOOL_RETRY_SECONDS = 1.0

log = logger(__name__)


@dataclass(frozen=True)
class JsonTopic:
    """Messages of a topic filter: JSON objects. `time`: where their time stands, None: it is when they come.

    `values`: where a reading stands in the object -> sensor; `.` for a payload that is the number itself.
    """

    topic: str
    values: Mapping[str, str]
    time: str | None = None


@dataclass(frozen=True)
class SparkplugTopic:
    """Messages of a topic filter: Sparkplug B. `values`: node/metric or node/device/metric -> sensor."""

    topic: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class MqttSource:
    """A broker and what is collected from it. `version`: 3 for MQTT 3.1.1, or 5."""

    host: str
    port: int
    client_id: str
    topics: Sequence[JsonTopic | SparkplugTopic]
    version: int = 5
    user: str | None = None
    password: str | None = None
    is_tls: bool = False
    ca_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None

    @property
    def address(self) -> str:
        return f"mqtt{'s' if self.is_tls else ''}://{self.host}:{self.port}"


@dataclass(frozen=True)
class _Came:
    """A message, and by the how manieth connection it came."""

    connection: int
    message: paho.MQTTMessage


@dataclass
class Mqtt:
    """One connection, kept up until it is stopped."""

    source: MqttSource
    keeper: Keeper
    _births: Births = field(default_factory=Births)
    _waiting: "queue.Queue[_Came | None]" = field(default_factory=lambda: queue.Queue(WAITING_MAX))
    _n_bad: int = 0
    _n_connections: int = 0
    _stopping: threading.Event = field(default_factory=threading.Event)
    is_subscribed: bool = False
    """Whether messages come now."""

    def start(self) -> None:
        """Connect, or go on trying; messages are kept from now on.

        Raises:
            CollectError: the CA file, the certificate or its key cannot be read.
        """
        self._client = self._new_client()
        self._writer = threading.Thread(target=self._write, name="mqtt", daemon=True)
        self._writer.start()
        self._client.reconnect_delay_set(1, RECONNECT_SECONDS_MAX)
        self._client.connect_async(self.source.host, self.source.port, **self._session())
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; the broker keeps the session, and what was not acknowledged."""
        self._stopping.set()
        self._client.disconnect()
        self._client.loop_stop()
        self._waiting.put(None)
        self._writer.join(timeout=30)

    def _new_client(self) -> paho.Client:
        source = self.source
        is_v5 = source.version == 5
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=source.client_id,
            protocol=paho.MQTTv5 if is_v5 else paho.MQTTv311,
            clean_session=None if is_v5 else False,
            manual_ack=True,
        )
        if source.user is not None:
            client.username_pw_set(source.user, source.password)
        if source.is_tls:
            client.tls_set_context(_context(source))
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = lambda _client, _data, message: self._waiting.put(_Came(self._n_connections, message))
        return client

    def _session(self) -> dict[str, Any]:
        if self.source.version != 5:
            return {}
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own.
        kept.SessionExpiryInterval = KEPT_SESSION_SECONDS
        return {"clean_start": False, "properties": kept}

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the broker refuses the connection", broker=self.source.address, reason=str(reason))
            return
        log.info("connected", broker=self.source.address)
        self._n_connections += 1
        client.subscribe([(topic.topic, QOS) for topic in self.source.topics])

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        # The library calls this while it handles the error, and tells it in no other way: a certificate that is not
        # trusted would look like a broker that is off.
        error = sys.exc_info()[1]
        if isinstance(error, ssl.SSLError):
            log.warning("the broker is not trusted; it is tried again", broker=self.source.address, reason=_said(error))
        else:
            log.warning(
                "the broker does not answer; it is tried again", broker=self.source.address, reason=_said(error)
            )

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("the connection is lost; it is made again", broker=self.source.address, reason=str(reason))
        self.is_subscribed = False
        self.keeper.release(self.source.address)

    def _on_subscribe(self, _client: paho.Client, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        for topic, reason in zip(self.source.topics, reasons, strict=False):
            if reason.is_failure:
                log.warning("the broker refuses a topic", broker=self.source.address, topic=topic.topic)
        log.info("subscribed", broker=self.source.address)
        self.is_subscribed = True

    def _write(self) -> None:
        """Take what waits to the disk, many messages at once, and acknowledge them then."""
        while True:
            first = self._waiting.get()
            batch = [first]
            while len(batch) < BATCH_MAX and not self._waiting.empty():
                batch.append(self._waiting.get())
            came = [one for one in batch if one is not None]
            if not self._keep([one.message for one in came]):
                return
            for one in came:
                # What came over a connection that is lost comes again; its number may mean another message by now.
                if one.connection == self._n_connections:
                    self._client.ack(one.message.mid, one.message.qos)
            self._ask_for_births()
            if None in batch:
                return

    def _keep(self, messages: Sequence[paho.MQTTMessage]) -> bool:
        """Keep what the messages say, as soon as the spool takes it; False: it was stopped before that."""
        taken: list[Taken] = []
        for message in messages:
            try:
                taken += self._read(message)
            except BadValue as error:
                self._n_bad += 1
                if self._n_bad <= BAD_NAMED_MAX:
                    log.warning("a message is no reading", topic=message.topic, reason=str(error))
        while True:
            try:
                self.keeper.take(taken)
            except SpoolUnavailable as error:
                log.warning("messages are not acknowledged", broker=self.source.address, reason=str(error))
                if self._stopping.wait(SPOOL_RETRY_SECONDS):
                    return False
            else:
                return True

    def _read(self, message: paho.MQTTMessage) -> list[Taken]:
        taken = []
        for wanted in self.source.topics:
            if paho.topic_matches_sub(wanted.topic, message.topic):
                is_json = isinstance(wanted, JsonTopic)
                one = self._of_json(wanted, message) if is_json else self._of_sparkplug(wanted, message)  # type: ignore[arg-type]  # One or the other.
                taken += [] if one is None else [one]
        return taken

    def _of_json(self, wanted: JsonTopic, message: paho.MQTTMessage) -> Taken:
        try:
            document = json.loads(message.payload)
        except ValueError:
            raise BadValue("the payload is no JSON") from None
        at = self.keeper.now_us() if wanted.time is None else time_us(at_path(document, wanted.time))
        values: list[Value] = []
        for path, sensor in wanted.values.items():
            said = document if path == "." else at_path(document, path)
            if said is not None:
                values.append((sensor, at, number(said)))
        return Taken(f"{self.source.address} {message.topic}", values)

    def _of_sparkplug(self, wanted: SparkplugTopic, message: paho.MQTTMessage) -> Taken | None:
        topic = parse_topic(message.topic)
        if topic is None:
            return None
        source = f"{self.source.address} {topic.edge}/" + (f"{topic.device}/" if topic.device else "")
        if topic.kind in {"NDEATH", "DDEATH"}:
            return Taken(source, is_away=True)
        if topic.kind not in {"NBIRTH", "DBIRTH", "NDATA", "DDATA"}:
            return None
        metrics = [one for one in self._births.metrics(topic, bytes(message.payload)) if one.name in wanted.values]
        now_us = self.keeper.now_us()
        values = [
            (wanted.values[one.name], now_us if one.time_ms is None else one.time_ms * 1000, one.value)
            for one in metrics
        ]
        is_live = not any(one.is_historical for one in metrics)
        return Taken(source, values, is_live=is_live, holds=is_live)

    def _ask_for_births(self) -> None:
        while self._births.unknown:
            group, _, node = self._births.unknown.pop().partition("/")
            self._client.publish(f"spBv1.0/{group}/NCMD/{node}", rebirth(self.keeper.now_us() // 1000), qos=0)


def _context(source: MqttSource) -> ssl.SSLContext:
    """Whom to trust, and who this is.

    Raises:
        CollectError: a file cannot be read; it is named.
    """
    try:
        context = ssl.create_default_context(cafile=None if source.ca_file is None else str(source.ca_file))
    except OSError as error:
        raise CollectError(f"the CA file {source.ca_file} of {source.address}: {_said(error)}") from None
    if source.certificate is not None and source.private_key is not None:
        try:
            context.load_cert_chain(source.certificate, source.private_key)
        except OSError as error:
            files = f"the certificate {source.certificate} with the key {source.private_key}"
            raise CollectError(f"{files} of {source.address}: {_said(error)}") from None
    return context


def _said(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:200]
