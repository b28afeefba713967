"""The JSON shape of an account (spec section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ostiary.core.clock import iso
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from ostiary.accounts.queries import Account


class UserAnswer(Answer):
    """An account as its owner sees it."""

    id: str
    username: str
    email: str
    email_verified: bool
    full_name: str
    status: Literal["provisional", "active", "deactivated"]
    created_at: Moment
    language: str | None

    @classmethod
    def of(cls, account: Account) -> UserAnswer:
        """Return the owner's view of an account."""
        return cls(
            id=account.id, username=account.username, email=account.email, email_verified=account.email_verified,
            full_name=account.full_name, status=account.status, created_at=iso(account.created_at),
            language=account.language,
        )  # fmt: skip
