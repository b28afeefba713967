"""Whose word counts for the make of an authenticator (WebAuthn Level 3, sections 6.5 and 7.1, steps 21 to 24).

The library reads the statement and verifies its signature; the path to a trusted root is validated by `cryptography`,
as the library would take any chain of signatures for one: expired, or issued by who is no authority.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ostiary.core.errors import Misconfigured
from ostiary.passkeys.ceremony import ALGORITHMS, MALFORMED, NO_ATTESTATION, Attested, Unconvincing

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509
    from cryptography.x509.verification import ClientVerifier

    from ostiary.core.clock import Millis
    from ostiary.passkeys.settings import PasskeySettings

PACKED = "packed"
OF_POLICY = frozenset({"attestation", "make"})
"""Reasons to refuse an authenticator that does all that the standard asks."""
LONGEST_CHAIN = 4
"""Certificates before the root: makers use one or two."""


class Attestation:
    """What is asked of a new authenticator, by the settings, and whether it has shown that."""

    def __init__(self, settings: PasskeySettings) -> None:
        """Read the roots, if any are wanted.

        Raises:
            Misconfigured: The file of roots cannot be read, or holds none.
        """
        self.wanted = settings.attestation
        self._aaguids = frozenset(map(str, settings.allowed_aaguids))
        # Now and not with the first passkey: whoever mistypes a path should hear of it at the start.
        self._roots = _certificates_in(settings.attestation_roots) if settings.attestation_roots else []

    def options(self) -> dict[str, Any]:
        """Return what creation options say of it."""
        if self.wanted == NO_ATTESTATION:
            return {"attestation": self.wanted}
        return {"attestation": self.wanted, "attestationFormats": [PACKED]}

    def judge(self, told: Attested, client_data: bytes, at: Millis) -> str:
        """Return the form in which a make was proven: `none` where nothing is asked for, whatever came.

        Args:
            told: The attestation object, read.
            client_data: What the statement signs beside the authenticator's data.
            at: When; certificates end.

        Raises:
            Unconvincing: No trusted maker vouches for it (`attestation`), or its make is not on the list (`make`).
        """
        if self.wanted == NO_ATTESTATION:
            return NO_ATTESTATION
        self._verify_packed(told, hashlib.sha256(client_data).digest(), at)
        if self._aaguids and str(told.credential.aaguid) not in self._aaguids:
            raise Unconvincing("make")
        return PACKED

    def _verify_packed(self, told: Attested, client_data_hash: bytes, at: Millis) -> None:
        """Take the steps of section 8.2 for a statement with certificates.

        One without is signed by the credential's own key: that vouches for nothing that was not known before.
        """
        from cryptography import x509  # noqa: PLC0415 - loaded with the first passkey
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
        from cryptography.x509.verification import VerificationError  # noqa: PLC0415
        from fido2.attestation.base import InvalidAttestation  # noqa: PLC0415
        from fido2.attestation.packed import PackedAttestation  # noqa: PLC0415

        chain = told.statement.get("x5c")
        if (
            told.form != PACKED
            or told.statement.keys() != {"alg", "sig", "x5c"}
            or told.statement["alg"] not in ALGORITHMS  # the library knows SHA-1, too
            or not isinstance(chain, list)
            or not 0 < len(chain) <= LONGEST_CHAIN
        ):
            raise Unconvincing("attestation")
        try:
            PackedAttestation().verify(told.statement, told.data, client_data_hash)
            leaf, *others = map(x509.load_der_x509_certificate, chain)
            self._verifier(at).verify(leaf, others)
        # The library asserts what it takes for granted: that a key is of the kind that its algorithm names.
        except (InvalidAttestation, VerificationError, UnsupportedAlgorithm, AssertionError, *MALFORMED):
            raise Unconvincing("attestation") from None

    def _verifier(self, at: Millis) -> ClientVerifier:
        """Return what validates a path (RFC 5280): certificates of makers name no hosts, and have no use for TLS."""
        from cryptography import x509  # noqa: PLC0415
        from cryptography.x509.verification import (  # noqa: PLC0415
            Criticality,
            ExtensionPolicy,
            PolicyBuilder,
            Store,
        )

        any_leaf = ExtensionPolicy.permit_all()
        authority = (
            ExtensionPolicy.permit_all()
            .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _may_issue)
            .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_certificates)
        )
        return (
            PolicyBuilder()
            .store(Store(self._roots))
            .time(datetime.fromtimestamp(at / 1000, UTC))
            .max_chain_depth(LONGEST_CHAIN)
            .extension_policies(ca_policy=authority, ee_policy=any_leaf)
            .build_client_verifier()
        )


def _may_issue(_policy: object, _certificate: x509.Certificate, told: x509.BasicConstraints) -> None:
    if not told.ca:
        raise ValueError("no authority")


def _may_sign_certificates(_policy: object, _certificate: x509.Certificate, told: x509.KeyUsage | None) -> None:
    if told is not None and not told.key_cert_sign:
        raise ValueError("not for certificates")


def _certificates_in(path: Path) -> list[x509.Certificate]:
    from cryptography import x509  # noqa: PLC0415 - only who asks for attestation needs it at the start

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as wrong:
        raise Misconfigured(f"passkeys.attestation_roots: {path} cannot be read: {wrong.strerror}") from None
    except ValueError:
        raise Misconfigured(f"passkeys.attestation_roots: {path} holds no certificate in PEM form") from None
