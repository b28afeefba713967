"""Passkeys shown: whose they are, and whether what an authenticator answers is believed."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from ostiary.passkeys import queries
from ostiary.passkeys.ceremony import GET, Assertion, Shown, Site, Unconvincing, challenge_in, verify_assertion
from ostiary.passkeys.challenges import SECOND_FACTOR, SIGN_IN, STEP_UP, Challenges, Issued
from ostiary.passkeys.errors import PasskeyRefused
from ostiary.passkeys.options import request_options

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Query, Unit
    from ostiary.passkeys.queries import Passkey
    from ostiary.sessions import HeldFactor


@dataclass(frozen=True, slots=True)
class Asked:
    """What an authenticator's answer has to be an answer to.

    Attributes:
        purpose: Of the challenge.
        bound_to: The browser, the attempt or the session that alone can answer it.
        account_id: Whose passkeys are asked for; None where the authenticator says who it is.
    """

    purpose: str
    bound_to: str
    account_id: str | None = None

    @classmethod
    def by_browser(cls, browser: str) -> Asked:
        """Return a sign-in without a name, bound to the id in a browser's cookie."""
        return cls(SIGN_IN, browser)

    @classmethod
    def by_attempt(cls, attempt_id: str, account_id: str) -> Asked:
        """Return the second factor of one attempt to sign in."""
        return cls(SECOND_FACTOR, attempt_id, account_id)

    @classmethod
    def by_session(cls, session_id: str, account_id: str) -> Asked:
        """Return a fresh proof inside a session."""
        return cls(STEP_UP, session_id, account_id)


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that a passkey opened an account, to be confirmed in the unit that acts on it (D13).

    Attributes:
        epoch: The account's, when its key was read: whatever ended everything since ends this, too.
        sign_count: What the authenticator has shown.
        methods: RFC 8176: whether the key can leave its hardware, that somebody was there, and that both the device
            and what it asks for were shown.
    """

    account_id: str
    passkey_id: str
    epoch: int
    sign_count: int
    is_backed_up: bool
    methods: tuple[str, ...]
    challenge: Issued


class PasskeyProofs:
    """The part of the passkeys that asks for them and believes them, or does not.

    Attributes:
        held: Yields each passkey of an account, for whoever asks which factors are set up.
    """

    held: ClassVar[Query[HeldFactor]] = queries.HELD

    def __init__(
        self, database: Database, accounts: Accounts, alerts: Alerts, challenges: Challenges, site: Site
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._alerts = alerts
        self.challenges = challenges
        self.site = site

    def begin_sign_in(self, browser: str) -> dict[str, Any]:
        """Return what a browser needs to sign somebody in, whoever it is (PublicKeyCredentialRequestOptionsJSON).

        Args:
            browser: Its id, from its cookie.
        """
        return request_options(self.site, self.challenges.issue(SIGN_IN, browser))

    async def begin(self, unit: Unit, asked: Asked) -> dict[str, Any]:
        """Return what a browser needs to show one account's passkey: somebody has proven by other means who they are.

        Raises:
            PasskeyRefused: The account has none.
        """
        held = await unit.all(queries.OF_ACCOUNT, account_id=asked.account_id)
        if not held:
            raise PasskeyRefused
        return request_options(self.site, self.challenges.issue(asked.purpose, asked.bound_to), held)

    async def owner_of(self, unit: Unit, credential_id: bytes) -> str | None:
        """Return whose a credential is, by its own word; proves nothing."""
        found = await unit.find(queries.BY_CREDENTIAL, credential_id=credential_id)
        return found.account_id if found else None

    async def prove(self, caller: Caller, answer: Assertion, asked: Asked) -> Proof:
        """Return evidence that a passkey opens an account (WebAuthn Level 3 section 7.2).

        Args:
            caller: Who asks.
            answer: What the authenticator said.
            asked: What it must be an answer to.

        Raises:
            PasskeyRefused: The answer fails a step.
        """
        async with self._database.unit(caller) as unit:
            stored = await unit.find(queries.BY_CREDENTIAL, credential_id=answer.credential_id)
            owner_id = stored.account_id if stored else ""
            account = await self._accounts.find(unit, owner_id)
            handle = await unit.find(queries.HANDLE, account_id=owner_id)
        try:
            challenge, shown = await self._weigh(answer, asked, stored, handle.handle if handle else b"")
        except Unconvincing as doubt:
            await self.refuse(
                caller, asked.account_id or owner_id or None, doubt.reason,
                PasskeyRefused(is_unknown=doubt.reason == "unknown"),
            )  # fmt: skip
        assert stored is not None
        assert account is not None
        # Without attestation nobody knows; what can be synchronised is surely not held by hardware alone.
        held = "swk" if stored.backup_eligible else "hwk"
        return Proof(
            account.id, stored.id, account.epoch, shown.sign_count, shown.is_backed_up, (held, "user", "mfa"), challenge
        )

    async def _weigh(
        self, answer: Assertion, asked: Asked, stored: Passkey | None, handle: bytes
    ) -> tuple[Issued, Shown]:
        """Return the challenge that was answered, and what the answer says; the signature is verified off the loop.

        Raises:
            Unconvincing: A step fails.
        """
        challenge = self.issued(answer.client_data, GET, asked.purpose, asked.bound_to)
        if stored is None:
            raise Unconvincing("unknown")
        if asked.account_id is not None and stored.account_id != asked.account_id:
            raise Unconvincing("another-account")  # step 6: it must be one of those that were asked for
        # Asked for by its id, a passkey need not say whose it is; where it does, it must be right.
        is_silent = asked.account_id is not None and not answer.user_handle
        if not handle or not (is_silent or secrets.compare_digest(handle, answer.user_handle)):
            raise Unconvincing("user-handle")
        shown = await asyncio.to_thread(verify_assertion, answer, stored.public_key, self.site)
        if shown.is_backup_eligible != bool(stored.backup_eligible):
            raise Unconvincing("backup-eligibility")
        return challenge, shown

    async def confirm(self, unit: Unit, proof: Proof) -> bool:
        """Return whether a proof still stands in this unit, and use its challenge up.

        A count that does not go up says that there are two of an authenticator (section 6.1.1): that is refused,
        and told. It is no error of the unit, so that what is told is queued with it.
        """
        if not await self.challenges.spend(unit, proof.challenge):
            unit.note("passkey.refused", proof.account_id, reason="spent")
            return False
        if await unit.run(
            queries.CONFIRM, passkey_id=proof.passkey_id, shown=proof.sign_count, shown_too=proof.sign_count,
            becomes=proof.sign_count, now_backed_up=proof.is_backed_up, now=unit.now,
        ):  # fmt: skip
            return True
        stored = await unit.find(queries.OWN, passkey_id=proof.passkey_id, account_id=proof.account_id)
        if stored is None:  # removed in the meantime
            unit.note("passkey.refused", proof.account_id, reason="removed")
            return False
        unit.note(
            "passkey.copied", proof.account_id, passkey=stored.id, shown=proof.sign_count, stored=stored.sign_count
        )
        self.tell(unit, "passkey_copied", stored)
        await self._alerts.raise_(unit, "passkey_copied", account_id=proof.account_id)
        return False

    def issued(self, client_data: bytes, kind: str, purpose: str, bound_to: str) -> Issued:
        """Return the challenge that a browser's answer is about.

        Raises:
            Unconvincing: It is not ours, too old, for another purpose or of somebody else.
        """
        issued = self.challenges.read(purpose, challenge_in(client_data, kind, self.site), bound_to)
        if issued is None:
            raise Unconvincing("challenge")
        return issued

    async def refuse(self, caller: Caller, account_id: str | None, reason: str, problem: Exception) -> NoReturn:
        """Leave evidence of an answer that was not believed, and refuse it."""
        async with self._database.unit(caller) as unit:
            unit.note("passkey.refused", account_id, reason=reason)
            raise problem

    def tell(self, unit: Unit, kind: str, passkey: Passkey) -> None:
        """Write to a passkey's owner what befell it."""
        unit.later(
            "letter", kind=kind, account_id=passkey.account_id, when=unit.now, agent=unit.caller.agent or "",
            address=unit.caller.address or "unknown", name=passkey.name,
        )  # fmt: skip
