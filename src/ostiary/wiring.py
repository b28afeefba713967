"""Ostiary, wired: every part built once, in order. Read this first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from ostiary.accounts import Accounts, OwnerLetters, RestingNames
from ostiary.alerts import Alerts, Sinks
from ostiary.arrivals import Arrivals
from ostiary.audit import Anchors, Audit, Checkpoints, Export, Retention
from ostiary.client import AccessTokens
from ostiary.core.caller import HOUSE
from ostiary.core.clock import Clock, SystemClock
from ostiary.core.crypto import AccountKeys, Sealer
from ostiary.core.db import Database, driver_for
from ostiary.core.errors import Unavailable
from ostiary.core.hashing import Hasher
from ostiary.core.jobs import Outbox
from ostiary.core.journal import Journal
from ostiary.core.keyring import KeyRing, RingPeppers
from ostiary.core.limits import DatabaseLimiter, Limiter, MemoryLimiter
from ostiary.core.onetime import OneTimeTokens
from ostiary.core.outbound import Outbound
from ostiary.core.secrets import Macs
from ostiary.core.signals import Push, Signals
from ostiary.csp_reports import CspReports
from ostiary.federation import Federation, Identities, Providers, Transactions, Upstream, UpstreamTokens
from ostiary.incident import Incident
from ostiary.keys import Keys, RootSecret
from ostiary.login import Login
from ostiary.mail import Letters, Post, post_for, refuse_broken
from ostiary.migrations import migrate
from ostiary.passkeys import Passkeys, site_of
from ostiary.passwords import Breaches, PasswordPolicy, Passwords
from ostiary.places import Places
from ostiary.privacy import PersonalData, Privacy
from ostiary.protection import BEAT, Attacks, Blocks, Presence, Protection
from ostiary.recovery import Recovery
from ostiary.registration import Registration
from ostiary.risk import Risk
from ostiary.sessions import Bindings, CookieHandover, DeviceBinding, Minter, Revocations, SessionGuard, Sessions
from ostiary.settings import Settings, load
from ostiary.web.address import ClientAddress
from ostiary.web.cookies import Cookies
from ostiary.web.csrf import Csrf, own_origins
from ostiary.web.probe import Probe
from ostiary.web.reception import Reception
from ostiary.web.traffic import Traffic

if TYPE_CHECKING:
    from ostiary.core.db import Unit
    from ostiary.server import Breadth
    from ostiary.web.visit import App

CLOCK_ALLOWANCE = timedelta(minutes=1)


class Ostiary:
    """The house: embedded in an application, or a server of its own.

    Args:
        settings: Every setting; `Ostiary.at` reads them from a folder.
        data: Folder for all state: database, root secret, letters.
        clock: Tells the time; tests bring one that they can turn.
        post: Delivers letters; without one, what the settings say.
    """

    def __init__(self, settings: Settings, data: Path, *, clock: Clock | None = None, post: Post | None = None) -> None:
        self.settings = settings
        self.data = data
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.clock = clock or SystemClock()
        self.database_url = settings.storage.database or f"sqlite:///{data / 'ostiary.db'}"
        driver = driver_for(self.database_url, largest_pool=settings.storage.largest_pool)
        self.database = Database(driver, self.clock)
        # What is remembered, and what must outlive an access token.
        self._remember = settings.sessions.access_lifetime + CLOCK_ALLOWANCE

        self._lay_foundations(settings)
        self._keep_journal(settings)
        self._furnish(settings, post)
        self._protect(settings)
        self._man_the_desks(settings)
        self._hang_the_doors(settings)
        self._schedule()
        self.after_loading: Callable[[], None] = lambda: None
        self._doors: tuple[App, Breadth] | None = None
        self._is_open = False

    def _lay_foundations(self, settings: Settings) -> None:
        """Secrets, keys, journal, queue and limiter: what every room stands on."""
        self.signals = Signals(self.database, remember=self._remember, push=self._push())
        self.ring = KeyRing()
        self.macs = Macs(self.ring, self.clock)
        self.sealer = Sealer(self.ring, self.clock)
        self.account_keys = AccountKeys(self.sealer)
        self.journal = Journal(self.ring, self.clock, self.sealer, self.account_keys)
        self.outbox = Outbox(self.database, self.sealer)
        self.database.flushes = [self.outbox.flush, self.signals.flush, self.journal.flush]  # the journal last

        self.keys = Keys(self.database, self.ring, self.signals, RootSecret(settings.keys, self.data), settings.keys)
        self.onetime = OneTimeTokens(self.macs)
        self.hasher = Hasher(settings.hashing, RingPeppers(self.ring, self.clock, wanted=settings.keys.pepper))
        self.limiter = self._limiter()
        self.outbound = Outbound(settings.outbound)

    def _keep_journal(self, settings: Settings) -> None:
        """What reads, signs, exports and prunes the journal."""
        anchors = Anchors(
            self.outbound, settings.journal.anchor_token, urlsplit(settings.web.public_url).hostname or "-"
        )
        self.checkpoints = Checkpoints(self.database, self.journal, self.keys, anchors, settings.journal)
        self.checkpoints.serve(self.outbox)
        self.audit = Audit(self.database, self.journal, self.checkpoints)
        self.export = Export(self.database, self.audit, self.checkpoints)
        self.retention = Retention(self.database, self.journal, self.checkpoints, settings.journal)

    def _furnish(self, settings: Settings, post: Post | None) -> None:
        """Letters, places, alerts, accounts and their sessions."""
        self.letters = Letters(settings.web.product_name, settings.web.public_url, settings=settings.mail)
        refuse_broken(self.letters)
        self.post = post or post_for(settings.mail, self.data)
        self.places = Places(settings.places)

        sinks = Sinks(self.database, self.letters, self.post, self.outbound, settings.alerts)
        self.alerts = Alerts(self.database, self.macs, sinks, self.outbox, settings.alerts)
        self.journal.on_break = self.alerts.journal_broken

        self.resting_names = RestingNames(self.sealer)
        self.accounts = Accounts(
            self.database, self.account_keys, self.signals, self.resting_names, self.letters.languages,
            settings.accounts,
        )  # fmt: skip

        self.minter = Minter(self.keys, settings.web.public_url, settings.sessions)
        self.tokens = AccessTokens(self.keys, settings.web.public_url, self.minter.audience)
        self.keys.on_change(self.tokens.forget_all)
        self.revocations = Revocations(self.signals, self.clock, self._remember)
        self.bindings = Bindings(self.signals, self.clock, self._remember)
        self.sessions = Sessions(
            self.database, self.accounts, self.alerts, self.macs, self.minter, settings.sessions
        )  # fmt: skip

    def _protect(self, settings: Settings) -> None:
        """Limits, blocks, attacks, risk: what stands between strangers and accounts."""
        self.blocks = Blocks(self.database, self.signals, self.clock, settings.protection.never_blocked)
        self.protection = Protection(self.database, self.limiter, self.macs, self.blocks, settings.protection)
        self.attacks = Attacks(
            self.database, self.limiter, self.macs, self.alerts, self.blocks, self.protection, settings.protection
        )
        limits = self.protection.limits
        self.traffic = Traffic(limits.anonymous, limits.signed_in, self.clock)
        self.presence = Presence(self.database, self.traffic.share_among)
        self.owner_letters = OwnerLetters(
            self.database, self.letters, self.post, self.outbox, self.places, self.onetime,
            self.protection.admit_letter,
        )  # fmt: skip
        self.risk = Risk(self.account_keys, self.places, settings.risk)
        self.breaches = Breaches(settings.passwords, self.outbound, self.clock, self.data)

    def _man_the_desks(self, settings: Settings) -> None:
        """Ways to prove who one is, and the journeys that combine them."""
        self.passwords = Passwords(
            self.database, self.accounts, self.sessions, self.protection, self.hasher,
            PasswordPolicy(settings.passwords, settings.web.product_name), self.breaches, self.onetime,
        )  # fmt: skip
        self.passkeys = Passkeys(
            self.database, self.accounts, self.sessions, self.alerts, self.macs, self._opens_without_passkeys,
            site_of(settings.web.public_url, settings.web.product_name), settings.passkeys,
        )  # fmt: skip
        self._reach_elsewhere(settings)
        self.login = Login(
            self.database, self.accounts, self.passwords, self.passkeys, self.identities, self.sessions,
            self.protection, self.attacks, self.risk, self.alerts,
        )  # fmt: skip
        self.arrivals = Arrivals(
            self.database, self.accounts, self.federation, self.identities, self.login, self.protection,
            settings.accounts, settings.federation.join_by_address,
        )  # fmt: skip
        self.registration = Registration(
            self.database, self.accounts, self.passwords, self.sessions, self.protection, self.onetime, self.letters,
            self.post, settings.accounts,
        )  # fmt: skip
        self.registration.serve(self.outbox)
        self.recovery = Recovery(
            self.database, self.accounts, self.passwords, self.passkeys, self.identities, self.sessions,
            self.protection, self.risk, self.alerts, self.onetime, self.letters, self.post, self.outbox,
        )  # fmt: skip
        self.recovery.serve()
        self.incident = Incident(
            self.database, self.accounts, self.sessions, self.keys, self.alerts, self.letters, self.post, self.outbox
        )  # fmt: skip

        self.personal_data = PersonalData(
            self.database,
            (
                self.accounts, self.passwords, self.passkeys, self.identities, self.protection, self.risk, self.alerts,
                self.incident, self.onetime,
            ),
            self.sessions, self.outbox, self.audit, self.places,
        )  # fmt: skip
        self.privacy = Privacy(
            self.database, self.accounts, self.resting_names, self.passwords, self.identities, self.sessions,
            self.protection, self.onetime, self.outbox, self.personal_data, settings.privacy,
        )  # fmt: skip
        self.privacy.serve()

        self.csp_reports = CspReports(
            self.database, self.protection, own_origins(settings.web.public_url), settings.csp_reports
        )

    def _reach_elsewhere(self, settings: Settings) -> None:
        """Providers that people sign in at, and what they say of them."""
        self.providers = Providers(self.database, self.sealer, self.signals, settings.federation)
        upstream = Upstream(self.outbound, self.clock)
        self.upstream_tokens = UpstreamTokens(self.database, self.accounts, self.sealer, self.providers, upstream)
        self.upstream_tokens.serve(self.outbox)
        self.federation = Federation(
            self.database, self.protection, self.providers,
            Transactions(self.database, self.macs, self.sealer, settings.federation.transaction_lifetime),
            upstream, self.upstream_tokens, settings.web.public_url, settings.federation,
        )  # fmt: skip
        self.identities = Identities(
            self.database, self.accounts, self.sessions, self.upstream_tokens, self._opens_without_connections
        )

    def _hang_the_doors(self, settings: Settings) -> None:
        """What meets the web: cookies, guard, reception."""
        self.cookies = Cookies(settings.web.cookies)
        self.csrf = Csrf(self.macs, self.cookies, settings.web)
        self.binding = DeviceBinding(
            self.database, self.sessions, self.macs, self.cookies, self.clock, self.bindings, settings.sessions,
            settings.web.cookies,
        )  # fmt: skip
        self.guard = SessionGuard(
            self.tokens, self.keys, self.signals, self.revocations, self.accounts, self.sessions, self.binding,
            self.macs, self.cookies, self.clock, settings.sessions,
        )  # fmt: skip
        self.handover = CookieHandover(
            self.cookies, self.csrf, self.binding, self.macs, settings.sessions, settings.web.cookies
        )  # fmt: skip
        self.addresses = ClientAddress(settings.web.trusted_proxies, settings.web.forwarding_header, self.clock)
        self.probe = Probe(self.macs, self.clock, self.addresses)
        self.reception = Reception(
            self.guard, self.csrf, self.cookies, self.clock, settings.web, self.addresses, self.protection.admit
        )

    @classmethod
    def at(
        cls, data: str | Path, *, clock: Clock | None = None, post: Post | None = None, **overrides: Mapping[str, Any]
    ) -> Self:
        """Return the house whose state lies in a folder, which is created if need be.

        Args:
            data: The folder; its `ostiary.toml` and the environment hold settings.
            clock: Tells the time.
            post: Delivers letters.
            overrides: Settings by section, such as `web={"public_url": "https://login.example.org"}`.

        Raises:
            Misconfigured: A setting is unknown or unsafe.
        """
        folder = Path(data).absolute()
        return cls(load(folder, overrides), folder, clock=clock, post=post)

    async def open(self, *, work: bool = True) -> None:
        """Bring the database up to date, load the keys, and begin to listen and to work.

        Args:
            work: Whether this process runs queued jobs and the schedule.

        Raises:
            DatabaseUnavailable: It cannot be reached.
            Misconfigured: The root secret is not this database's.
        """
        if self._is_open:
            return
        self.breaches.open()
        await migrate(self.database_url)
        await self.database.driver.open()
        self._is_open = True  # from here on there is something to close
        try:
            self.hasher.open()
            await self.keys.open(HOUSE)
            await self.signals.start()
            await self.blocks.load()
            await self.providers.reload()
            if work:
                await self.presence.beat()
                await self.outbox.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what is under way and let go of everything."""
        if not self._is_open:
            return
        self._is_open = False
        await self.outbox.stop()
        with contextlib.suppress(Unavailable):  # whoever cannot say goodbye is missed after a while
            await self.presence.leave()
        await self.csp_reports.close()
        await self.signals.stop()
        await self.hasher.close()
        self.breaches.close()
        if closing := getattr(self.limiter, "close", None):
            await closing()
        await self.database.driver.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def app(self) -> App:
        """The ASGI application of this house: API and pages."""
        return self._door()[0]

    async def load(self) -> None:
        """Load what is behind the fast lane now, and not with the first request for it."""
        await self._door()[1].load()

    def _door(self) -> tuple[App, Breadth]:
        if self._doors is None:
            from ostiary.server import open_door  # noqa: PLC0415 - the web framework, for who serves

            self._doors = open_door(self)
        return self._doors

    async def is_ready(self) -> bool:
        """Return whether this process could answer a request safely now."""
        if not self._is_open:
            return False
        with contextlib.suppress(Unavailable, TimeoutError):
            await asyncio.wait_for(self.signals.refresh(), 2)
            return self._is_open
        return False

    async def _opens_without_passkeys(self, unit: Unit, account_id: str) -> bool:
        return await self.passwords.has_one(unit, account_id) or await self.identities.has_one(unit, account_id)

    async def _opens_without_connections(self, unit: Unit, account_id: str) -> bool:
        return await self.passwords.has_one(unit, account_id) or await self.passkeys.has_one(unit, account_id)

    def _schedule(self) -> None:
        every = self.outbox.every
        every(timedelta(minutes=5), "keys", lambda: self.keys.tend(HOUSE))
        every(timedelta(minutes=5), "checkpoints", lambda: self.checkpoints.tend(HOUSE))
        every(timedelta(hours=6), "retention", lambda: self.retention.tend(HOUSE))
        every(timedelta(minutes=10), "lapse", lambda: self.accounts.lapse(HOUSE))
        every(timedelta(minutes=10), "erasures", lambda: self.privacy.tend(HOUSE))
        every(timedelta(minutes=10), "signals", self.signals.prune)
        every(timedelta(minutes=10), "one-time tokens", lambda: self.onetime.prune(self.database))
        every(timedelta(minutes=10), "passkey challenges", self.passkeys.prune)
        every(timedelta(minutes=10), "sign-ins elsewhere", self.federation.transactions.prune)
        every(timedelta(minutes=1), "providers", self.providers.reload)
        every(timedelta(minutes=1), "places", self.places.renew)
        every(timedelta(minutes=1), "counters", self.protection.prune)
        every(BEAT, "presence", self.presence.beat)
        every(timedelta(hours=6), "sessions", self.sessions.prune)
        every(timedelta(minutes=5), "bad networks", self.risk.tend)
        every(timedelta(hours=6), "alerts", self.alerts.prune)

    def _limiter(self) -> Limiter:
        where = self.settings.protection.counters
        if where == "memory":
            return MemoryLimiter(self.clock)
        if where == "valkey":
            from ostiary.core.valkey import ValkeyLimiter  # noqa: PLC0415 - only who runs Valkey installs it

            return ValkeyLimiter(self.settings.storage.valkey, self.clock)
        return DatabaseLimiter(self.database)

    def _push(self) -> Push | None:
        storage = self.settings.storage
        if storage.push == "valkey":
            from ostiary.core.valkey import ValkeyPush  # noqa: PLC0415

            return ValkeyPush(storage.valkey)
        if self.database.driver.dialect == "postgresql":
            from ostiary.core.db.postgres import PostgresPush  # noqa: PLC0415

            return PostgresPush(self.database.driver)  # type: ignore[arg-type]
        return None
