"""Keys that sign and verify, each bound for life to one id and one algorithm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, get_args

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)
from joserfc.errors import JoseError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

Algorithm = Literal["ES256", "EdDSA", "RS256"]
PublicKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

RSA_BITS: Final = 3072
_RSA_BITS_ACCEPTED: Final = range(2048, 8192 + 1)
_KEY_ID = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,128}")  # visible ASCII without quote and backslash
_KEY_ID_LENGTH: Final = 16  # of the thumbprint: 96 bits, ample for the few keys of one issuer
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_MEMBERS: Final[dict[tuple[str, str | None], tuple[Algorithm, tuple[str, ...]]]] = {
    ("EC", "P-256"): ("ES256", ("kty", "crv", "x", "y")),
    ("OKP", "Ed25519"): ("EdDSA", ("kty", "crv", "x")),
    ("RSA", None): ("RS256", ("kty", "n", "e")),
}


class KeyRefused(Exception):  # noqa: N818 - says what happened
    """This key must not be used; the message says why and holds no key material."""


class KeySource(Protocol):
    """Where verifying keys come from: a key ring, or the issuer's JWKS."""

    def find(self, key_id: str) -> VerifyingKey | None:
        """Return the key of that id, or None."""


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key with the one algorithm that it may be used with (RFC 8725 section 3.1).

    Attributes:
        key_id: The `kid`, 1 to 128 visible ASCII characters.
        algorithm: The JWS algorithm.
        public: P-256, Ed25519, or RSA of 2048 to 8192 bits.
        signature_size: Bytes of each signature.
        jose: The same key as joserfc wants it, built once.

    Raises:
        KeyRefused: Key and algorithm do not belong together, or the key is weak.
    """

    key_id: str
    algorithm: Algorithm
    public: PublicKey
    signature_size: int = field(init=False, repr=False, compare=False)
    jose: ECKey | OKPKey | RSAKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if _KEY_ID.fullmatch(self.key_id) is None:
            raise KeyRefused("The key id is not 1 to 128 visible ASCII characters.")
        object.__setattr__(self, "signature_size", _signature_size(self.algorithm, self.public))
        object.__setattr__(self, "jose", _jose(self.public, self.key_id, self.algorithm))

    def to_jwk(self) -> dict[str, str]:
        """Return the key for a JWKS (RFC 7517), with `kid`, `alg` and `use`."""
        members = self.jose.as_dict(private=False)
        return {name: value for name, value in members.items() if isinstance(value, str)}

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, object]) -> VerifyingKey:
        """Return the key of one entry of a JWKS.

        Members that say nothing about the key itself (`x5c`, `x5t`, ...) are
        ignored: a certificate is no source of trust here.

        Args:
            jwk: The entry, as parsed JSON.

        Raises:
            KeyRefused: It is private or symmetric, is for something other
                than verifying with ES256, EdDSA (Ed25519) or RS256, or its
                members contradict each other.
        """
        if _PRIVATE_MEMBERS & jwk.keys():
            raise KeyRefused("The key is private: it must be replaced at its owner's.")
        kind = (jwk.get("kty"), jwk.get("crv"))
        algorithm, names = next((ours for known, ours in _MEMBERS.items() if known == kind), (None, ()))
        if algorithm is None or jwk.get("alg", algorithm) != algorithm:
            raise KeyRefused("The key's kty, crv and alg are not ours, or do not agree.")
        if jwk.get("use", "sig") != "sig" or not _may_verify(jwk.get("key_ops", ["verify"])):
            raise KeyRefused("The key is not made for verifying signatures.")
        key_id = jwk.get("kid")
        if not isinstance(key_id, str):
            raise KeyRefused("The key has no id.")
        key = cls(key_id, algorithm, _public_of({name: jwk.get(name) for name in names}))
        if any(key.to_jwk()[name] != jwk[name] for name in names):
            raise KeyRefused("The key's numbers are not spelled as RFC 7518 section 6 wants them.")
        return key


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its id and its one algorithm.

    Attributes:
        key_id: The `kid` of what it signs.
        algorithm: The JWS algorithm.
        private: P-256, Ed25519 or RSA.
        verifying: The public half.
        jose: The same key as joserfc wants it, built once.

    Raises:
        KeyRefused: Key and algorithm do not belong together, or the key is weak.
    """

    key_id: str
    algorithm: Algorithm
    private: PrivateKey = field(repr=False)
    verifying: VerifyingKey = field(init=False, repr=False, compare=False)
    jose: ECKey | OKPKey | RSAKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "verifying", VerifyingKey(self.key_id, self.algorithm, self.private.public_key()))
        object.__setattr__(self, "jose", _jose(self.private, self.key_id, self.algorithm))

    @classmethod
    def generate(cls, algorithm: Algorithm, key_id: str | None = None) -> SigningKey:
        """Return a new key: P-256, Ed25519, or RSA with 3072 bits.

        Args:
            algorithm: The JWS algorithm that it is for.
            key_id: Its id; by default the beginning of its thumbprint (RFC 7638).
        """
        private: PrivateKey
        match algorithm:
            case "ES256":
                private = ec.generate_private_key(ec.SECP256R1())
            case "EdDSA":
                private = ed25519.Ed25519PrivateKey.generate()
            case "RS256":
                private = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        return cls(key_id or thumbprint(private.public_key())[:_KEY_ID_LENGTH], algorithm, private)

    def to_bytes(self) -> bytes:
        """Return the private key in PKCS #8 DER, unencrypted: seal it before it is stored (D8)."""
        return self.private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    @classmethod
    def from_bytes(cls, key_id: str, algorithm: Algorithm, data: bytes) -> SigningKey:
        """Return the key that `to_bytes` wrote.

        Raises:
            KeyRefused: The bytes are no such key.
        """
        try:
            private = load_der_private_key(data, password=None)
        except (ValueError, TypeError):
            private = None
        if not isinstance(private, PrivateKey):
            raise KeyRefused("The bytes are no private key in PKCS #8.")
        return cls(key_id, algorithm, private)

    @classmethod
    def from_pem(cls, key_id: str, algorithm: Algorithm, data: bytes) -> SigningKey:
        """Return the key of an unencrypted PEM file, as providers hand them out.

        Raises:
            KeyRefused: It is no such key.
        """
        try:
            private = load_pem_private_key(data, password=None)
        except (ValueError, TypeError):
            private = None
        if not isinstance(private, PrivateKey):
            raise KeyRefused("The text is no private key in PEM.")
        return cls(key_id, algorithm, private)


