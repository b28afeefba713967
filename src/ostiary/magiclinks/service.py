"""Sign-in links: asked for, sent, looked at, proven. The front desk starts the session."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ostiary.accounts import TokenSpent, agent_parts, describe_agent, find_address_key, mailbox_mark
from ostiary.core.clock import iso, millis, moment
from ostiary.core.secrets import b64, new_id, plain_digest, unb64
from ostiary.magiclinks import queries
from ostiary.magiclinks.answers import Browser, Offer, Opened, Proof, Typed
from ostiary.magiclinks.codes import folded, new_code, spelled
from ostiary.magiclinks.errors import AnotherBrowser, LinkCodeNotValid, LinksNotOffered

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.onetime import OneTimeTokens
    from ostiary.core.secrets import Macs
    from ostiary.magiclinks.settings import MagicLinkSettings
    from ostiary.mail import Letters, Post
    from ostiary.places import Places
    from ostiary.protection import Protection
    from ostiary.sessions import Sessions

SIGN_IN = "link.sign_in"
BROWSER, CODE = "link browser", "link code"
REQUEST, LETTER = "link_request", "link_letter"
LIFETIME = timedelta(minutes=10)
"""From asking on, however long the letter is under way (ASVS 6.5.5, SP 800-63B-4 3.1.3)."""

KEPT = timedelta(days=1)
NO_CODE = bytes(32)
NOWHERE = "-"
LONGEST_PATH = 96
"""Of a path that a browser's cookie remembers: a field of a MAC holds 128 characters."""

