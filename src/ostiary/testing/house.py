"""A real house in the test's own process, on a database that is made for it and goes with it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import httpx

from ostiary.core.clock import ManualClock
from ostiary.core.errors import Misconfigured
from ostiary.mail import Mailbox
from ostiary.migrations.fresh import sqlite_image
from ostiary.settings import load
from ostiary.testing import people
from ostiary.testing.authenticator import Authenticator
from ostiary.testing.letters import SentLetter
from ostiary.testing.lifespan import lifespan
from ostiary.texts import ConsoleCarrier
from ostiary.wiring import Ostiary

if TYPE_CHECKING:
    from ostiary.client import Strength
    from ostiary.testing.people import MintedKey, SignedIn
    from ostiary.web.visit import App

ORIGIN: Final = "https://app.test"  # RFC 6761: nobody's; by https, so that clients keep Secure cookies as browsers do
ADDRESS: Final = ("203.0.113.7", 50000)  # RFC 5737
MANY: Final = 10**6
CHEAP_HASHING: Final = {"memory_kib": 8, "passes": 1, "niceness": 0}
"""A real Argon2id, at a cost that lets a suite run; it gives way to nobody, as suites keep every core busy."""

UNMOVED: Final = {
    "anonymous_per_minute": MANY, "signed_in_per_minute": MANY, "spraying_names": MANY, "stuffing_names": MANY,
}  # fmt: skip
"""Time stands still in most tests: a hundred requests are soon sent from one address, and one wrong password is
tried for many names."""

DEFAULTS: Final = {"web": {"public_url": ORIGIN}, "hashing": CHEAP_HASHING, "protection": UNMOVED}

_NOT_HERE = (
    "a house for tests makes its own folder, database and secrets, and is never pointed at others: "
    "its passwords are hashed so cheaply that they must not get into a real database"
)

_image = cache(sqlite_image)


class AsyncOstiary(Ostiary):
    """A house for one test, on the event loop that opens it.

    It takes no folder, no database and no secret, and reads no environment.

    Args:
        settings: Settings by section, such as `web={"product_name": "Books"}`.

    Attributes:
        clock: Stands still until `clock.advance(minutes=16)`.
        post: Keeps the letters; `letter` finds them.
        console: Keeps the text messages, the newest first, in `texts`.

    Raises:
        Misconfigured: A setting is unknown or unsafe, or would lead out of the test.
    """

    clock: ManualClock
    post: Mailbox

    def __init__(self, **settings: Mapping[str, Any]) -> None:
        if "storage" in settings:
            raise Misconfigured(f"storage: {_NOT_HERE}")
        if any(name.startswith("root_secret") for name in settings.get("keys", ())):
            raise Misconfigured(f"keys: {_NOT_HERE}")
        folder = Path(tempfile.mkdtemp(prefix="ostiary-test-"))
        self._clear_away = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        (folder / "ostiary.db").write_bytes(_image())
        self.console = ConsoleCarrier()
        self._loop: asyncio.AbstractEventLoop | None = None
        # Without the environment: what a developer's shell says of a real house is not for this one.
        read = load(folder, settings, defaults=DEFAULTS, environment={})
        super().__init__(read, folder, clock=ManualClock(), post=Mailbox(), console=self.console)

    @classmethod
    def at(cls, data: str | Path, **_: Any) -> NoReturn:  # noqa: ANN401 - refused, whatever it is
        """Refuse: a house for tests lives in no folder of yours.

        Raises:
            Misconfigured: Always.
        """
        raise Misconfigured(f"{data}: {_NOT_HERE}")

    # --- Opening

    async def open(self, *, work: bool = False) -> None:
        """Begin to work on this event loop; queued jobs run when `letter` asks for them.

        Raises:
            Misconfigured: It was closed, and with that is gone.
        """
        if not self._clear_away.alive:
            raise Misconfigured("This house was closed, and its database is gone: make another.")
        self._loop = asyncio.get_running_loop()
        await super().open(work=work)

    async def close(self) -> None:
        """Let go of everything, and delete it."""
        await super().close()
        self._loop = None
        await asyncio.to_thread(self._clear_away)

    @asynccontextmanager
    async def serving(self, app: App | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """Yield a client of an application, in process, whose lifespan runs meanwhile; without one, of the house's own.

        It keeps cookies as a browser does, and calls from one address of a network that nobody has.
        """
        async with self:
            await self.load()
            async with lifespan(app), self._client(app) as client:
                yield client

    @property
    def origin(self) -> str:
        """Where it believes to be reached: scheme, host and port."""
        return self.settings.web.public_url

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it lives on.

        Raises:
            RuntimeError: It is not open.
        """
        if self._loop is None:
            raise RuntimeError("This house is not open: use serving, in_thread, or start the application it is in.")
        return self._loop

    def transport(self, app: App | None = None) -> httpx.AsyncBaseTransport:
        """Return what lets an `httpx.AsyncClient` call an application in process; without one, the house."""
        return httpx.ASGITransport(app=app or self.app, client=ADDRESS)

    def _client(self, app: App | None) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self.transport(app), base_url=self.origin)

    # --- People and programs

    async def sign_in(
        self, username: str = "mira", *, permissions: Iterable[str] = (), acr: Strength = "aal1",
        email: str | None = None, verified: bool = True,
    ) -> SignedIn:  # fmt: skip
        """Return somebody who has signed in just now; an account is opened if there is none of this name.

        Args:
            username: Who.
            permissions: What the account may do, beside what it may already.
            acr: How strongly: `aal1` a password, `aal2` two factors, `phr` a passkey.
            email: The address of a new account; by default `USERNAME@example.org`.
            verified: Whether the address of a new account is proven.

        Raises:
            Problem: The name, the address or a permission cannot be.
        """
        return await people.sign_in(
            self, username, permissions=permissions, acr=acr, email=email, verified=verified
        )  # fmt: skip

    async def api_key(
        self, owner: str = "mira", *, scopes: Iterable[str] = (), permissions: Iterable[str] = (),
        networks: Iterable[str] = (), lifetime: timedelta | None = None, machine: bool = False,
    ) -> MintedKey:  # fmt: skip
        """Return a new API key; an account is opened if there is none of this name.

        Args:
            owner: Whose.
            scopes: What it is for.
            permissions: What its owner may do, beside what they may already.
            networks: Where alone it may be shown from.
            lifetime: After this it ends.
            machine: Whether a new account is a machine's.

        Raises:
            Problem: It cannot be had like this.
        """
        return await people.api_key(
            self, owner, scopes=scopes, permissions=permissions, networks=networks, lifetime=lifetime, machine=machine
        )  # fmt: skip

    def authenticator(self, **traits: Any) -> Authenticator:  # noqa: ANN401 - the fields of Authenticator
        """Return a new software authenticator for passkeys of this house."""
        return Authenticator(**{"rp_id": urlsplit(self.origin).hostname, "origin": self.origin} | traits)

    async def passkey(self, owner: SignedIn, **traits: Any) -> Authenticator:  # noqa: ANN401 - as above
        """Add a passkey to somebody's account, and return the authenticator that holds it.

        Raises:
            Problem: The account cannot have one.
        """
        authenticator = self.authenticator(**traits)
        await people.add_passkey(self, owner, authenticator)
        return authenticator

    # --- What was sent

    async def sent_letters(self, to: str | None = None, about: str = "") -> list[SentLetter]:
        """Run the queue dry, and return the letters to an address whose subject holds `about`, the newest first."""
        await self.outbox.drain()
        found = [SentLetter.of(kept) for kept in self.post.letters]
        return [letter for letter in found if to in (None, letter.to) and about in letter.subject]

    async def letter(self, to: str, about: str = "") -> SentLetter:
        """Run the queue dry, and return the newest such letter.

        Raises:
            LookupError: There is none; says which there are.
        """
        found = await self.sent_letters(to, about)
        if not found:
            there = [(letter.to, letter.subject) for letter in await self.sent_letters()]
            raise LookupError(f"no letter to {to} about {about!r}; there are {there}")
        return found[0]
