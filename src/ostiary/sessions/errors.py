"""Refusals that concern sessions."""

from __future__ import annotations

from ostiary.core.errors import Problem


class NotSignedIn(Problem):
    """No credential, or one that proves nothing: never said which (D14)."""

    slug = "not-signed-in"
    title = "Please sign in."
    status = 401


class RefreshRefused(Problem):
    """The refresh token is unknown, too old, or its session has ended."""

    slug = "refresh-refused"
    title = "This session has ended. Please sign in again."
    status = 401


class RefreshTokenReplayed(RefreshRefused):
    """A token that was already exchanged came again: somebody holds a copy (RFC 9700 section 4.14.2).

    Looks like any other refusal to whoever presented it; the session's end is committed.
    """

    keeps_deed = True


class DeviceProofRefused(Problem):
    """What a browser has signed binds or renews no session: never said why (D14)."""

    slug = "device-proof-refused"
    title = "This device could not be recognised. Please sign in again."
    status = 401


class DeviceProofNeeded(Problem):
    """A bound session goes on when its device has signed the challenge in `Secure-Session-Challenge`."""

    slug = "device-proof-needed"
    title = "The device has to prove itself."
    status = 403

    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def by(cls, challenge: tuple[bytes, bytes]) -> DeviceProofNeeded:
        """Return the refusal that carries a challenge."""
        refusal = cls()
        refusal.headers = (challenge,)
        return refusal


class NoSuchSession(Problem):
    """Not a living session of the caller's own account."""

    slug = "no-such-session"
    title = "There is no such session."
    status = 404


class TooManySockets(Problem):
    """The account holds as many WebSockets open as one may; the setting is `sessions.sockets_per_account`."""

    slug = "too-many-sockets"
    title = "Too many connections of this account are open. Please close some."
    status = 429
