"""Certificates for tests: an authority, and what it signs; OPC UA's sign themselves and name their application.

They have what Python asks for from 3.13 on (`ssl.VERIFY_X509_STRICT`): who may sign, and which key signed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

HERE = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Certified:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that nobody knows; its own certificate is in `file`."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        made = _as_authority(_builder(self._name, self._name, self._key), self._key)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def certify(self, name: str) -> Certified:
        """A certificate for a server on 127.0.0.1, or for a client."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = _builder(_named(name), self._name, key).add_extension(HERE, critical=False)
        made = made.add_extension(signed_by, critical=False)
        return _written(self._folder, name, made.sign(self._key, hashes.SHA256()), key)


def self_signed(folder: Path, name: str) -> Certified:
    """A server on 127.0.0.1 that is its own authority."""
    folder.chmod(0o755)
    key = ec.generate_private_key(ec.SECP256R1())
    made = _as_authority(_builder(_named(name), _named(name), key).add_extension(HERE, critical=False), key)
    return _written(folder, name, made.sign(key, hashes.SHA256()), key)


def application(folder: Path, name: str) -> Certified:
    """What an OPC UA application shows: RSA, signed by itself, with its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"urn:{name}"), x509.DNSName("localhost")])
    made = _builder(_named(name), _named(name), key).add_extension(names, critical=False)
    return _written(folder, name, made.sign(key, hashes.SHA256()), key)


def _as_authority(made: x509.CertificateBuilder, key: Key) -> x509.CertificateBuilder:
    """Let a certificate be one that may sign others."""
    may = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    usage = x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **may)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = made.add_extension(usage, critical=True)
    return made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: Key) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return made.serial_number(x509.random_serial_number())


def _written(folder: Path, name: str, made: x509.Certificate, key: Key) -> Certified:
    certificate, secret = folder / f"{name}.pem", folder / f"{name}-key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    return Certified(certificate, secret)
