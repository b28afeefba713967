"""What the register of people holds about one of them, in the shape in which they get it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ostiary.core.clock import iso, iso_or_none

if TYPE_CHECKING:
    from ostiary.accounts.queries import Account, Claimed, Erasure
    from ostiary.core.clock import Millis


def personal(
    account: Account, lapses_at: Millis | None, claims: list[Claimed], erasure: Erasure | None
) -> dict[str, Any]:
    """Return the sections `account`, `permissions`, `address_claims` and `erasure` of an export."""
    return {
        "account": {
            "id": account.id,
            "username": account.username,
            "full_name": account.full_name,
            "email": account.email,
            "email_proven_at": iso_or_none(account.email_proven_at),
            "status": account.status,
            "kind": account.kind,
            "epoch": account.epoch,
            "created_at": iso(account.created_at),
            "lapses_at": iso_or_none(lapses_at),
            "language": account.language,
        },
        "permissions": list(account.permissions),
        "address_claims": [
            {
                "id": claim.id,
                "email": claim.email,
                "claimed_at": iso(claim.claimed_at),
                "lapses_at": iso(claim.lapses_at),
            }
            for claim in claims
        ],
        "erasure": None
        if erasure is None
        else {
            "id": erasure.id,
            "asked_at": iso(erasure.asked_at),
            "due_at": iso(erasure.due_at),
            "was": erasure.was,
        },
    }
