"""The rooms of the house: every part, built once, in order, each from those before it. Read this first."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ostiary.accounts import Accounts, OwnerLetters, RestingNames
from ostiary.alerts import Alerts, Sinks
from ostiary.apikeys import ApiKeyGuard, ApiKeys, Digests
from ostiary.audit import Anchors, Audit, Checkpoints, Export, Retention
from ostiary.client import AccessTokens
from ostiary.codes import RecoveryCodes
from ostiary.core.clock import Clock, SystemClock
from ostiary.core.crypto import AccountKeys, Sealer
from ostiary.core.db import Database, driver_for
from ostiary.core.hashing import Hasher
from ostiary.core.jobs import Outbox
from ostiary.core.journal import Journal
from ostiary.core.keyring import KeyRing, RingPeppers
from ostiary.core.onetime import OneTimeTokens
from ostiary.core.outbound import Outbound
from ostiary.core.secrets import Macs
from ostiary.core.shared import limiter_for, push_for
from ostiary.core.signals import Signals
from ostiary.csp_reports import CspReports
from ostiary.federation import Federation, Identities, Providers, Transactions, Upstream, UpstreamTokens
from ostiary.forward import ReturnPlaces, refuse_unreachable
from ostiary.incident import Incident
from ostiary.keys import Keys, RootSecret
from ostiary.login import (
    Arrivals,
    ByIdentity,
    ByLink,
    Entrance,
    Login,
    RememberedBrowsers,
    SecondFactors,
    SecondStep,
    StepUp,
    Tickets,
)
from ostiary.magiclinks import MagicLinks
from ostiary.mail import Letters, Post, post_for, refuse_broken
from ostiary.mfa import Mfa
from ostiary.passkeys import Passkeys, site_of
from ostiary.passwords import Breaches, PasswordPolicy, Passwords
from ostiary.places import Places
from ostiary.privacy import PersonalData, Privacy
from ostiary.protection import Attacks, Blocks, Presence, Protection
from ostiary.recovery import Recovery
from ostiary.registration import Registration
from ostiary.revocation import Feed, Readers, StatusLists
from ostiary.risk import Risk
from ostiary.roles import Roles
from ostiary.sessions import (
    Bindings,
    CookieHandover,
    DeviceBinding,
    Minter,
    Moved,
    Revocations,
    SessionGuard,
    Sessions,
    SocketDoor,
    Sockets,
    SocketTickets,
    Statuses,
)  # fmt: skip
from ostiary.settings import Settings
from ostiary.texts import ConsoleCarrier, Texts, carrier_for
from ostiary.totp import Totp
from ostiary.web.address import ClientAddress
from ostiary.web.cookies import Cookies
from ostiary.web.csrf import Csrf, own_origins
from ostiary.web.probe import Probe
from ostiary.web.reception import Reception
from ostiary.web.traffic import Traffic

if TYPE_CHECKING:
    from ostiary.core.db import Unit

CLOCK_ALLOWANCE = timedelta(minutes=1)


class Rooms:
    """Every part of the house, built once, in order.

    Args:
        settings: Every setting.
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

    def _lay_foundations(self, settings: Settings) -> None:
        """Secrets, keys, journal, queue and limiter: what every room stands on."""
        shared = settings.storage
        push = push_for(shared.push, self.database, shared.valkey)
        self.signals = Signals(self.database, remember=self._remember, push=push)
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
        self.limiter = limiter_for(settings.protection.counters, self.database, self.clock, shared.valkey)
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
        self.statuses = Statuses(self.signals, self.clock, self._remember)
        self.moved = Moved(self.signals, self.clock, self._remember)
        self.bindings = Bindings(self.signals, self.clock, self._remember)
        self.sessions = Sessions(
            self.database, self.accounts, self.alerts, self.macs, self.minter, settings.sessions
        )  # fmt: skip

    def _protect(self, settings: Settings) -> None:
        """Limits, blocks, attacks, risk: what stands between strangers and accounts."""
        self.blocks = Blocks(self.database, self.signals, self.clock, settings.protection.never_blocked)
        self.protection = Protection(
            self.database, self.limiter, self.macs, self.blocks, self.places, settings.protection
        )
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
        self.roles = Roles(self.database, self.accounts, self.sessions.require)
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
            self.database, self.accounts, self.sessions, self.alerts, self.macs, self._opens_without_passkeys,
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
        self._know_elsewhere(settings)
        # Codes stand in for the others, and are gone with the last of them: they come last.
        self.factors = SecondFactors(self.database, self.passkeys, self.totp, self.texts, self.codes)
        self.codes.stand_in_for(self.totp.is_set_up, self.passkeys.has_one, self.texts.is_set_up)
        self.browsers = RememberedBrowsers(self.database, settings.login)
        self.mfa = Mfa(
            self.database, self.accounts, self.sessions, self.passwords, self.totp, self.codes, self.passkeys,
            self.texts, self.api_keys, self.identities, self.factors, self.browsers,
        )  # fmt: skip

    def _know_elsewhere(self, settings: Settings) -> None:
        """Providers, what they say of people, and the tokens that they give."""
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

    async def _opens_without_passkeys(self, unit: Unit, account_id: str) -> bool:
        return await self.passwords.has_one(unit, account_id) or await self.identities.has_one(unit, account_id)

    async def _opens_without_connections(self, unit: Unit, account_id: str) -> bool:
        return await self.passwords.has_one(unit, account_id) or await self.passkeys.has_one(unit, account_id)

    def _man_the_desks(self, settings: Settings) -> None:
        """The journeys that combine proofs, and what is done with an account."""
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
        self.by_identity = ByIdentity(
            self.database, self.accounts, self.passwords, self.identities, self.protection, self.factors, entrance
        )  # fmt: skip
        self.arrivals = Arrivals(
            self.database, self.accounts, self.federation, self.identities, self.by_identity, self.protection,
            settings.accounts, settings.federation.join_by_address,
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
            self.database, self.accounts, self.passwords, self.factors, self.identities, self.sessions, self.protection,
            self.risk, self.alerts, self.onetime, self.letters, self.post, self.outbox,
        )  # fmt: skip
        self.recovery.serve()
        self.incident = Incident(
            self.database, self.accounts, self.sessions, self.api_keys, self.mfa, self.keys, self.blocks,
            self.alerts, self.letters, self.post, self.outbox,
        )  # fmt: skip

        self.personal_data = PersonalData(
            self.database,
            (
                self.accounts, self.passwords, self.passkeys, self.api_keys, self.totp, self.codes, self.magic_links,
                self.texts, self.identities, self.protection, self.risk, self.alerts, self.incident, self.onetime,
                self.browsers, self.roles,
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
        refuse_unreachable(settings.forward.origins, settings.web)
        self.return_places = ReturnPlaces(settings.forward.origins, settings.web)
        self.feed = Feed(self.signals, self.accounts, self.roles, self.clock, self._remember)
        self.status_lists = StatusLists(
            self.signals, self.statuses, self.moved, self.sessions, self.accounts, self.keys, self.minter, self.clock
        )
        self.readers = Readers(self.guard, settings.revocation)
        self.socket_tickets = SocketTickets(self.database, self.onetime, self.sessions)
        self.sockets = Sockets(
            self.signals, self.revocations, self.sessions, self.accounts, self.keys, self.clock, settings.sessions
        )
        self.socket_door = SocketDoor(
            self.guard, self.binding, self.csrf, self.cookies, self.addresses, self.socket_tickets, self.sockets,
            settings.sessions,
        )  # fmt: skip
