"""The JSON shapes that sessions take (spec section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ostiary.accounts.answers import UserAnswer
from ostiary.core.clock import iso
from ostiary.web.answers import Answer

if TYPE_CHECKING:
    from ostiary.sessions.queries import Session
    from ostiary.sessions.service import Grant


class SignedInAnswer(Answer):
    """What a client holds after signing in or refreshing."""

    user: UserAnswer
    access_token: str
    refresh_token: str
    token_type: Literal["bearer"]
    expires_in: int
    jti: str

    @classmethod
    def of(cls, grant: Grant) -> SignedInAnswer:
        """Return a grant as its JSON shape."""
        return cls(
            user=UserAnswer.of(grant.account), access_token=grant.access.token, refresh_token=grant.refresh_token,
            token_type="bearer", expires_in=grant.access.expires_in, jti=grant.access.jti,  # noqa: S106
        )  # fmt: skip


class SessionAnswer(Answer):
    """A signed-in device as its owner sees it."""

    id: str
    device: str
    place: str | None
    address: str | None
    started_at: str
    seen_at: str
    ends_at: str
    current: bool

    @classmethod
    def of(cls, session: Session, current: str | None, place: str | None) -> SessionAnswer:
        """Return the owner's view of a session; its place in words, where it is known."""
        return cls(
            id=session.id, device=session.device, place=place, address=session.address,
            started_at=iso(session.started_at), seen_at=iso(session.seen_at), ends_at=iso(session.ends_at),
            current=session.id == current,
        )  # fmt: skip


__all__ = ["SessionAnswer", "SignedInAnswer", "UserAnswer"]
