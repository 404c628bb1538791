"""Authorities and certificates for tests, made anew each time."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kneeoa.serving.settings import TlsSettings

_DAY = dt.timedelta(days=1)


class Authority:
    """Signs certificates.

    Args:
        name: of its own.
        folder: where files are written.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = _name(name)
        self.certificate = folder / f"{name}.pem"
        made = self._builder(self._subject, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.certificate.write_bytes(_pem(made.sign(self._key, hashes.SHA256())))

    def node(self, name: str, trusted: Path | None = None, host: str = "127.0.0.1") -> TlsSettings:
        """The settings of a node with a certificate for a host.

        Args:
            name: of the node.
            trusted: file of the authorities that it trusts; None is this one's.
            host: address that the certificate names.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))])
        made = self._builder(_name(name), key).add_extension(names, False).sign(self._key, hashes.SHA256())
        certificate, secret = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(_pem(made))
        plain = serialization.NoEncryption()
        secret.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
        )
        return TlsSettings(certificate=certificate, key=secret, authorities=trusted or self.certificate)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DAY)
            .not_valid_after(now + _DAY)
        )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
