"""E-mail and MQTT over real servers with TLS, killed and started again in the middle; secrets stay where they are."""

import contextlib
import email
import json
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as paho
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from paho.mqtt.enums import CallbackAPIVersion

from alerts.conftest import NOW, SCHEMA, STEP, Plant
from collect.broker import Broker
from collect.certificates import self_signed
from openlookout.alerts.channel_settings import channels, put_channel, send_test
from openlookout.alerts.delivery import pause
from openlookout.alerts.log import alert_log
from openlookout.alerts.mqtt import topic_of
from openlookout.alerts.place import Refused

PASSWORD = "s3cret of the mail"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate and key of a server on 127.0.0.1 that nobody knows."""
    own = self_signed(tmp_path_factory.mktemp("tls"), "plant")
    return own.certificate, own.key


class MailServer:
    """A mail server on a port that stays the same; `answer` is what it says to each message."""

    def __init__(self, certificate: tuple[Path, Path], security: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.security, self.answer, self.received = security, "250 OK", list[EmailMessage]()
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(*certificate)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=default)
            assert isinstance(message, EmailMessage)
            self.received.append(message)
        return self.answer

    @contextlib.contextmanager
    def up(self) -> Iterator[None]:
        def let_in(_server: Any, _session: Any, _envelope: Any, _mechanism: str, said: Any) -> AuthResult:
            return AuthResult(success=(said.login, said.password) == (b"plant", PASSWORD.encode()))

        more: dict[str, Any] = {"tls_context": self._tls, "require_starttls": True}
        if self.security == "tls":
            more = {"ssl_context": self._tls, "auth_require_tls": False}
        server = Controller(
            self, "127.0.0.1", self.port, authenticator=let_in, auth_required=True, server_hostname="plant", **more
        )
        server.start()
        try:
            yield
        finally:
            server.stop()


def add_mail(plant: Plant, server: MailServer, certificate: tuple[Path, Path], **more: str) -> None:
    options = {
        "host": "127.0.0.1",
        "port": str(server.port),
        "security": server.security,
        "sender": "look@plant.example",
    }
    options |= {"to": "ann@plant.example, ben@plant.example", "user": "plant", "password": PASSWORD}
    put_channel(plant.place, "mail", "email", options | {"ca_file": str(certificate[0])} | more, NOW)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_mail_server_that_was_away_gets_the_alert_once_it_is_back(
    plant: Plant, certificate: tuple[Path, Path], security: str
) -> None:
    server = MailServer(certificate, security)
    add_mail(plant, server, certificate)
    plant.score(NOW, 1)
    plant.deliver()
    assert alert_log(plant.place)[0].deliveries[0].state == "PENDING"
    with server.up():
        plant.clock.advance(pause(1))
        plant.deliver()
    with server.up():
        plant.score(NOW + STEP, 0)
        plant.deliver()
    first, second = server.received
    assert (first["subject"], first["to"]) == (
        "pump: anomaly since 2026-01-05 11:55 UTC, led by pump\\flow",
        "ann@plant.example, ben@plant.example",
    )
    body = first.get_body()
    assert body is not None
    assert "http://console.plant:8580/models/pump/events/" in body.get_content()
    (attached,) = first.iter_attachments()
    message = json.loads(attached.get_content())
    jsonschema.validate(message, SCHEMA)
    assert first["message-id"] == f"<{message['id']}@openlookout>"
    assert second["subject"].startswith("pump: anomaly over after 5 min")


def test_what_a_mail_server_says_is_told_without_secrets(
    plant: Plant, certificate: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    server = MailServer(certificate, "starttls")
    said = []
    with server.up():
        for more, answer, sentence in (
            ({"password": "wrong"}, "250 OK", "does not let plant in: it ends the connection"),
            ({}, "554 no", "refuses the message (554)"),
            ({}, "451 later", "refuses the message (451)"),
        ):
            server.answer = answer
            add_mail(plant, server, certificate, **more)
            with pytest.raises(Refused) as refused:
                send_test(plant.place, "mail", NOW, "")
            assert str(refused.value) == f"channel 'mail': 127.0.0.1:{server.port} {sentence}"
            said.append(str(refused.value))
        add_mail(plant, server, certificate)
        put_channel(plant.place, "strangers", "email", _without_ca(server), NOW)
        with pytest.raises(Refused, match=r"the certificate of 127.0.0.1:\d+ is not trusted: self-signed certificate"):
            send_test(plant.place, "strangers", NOW, "")
    said += [str(channels(plant.place)), str(capfd.readouterr())]
    assert PASSWORD not in "".join(said)


def _without_ca(server: MailServer) -> dict[str, str]:
    return {"host": "127.0.0.1", "port": str(server.port), "sender": "look@plant.example", "to": "ann@plant.example"}


@pytest.mark.parametrize(
    ("kind", "changed", "sentence"),
    [
        ("email", {"security": "ssl"}, "security is starttls, tls or none, not 'ssl'"),
        ("email", {"security": "none"}, "a password is not sent without security: take starttls or tls"),
        ("email", {"to": "ann"}, "'ann' is no address"),
        ("email", {"to": "a@b\r\nBcc: x@y"}, "'a@b\r\nBcc: x@y' is no address"),
        ("email", {"port": "smtp"}, "'smtp' is no port"),
        ("mqtt", {"tls": "no"}, "a password is not sent without tls"),
        (
            "mqtt",
            {"topic": "plant/#"},
            "'plant/#' is no topic; {account}, {region}, {model} and {kind} may stand in it",
        ),
        ("mqtt", {"ca_file": "/nowhere"}, "there is no file /nowhere"),
    ],
)
def test_a_channel_that_cannot_be_is_refused_in_a_sentence(
    plant: Plant, kind: str, changed: dict[str, str], sentence: str
) -> None:
    options = {"host": "h", "user": "u", "password": "p"}
    options |= {"sender": "a@b", "to": "c@d"} if kind == "email" else {}
    with pytest.raises(Refused) as refused:
        put_channel(plant.place, "c", kind, options | changed, NOW)
    assert str(refused.value) == f"channel 'c': {sentence}"


def test_a_broker_that_is_killed_in_the_middle_gets_every_alert_in_order(
    plant: Plant, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    broker = Broker(tmp_path / "broker", *certificate)
    options = {"host": "127.0.0.1", "port": str(broker.port), "ca_file": str(certificate[0])}
    put_channel(plant.place, "scada", "mqtt", {**options, "topic": "alarms/{model}/{kind}"}, NOW)
    received: list[paho.MQTTMessage] = []
    reader = paho.Client(CallbackAPIVersion.VERSION2, client_id="scada", protocol=paho.MQTTv5)
    reader.tls_set(str(certificate[0]))
    reader.on_connect = lambda client, *_: client.subscribe("alarms/#", 1)
    reader.on_message = lambda _client, _data, message: received.append(message)
    subscribed: list[int] = []
    reader.on_subscribe = lambda *_: subscribed.append(1)
    with broker.up():
        reader.connect("127.0.0.1", broker.port)
        reader.loop_start()
        _until(lambda: subscribed)
        plant.score(NOW, 1)
        plant.deliver()
        _until(lambda: len(received) == 1)
        broker.kill()
        plant.clock.advance(timedelta(seconds=1))
        plant.score(NOW + STEP, 0)
        plant.deliver()
        assert alert_log(plant.place)[0].deliveries[0].state == "PENDING"
        broker.start()
        _until(lambda: len(subscribed) == 2)
        plant.clock.advance(pause(1))
        plant.deliver()
        _until(lambda: len(received) == 2)
        reader.disconnect()
        reader.loop_stop()
    assert [message.topic for message in received] == ["alarms/pump/event_started", "alarms/pump/event_ended"]
    for message in received:
        said = json.loads(message.payload)
        jsonschema.validate(said, SCHEMA)
        assert message.properties is not None
        assert message.properties.UserProperty == [("id", said["id"])]


def test_signs_that_mean_something_in_topics_are_none_in_names() -> None:
    message = {"model": "a/b+c#", "kind": "test", "account": "1", "region": "r"}
    assert topic_of("{account}/{region}/{model}/{kind}", message) == "1/r/a_b_c_/test"
    assert topic_of("x/{model}", {"model": None}) == "x/service"


def _until(look: Any) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.02)
