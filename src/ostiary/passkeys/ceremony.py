"""What authenticators answer, read byte by byte and believed in nothing (WebAuthn Level 3, sections 7.1 and 7.2).

No database, no clock, no network: the same bytes always get the same verdict. The library reads CBOR and verifies
signatures; it is loaded with the first passkey, and every step of the standard is taken here, in view.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from ostiary.core.secrets import unb64

if TYPE_CHECKING:
    from collections.abc import Callable

    from fido2.webauthn import AttestedCredentialData, AuthenticatorData

CREATE, GET = "webauthn.create", "webauthn.get"
ES256, EDDSA, RS256 = -7, -8, -257
ALGORITHMS = (EDDSA, ES256, RS256)
"""COSE algorithm identifiers (RFC 9053, RFC 8812), the preferred one first."""

LONGEST_CREDENTIAL_ID = 1023  # section 7.1
LONGEST_CLIENT_DATA, LONGEST_AUTHENTICATOR_DATA, LONGEST_SIGNATURE = 4096, 2048, 1024
LONGEST_ATTESTATION = 8192
SHORTEST_MODULUS, LONGEST_MODULUS = 2048, 4096  # bits: below is weak, above lets an attacker choose what we compute
EXPONENT = b"\x01\x00\x01"

NO_ATTESTATION = "none"
"""The form in which nothing is proven (section 8.7), and the wish for nothing."""

MALFORMED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, struct.error)
"""Whatever reading bytes of a stranger's making may raise."""


class Unconvincing(Exception):  # noqa: N818 - reads as the sentence it is
    """An answer that proves nothing.

    Attributes:
        reason: Which step it fails, in a word for the journal; never told to whoever answered.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Site:
    """Where the house's passkeys are good: one origin, one relying party.

    Attributes:
        rp_id: Host of the public address; credentials are bound to it for good.
        origin: The public address, and no other.
        name: The product's name, as authenticators show it.
    """

    rp_id: str
    origin: str
    name: str


def site_of(public_url: str, name: str) -> Site:
    """Return where the passkeys of a house are good that people reach at an address."""
    return Site(urlsplit(public_url).hostname or "", public_url, name)


@dataclass(frozen=True, slots=True)
class Registration:
    """What an authenticator answers when it has made a credential."""

    credential_id: bytes
    client_data: bytes
    attestation: bytes
    transports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator answers when it signs in."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes


@dataclass(frozen=True, slots=True)
class Made:
    """A credential that may be stored."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    is_backup_eligible: bool
    is_backed_up: bool
    attestation: str


@dataclass(frozen=True, slots=True)
class Attested:
    """An attestation object, read and not believed yet."""

    form: str
    statement: dict[str, Any]
    data: AuthenticatorData
    credential: AttestedCredentialData


@dataclass(frozen=True, slots=True)
class Shown:
    """What a genuine signature says of its authenticator."""

    sign_count: int
    is_backup_eligible: bool
    is_backed_up: bool


class ClientData(msgspec.Struct, frozen=True, rename="camel"):
    """What the browser says about the page that asked (section 5.8.1); other members are ignored."""

    type: str
    challenge: str
    origin: str
    cross_origin: bool = False
    top_origin: str | None = None


def challenge_in(client_data: bytes, kind: str, site: Site) -> str:
    """Return the challenge that a browser was asked with, after its page was looked at.

    Raises:
        Unconvincing: It was asked for something else, by another page, or in a frame of another site.
    """
    if len(client_data) > LONGEST_CLIENT_DATA:
        raise Unconvincing("client-data")
    try:
        told = msgspec.json.decode(client_data, type=ClientData)
        challenge = unb64(told.challenge).decode("ascii")
    except (msgspec.DecodeError, ValueError):
        raise Unconvincing("client-data") from None
    if told.type != kind:
        raise Unconvincing("type")
    if told.origin != site.origin:
        raise Unconvincing("origin")
    if told.cross_origin or told.top_origin is not None:
        raise Unconvincing("cross-origin")
    return challenge


def verify_registration(answer: Registration, site: Site, judge: Callable[[Attested], str]) -> Made:
    """Return the credential that an authenticator has made (section 7.1, from step 12).

    Extensions are not asked for, and ignored.

    Args:
        answer: What it said.
        site: Where.
        judge: Says in which form its make was proven, or that this will not do.

    Raises:
        Unconvincing: A step fails.
    """
    told = _attested(answer.attestation)
    data, found = told.data, told.credential
    _check_common(data, site)
    if not 0 < len(found.credential_id) <= LONGEST_CREDENTIAL_ID or found.credential_id != answer.credential_id:
        raise Unconvincing("credential-id")
    return Made(
        bytes(found.credential_id), _checked_key(found.public_key), data.counter, str(found.aaguid),
        data.is_backup_eligible(), data.is_backed_up(), judge(told),
    )  # fmt: skip


