"""OPC UA: subscribed nodes as readings, with the source's time; connects again whenever the server is away.

A server tells only what changes, so the last value holds while the session lives. A value of bad status is no reading.
"""

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.subscription import DataChangeNotif
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from openlookout.api.instants import to_microseconds
from openlookout.collect.errors import CollectError, SpoolUnavailable
from openlookout.collect.keeper import Keeper, Taken
from openlookout.collect.values import number
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
    server_certificate: Path | None = None


@dataclass(frozen=True)
class _Identity:
    """Who this is to the server, and which server it must be (None: whichever answers); all as DER."""

    certificate: bytes
    private_key: bytes
    application_uri: str | None
    server_certificate: bytes | None


class NotTrusted(Exception):
    """The server is another one than it must be."""


@dataclass
class Opcua:
    """One session, kept up until it is stopped, in a thread with a loop of its own."""

    source: OpcuaSource
    keeper: Keeper
    _stopping: threading.Event = field(default_factory=threading.Event)
    _told: set[str] = field(default_factory=set)
    _identity: "_Identity | None" = None
    _not_kept: SpoolUnavailable | None = None

    def start(self) -> None:
        """Connect, or go on trying.

        Raises:
            CollectError: a certificate or the key cannot be read; the file is named.
        """
        self._identity = _identity(self.source)
        if self._identity is None or self._identity.server_certificate is None:
            log.warning("whichever server answers is believed: no server_certificate is given", server=self.source.url)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="opcua", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(timeout=30)

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._session()
            except SpoolUnavailable as error:
                log.warning(
                    "the server will be asked again for what it told", server=self.source.url, reason=str(error)
                )
            except (TimeoutError, OSError, UaError, ConnectionError, NotTrusted) as error:
                said = str(error) or type(error).__name__
                what = "does not answer"
                if isinstance(error, NotTrusted):
                    what = "is not trusted"
                elif isinstance(error, ua.uaerrors.BadIdentityTokenRejected | ua.uaerrors.BadUserAccessDenied):
                    what = "refuses the user or the password"
                log.warning(f"the server {what}; it is tried again", server=self.source.url, reason=said[:200])
            finally:
                self.keeper.release(self.source.url)
            await asyncio.sleep(RETRY_SECONDS if not self._stopping.is_set() else 0)

    async def _session(self) -> None:
        client = Client(self.source.url, timeout=ANSWER_SECONDS)
        if self.source.user is not None:
            client.set_user(self.source.user)
            client.set_password(self.source.password or "")
        if self._identity is not None:
            await self._encrypt(client, self._identity)
        async with client:
            self._told.clear()
            self._not_kept = None
            log.info("connected", server=self.source.url)
            subscription = await client.create_subscription(self.source.interval_ms, _Changes(self))
            for name in self.source.values:
                try:
                    await subscription.subscribe_data_change(client.get_node(name), queuesize=QUEUE_SIZE)
                except UaError as error:
                    log.warning("no such node", server=self.source.url, node=name, reason=str(error)[:200])
            while not self._stopping.is_set():
                if self._not_kept is not None:
                    raise self._not_kept  # A new session begins with what each node is.
                await client.check_connection()
                await asyncio.wait_for(client.nodes.server_state.read_value(), ANSWER_SECONDS)
                await asyncio.sleep(ALIVE_SECONDS)

    async def _encrypt(self, client: Client, own: _Identity) -> None:
        """Let the session be signed and encrypted.

        Raises:
            NotTrusted: the server shows another certificate than the one that it must have.
        """
        # A server takes a certificate only from the application that it names.
        client.application_uri = own.application_uri or client.application_uri
        policy, mode = SecurityPolicyBasic256Sha256, ua.MessageSecurityMode.SignAndEncrypt
        endpoint = Client.find_endpoint(await client.connect_and_get_server_endpoints(), mode, policy.URI)
        shown = endpoint.ServerCertificate or b""
        if own.server_certificate is not None and not shown.startswith(own.server_certificate):
            raise NotTrusted(f"it shows another certificate than {self.source.server_certificate}")
        await client.set_security(
            policy, CertProperties(own.certificate, "der"), CertProperties(own.private_key, "der"), mode=mode
        )

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
        try:
            self.keeper.take([Taken(self.source.url, [(sensor, at_us, reading)], is_live=not is_first, holds=True)])
        except SpoolUnavailable as error:
            self._not_kept = error


@dataclass
class _Changes:
    """What asyncua calls."""

    opcua: Opcua

    def datachange_notification(self, node: Any, _value: Any, data: DataChangeNotif) -> None:
        self.opcua.came(node.nodeid.to_string(), data.monitored_item.Value)


def _microseconds(at: datetime) -> int:
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return to_microseconds(aware)


def _identity(source: OpcuaSource) -> _Identity | None:
    if source.certificate is None or source.private_key is None:
        return None
    certificate = _certificate(source, source.certificate)
    content = _content(source, source.private_key)
    try:
        is_pem = b"-----BEGIN" in content
        key = (serialization.load_pem_private_key if is_pem else serialization.load_der_private_key)(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CollectError(
            f"the private key {source.private_key} of {source.url} is no key without a password"
        ) from None
    if key.public_key() != certificate.public_key():
        raise CollectError(
            f"the private key {source.private_key} of {source.url} is not that of the certificate {source.certificate}"
        )
    server = None if source.server_certificate is None else _certificate(source, source.server_certificate)
    der, pkcs8 = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    return _Identity(
        certificate.public_bytes(der),
        key.private_bytes(der, pkcs8, serialization.NoEncryption()),
        _application_uri(certificate),
        None if server is None else server.public_bytes(der),
    )


def _certificate(source: OpcuaSource, path: Path) -> x509.Certificate:
    content = _content(source, path)
    try:
        return (x509.load_pem_x509_certificate if b"-----BEGIN" in content else x509.load_der_x509_certificate)(content)
    except ValueError:
        raise CollectError(f"the certificate {path} of {source.url} is neither PEM nor DER") from None


def _content(source: OpcuaSource, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CollectError(f"the file {path} of {source.url} cannot be read: {error.strerror}") from None


def _application_uri(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return uris[0] if uris else None