class KnownKeys:
    """A key source that never changes: for tests, and for programs given their keys as a file."""

    __slots__ = ("_keys",)

    def __init__(self, *keys: VerifyingKey) -> None:
        self._keys = {key.key_id: key for key in keys}

    def find(self, key_id: str) -> VerifyingKey | None:
        """Return the key of that id, or None."""
        return self._keys.get(key_id)


def thumbprint(public: PublicKey) -> str:
    """Return the key's SHA-256 thumbprint in base64url (RFC 7638)."""
    return _wrap(public, {}).thumbprint()


def joserfc_algorithm(name: Algorithm) -> JWSAlgModel:
    """Return joserfc's implementation of a JWS algorithm.

    Taken from the table, not through `get_alg`, which warns that RFC 9864
    gives `EdDSA` a new name. `VerifyingKey` already holds it to one curve,
    which is what that RFC is about.
    """
    return JWSRegistry.algorithms[name]


def _signature_size(algorithm: Algorithm, public: PublicKey) -> int:
    match algorithm, public:
        case "ES256", ec.EllipticCurvePublicKey(curve=ec.SECP256R1()):
            return 64
        case "EdDSA", ed25519.Ed25519PublicKey():
            return 64
        case "RS256", rsa.RSAPublicKey(key_size=bits) if bits in _RSA_BITS_ACCEPTED:
            exponent = public.public_numbers().e
            # FIPS 186-5 A.1.1: odd and above 2^16. The upper end keeps a hostile key from costing us time.
            if exponent % 2 == 1 and 2**16 < exponent < 2**32:
                return (bits + 7) // 8
    raise KeyRefused("The key does not fit its algorithm, or is too weak for it.")


def _wrap(key: PublicKey | PrivateKey, parameters: KeyParameters) -> ECKey | OKPKey | RSAKey:
    match key:
        case ec.EllipticCurvePublicKey() | ec.EllipticCurvePrivateKey():
            return ECKey.import_key(key, parameters)
        case rsa.RSAPublicKey() | rsa.RSAPrivateKey():
            return RSAKey.import_key(key, parameters)
        case _:
            return OKPKey.import_key(key, parameters)


def _jose(key: PublicKey | PrivateKey, key_id: str, algorithm: Algorithm) -> ECKey | OKPKey | RSAKey:
    return _wrap(key, {"kid": key_id, "alg": algorithm, "use": "sig"})


def _may_verify(operations: object) -> bool:
    if not isinstance(operations, list) or not all(isinstance(one, str) for one in operations):
        return False
    return "verify" in operations and set(operations) <= {"sign", "verify"} and len(set(operations)) == len(operations)


def _public_of(members: dict[str, object]) -> PublicKey:
    texts: dict[str, str | list[str]] = {name: value for name, value in members.items() if isinstance(value, str)}
    public: object = None
    if len(texts) == len(members):
        try:
            public = import_key(texts).public_key
        except (JoseError, ValueError):  # bad base64url, a point off the curve, an even modulus
            public = None
    if not isinstance(public, PublicKey):
        raise KeyRefused("The key's numbers are not a public key.")
    return public


assert {algorithm for algorithm, _ in _MEMBERS.values()} == set(get_args(Algorithm))
