"""Passkeys as a way to prove who somebody is (WebAuthn Level 3)."""

from ostiary.passkeys.ceremony import Assertion, Registration, site_of
from ostiary.passkeys.errors import PasskeyRefused
from ostiary.passkeys.proving import Asked, Proof
from ostiary.passkeys.queries import Passkey
from ostiary.passkeys.service import Passkeys
from ostiary.passkeys.settings import PasskeySettings

__all__ = [
    "Asked",
    "Assertion",
    "Passkey",
    "PasskeyRefused",
    "PasskeySettings",
    "Passkeys",
    "Proof",
    "Registration",
    "site_of",
]
