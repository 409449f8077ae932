"""Encrypted and behind passwords: MQTT over TLS with an authority and certificates of one's own, OPC UA signed and encrypted.

What is wrong is named with the address, and what was refused is tried again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from collect.broker import Broker
from collect.certificates import Authority, Certified, application
from collect.conftest import all_readings, publisher, until
from collect.opcua_server import OpcuaServer
from collect.test_mqtt import TOPIC, payload
from collect.test_opcua import VALUES, counts
from openlookout.collect.errors import CollectError
from openlookout.collect.keeper import Keeper
from openlookout.collect.mqtt import Mqtt, MqttSource
from openlookout.collect.opcua import Opcua, OpcuaSource

PASSWORD = "s3cret of the broker"


@dataclass(frozen=True)
class Secured:
    """A broker that lets in one user, with a certificate of its authority alone."""

    broker: Broker
    authority: Authority
    client: Certified

    def source(self) -> MqttSource:
        return MqttSource(
            "127.0.0.1",
            self.broker.port,
            "collector",
            [TOPIC],
            user="openlookout",
            password=PASSWORD,
            is_tls=True,
            ca_file=self.authority.file,
            certificate=self.client.certificate,
            private_key=self.client.key,
        )


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder / "ca", "plant-ca")
    server, client = authority.certify("broker"), authority.certify("collector")
    passwords = {"openlookout": PASSWORD, "device": "d"}
    broker = Broker(folder / "broker", server.certificate, server.key, ca=authority.file, passwords=passwords)
    with broker.up():
        yield Secured(broker, authority, client)


def test_mqtt_with_an_authority_a_certificate_and_a_password_of_ones_own(secured: Secured, keeper: Keeper) -> None:
    collector = Mqtt(secured.source(), keeper)
    collector.start()
    until(lambda: collector.is_subscribed)
    own = secured.client
    device = publisher(secured.broker.port, ("device", "d"), (secured.authority.file, own.certificate, own.key))
    device.send("plant/a/data", payload(3))
    until(lambda: len(all_readings(keeper)) == 2)
    collector.stop()
    device.client.disconnect()
    assert [row[3] for row in all_readings(keeper)] == [3.0, 3.5]


def test_a_broker_of_another_authority_is_named_and_not_talked_to(
    secured: Secured, keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    collector = Mqtt(replace(secured.source(), ca_file=Authority(tmp_path, "other").file), keeper)
    collector.start()
    until(lambda: "the broker is not trusted" in caplog.text)
    collector.stop()
    assert not collector.is_subscribed
    assert f"mqtts://127.0.0.1:{secured.broker.port}" in caplog.text
    assert "in certificate chain" in caplog.text


def test_a_wrong_password_of_a_broker_is_named(
    secured: Secured, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    collector = Mqtt(replace(secured.source(), password="wrong"), keeper)
    collector.start()
    until(lambda: "the broker refuses the connection" in caplog.text)
    collector.stop()
    assert f"mqtts://127.0.0.1:{secured.broker.port}" in caplog.text
    assert "Not authorized" in caplog.text
    assert "wrong" not in caplog.text


def test_files_of_a_broker_that_cannot_be_read_are_named_at_the_start(
    secured: Secured, keeper: Keeper, tmp_path: Path
) -> None:
    with pytest.raises(CollectError, match=r"the CA file .*nowhere\.pem of mqtts://127\.0\.0\.1:\d+: No such file"):
        Mqtt(replace(secured.source(), ca_file=tmp_path / "nowhere.pem"), keeper).start()
    other = Authority(tmp_path, "other").certify("other")
    with pytest.raises(
        CollectError, match=r"the certificate .*collector\.pem with the key .*other-key\.pem of mqtts://"
    ):
        Mqtt(replace(secured.source(), private_key=other.key), keeper).start()


@dataclass(frozen=True)
class SecuredOpcua:
    """A server that lets in one user, signed and encrypted alone."""

    server: OpcuaServer
    certificate: Path
    client: Certified

    def source(self) -> OpcuaSource:
        return OpcuaSource(
            self.server.url,
            VALUES,
            interval_ms=50,
            user="openlookout",
            password=PASSWORD,
            certificate=self.client.certificate,
            private_key=self.client.key,
            server_certificate=self.certificate,
        )


@pytest.fixture(scope="module")
def opcua(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredOpcua]:
    folder = tmp_path_factory.mktemp("opcua")
    own, client = application(folder, "server"), application(folder, "collector")
    with OpcuaServer(str(own.certificate), str(own.key), "openlookout", PASSWORD).up() as server:
        yield SecuredOpcua(server, own.certificate, client)


def test_opcua_signed_and_encrypted_with_user_and_password(
    opcua: SecuredOpcua, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    for source, is_believed in ((opcua.source(), False), (replace(opcua.source(), server_certificate=None), True)):
        n_before = len(counts(keeper))
        collector = Opcua(source, keeper)
        collector.start()
        assert ("whichever server answers is believed" in caplog.text) == is_believed
        until(lambda n=n_before: len(counts(keeper)) >= n + 4)
        collector.stop()


def test_a_wrong_password_of_an_opcua_server_is_named(
    opcua: SecuredOpcua, keeper: Keeper, caplog: pytest.LogCaptureFixture
) -> None:
    collector = Opcua(replace(opcua.source(), password="wrong"), keeper)
    collector.start()
    until(lambda: "the server refuses the user or the password" in caplog.text)
    collector.stop()
    assert opcua.server.url in caplog.text
    assert counts(keeper) == []


def test_an_opcua_server_with_another_certificate_is_named_and_not_talked_to(
    opcua: SecuredOpcua, keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = application(tmp_path, "other")
    collector = Opcua(replace(opcua.source(), server_certificate=other.certificate), keeper)
    collector.start()
    until(lambda: "the server is not trusted" in caplog.text)
    collector.stop()
    assert f"it shows another certificate than {other.certificate}" in caplog.text
    assert opcua.server.url in caplog.text


def test_files_of_an_opcua_server_that_cannot_be_read_are_named_at_the_start(
    opcua: SecuredOpcua, keeper: Keeper, tmp_path: Path
) -> None:
    (tmp_path / "words").write_text("no certificate")
    other = application(tmp_path, "other")
    for changed, sentence in (
        ({"certificate": tmp_path / "nowhere"}, r"the file .*nowhere of opc\.tcp://.* cannot be read: No such file"),
        ({"certificate": tmp_path / "words"}, r"the certificate .*words of opc\.tcp://.* is neither PEM nor DER"),
        ({"private_key": tmp_path / "words"}, r"the private key .*words of opc\.tcp://.* is no key without a password"),
        (
            {"private_key": other.key},
            r"the private key .*other-key\.pem of opc\.tcp://.* is not that of the certificate",
        ),
    ):
        with pytest.raises(CollectError, match=sentence):
            Opcua(replace(opcua.source(), **changed), keeper).start()
