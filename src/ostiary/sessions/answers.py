"""The JSON shapes that sessions take (spec section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ostiary.accounts.answers import UserAnswer
from ostiary.core.clock import iso
from ostiary.sessions.binding import RENEW_PATH
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from ostiary.sessions.queries import Session
    from ostiary.sessions.service import Grant

STATIC = "/auth/static/"
"""The same for everybody: asked for without a session as well."""


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
    started_at: Moment
    seen_at: Moment
    ends_at: Moment
    current: bool
    bound: bool

    @classmethod
    def of(cls, session: Session, current: str | None, place: str | None) -> SessionAnswer:
        """Return the owner's view of a session; its place in words, where it is known."""
        return cls(
            id=session.id, device=session.device, place=place, address=session.address,
            started_at=iso(session.started_at), seen_at=iso(session.seen_at), ends_at=iso(session.ends_at),
            current=session.id == current, bound=session.bound_at is not None,
        )  # fmt: skip


class DeviceSessionScope(Answer):
    """Which requests wait until a bound session goes on: all to this origin but a few."""

    include_site: Literal[False]
    scope_specification: list[dict[str, str]]


class DeviceSessionAnswer(Answer):
    """What a browser needs to keep a session bound (W3C, Device Bound Session Credentials)."""

    session_identifier: str
    refresh_url: str
    scope: DeviceSessionScope
    credentials: list[dict[str, str]]
    allowed_refresh_initiators: list[str]

    @classmethod
    def of(cls, session: Session, cookie: str, attributes: str) -> DeviceSessionAnswer:
        """Return what keeps a session bound by a cookie.

        The origin is not named: it is the one that the browser has asked, by
        whatever name of this house. Links on other sites must find a session
        that goes on, so that whoever leads here may make the browser renew it.
        """
        return cls(
            session_identifier=session.id, refresh_url=RENEW_PATH,
            scope=DeviceSessionScope(
                include_site=False, scope_specification=[{"type": "exclude", "path": STATIC}]
            ),
            credentials=[{"type": "cookie", "name": cookie, "attributes": attributes}],
            allowed_refresh_initiators=["*"],
        )  # fmt: skip


__all__ = ["DeviceSessionAnswer", "SessionAnswer", "SignedInAnswer", "UserAnswer"]
