"""Receives the visitors of an application that the house is mounted in, by the rules of the house's own routes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import quote

from ostiary.client import reaches
from ostiary.client.identity import Identity
from ostiary.core.caller import Caller
from ostiary.core.errors import Problem, Unavailable
from ostiary.core.limits import Count, Limit, seconds_until, told
from ostiary.web.address import counted
from ostiary.web.csrf import ForeignOrigin
from ostiary.web.problems import body_and_headers
from ostiary.web.standing import (
    ApiKeyNotAccepted,
    InsufficientAuthentication,
    SignInTooWeak,
    require_permission,
    require_recent,
    require_scope,
)
from ostiary.web.visit import Visit

if TYPE_CHECKING:
    from ostiary.client import Requirement
    from ostiary.core.clock import Clock
    from ostiary.web.address import ClientAddress
    from ostiary.web.cookies import Cookies
    from ostiary.web.csrf import Csrf
    from ostiary.web.settings import WebSettings
    from ostiary.web.visit import Scope

log = logging.getLogger(__name__)

SIGN_IN, STEP_UP = "/auth/sign-in", "/auth/step-up"


class AddressNotProven(Problem):
    """What is asked for is for accounts whose address is proven (D4)."""

    slug = "address-not-proven"
    title = "Please confirm your address first."
    status = 403
    headers = ((b"www-authenticate", b'Bearer realm="ostiary", error="insufficient_scope"'),)  # RFC 6750 section 3.1


Spend = Callable[[Caller, Limit, str], Awaitable[Count]]


class Rate(Protocol):
    """A limit that the application has named."""

    @property
    def name(self) -> str: ...  # noqa: D102 - as in integrations
    @property
    def number(self) -> int: ...  # noqa: D102
    @property
    def seconds(self) -> int: ...  # noqa: D102
    @property
    def per(self) -> Literal["account", "address", "route"]: ...  # noqa: D102


class KnownAccount(Protocol):
    """An account as it is now."""

    @property
    def username(self) -> str: ...  # noqa: D102 - as in accounts
    @property
    def full_name(self) -> str: ...  # noqa: D102
    @property
    def email(self) -> str: ...  # noqa: D102
    @property
    def email_verified(self) -> bool: ...  # noqa: D102


class Known(Protocol):
    """Whom a credential names, once it is verified."""

    @property
    def account(self) -> KnownAccount: ...  # noqa: D102 - as in sessions
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


class Guard(Protocol):
    """Looks at credentials; the sessions' room keeps the real one, and says what each verb does."""

    async def identify(self, visit: Visit, *, keys: bool) -> Known | None: ...  # noqa: D102
    async def admit(self, visit: Visit, *, keys: bool) -> Known: ...  # noqa: D102
    async def admit_page(self, visit: Visit, *, keys: bool) -> Known: ...  # noqa: D102
    def named_session(self, visit: Visit) -> str | None: ...  # noqa: D102


