"""Where every way in ends: a session, or what is still owed for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from ostiary.accounts import tell_of_refusal
from ostiary.core.secrets import new_id
from ostiary.login.tickets import Earned
from ostiary.passwords import PasswordChangeRequired
from ostiary.sessions import Grant

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.alerts import Alerts
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.login.browsers import RememberedBrowsers
    from ostiary.login.factors import SecondFactors
    from ostiary.login.tickets import Tickets
    from ostiary.passwords import Passwords
    from ostiary.protection import Attempt, Protection
    from ostiary.risk import Assessment, Risk
    from ostiary.sessions import HeldFactor, Sessions

OF_ANY_NEW_BROWSER = frozenset({"device.new", "signin.first"})
"""Findings that an account's very first sign-in cannot be without."""


@dataclass(frozen=True, slots=True)
class SecondFactorOwed:
    """What was shown is right, and not enough for this account.

    Attributes:
        ticket: Shown once; stands for what was shown, for ten minutes.
        methods: What can be shown beside it.
    """

    ticket: str
    methods: tuple[str, ...]

    def __repr__(self) -> str:
        return f"SecondFactorOwed({', '.join(self.methods)})"


Entered: TypeAlias = Grant | SecondFactorOwed | PasswordChangeRequired
"""How a sign-in goes on."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was shown in this unit, or by a ticket that is used up in it.

    Attributes:
        methods: RFC 8176.
        mark: Of the account's password.
        must_change: Whether that has to be replaced first.
    """

    methods: tuple[str, ...]
    mark: str
    must_change: bool = False


@dataclass(frozen=True, slots=True)
class Entrance:
    """Starts sessions, and nothing else does but registration."""

    database: Database
    passwords: Passwords
    sessions: Sessions
    protection: Protection
    risk: Risk
    alerts: Alerts
    factors: SecondFactors
    browsers: RememberedBrowsers
    tickets: Tickets

    async def knows(self, unit: Unit, account_id: str) -> bool:
        """Return whether the caller's browser was signed in to an account before, or let in by its owner."""
        device_id = unit.caller.device_id
        if not device_id:
            return False
        signed_in = await self.sessions.knows_device(unit, account_id, device_id)
        return signed_in or await self.protection.knows_device(unit, account_id, device_id)

    async def judged(self, caller: Caller, attempt: Attempt, *, breached: bool = False) -> Assessment:
        """Return what is thought of a sign-in."""
        async with self.database.unit(caller) as unit:
            return await self.risk.look(
                unit, caller, attempt.account_id or "", known_device=attempt.is_known_device,
                failures=attempt.failures, under_review=self.protection.is_under_review(attempt), breached=breached,
                under_attack=self.protection.is_on_guard(caller),
            )  # fmt: skip

    async def go_on(
        self, unit: Unit, account: Account, evidence: Evidence, risk: Assessment, held: tuple[HeldFactor, ...]
    ) -> Entered:
        """Return what comes next for an account, after what was shown.

        The second factor comes before the replacement of a breached password: whoever found the password in the
        breach must not choose the next one. It comes before a session unless the browser is remembered and the
        verdict does not ask for it.
        """
        if self.factors.is_owed(held, evidence.methods) and not await self._may_skip(
            unit, account, evidence, risk, held
        ):
            return await self.owe(unit, account, evidence, held, risk=risk)
        if evidence.must_change:
            return await self.passwords.demand_change(unit, account, evidence.mark, evidence.methods)
        return await self.start(unit, account, risk, evidence.methods)

    async def _may_skip(
        self, unit: Unit, account: Account, evidence: Evidence, risk: Assessment, held: tuple[HeldFactor, ...]
    ) -> bool:
        if evidence.must_change or risk.action not in ("allow", "notify"):
            return False
        if not await self.browsers.knows(unit, account, evidence.mark, held):
            return False
        unit.note("factor.skipped", account.id)
        return True

    async def owe(
        self, unit: Unit, account: Account, evidence: Evidence, held: tuple[HeldFactor, ...], session_id: str = "", *,
        risk: Assessment | None = None,
    ) -> SecondFactorOwed:  # fmt: skip
        """Return the ticket to the second factor, for a new session or for one that is to be stepped up.

        What was known of a password is known with its second factor, too: it is judged once more, where that is shown.
        """
        methods = self.factors.methods(held)
        earned = Earned(account.epoch, evidence.methods, evidence.mark, session_id, evidence.must_change)
        if risk is None:
            unit.note("factor.demanded", account.id, methods=list(methods))
        else:
            earned = msgspec.structs.replace(earned, failures=risk.facts.failures, breached=risk.facts.breached)
            unit.note(
                "factor.demanded", account.id, methods=list(methods), risk=risk.details(),
                private={"facts": risk.private()},
            )  # fmt: skip
        return SecondFactorOwed(await self.tickets.issue(unit, account, earned), methods)

    async def start(self, unit: Unit, account: Account, risk: Assessment, methods: tuple[str, ...]) -> Grant:
        """Sign a device in."""
        caller = unit.caller
        is_news = await self._is_news(unit, account, risk)
        session = await self.sessions.start(
            unit, account, methods=methods, device_id=caller.device_id or new_id(unit.now)
        )
        await self.risk.learn(unit, account.id, risk)
        unit.note(
            "login.succeeded", account.id, session_id=session.id, methods=list(methods), risk=risk.details(),
            private={"facts": risk.private()},
        )  # fmt: skip
        if is_news and account.email_verified:
            unit.later(
                "letter", kind="new_sign_in", account_id=account.id, when=unit.now, agent=caller.agent or "",
                address=caller.address or "unknown",
            )  # fmt: skip
        return self.sessions.grant(account, session)

    async def _is_news(self, unit: Unit, account: Account, risk: Assessment) -> bool:
        """Return whether the owner is to hear of a sign-in that is let in.

        Of each browser that was never signed in to the account, once, whatever the policy weighs; and of what the
        policy finds strange. Not of the very first sign-in of all: to an account that is new every browser is.
        """
        is_strange = risk.facts.known_device or any(reason.code not in OF_ANY_NEW_BROWSER for reason in risk.reasons)
        if is_strange and risk.action != "allow":
            return True
        return not risk.facts.known_device and (risk.facts.signins > 0 or await self.sessions.has_any(unit, account.id))

    def refuses(self, attempt: Attempt, account: Account, risk: Assessment, *, has_second: bool) -> bool:
        """Return whether policy lets this one right proof not pass by itself.

        A challenge is a second proof: the account's second factor, or for who has none the link in a letter. A
        browser that was signed in before is one already. Without a proven address there is nobody to write to:
        strangers who fail often enough could then shut the owner out for good, which no policy wants (D5).
        """
        if risk.action == "challenge":
            return account.email_verified and not attempt.is_known_device and not has_second
        return risk.action == "deny"

    async def step_up(self, unit: Unit, account: Account, session_id: str, methods: tuple[str, ...]) -> Grant | None:
        """Let a session say that its owner has just shown this; None if it is over. Never starts another."""
        session = await self.sessions.step_up(unit, account, session_id, methods)
        return self.sessions.grant(account, session) if session else None

    async def note_refusal(self, unit: Unit, account: Account, risk: Assessment) -> None:
        """Note that a policy refuses what was proven, and tell who has to hear of it."""
        unit.note("login.refused", account.id, reason="risk", risk=risk.details(), private={"facts": risk.private()})
        if risk.action == "challenge":
            tell_of_refusal(unit, account.id)
        else:
            await self.alerts.raise_(unit, "sign_in_denied", account_id=account.id)