Mark = Callable[["Unit", str], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class MagicLinks:
    """Proves who somebody is by a letter that they read.

    Why it is as it is: docs/explanation/magic-links.md.

    Attributes:
        mark: Returns a name for an account's present password.
        held_mark: As `mark`, and it stays true until the unit ends.
    """

    database: Database
    accounts: Accounts
    sessions: Sessions
    protection: Protection
    tokens: OneTimeTokens
    macs: Macs
    letters: Letters
    post: Post
    places: Places
    outbox: Outbox
    mark: Mark
    held_mark: Mark
    settings: MagicLinkSettings

    def serve(self) -> None:
        """Take on the jobs that asking queues."""
        self.outbox.on(REQUEST, self.decide)
        self.outbox.on(LETTER, self.send_letter)

    def require_offered(self) -> None:
        """Let nobody in by this door where it is shut.

        Raises:
            LinksNotOffered: The keeper has switched it off.
        """
        if not self.settings.offered:
            raise LinksNotOffered

    # --- Asking

    async def request(self, caller: Caller, email: str, following: str = "") -> str:
        """Ask for a letter with a link and a code, and return what the cookie of the browser that asks shall hold.

        Does the same for every address, in the same time: whether anybody has it is looked at in the outbox, and
        told to its mailbox only.

        Raises:
            LinksNotOffered: The keeper has switched links off.
            AddressBlocked: The address is blocked to strangers.
            LimitReached: Too many from here.
        """
        self.require_offered()
        await self.protection.admit_link(caller)
        async with self.database.unit(caller) as unit:
            asked = new_id(unit.now)
            unit.note("link.requested", asked=asked)
            unit.later(
                REQUEST, email=email, asked=asked, asked_at=unit.now, agent=caller.agent or "",
                address=caller.address, device_id=caller.device_id,
            )  # fmt: skip
        path = b64(following.encode()) if following.isascii() and 0 < len(following) <= LONGEST_PATH else NOWHERE
        return self.macs.write(BROWSER, asked, path)

    def browser_in(self, cookie: str | None) -> Browser | None:
        """Return the browser that a genuine cookie names, or None."""
        fields = self.macs.read(BROWSER, cookie, 2) if cookie else None
        if fields is None:
            return None
        return Browser(fields[0], "" if fields[1] == NOWHERE else unb64(fields[1]).decode())

    async def decide(self, payload: dict[str, Any]) -> None:
        """Let a letter go to a proven address of a living account; anything else ends here, in silence."""
        email_key = find_address_key(payload["email"])
        if email_key is None or self._is_late(payload["asked_at"]):
            return
        device_id: str | None = payload.pop("device_id")
        async with self.database.unit() as unit:
            account_id = await self.accounts.find_by_login(unit, payload.pop("email"))
            known = account_id is not None and await self._knows(unit, account_id, device_id)
        if account_id is None or not await self.protection.admit_link_letter(
            email_key, account_id, device_id if known else None
        ):
            return
        # Another job: a mail server that is away for a while must not use up the mailbox's limit.
        async with self.database.unit() as unit:
            unit.note("link.offered", account_id, asked=payload["asked"])
            unit.later(LETTER, account_id=account_id, **payload)

    async def send_letter(self, payload: dict[str, Any]) -> None:
        """Write to the proven address of an account; older links and codes die."""
        if self._is_late(payload["asked_at"]):
            return
        code = new_code()
        async with self.database.unit() as unit:
            account = await self._open(unit, payload["account_id"])
            if account is None:
                return
            await unit.lock(f"{SIGN_IN} {account.id}")  # of two letters at once one is the newer
            if await self._is_overtaken(unit, account.id, payload):
                return
            await self.tokens.revoke_all(unit, SIGN_IN, account.id)
            await unit.run(queries.FORGET_OLDER, of_account=account.id)
            asked = payload["asked"]
            expires_at = payload["asked_at"] + millis(LIFETIME)
            await unit.run(
                queries.KEEP, asked=asked, account_id=account.id, code_digest=self._digest(asked, code),
                asked_at=payload["asked_at"], expires_at=expires_at, agent=payload["agent"],
                address=payload["address"],
            )  # fmt: skip
            subject = _subject(asked, account, await self.mark(unit, account.id))
            left = timedelta(milliseconds=expires_at - unit.now)
            token = await self.tokens.issue(unit, SIGN_IN, account.id, subject, left)
        language = self.letters.language_of(account.language, is_asked=True)
        letter = self.letters.compose(
            "sign_in_link", account.email, language=language, username=account.username,
            link=f"/auth/magic-link?token={token}", code=spelled(code), minutes=-(-left // timedelta(minutes=1)),
            when=moment(payload["asked_at"]),
            agent=self.letters.say(language, "device", *agent_parts(payload["agent"])),
            address=payload["address"] or self.letters.say(language, "unknown_address"),
            place=self.places.describe(payload["address"], language),
        )  # fmt: skip
        await self.post.deliver(letter)

    # --- Showing

    async def look(self, caller: Caller, token: str, browser: Browser | None) -> Offer | None:
        """Return what a link would do, without using it up; None if it does nothing. Mail scanners follow links."""
        self.require_offered()
        async with self.database.unit(caller) as unit:
            return await self._offer(unit, token, browser)

    async def prove(self, caller: Caller, answer: Opened | Typed, browser: Browser | None) -> Proof:
        """Return evidence that somebody reads an account's mailbox; nothing is used up yet.

        Args:
            caller: Who asks; `device_id` if their browser is known.
            answer: The link's secret, or the code.
            browser: Whose cookie came along. A code is good in the browser that asked, and in no other.

        Raises:
            LinksNotOffered: The keeper has switched links off.
            TokenSpent: The link is unknown, used, too old, or what it is bound to has changed.
            AnotherBrowser: The link is good, and this browser did not ask for it.
            LinkCodeNotValid: The code is not right, too old, or of another browser.
            LimitReached: Too many codes for this request.
        """
        self.require_offered()
        if isinstance(answer, Typed):
            return await self._prove_code(caller, answer, browser)
        async with self.database.unit(caller) as unit:
            offer = await self._offer(unit, answer.token, browser)
            if offer is None:
                unit.note("link.refused", reason="link")
                raise TokenSpent
        if not offer.is_same_browser and not answer.elsewhere:
            raise AnotherBrowser(extra=self._told(offer))
        return Proof(offer.account.id, offer.asked.asked, offer.subject, offer.asked.expires_at, answer.token)

    async def confirm(self, unit: Unit, proof: Proof) -> bool:
        """Use a link and its code up in this unit; False if somebody was quicker, or what they are bound to changed.

        Link and code are one row of one table, and one conditional write decides between all who show either (D10).
        """
        if proof.token is not None:
            spent = await self.tokens.spend(unit, SIGN_IN, proof.token)
            is_won = spent is not None and spent.subject == proof.subject
        else:
            is_won = await self.tokens.revoke(unit, SIGN_IN, proof.account_id, proof.subject) == 1
        # From here to the commit nobody changes the password; whatever ends more raises the epoch, which the session
        # that is started now compares.
        mark = await self.held_mark(unit, proof.account_id)
        account = await self._open(unit, proof.account_id)
        stands = account is not None and proof.subject == _subject(proof.asked, account, mark)
        if is_won and stands and proof.expires_at > unit.now:
            return True
        reason = "changed" if is_won else "spent"
        unit.note("link.refused", proof.account_id, reason=reason, asked=proof.asked)
        return False

    # --- Keeping

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return which sign-in links were asked for an account, by which browser; for its owner's export."""
        found = await unit.all(queries.OF_ACCOUNT, account_id=account_id)
        return {
            "sign_in_links": [
                {
                    "id": one.asked, "asked_at": iso(one.asked_at), "expires_at": iso(one.expires_at),
                    "agent": one.agent, "address": one.address,
                }
                for one in found
            ]
        }  # fmt: skip

    async def prune(self) -> int:
        """Drop what nobody can use any more."""
        return await self.database.run(queries.PRUNE, before=self.database.clock.now() - millis(KEPT))

    # --- Between

    async def _prove_code(self, caller: Caller, typed: Typed, browser: Browser | None) -> Proof:
        """Compare a code. Every step is done for requests without a letter as well, by the same statements (R7)."""
        if browser is None:
            raise await self._refused(caller, "browser", None)
        async with self.database.unit(caller) as unit:
            found = await unit.find(queries.LIVING, asked=browser.asked, now=unit.now)
            account_id = found.account_id if found else ""
            account = await self._open(unit, account_id)
            mark = await self.mark(unit, account_id)
            known = await self._knows(unit, account_id, caller.device_id)
        may_check = await self.protection.admit_link_code(
            caller, browser.asked, account_id or None, known_device=known
        )  # fmt: skip
        stored = found.code_digest if found else NO_CODE
        shown = self.macs.digests(CODE, f"{browser.asked} {folded(typed.code)}")
        is_right = any(secrets.compare_digest(one, stored) for one in shown)
        if found is None or account is None or not may_check or not is_right:
            raise await self._refused(caller, "code", browser.asked)
        return Proof(account.id, browser.asked, _subject(browser.asked, account, mark), found.expires_at, None)

    async def _offer(self, unit: Unit, token: str, browser: Browser | None) -> Offer | None:
        alive = await self.tokens.look(unit, SIGN_IN, token)
        account = await self._open(unit, alive.account_id) if alive else None
        if alive is None or account is None:
            return None
        found = await unit.find(queries.LIVING, asked=alive.subject.partition(" ")[0], now=unit.now)
        if found is None or alive.subject != _subject(found.asked, account, await self.mark(unit, account.id)):
            return None
        is_same = browser is not None and browser.asked == found.asked
        return Offer(account, found, alive.subject, is_same_browser=is_same)

    async def _refused(self, caller: Caller, reason: str, asked: str | None) -> LinkCodeNotValid:
        """Leave evidence of a code that was not taken, and return what to say.

        Without the account: to seal an entry for it can take a statement more than for nobody. The entry
        `link.offered` with the same `asked` names it.
        """
        async with self.database.unit(caller) as unit:
            unit.note("link.refused", reason=reason, asked=asked)
        return LinkCodeNotValid()

    async def _open(self, unit: Unit, account_id: str) -> Account | None:
        """Return the account if letters that open it may go to it: alive, with a proven address."""
        account = await self.accounts.find(unit, account_id)
        return account if account is not None and account.is_alive and account.email_verified else None

    async def _knows(self, unit: Unit, account_id: str, device_id: str | None) -> bool:
        if not device_id:
            return False
        signed_in = await self.sessions.knows_device(unit, account_id, device_id)
        return signed_in or await self.protection.knows_device(unit, account_id, device_id)

    async def _is_overtaken(self, unit: Unit, account_id: str, payload: dict[str, Any]) -> bool:
        """Return whether a letter that was asked for later has gone already: this one was held up."""
        sent = await unit.find(queries.OF_ACCOUNT, account_id=account_id)
        return sent is not None and sent.asked_at > payload["asked_at"]

    def _is_late(self, asked_at: Millis) -> bool:
        return asked_at + millis(LIFETIME) <= self.database.clock.now()

    def _digest(self, asked: str, code: str) -> bytes:
        # Keyed by what is not in the database, and for ten minutes: a slow hash would add nothing (decision 38).
        return self.macs.digest(CODE, f"{asked} {code}")

    def _told(self, offer: Offer) -> dict[str, object]:
        asked = offer.asked
        return {
            "account": offer.masked_name, "asked_at": iso(asked.asked_at), "device": describe_agent(asked.agent),
            "place": self.places.describe(asked.address), "address": asked.address,
        }  # fmt: skip


def _subject(asked: str, account: Account, mark: str) -> str:
    """Return what a link is bound to: one request, this password, this mailbox, and nothing ended since."""
    state = b64(plain_digest(f"{account.epoch} {mailbox_mark(account.email)} {mark}"))
    return f"{asked} {state}"
