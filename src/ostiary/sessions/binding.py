"""Sessions that go on at their device alone: the browser keeps a key, and proves it anew every few minutes.

Device Bound Session Credentials (W3C): docs/explanation/device-bound-sessions.md.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from ostiary.client import KeyRefused, TokenRefused, VerifyingKey
from ostiary.client.jws import read_brought, read_by
from ostiary.core.clock import millis
from ostiary.sessions import queries
from ostiary.sessions.errors import DeviceProofNeeded, DeviceProofRefused

if TYPE_CHECKING:
    from ostiary.client import AccessClaims
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Clock, Millis
    from ostiary.core.db import Database
    from ostiary.core.secrets import Macs
    from ostiary.sessions.queries import Session
    from ostiary.sessions.service import Sessions
    from ostiary.sessions.settings import SessionSettings
    from ostiary.sessions.view import Bindings
    from ostiary.web.cookies import Cookies, Header
    from ostiary.web.settings import CookieSettings
    from ostiary.web.visit import Visit

TYP: Final = "dbsc+jwt"
ALGORITHM: Final = "ES256"
"""What hardware in browsers signs with; a second one would be one more to get wrong."""

LONGEST_ANSWER: Final = 2048
REGISTER_PATH, RENEW_PATH = "/api/v1/auth/dbsc/register", "/api/v1/auth/dbsc/refresh"

OFFER, OFFERED, CHALLENGE, BOUND = "device offer", "device authorization", "device challenge", "bound cookie"
"""Purposes of what is written here: each text is worth nothing in the place of another (D10)."""

OFFER_LIFETIME = timedelta(minutes=5)
CHALLENGE_SLACK = timedelta(minutes=5)
"""How long an answer may be kept by its browser beyond the cookie that it renews."""

COOKIE_SLACK = timedelta(seconds=30)
"""How much longer than its browser keeps it a bound cookie counts: it may be on its way."""


class DeviceBinding:
    """Binds a session to a key of its browser's, and lets it go on where that key is."""

    def __init__(
        self, database: Database, sessions: Sessions, macs: Macs, cookies: Cookies, clock: Clock, lately: Bindings,
        settings: SessionSettings, cookie_settings: CookieSettings,
    ) -> None:  # fmt: skip
        self._database = database
        self._sessions = sessions
        self._macs = macs
        self._cookies = cookies
        self._clock = clock
        self._lately = lately
        self._is_on = settings.device_bound != "off"
        # A browser renews for its own origin alone: with cookies for sub-domains others would be shut out.
        self._is_offered = self._is_on and cookie_settings.domain is None
        self._lifetime = millis(settings.device_bound_lifetime)

    def offer(self, session: Session) -> list[Header]:
        """Return what makes a browser register a key for a session that has just begun."""
        if not self._is_offered or session.bound_at is not None or session.generation != 1:
            return []
        expires_at = self._clock.now() + millis(OFFER_LIFETIME)
        challenge = self._macs.write(OFFER, session.id, str(expires_at))
        authorization = self._macs.write(OFFERED, session.id)
        value = f'({ALGORITHM});path="{REGISTER_PATH}";challenge="{challenge}";authorization="{authorization}"'
        return [(b"secure-session-registration", value.encode("ascii"))]

    async def register(self, caller: Caller, answer: str, named: str | None) -> Session:
        """Bind a session to the key that its browser shows, once.

        Args:
            caller: Who asks.
            answer: What the browser has signed, with the key in it.
            named: The session that the request's cookies name, or None where none came.

        Raises:
            DeviceProofRefused: It answers no offer of ours, or the session is bound or over.
        """
        try:
            claims, key = read_brought(answer, ALGORITHM, TYP, longest=LONGEST_ANSWER)
        except TokenRefused:
            raise DeviceProofRefused from None
        session_id = self._offered(claims)
        if session_id is None or not self._is_on or named not in (None, session_id):
            raise DeviceProofRefused
        async with self._database.unit(caller) as unit:
            written = msgspec.json.encode(key.to_jwk()).decode()
            session = await unit.find(queries.BIND, session_id=session_id, key=written, now=unit.now)
            if session is None:  # an offer is taken up once: whoever comes later must not get at the session
                unit.note("session.proof_refused", session_id=session_id, reason="registration")
                raise DeviceProofRefused
            unit.note("session.key_registered", session.account_id, session_id=session.id)
            unit.signal("binding", session.id)
        await self._sessions.owner(session)
        return session

    async def renew(self, caller: Caller, session_id: str, answer: str | None, named: str | None) -> Session:
        """Let a bound session go on whose device has signed the challenge.

        Without an answer a challenge is given for any session's name: that costs
        no read, and tells nobody which sessions there are.

        Args:
            caller: Who asks.
            session_id: As the browser says.
            answer: What the browser has signed, if it had a challenge.
            named: The session that the request's cookies name, or None where none came.

        Raises:
            DeviceProofNeeded: There is no answer, or not to a challenge that still counts; carries one.
            DeviceProofRefused: Not by the session's key, or the session is over, or its browser has signed in anew.
        """
        if not self._is_on or named not in (None, session_id):
            raise DeviceProofRefused
        if answer is None:
            raise DeviceProofNeeded.by(self._challenge(session_id, self._clock.now()))
        session = await self._living(session_id)
        challenged_at = await self._answered(caller, session, answer, named)
        if challenged_at is not None:
            renewed = await self._database.find(
                queries.PROVE, session_id=session_id, challenged_at=challenged_at, now=self._clock.now()
            )
            if renewed is not None:
                await self._sessions.owner(renewed)
                return renewed
            session = await self._living(session_id)  # signed out meanwhile, or an answer that came before
        raise DeviceProofNeeded.by(self.next_challenge(session))

    def cookie(self, session: Session) -> Header:
        """Return the cookie by which a bound session goes on until its device has to prove itself again."""
        now = self._clock.now()
        until = min(now + self._lifetime, session.ends_at)
        text = self._macs.write(BOUND, session.id, str(until + millis(COOKIE_SLACK)))
        return self._cookies.write("bound", text, max(1, (until - now) // 1000), of=session.id)

    def next_challenge(self, session: Session) -> Header:
        """Return the challenge for a session's next proof: younger than any that its device has answered."""
        return self._challenge(session.id, max(self._clock.now(), (session.proven_at or 0) + 1))

    def holds(self, visit: Visit, session_id: str) -> bool:
        """Return whether a request comes from the device of a session, if that is bound; reads no database."""
        if not self._is_on:
            return True
        text = self._cookies.shown_proof(visit, "bound", of=session_id)
        fields = self._macs.read(BOUND, text, 2) if text else None
        return fields is not None and fields[0] == session_id and int(fields[1]) > self._clock.now()

    def misses(self, visit: Visit, claims: AccessClaims) -> bool:
        """Return whether a genuine access token came without the device that it is bound to.

        However it came: a stolen cookie must not count as a bearer token either.
        """
        return (claims.dbsc or self._lately.demand(claims.sid)) and not self.holds(visit, claims.sid)

    def _offered(self, claims: dict[str, object]) -> str | None:
        """Return which session the claims of a registration are about, if this house has offered it."""
        challenge, authorization = claims.get("jti"), claims.get("authorization")
        if not isinstance(challenge, str) or not isinstance(authorization, str):
            return None
        offer, offered = self._macs.read(OFFER, challenge, 2), self._macs.read(OFFERED, authorization, 1)
        if offer is None or offered is None or offer[0] != offered[0] or int(offer[1]) <= self._clock.now():
            return None
        return offer[0]

    async def _living(self, session_id: str) -> Session:
        session = await self._sessions.find(session_id)
        if session is None or session.device_key is None or not session.lives(self._clock.now()):
            raise DeviceProofRefused
        return session

    async def _answered(self, caller: Caller, session: Session, answer: str, named: str | None) -> Millis | None:
        """Return the time of the challenge that the session's device has signed; None if it is none of ours, or old."""
        try:
            claims = read_by(answer, _key_of(session), TYP, longest=LONGEST_ANSWER)
        except TokenRefused as refusal:
            if named is not None:  # somebody has the session's cookies and not its key; strangers fill no journal
                async with self._database.unit(caller) as unit:
                    unit.note("session.proof_refused", session.account_id, session_id=session.id, reason=refusal.reason)
            raise DeviceProofRefused from None
        challenge = claims.get("jti")
        fields = self._macs.read(CHALLENGE, challenge, 2) if isinstance(challenge, str) else None
        if fields is None or fields[0] != session.id:
            return None
        challenged_at = int(fields[1])
        over_at = challenged_at + self._lifetime + millis(CHALLENGE_SLACK)
        return challenged_at if self._clock.now() < over_at else None

    def _challenge(self, session_id: str, at: Millis) -> Header:
        text = self._macs.write(CHALLENGE, session_id, str(at))
        return b"secure-session-challenge", f'"{text}";id="{session_id}"'.encode("ascii")


def _key_of(session: Session) -> VerifyingKey:
    """Return the key that a session is bound to.

    Raises:
        DeviceProofRefused: What is stored is none: somebody has written it by hand.
    """
    try:
        return VerifyingKey.from_jwk(msgspec.json.decode(session.device_key or "", type=dict[str, object]))
    except (msgspec.DecodeError, KeyRefused):
        raise DeviceProofRefused from None
