"""An authenticator in software: writes the very bytes that a real one would, and wrong ones where a test wants them."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from fido2 import cbor
from fido2.cose import ES256, RS256, CoseKey, EdDSA

from ostiary.core.secrets import b64, unb64

UP, UV, BE, BS, AT, ED = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
"""Flags of authenticator data (WebAuthn Level 3, section 6.1)."""

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


class Maker(Protocol):
    """Whoever vouches for an authenticator's make."""

    def attest(self, data: bytes, client_data: bytes) -> bytes:
        """Return the attestation object."""
        ...


def new_key(algorithm: int) -> PrivateKey:
    """Return a new key for a COSE algorithm: ES256, EdDSA, else RS256."""
    if algorithm == -7:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == -8:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def cose_of(key: PrivateKey) -> dict[int, Any]:
    """Return a public key as a COSE_Key."""
    kinds: dict[type, type[CoseKey]] = {
        ec.EllipticCurvePrivateKey: ES256, ed25519.Ed25519PrivateKey: EdDSA, rsa.RSAPrivateKey: RS256,
    }  # fmt: skip
    kind = next(kinds[base] for base in kinds if isinstance(key, base))
    return dict(kind.from_cryptography_key(key.public_key()))


def signed(key: PrivateKey, message: bytes) -> bytes:
    """Return a key's signature of a message, in the form that WebAuthn wants."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    return key.sign(message)


@dataclass
class Authenticator:
    """One credential, for one relying party.

    Attributes:
        algorithm: -7 (ES256), -8 (EdDSA) or -257 (RS256).
        rp_id: The relying party that it signs for.
        origin: The page that it believes to be on.
        counts: Whether it has a counter; many have not, and show 0 for ever.
        aaguid: Its make.
        maker: Who vouches for that; nobody by default.
        flags: What it says of itself with each answer.
    """

    algorithm: int = -7
    rp_id: str = "localhost"
    origin: str = "http://localhost:8080"
    counts: bool = True
    flags: int = UP | UV
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    aaguid: bytes = bytes(16)
    maker: Maker | None = None

    def __post_init__(self) -> None:
        self.key = new_key(self.algorithm)

    def client_data(self, kind: str, challenge: str, /, **changed: Any) -> bytes:  # noqa: ANN401 - wrong on purpose
        """Return what a browser would hand over to be signed (section 5.8.1)."""
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False} | changed
        return json.dumps(told, separators=(",", ":")).encode()

    def authenticator_data(self, more: bytes = b"", flags: int = 0) -> bytes:
        """Return what it says of itself (section 6.1); counts one on."""
        if self.counts:
            self.count += 1
        head = hashlib.sha256(self.rp_id.encode()).digest() + bytes([self.flags | flags])
        return head + (self.count if self.counts else 0).to_bytes(4) + more

    def attested(self, cose: dict[int, Any] | None = None) -> bytes:
        """Return attested credential data: AAGUID, the id and its length, the key."""
        head = self.aaguid + len(self.credential_id).to_bytes(2) + self.credential_id
        return head + cbor.encode(cose or cose_of(self.key))

    def make(
        self,
        options: dict[str, Any],
        *,
        data: bytes | None = None,
        attestation: bytes | None = None,
        **changed: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Answer creation options (RegistrationResponseJSON); with members of client data that are `changed`."""
        self.handle = unb64(options["user"]["id"])
        data = self.authenticator_data(self.attested(), AT) if data is None else data
        client_data = self.client_data("webauthn.create", options["challenge"], **changed)
        if attestation is None and self.maker is not None:
            attestation = self.maker.attest(data, client_data)
        if attestation is None:
            attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        return {
            "id": b64(self.credential_id), "rawId": b64(self.credential_id), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client_data),
                "attestationObject": b64(attestation), "transports": ["internal", "from-the-future"],
            },
        }  # fmt: skip

    def show(
        self,
        options: dict[str, Any],
        *,
        data: bytes | None = None,
        signature: bytes | None = None,
        **changed: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Answer request options (AuthenticationResponseJSON); with members of client data that are `changed`."""
        data = self.authenticator_data() if data is None else data
        client_data = self.client_data("webauthn.get", options["challenge"], **changed)
        if signature is None:
            signature = signed(self.key, data + hashlib.sha256(client_data).digest())
        return {
            "id": b64(self.credential_id), "rawId": b64(self.credential_id), "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": b64(client_data), "authenticatorData": b64(data), "signature": b64(signature),
                "userHandle": b64(self.handle),
            },
        }  # fmt: skip
