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
from ostiary.apikeys import ApiKeyGuard, ApiKeys, Digests
from ostiary.audit import Anchors, Audit, Checkpoints, Export, Retention
from ostiary.client import AccessTokens
from ostiary.codes import RecoveryCodes
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
from ostiary.incident import Incident
from ostiary.keys import Keys, RootSecret
from ostiary.login import ByLink, Entrance, Login, RememberedBrowsers, SecondFactors, SecondStep, StepUp, Tickets
from ostiary.magiclinks import MagicLinks
from ostiary.mail import Letters, Post, post_for, refuse_broken
from ostiary.mfa import Mfa
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
from ostiary.texts import ConsoleCarrier, Texts, carrier_for
from ostiary.totp import Totp
from ostiary.web.address import ClientAddress
from ostiary.web.cookies import Cookies
from ostiary.web.csrf import Csrf, own_origins
from ostiary.web.probe import Probe
from ostiary.web.reception import Reception
from ostiary.web.traffic import Traffic

if TYPE_CHECKING:
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
        console: Keeps text messages where the settings name nobody who sends them; for development.
    """

    def __init__(
        self, settings: Settings, data: Path, *, clock: Clock | None = None, post: Post | None = None,
        console: ConsoleCarrier | None = None,
    ) -> None:  # fmt: skip
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
        self._take_proofs(settings, console)
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
        digests = Digests(self.macs, self.hasher, settings.apikeys)
        self.api_keys = ApiKeys(self.database, self.accounts, self.sessions.require, digests, settings.apikeys)
        self.api_key_guard = ApiKeyGuard(
            self.database, self.accounts, self.signals, digests, limits.api_keys, settings.apikeys,
            remember=self._remember,
        )  # fmt: skip
        self.keys.on_change(self.api_key_guard.forget_refusals)
        self.owner_letters = OwnerLetters(
            self.database, self.letters, self.post, self.outbox, self.places, self.onetime,
            self.protection.admit_letter,
        )  # fmt: skip
        self.risk = Risk(self.account_keys, self.places, settings.risk)
        self.breaches = Breaches(settings.passwords, self.outbound, self.clock, self.data)

    def _take_proofs(self, settings: Settings, console: ConsoleCarrier | None) -> None:
        """Passwords, passkeys, and what is sent: ways to prove who one is."""
        self.passwords = Passwords(
            self.database, self.accounts, self.sessions, self.protection, self.hasher,
            PasswordPolicy(settings.passwords, settings.web.product_name), self.breaches, self.onetime,
        )  # fmt: skip
        self.codes = RecoveryCodes(self.database, self.accounts, self.sealer)
        self.passkeys = Passkeys(
            self.database, self.accounts, self.sessions, self.alerts, self.macs, self.passwords.has_one,
            self.codes.end_if_last,
            site_of(settings.web.public_url, settings.web.product_name), settings.passkeys,
        )  # fmt: skip
        self.totp = Totp(
            self.database, self.accounts, self.protection, self.sealer, self.codes, settings.web.product_name
        )  # fmt: skip
        self.magic_links = MagicLinks(
            self.database, self.accounts, self.sessions, self.protection, self.onetime, self.macs, self.letters,
            self.post, self.places, self.outbox, self.passwords.mark, self.passwords.held_mark, settings.magiclinks,
        )  # fmt: skip
        self.magic_links.serve()
        self.texts = Texts(
            self.database, self.accounts, self.account_keys, self.macs, self.protection, self.alerts,
            self.codes.end_if_last, carrier_for(settings.texts, self.outbound, console), settings.texts,
            settings.web.product_name, urlsplit(settings.web.public_url).hostname or "",
        )  # fmt: skip
        # Codes stand in for the others, and are gone with the last of them: they come last.
        self.factors = SecondFactors(self.database, self.passkeys, self.totp, self.texts, self.codes)
        self.codes.stand_in_for(self.totp.is_set_up, self.passkeys.has_one, self.texts.is_set_up)
        self.mfa = Mfa(
            self.accounts, self.sessions, self.totp, self.codes, self.passkeys, self.texts, self.factors
        )  # fmt: skip

    def _man_the_desks(self, settings: Settings) -> None:
        """The journeys that combine proofs, and what is done with an account."""
        self.browsers = RememberedBrowsers(self.database, settings.login)
        tickets = Tickets(self.onetime, self.accounts, self.passwords)
        entrance = Entrance(
            self.database, self.passwords, self.sessions, self.protection, self.risk, self.alerts, self.factors,
            self.browsers, tickets,
        )  # fmt: skip
        self.login = Login(
            self.database, self.accounts, self.passwords, self.passkeys, self.protection, self.attacks, self.alerts,
            self.factors, entrance,
        )  # fmt: skip
        self.by_link = ByLink(
            self.database, self.accounts, self.passwords, self.magic_links, self.protection, self.factors, entrance
        )  # fmt: skip
        self.second_step = SecondStep(
            self.database, self.passkeys, self.protection, self.factors, tickets, entrance
        )  # fmt: skip
        self.step_up = StepUp(
            self.database, self.accounts, self.passwords, self.passkeys, self.protection, self.factors, entrance
        )  # fmt: skip
        self.registration = Registration(
            self.database, self.accounts, self.passwords, self.sessions, self.protection, self.onetime, self.letters,
            self.post, settings.accounts,
        )  # fmt: skip
        self.registration.serve(self.outbox)
        self.recovery = Recovery(
            self.database, self.accounts, self.passwords, self.factors, self.sessions, self.protection, self.risk,
            self.alerts, self.onetime, self.letters, self.post, self.outbox,
        )  # fmt: skip
        self.recovery.serve()
        self.incident = Incident(
            self.database, self.accounts, self.sessions, self.api_keys, self.mfa, self.keys, self.alerts,
            self.letters, self.post, self.outbox,
        )  # fmt: skip

        self.personal_data = PersonalData(
            self.database,
            (
                self.accounts, self.passwords, self.passkeys, self.api_keys, self.totp, self.codes, self.magic_links,
                self.texts, self.protection, self.risk, self.alerts, self.incident, self.onetime, self.browsers,
            ),
            self.sessions, self.outbox, self.audit, self.places,
        )  # fmt: skip
        self.privacy = Privacy(
            self.database, self.accounts, self.resting_names, self.passwords, self.sessions, self.protection,
            self.onetime, self.outbox, self.personal_data, settings.privacy,
        )  # fmt: skip
        self.privacy.serve()

        self.csp_reports = CspReports(
            self.database, self.protection, own_origins(settings.web.public_url), settings.csp_reports
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
            self.macs, self.cookies, self.clock, self.api_key_guard, settings.sessions,
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
        cls, data: str | Path, *, clock: Clock | None = None, post: Post | None = None,
        console: ConsoleCarrier | None = None, **overrides: Mapping[str, Any],
    ) -> Self:  # fmt: skip
        """Return the house whose state lies in a folder, which is created if need be.

        Args:
            data: The folder; its `ostiary.toml` and the environment hold settings.
            clock: Tells the time.
            post: Delivers letters.
            console: Keeps text messages that nobody sends.
            overrides: Settings by section, such as `web={"public_url": "https://login.example.org"}`.

        Raises:
            Misconfigured: A setting is unknown or unsafe.
        """
        folder = Path(data).absolute()
        return cls(load(folder, overrides), folder, clock=clock, post=post, console=console)

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
            await self.api_key_guard.settle()
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
        every(timedelta(minutes=10), "authenticator enrolments", self.totp.prune)
        every(timedelta(minutes=10), "sign-in links", self.magic_links.prune)
        every(timedelta(minutes=10), "text codes", self.texts.prune)
        every(timedelta(hours=6), "remembered browsers", self.browsers.prune)
        every(timedelta(minutes=1), "uses of API keys", self.api_key_guard.settle)
        every(timedelta(minutes=1), "guesses at API keys", self.api_key_guard.prune)
        every(timedelta(hours=6), "API keys", self.api_keys.prune)
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
