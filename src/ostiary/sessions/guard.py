"""The guard: looks at a request's credential, in memory only (D3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec

from ostiary.client import TokenRefused
from ostiary.core.secrets import Macs, new_id
from ostiary.sessions.errors import NotSignedIn
from ostiary.sessions.service import Grant
from ostiary.web.standing import ApiKeyNotAccepted

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.client import AccessClaims, AccessTokens
    from ostiary.core.clock import Clock
    from ostiary.core.signals import Signals
    from ostiary.keys import Keys
    from ostiary.sessions.binding import DeviceBinding
    from ostiary.sessions.service import Sessions
    from ostiary.sessions.settings import SessionSettings
    from ostiary.sessions.view import Revocations
    from ostiary.web.cookies import Cookies, Kind
    from ostiary.web.csrf import Csrf
    from ostiary.web.settings import CookieSettings
    from ostiary.web.visit import Visit

DEVICE = "device cookie"


class Known(Protocol):
    """Whom a verified credential names: a session's, or an API key."""

    @property
    def account(self) -> Account: ...  # noqa: D102 - as below
    @property
    def account_id(self) -> str: ...  # noqa: D102
    @property
    def session_id(self) -> str: ...  # noqa: D102
    @property
    def permissions(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def amr(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def acr(self) -> str: ...  # noqa: D102
    @property
    def auth_time(self) -> int: ...  # noqa: D102
    @property
    def key_id(self) -> str | None: ...  # noqa: D102
    @property
    def scopes(self) -> tuple[str, ...] | None: ...  # noqa: D102
    @property
    def is_confined(self) -> bool: ...  # noqa: D102


class KeyGuard(Protocol):
    """Looks at API keys; their own room keeps the real one."""

    @property
    def beginnings(self) -> tuple[str, ...]:
        """What a key begins with; no signed token does."""
        ...

    async def trusted(self, visit: Visit, text: str) -> Known:
        """Return whom a key stands for.

        Raises:
            Problem: It opens nothing.
        """
        ...


class Identity(msgspec.Struct, frozen=True):
    """Whom a verified access token names."""

    account: Account
    claims: AccessClaims

    key_id: ClassVar[None] = None
    scopes: ClassVar[None] = None
    is_confined: ClassVar[bool] = False

    @property
    def account_id(self) -> str:
        """The account."""
        return self.claims.sub

    @property
    def session_id(self) -> str:
        """The session that the credential hangs on."""
        return self.claims.sid

    @property
    def permissions(self) -> tuple[str, ...]:
        """What the account may do as it is now, and not as old as the token."""
        return self.account.permissions

    @property
    def amr(self) -> tuple[str, ...]:
        """How the person proved who they are (RFC 8176)."""
        return self.claims.amr

    @property
    def auth_time(self) -> int:
        """When the person last proved who they are, in seconds since 1970."""
        return self.claims.auth_time

    @property
    def acr(self) -> str:
        """How strong that proof was."""
        return self.claims.acr


class SessionGuard:
    """Trusts an access token if its signature, its session and its account all stand, now.

    In steady state nothing here waits or reads: the verdict on a signature is
    remembered, what ended is in memory, and so is the account.
    """

    def __init__(
        self, tokens: AccessTokens, keys: Keys, signals: Signals, revocations: Revocations, accounts: Accounts,
        sessions: Sessions, binding: DeviceBinding, macs: Macs, cookies: Cookies, clock: Clock, api_keys: KeyGuard,
        settings: SessionSettings,
    ) -> None:  # fmt: skip
        self._binding = binding
        self._api_keys = api_keys
        self._key_beginnings = api_keys.beginnings
        self._tokens = tokens
        self._keys = keys
        self._signals = signals
        self._revocations = revocations
        self._accounts = accounts
        self._sessions = sessions
        self._macs = macs
        self._cookies = cookies
        self._clock = clock
        self._idle = int(settings.idle_lifetime.total_seconds())

    async def ensure_fresh(self) -> None:
        """See that memory may be trusted.

        Raises:
            DatabaseUnavailable: It cannot be proven fresh: refuse (D14).
        """
        if not self._signals.is_fresh():
            await self._signals.refresh()
        if self._keys.is_stale:
            await self._keys.reload()

    async def trusted(self, token: str) -> Identity:
        """Return whom an access token names.

        Raises:
            NotSignedIn: It proves nothing, its session has ended, or its account has moved on.
            DatabaseUnavailable: Nobody can say (D14).
        """
        await self.ensure_fresh()
        try:
            claims = self._tokens.read(token, self._clock.now() / 1000)
        except TokenRefused:
            raise NotSignedIn from None
        if claims.sid in self._revocations:
            raise NotSignedIn
        account = self._accounts.glance(claims.sub) or await self._accounts.remembered(claims.sub)
        if account is None or account.epoch != claims.epoch or not account.is_alive:
            raise NotSignedIn
        return Identity(account, claims)

    async def identify(self, visit: Visit, *, keys: bool = False) -> Known | None:
        """Return whom the request's credential names, or None if it shows none.

        Args:
            visit: The request.
            keys: Whether API keys are accepted here. Where nobody has said so, they are not.

        Raises:
            NotSignedIn: It shows one that proves nothing.
            ApiKeyNotAccepted: It shows a genuine API key.
            Problem: It shows an API key that opens nothing.
        """
        if visit.identity is None:
            found = await self._look_at(visit)
            if found is None:
                return None
            if visit.traffic is not None:
                visit.traffic.admit_account(visit, found.account.id)
            visit.identity = found
        identity: Known = visit.identity
        if identity.key_id is not None and not keys:
            raise ApiKeyNotAccepted
        return identity

    async def _look_at(self, visit: Visit) -> Known | None:
        bearer = visit.bearer
        if bearer is not None and bearer.startswith(self._key_beginnings):  # by its form: a token pays nothing for it
            await self.ensure_fresh()
            return await self._api_keys.trusted(visit, bearer)
        token = bearer if bearer is not None else self._cookies.read(visit, "access")
        if token is None:
            return None
        found = await self.trusted(token)
        if self._binding.misses(visit, found.claims):
            raise NotSignedIn
        return found

    async def admit(self, visit: Visit, *, keys: bool = False) -> Known:
        """Return whom the request's credential names; `keys` as for `identify`.

        Raises:
            NotSignedIn: It shows none, or one that proves nothing.
            ApiKeyNotAccepted: It shows a genuine API key.
            Problem: It shows an API key that opens nothing.
        """
        identity = await self.identify(visit, keys=keys)
        if identity is None:
            raise NotSignedIn
        return identity

    async def admit_page(self, visit: Visit, *, keys: bool = False) -> Known:
        """As `admit`, for hosted pages: a lapsed access cookie is renewed from the page's own.

        Raises:
            NotSignedIn: Neither proves anything.
            ApiKeyNotAccepted: It shows a genuine API key.
            Problem: It shows an API key that opens nothing.
        """
        try:
            return await self.admit(visit, keys=keys)
        except NotSignedIn:
            page_token = self._cookies.read(visit, "session")
            if page_token is None:
                raise
        await self.ensure_fresh()
        named = self._sessions.named_by(page_token=page_token) or ""
        grant = await self._sessions.resume(
            visit.caller(), page_token, at_device=self._binding.holds(visit, named)
        )  # fmt: skip
        # The page's own cookie as well: while it is used it neither runs out nor rests on a retired key.
        visit.answers += [
            self._cookies.write("access", grant.access.token, grant.access.expires_in),
            self._cookies.write("session", grant.page_token, self._idle),
        ]
        if visit.traffic is not None:
            visit.traffic.admit_account(visit, grant.account.id)
        visit.identity = identity = Identity(grant.account, grant.access.claims)
        return identity

    def shows_credential(self, visit: Visit) -> bool:
        """Return whether the request shows what may be a credential; proves nothing."""
        if b"authorization" in visit.headers:
            return True
        read = self._cookies.read
        return b"cookie" in visit.headers and (read(visit, "access") is not None or read(visit, "session") is not None)

    async def session_to_end(self, visit: Visit) -> str | None:
        """Return the session that a sign-out is about: the bearer's, else the one the cookies name."""
        bearer = visit.bearer
        if bearer is None:
            return self.named_session(visit)
        if bearer.startswith(self._key_beginnings):  # hangs on no session
            return None
        try:
            return (await self.admit(visit)).session_id
        except NotSignedIn:
            return None

    def named_session(self, visit: Visit) -> str | None:
        """Return the session that the request's cookies genuinely name, alive or not.

        The refresh cookie is not asked: only the refresh route reads it.
        """
        named = self._sessions.named_by(page_token=self._cookies.read(visit, "session"))
        if named is not None:
            return named
        token = self._cookies.read(visit, "access")
        if token is None:
            return None
        try:
            return self._tokens.read(token, self._clock.now() / 1000).sid
        except TokenRefused:
            return None

    def device_of(self, visit: Visit) -> str | None:
        """Return the device that a genuine device cookie names."""
        text = self._cookies.read(visit, "device")
        fields = self._macs.read(DEVICE, text, 1) if text else None
        return fields[0] if fields else None


class CookieHandover:
    """Puts a grant into the visitor's cookies, and takes it out again."""

    def __init__(
        self, cookies: Cookies, csrf: Csrf, binding: DeviceBinding, macs: Macs, settings: SessionSettings,
        cookie_settings: CookieSettings,
    ) -> None:  # fmt: skip
        self._binding = binding
        self._cookies = cookies
        self._csrf = csrf
        self._macs = macs
        self._idle = int(settings.idle_lifetime.total_seconds())
        self._device = int(cookie_settings.device_lifetime.total_seconds())

    def device_for(self, visit: Visit, now: int) -> str:
        """Return the visitor's device, naming a new one if they show none."""
        if visit.device_id is None:
            visit.device_id = new_id(now)
        return visit.device_id

    def give(self, visit: Visit, grant: Grant) -> None:
        """Set every cookie of a session, and a CSRF token bound to it; offer a new one to be bound to its device."""
        write = self._cookies.write
        visit.answers += [
            write("access", grant.access.token, grant.access.expires_in),
            write("refresh", grant.refresh_token, self._idle),
            write("session", grant.page_token, self._idle),
            self._csrf.renew(visit, grant.session.id)[1],
            *self._binding.offer(grant.session),
        ]
        if grant.session.device_id is not None:
            self.know(visit, grant.session.device_id)

    def know(self, visit: Visit, device_id: str) -> None:
        """Set the cookie by which the visitor's browser is known again; it opens nothing."""
        written = self._macs.write(DEVICE, device_id)
        visit.answers.append(self._cookies.write("device", written, self._device))

    def take(self, visit: Visit) -> None:
        """Clear every cookie of a session, and what a passkey was asked with; the device stays known."""
        kinds: tuple[Kind, ...] = ("access", "refresh", "session", "csrf", "passkey", "federation")
        visit.answers += [self._cookies.clear(kind) for kind in kinds]
        visit.answers += self._cookies.clear_each(visit, "bound")