class Reception:
    """What `ostiary.integrations` knows of the house: it imports no part of the server, this one least of all.

    Attributes:
        refusals: What the verbs here raise, and services of the house too; `answer` makes an HTTP answer of it.
        access_cookie: Name of the access cookie, for the application's OpenAPI document.
    """

    refusals: type[Exception] = Problem

    def __init__(
        self,
        guard: Guard,
        csrf: Csrf,
        cookies: Cookies,
        clock: Clock,
        settings: WebSettings,
        addresses: ClientAddress,
        spend: Spend,
    ) -> None:
        self._guard = guard
        self._spend = spend
        self._csrf = csrf
        self._clock = clock
        self._settings = settings
        self._addresses = addresses
        self._has_hinted = False
        self.access_cookie = cookies.name("access")

    def visit(self, scope: Scope) -> Visit:
        """Return what is to be known of an HTTP request to the application."""
        return Visit(scope, self._addresses.of(scope))

    def look_at_origin(self, scope: Scope) -> None:
        """Warn once if the house is about to refuse the application's own page as foreign."""
        if not self._has_hinted and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            visit = Visit(scope, None)
            try:
                self._csrf.check_origin(visit)
            except ForeignOrigin:
                self._hint(visit)

    async def admit(self, visit: Visit, *, as_page: bool) -> Identity:
        """Return whom the request's credential names.

        Args:
            visit: The request.
            as_page: Whether a lapsed access cookie is renewed from the hosted pages' own.

        Raises:
            Problem: It shows none, or one that proves nothing.
        """
        admit = self._guard.admit_page if as_page else self._guard.admit
        return identity_of(await admit(visit, keys=True))

    async def find(self, visit: Visit, *, as_page: bool) -> Identity | None:
        """As `admit`, but None for a visitor without a credential, or with cookies that prove nothing any more.

        Raises:
            Problem: A bearer token proves nothing: who shows one wants to hear of it.
        """
        try:
            found = await (self._guard.admit_page if as_page else self._guard.identify)(visit, keys=True)
        except Problem as refusal:
            if refusal.status != HTTPStatus.UNAUTHORIZED or visit.bearer is not None:
                raise
            return None
        return None if found is None else identity_of(found)

    async def refuse_forgery(self, visit: Visit, submitted: Callable[[], Awaitable[str | None]]) -> None:
        """Refuse an unsafe request that acts by cookie and does not repeat its CSRF token (R19).

        Args:
            visit: The request.
            submitted: Returns the token from a form, None where it is to be in a header. Not asked of what
                another site's page has sent: its body is not read.

        Raises:
            Problem: `Origin` or `Sec-Fetch-Site` says so; or the token is missing, or is another session's.
        """
        try:
            self._csrf.check_origin(visit)
        except ForeignOrigin:
            self._hint(visit)
            raise
        self._csrf.check(visit, self._guard.named_session(visit), await submitted())

    def csrf_token(self, visit: Visit) -> str:
        """Return the token for a form; the answer sets its cookie if the visitor lacks it."""
        token, cookie = self._csrf.token_for(visit, self._guard.named_session(visit))
        if cookie is not None:
            visit.answers.append(cookie)
        return token

    def require(self, identity: Identity, asked: Requirement) -> None:
        """Refuse whoever does not meet what is asked for, as the account is now.

        API keys meet no wish for a sign-in: nobody has signed in.

        Raises:
            ScopeMissing: It is an API key that was not made for that.
            NotPermitted: The account has not got the permission.
            AddressNotProven: The address is a mere claim (D4).
            ApiKeyNotAccepted: It is a key, and a sign-in is asked for.
            SignInTooOld: The sign-in is longer ago.
            SignInTooWeak: It is less strong.
        """
        for name in (asked.permission, asked.scope):
            if name is not None:
                require_scope(identity, name)
        if asked.permission is not None:
            require_permission(identity, asked.permission)
        if asked.verified and not identity.email_verified:
            raise AddressNotProven
        if asked.max_age is None and asked.acr is None:
            return
        if identity.key_id is not None:
            raise ApiKeyNotAccepted
        if asked.max_age is not None:
            require_recent(identity.auth_time, asked.max_age, self._clock.now(), asked.acr)
        if asked.acr is not None and not reaches(identity.acr, asked.acr):
            raise SignInTooWeak(asked.max_age, asked.acr)

    def sign_in_page(self, visit: Visit, refusal: Exception) -> str | None:
        """Return where to send a browser on its way to a page instead of refusing it, or None.

        The pages go on to plain paths only, and see to that themselves (R30).
        """
        if visit.method != "GET" or not isinstance(refusal, Problem) or refusal.status != HTTPStatus.UNAUTHORIZED:
            return None
        following = f"next={quote(visit.path, safe='/')}"
        if not isinstance(refusal, InsufficientAuthentication):
            return f"{SIGN_IN}?{following}"
        # Whoever is signed in, and not well enough, proves more in the session that they have.
        wanted = f"&acr={refusal.extra['acr_values']}" if "acr_values" in refusal.extra else ""
        return f"{STEP_UP}?{following}{wanted}"

    async def spend(self, visit: Visit, identity: Identity | None, rate: Rate) -> None:
        """Count a request on one of the application's own limits (R10).

        An address that is not known (D6) has no counter: it may be everybody's.

        Raises:
            LimitReached: It is used up; says when it works again.
        """
        account_id = identity.id if identity else None
        address = counted(visit.address) if visit.address else None
        key = {"account": account_id, "address": address, "route": "*"}[rate.per]
        if key is None:
            return
        limit = Limit(rate.name, rate.number, timedelta(seconds=rate.seconds), per=rate.per)
        count = await self._spend(visit.caller(account_id), limit, key)
        wait = seconds_until(count.closes_at, self._clock.now())
        visit.answers += told(limit, limit.number - count.spent, wait)

    def unavailable(self) -> Exception:
        """Return what to answer while the house is not open."""
        return Unavailable()

    def answer(self, visit: Visit, refusal: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        """Return status, body and headers of the answer that a refusal becomes (RFC 9457)."""
        assert isinstance(refusal, Problem)
        return body_and_headers(refusal, visit.request_id)

    def _hint(self, visit: Visit) -> None:
        """Tell the developer, once, when it is the application's own page that is foreign."""
        origin, host = visit.header(b"origin"), visit.header(b"host")
        if not self._has_hinted and origin and host and origin.partition("://")[2] == host.lower():
            self._has_hinted = True
            log.warning(
                "a page of this application was refused as foreign: it is used under another address than the "
                "setting web.public_url (%s); set that to the address that people see", self._settings.public_url,
            )  # fmt: skip


def identity_of(known: Known) -> Identity:
    """Return whom a verified credential names, as applications see them."""
    account = known.account  # as it is now, and not as old as the token
    return Identity(
        id=known.account_id, username=account.username, email=account.email, email_verified=account.email_verified,
        full_name=account.full_name, session_id=known.session_id, permissions=known.permissions, amr=known.amr,
        acr=known.acr, auth_time=known.auth_time, key_id=known.key_id, scopes=known.scopes,
    )  # fmt: skip
