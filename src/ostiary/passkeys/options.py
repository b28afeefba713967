"""What browsers are asked, in the JSON of the standard (WebAuthn Level 3, sections 5.4 and 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ostiary.core.clock import millis
from ostiary.core.secrets import b64
from ostiary.passkeys.ceremony import ALGORITHMS
from ostiary.passkeys.challenges import LIFETIME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ostiary.accounts import Account
    from ostiary.passkeys.ceremony import Site
    from ostiary.passkeys.queries import Passkey


def creation_options(
    site: Site, account: Account, handle: bytes, challenge: bytes, held: Sequence[Passkey], attestation: dict[str, Any]
) -> dict[str, Any]:
    """Return what a browser needs to make a passkey (PublicKeyCredentialCreationOptionsJSON)."""
    return {
        "rp": {"id": site.rp_id, "name": site.name},
        "user": {"id": b64(handle), "name": account.username, "displayName": account.full_name or account.username},
        "challenge": b64(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": algorithm} for algorithm in ALGORITHMS],
        "timeout": millis(LIFETIME),
        # Else the same authenticator would make a second one, and its owner wonder which is which.
        "excludeCredentials": [_descriptor(passkey) for passkey in held],
        "authenticatorSelection": {
            "residentKey": "required", "requireResidentKey": True, "userVerification": "required",
        },
        **attestation,
    }  # fmt: skip


def request_options(site: Site, challenge: bytes, held: Sequence[Passkey] = ()) -> dict[str, Any]:
    """Return what a browser needs to show a passkey (PublicKeyCredentialRequestOptionsJSON).

    Args:
        site: Where.
        challenge: What is to be signed.
        held: The passkeys of whom a password has named. Nobody else gets a list: it would tell who has an account,
            and with which authenticators (R7).
    """
    return {
        "challenge": b64(challenge),
        "timeout": millis(LIFETIME),
        "rpId": site.rp_id,
        "allowCredentials": [_descriptor(passkey) for passkey in held],
        "userVerification": "required",
    }


def _descriptor(passkey: Passkey) -> dict[str, Any]:
    return {"type": "public-key", "id": b64(passkey.credential_id), "transports": passkey.transports.split()}