def verify_assertion(answer: Assertion, public_key: bytes, site: Site) -> Shown:
    """Return what a signature by a stored key says (section 7.2, from step 15).

    Raises:
        Unconvincing: A step fails. The count is not compared here: the database does.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - loaded with the first passkey
    from fido2 import cbor  # noqa: PLC0415
    from fido2.cose import CoseKey  # noqa: PLC0415

    data = _authenticator_data(answer.authenticator_data)
    _check_common(data, site)
    if len(answer.signature) > LONGEST_SIGNATURE:
        raise Unconvincing("signature")
    key = CoseKey.parse(cbor.decode(public_key))  # type: ignore[arg-type]  # what we have stored ourselves
    signed = answer.authenticator_data + hashlib.sha256(answer.client_data).digest()
    try:
        key.verify(signed, answer.signature)
    except (InvalidSignature, ValueError):
        raise Unconvincing("signature") from None
    return Shown(data.counter, data.is_backup_eligible(), data.is_backed_up())


def _attested(attestation: bytes) -> Attested:
    """Return an attestation object by its parts.

    The library's own reader is not taken: it makes as many bytes as a number in their place says.
    """
    from fido2 import cbor  # noqa: PLC0415

    if len(attestation) > LONGEST_ATTESTATION:
        raise Unconvincing("malformed")
    try:
        told: Any = cbor.decode(attestation)
        form, statement, data = told["fmt"], told["attStmt"], told["authData"]
    except MALFORMED:
        raise Unconvincing("malformed") from None
    if not isinstance(form, str) or not isinstance(statement, dict) or not isinstance(data, bytes):
        raise Unconvincing("malformed")
    if form == NO_ATTESTATION and statement:  # section 8.7
        raise Unconvincing("malformed")
    read = _authenticator_data(data)
    if read.credential_data is None:
        raise Unconvincing("no-credential")
    return Attested(form, statement, read, read.credential_data)


def _authenticator_data(raw: bytes) -> AuthenticatorData:
    from fido2.webauthn import AuthenticatorData  # noqa: PLC0415

    if len(raw) > LONGEST_AUTHENTICATOR_DATA:
        raise Unconvincing("malformed")
    try:
        return AuthenticatorData(raw)
    except MALFORMED:
        raise Unconvincing("malformed") from None


def _check_common(data: AuthenticatorData, site: Site) -> None:
    """Take the steps that both ceremonies have: relying party, presence, verification, backup flags."""
    if not secrets.compare_digest(data.rp_id_hash, hashlib.sha256(site.rp_id.encode()).digest()):
        raise Unconvincing("rp-id")
    if not data.is_user_present():
        raise Unconvincing("presence")
    if not data.is_user_verified():
        raise Unconvincing("verification")
    if data.is_backed_up() and not data.is_backup_eligible():
        raise Unconvincing("backup-flags")


def _checked_key(told: Any) -> bytes:  # noqa: ANN401 - what CBOR held
    """Return a public key of an algorithm that was asked for, written anew with nothing but what that needs."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from fido2 import cbor  # noqa: PLC0415
    from fido2.cose import CoseKey  # noqa: PLC0415

    algorithm = told.get(3)
    if algorithm == ES256 and told.get(1) == 2 and told.get(-1) == 1:
        parts = {-1: 1, -2: _bytes(told.get(-2), 32), -3: _bytes(told.get(-3), 32)}
    elif algorithm == EDDSA and told.get(1) == 1 and told.get(-1) == 6:
        parts = {-1: 6, -2: _bytes(told.get(-2), 32)}
    elif algorithm == RS256 and told.get(1) == 3 and told.get(-2) == EXPONENT:
        modulus = _bytes(told.get(-1), None)
        if not SHORTEST_MODULUS <= int.from_bytes(modulus).bit_length() <= LONGEST_MODULUS:
            raise Unconvincing("key")
        parts = {-1: modulus, -2: EXPONENT}
    else:
        raise Unconvincing("algorithm")
    key = {1: told[1], 3: algorithm, **parts}
    try:  # a point that is not on its curve shows here, and not with the owner's first sign-in
        CoseKey.parse(key).verify(b"", b"")
    except InvalidSignature:
        return cbor.encode(key)
    except ValueError:
        pass
    raise Unconvincing("key")


def _bytes(value: object, length: int | None) -> bytes:
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise Unconvincing("key")
    return value
