"""MQTT 5: the message as JSON on a topic, QoS 1, over TLS unless told otherwise. Needs the extra `mqtt`."""

import importlib.util
import re
import ssl
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from openlookout.alerts.sending import (
    SECONDS_MAX,
    BadChannel,
    Envelope,
    Rejected,
    Unreachable,
    check_names,
    port_of,
    resolved,
)

TOPIC_DEFAULT = "openlookout/{model}/{kind}"
QOS = 1
PORTS = {"yes": 8883, "no": 1883}
# Reasons of MQTT 5 that are about this message: its topic or its size. All others are about the broker.
ABOUT_THE_MESSAGE = frozenset({0x90, 0x95, 0x99})
_PLACES = re.compile(r"\{(\w+)\}")


class Mqtt:
    """A broker that takes messages."""

    fields = ("host", "port", "tls", "ca_file", "user", "password", "topic")
    secrets = ("password",)

    def check(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        if importlib.util.find_spec("paho") is None:
            raise BadChannel("a channel of kind mqtt needs paho-mqtt: pip install 'openlookout[mqtt]'")
        check_names("mqtt", self.fields, ("host",), configuration)
        tls = configuration.get("tls", "yes")
        if tls not in PORTS:
            raise BadChannel(f"tls is yes or no, not '{tls}'")
        if configuration.get("password") and not configuration.get("user"):
            raise BadChannel("a password needs a user")
        if configuration.get("password") and tls == "no":
            raise BadChannel("a password is not sent without tls")
        topic = configuration.get("topic", TOPIC_DEFAULT)
        unknown = set(_PLACES.findall(topic)) - {"account", "region", "model", "kind"}
        if unknown or not topic or set(topic) & set("+#\0"):
            raise BadChannel(f"'{topic}' is no topic; {{account}}, {{region}}, {{model}} and {{kind}} may stand in it")
        ca_file = configuration.get("ca_file")
        if ca_file is not None and not Path(ca_file).is_file():
            raise BadChannel(f"there is no file {ca_file}")
        given = {"user": None, "password": None, "ca_file": None, **configuration}
        return {**given, "tls": tls, "topic": topic, "port": port_of(configuration.get("port", PORTS[tls]))}

    def shown(self, configuration: Mapping[str, Any]) -> str:
        scheme = "mqtts" if configuration["tls"] == "yes" else "mqtt"
        return f"{scheme}://{configuration['host']}:{configuration['port']}/{configuration['topic']}"

    def send(self, configuration: Mapping[str, Any], envelope: Envelope) -> None:
        password = None if configuration["password"] is None else resolved(configuration["password"])
        where = f"{configuration['host']}:{configuration['port']}"
        try:
            reason = _publish(configuration, password, envelope)
        except ssl.SSLCertVerificationError as error:
            raise Unreachable(f"the certificate of {where} is not trusted: {error.verify_message}") from None
        except (OSError, ValueError) as error:
            raise Unreachable(f"{where} does not answer: {type(error).__name__}") from None
        if reason is None:
            raise Unreachable(f"{where} does not answer within {SECONDS_MAX:.0f} s")
        name, code = reason
        if code in ABOUT_THE_MESSAGE:
            raise Rejected(f"{where} refuses the message: {name}")
        if code >= 0x80:  # MQTT 5: an error.
            raise Unreachable(f"{where} refuses: {name}")


def topic_of(template: str, message: Mapping[str, Any]) -> str:
    """The topic of a message; signs that mean something in topics are `_` in names."""

    def value(place: re.Match[str]) -> str:
        return re.sub(r"[+#/\0]", "_", str(message[place[1]] or "service"))

    return _PLACES.sub(value, template)


def _publish(configuration: Mapping[str, Any], password: str | None, envelope: Envelope) -> tuple[str, int] | None:
    """Connect, publish, disconnect; give the name and code of how it ended, None: it did not within the time."""
    import paho.mqtt.client as paho  # noqa: PLC0415  # An extra.
    from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    ended = threading.Event()
    reasons: list[tuple[str, int]] = []

    def end(reason: Any) -> None:
        reasons.append((str(reason), int(reason.value)))
        ended.set()

    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own.
    properties.ContentType = "application/json"
    properties.PayloadFormatIndicator = 1
    properties.UserProperty = [("id", envelope.id)]
    topic = topic_of(configuration["topic"], envelope.message)

    def on_connect(client: paho.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            end(reason)
        else:
            client.publish(topic, envelope.body, qos=QOS, properties=properties)

    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect_timeout = SECONDS_MAX
    client.on_connect = on_connect
    client.on_publish = lambda _client, _data, _mid, reason, _properties: end(reason)
    if configuration["user"] is not None:
        client.username_pw_set(configuration["user"], password)
    if configuration["tls"] == "yes":
        client.tls_set(configuration["ca_file"])
    client.connect(configuration["host"], configuration["port"])
    client.loop_start()
    try:
        ended.wait(SECONDS_MAX)
    finally:
        client.disconnect()
        client.loop_stop()
    return reasons[0] if reasons else None
