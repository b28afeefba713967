"""Makers of authenticators, who vouch for them by certificates (WebAuthn Level 3 section 8.2), rightly and wrongly."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fido2 import cbor

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(days=365 * 20)
AAGUID = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")
Key = ec.EllipticCurvePrivateKey


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def name_of(common: str, unit: str = "Authenticator Attestation") -> x509.Name:
    """Return a subject as section 8.2.1 wants a leaf's."""
    parts = {
        NameOID.COUNTRY_NAME: "SE", NameOID.ORGANIZATION_NAME: "Acme", NameOID.ORGANIZATIONAL_UNIT_NAME: unit,
        NameOID.COMMON_NAME: common,
    }  # fmt: skip
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts.items()])


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs_certificates, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@dataclass
class Signed:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def sign(
    common: str,
    by: Signed | None,
    *more: x509.ExtensionType,
    authority: bool,
    lifetime: timedelta = LIFETIME,
    unit: str = "Authenticator Attestation",
) -> Signed:
    """Return a new certificate, by itself or by another."""
    key = new_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name_of(common, unit))
        .issuer_name(by.certificate.subject if by else name_of(common, unit))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(SINCE)
        .not_valid_after(SINCE + lifetime)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    return Signed(builder.sign(by.key if by else key, SHA256()), key)


@dataclass
class Maker:
    """A root, perhaps something between, and the certificate that authenticators of one model carry.

    Attributes:
        between: Authorities below the root, the highest first.
        statement: Members of the statement that a test wants otherwise; None leaves one out.
    """

    root: Signed = field(default_factory=lambda: sign("Acme Root", None, authority=True))
    between: list[Signed] = field(default_factory=list)
    leaf: Signed | None = None
    statement: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.leaf = self.leaf or sign("Acme Key 5", self.nearest, authority=False)

    @property
    def nearest(self) -> Signed:
        return self.between[-1] if self.between else self.root

    @property
    def pem(self) -> bytes:
        """The root, as whoever trusts it keeps it."""
        return self.root.certificate.public_bytes(Encoding.PEM)

    def attest(self, data: bytes, client_data: bytes) -> bytes:
        """Return an attestation object that vouches for what an authenticator has made."""
        assert self.leaf is not None
        told = {
            "alg": -7,
            "sig": self.leaf.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256())),
            "x5c": [self.leaf.der, *(one.der for one in reversed(self.between))],
        } | self.statement
        statement = {name: value for name, value in told.items() if value is not None}
        return cbor.encode({"fmt": "packed", "attStmt": statement, "authData": data})


def model_in_certificate(aaguid: bytes) -> x509.ExtensionType:
    """Return the extension that names a model."""
    return x509.UnrecognizedExtension(AAGUID, b"\x04\x10" + aaguid)
