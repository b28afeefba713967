"""Signed-in devices: started, refreshed, listed, ended."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.accounts import Account, Accounts
from ostiary.core.clock import Millis, millis
from ostiary.core.secrets import Macs, new_id
from ostiary.sessions import queries
from ostiary.sessions.errors import NoSuchSession, NotSignedIn, RefreshRefused, RefreshTokenReplayed
from ostiary.sessions.queries import Session
from ostiary.sessions.tokens import AccessGrant, Minter
from ostiary.sessions.view import ON_THE_WAY

if TYPE_CHECKING:
    from ostiary.alerts import Alerts
    from ostiary.client import AccessClaims
    from ostiary.core.caller import Caller
    from ostiary.core.db import Database, Unit
    from ostiary.sessions.settings import SessionSettings

REFRESH, PAGE = "refresh token", "page session"
BATCH = 200
"""Sessions that one transaction ends at most where all are to end: others can write in between."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person holds who has just signed in or refreshed."""

    account: Account
    session: Session
    access: AccessGrant
    refresh_token: str
    page_token: str


class Sessions:
    """One row for each signed-in device; everything else hangs on its id (D1)."""

    def __init__(
        self, database: Database, accounts: Accounts, alerts: Alerts, macs: Macs, minter: Minter,
        settings: SessionSettings,
    ) -> None:  # fmt: skip
        self._database = database
        self._alerts = alerts
        self._accounts = accounts
        self._macs = macs
        self._minter = minter
        self._settings = settings

    async def start(self, unit: Unit, account: Account, *, methods: tuple[str, ...], device_id: str | None) -> Session:
        """Sign a device in. The caller has proven who they are just now, by `methods`.

        A session that the same browser came with ends: nobody could reach it any more (ASVS 7.2.4).
        """
        now = unit.now
        await self._end_replaced(unit)
        ends_at = now + millis(self._settings.lifetime)
        session = Session(
            id=new_id(now), account_id=account.id, account_epoch=account.epoch, generation=1, refreshed_at=now,
            refreshed_by=device_id, started_at=now, authenticated_at=now, methods=" ".join(methods), seen_at=now,
            idle_ends_at=min(ends_at, now + millis(self._settings.idle_lifetime)), ends_at=ends_at, ended_at=None,
            end_reason=None, device_id=device_id, address=unit.caller.address,
            agent=unit.caller.agent or "", number=await self._number(unit),
        )  # fmt: skip
        await unit.run(queries.START, **{name: getattr(session, name) for name in Session.__struct_fields__})
        unit.note("session.started", account.id, session_id=session.id, methods=list(methods))
        return session

    def grant(self, account: Account, session: Session) -> Grant:
        """Return the tokens of a session as it is now; signs, writes nothing."""
        return Grant(
            account, session, self._minter.mint(account, session, self._database.clock.now()),
            self._macs.write(REFRESH, session.id, str(session.generation)), self._macs.write(PAGE, session.id),
        )  # fmt: skip

    async def refresh(self, caller: Caller, presented: str, *, at_device: bool = False) -> Grant:
        """Exchange a refresh token for its successor.

        The token proves itself before the database is asked. The direct
        predecessor, shown within the grace by a racing tab, yields the very
        same successor; whatever is older, or later, betrays a copy (D2).

        Args:
            caller: Who asks.
            presented: The token.
            at_device: Whether the request came from the device that the session is bound to, if it is.

        Raises:
            RefreshRefused: The token proves nothing, its session is over, or bound to another device.
            RefreshTokenReplayed: Theft: the session is ended and its owner told.
        """
        fields = self._macs.read(REFRESH, presented, 2)
        if fields is None or not fields[1].isdigit():
            raise RefreshRefused
        session_id, generation = fields[0], int(fields[1])
        now = self._database.clock.now()
        session = await self._database.find(
            queries.ADVANCE, session_id=session_id, presented=generation, now=now, device=caller.device_id,
            idle_ends_at=now + millis(self._settings.idle_lifetime), bound_after=_bound_after(now, at_device=at_device),
        )  # fmt: skip
        if session is None:
            session = await self._graced(caller, session_id, generation, at_device=at_device)
        return self.grant(await self.owner(session), session)

    async def resume(self, caller: Caller, page_token: str, *, at_device: bool = False) -> Grant:
        """Return fresh tokens for a hosted page whose access cookie has run out.

        Args:
            caller: Who asks.
            page_token: What the page's cookie holds.
            at_device: Whether the request came from the device that the session is bound to, if it is.

        Raises:
            RefreshRefused: The cookie proves nothing, its session is over, or bound to another device.
        """
        fields = self._macs.read(PAGE, page_token, 1)
        if fields is None:
            raise RefreshRefused
        now = self._database.clock.now()
        session = await self._database.find(
            queries.RESUME, session_id=fields[0], now=now, idle_ends_at=now + millis(self._settings.idle_lifetime),
            bound_after=_bound_after(now, at_device=at_device),
        )  # fmt: skip
        if session is None:
            async with self._database.unit(caller) as unit:
                found = await unit.find(queries.BY_ID, session_id=fields[0])
                self._refuse_elsewhere(unit, found, at_device=at_device)
                raise RefreshRefused
        return self.grant(await self.owner(session), session)

    def named_by(self, *, refresh_token: str | None = None, page_token: str | None = None) -> str | None:
        """Return the session that a genuine token names, whether or not it lives; for signing out."""
        for purpose, text, count in ((REFRESH, refresh_token, 2), (PAGE, page_token, 1)):
            fields = self._macs.read(purpose, text, count) if text else None
            if fields is not None:
                return fields[0]
        return None

    async def step_up(self, unit: Unit, account: Account, session_id: str, methods: tuple[str, ...]) -> Session | None:
        """Say of a session that the person behind it has just proven who they are, by these methods and no others.

        What was proven earlier is not added to it: `auth_time`, `acr` and `amr` tell of one and the same proof. The
        refresh token is exchanged with it.

        Returns:
            The session as it is now; None if it is over, or is not this account's.
        """
        session = await unit.find(
            queries.STEP_UP, session_id=session_id, of_account=account.id, epoch=account.epoch, now=unit.now,
            device=unit.caller.device_id, methods=" ".join(methods),
            idle_ends_at=unit.now + millis(self._settings.idle_lifetime),
        )  # fmt: skip
        if session is not None:
            unit.note("session.strengthened", account.id, session_id=session_id, methods=list(methods))
        return session

    async def rechecked(self, unit: Unit, session_id: str, by: str) -> Session:
        """Note that one thing was shown again inside a session; it is as young as that if nothing else began it.

        Raises:
            NoSuchSession: It has ended in the meantime.
        """
        session = await unit.find(queries.RECHECKED, session_id=session_id, by=by, now=unit.now)
        if session is None:
            raise NoSuchSession
        return session

    async def stands(self, unit: Unit, session_id: str, account: Account) -> bool:
        """Return whether a session of this account still stands, for what must not be done after its end.

        The gate looks at memory, and before: whoever reads this under a lock that is taken where sessions are
        ended knows it in the very unit that acts (D13).
        """
        session = await unit.find(queries.BY_ID, session_id=session_id)
        return (
            session is not None
            and (session.account_id, session.account_epoch) == (account.id, account.epoch)
            and session.ended_at is None
            and min(session.idle_ends_at, session.ends_at) > unit.now
        )

    async def require(self, unit: Unit, account: Account) -> None:
        """Refuse whoever acts in a unit if their session is over, or is none of this account's.

        Raises:
            NotSignedIn: It is.
        """
        if not await self.stands(unit, unit.caller.session_id or "", account):
            raise NotSignedIn

    async def knows_device(self, unit: Unit, account_id: str, device_id: str) -> bool:
        """Return whether this device has been signed in to the account before."""
        return await unit.find(queries.KNOWS_DEVICE, account_id=account_id, device_id=device_id) is not None

    async def has_any(self, unit: Unit, account_id: str) -> bool:
        """Return whether anybody was signed in to an account in the last month, or is."""
        return await unit.find(queries.HAS_ANY, account_id=account_id) is not None

    async def forget_devices(self, unit: Unit, account_id: str) -> None:
        """Let no browser count as known that was signed in to this account before."""
        await unit.run(queries.FORGET_DEVICES, of_account=account_id)

    async def listed(self, account_id: str) -> list[Session]:
        """Return the living sessions of an account, the last used first."""
        account = await self._accounts.remembered(account_id)
        found = await self._database.all(queries.LIVING, account_id=account_id, now=self._database.clock.now())
        return [session for session in found if account and session.account_epoch == account.epoch]

    async def end(self, caller: Caller, account_id: str, session_id: str, reason: str = "ended") -> None:
        """End one session of an account.

        Raises:
            NoSuchSession: It is not a living session of this account.
        """
        async with self._database.unit(caller) as unit:
            if not await self.end_one(unit, account_id, session_id, reason):
                raise NoSuchSession

    async def end_all_others(self, caller: Caller) -> int:
        """End every session of the caller's account but the caller's own; return how many."""
        async with self._database.unit(caller) as unit:
            return await self.end_others(unit, caller.account_id or "", caller.session_id or "", "ended-by-owner")

    async def end_one(self, unit: Unit, account_id: str, session_id: str, reason: str) -> bool:
        """End one session as part of a unit; False if it was not alive."""
        ended = await unit.find(queries.END, session_id=session_id, of_account=account_id, now=unit.now, reason=reason)
        if ended is not None:
            _tell(unit, account_id, session_id, ended.number, reason)
        return ended is not None

    async def end_others(self, unit: Unit, account_id: str, keep: str, reason: str) -> int:
        """End every session of an account but one; return how many. `keep` may be empty: all end."""
        ended = await unit.all(queries.END_OTHERS, of_account=account_id, keep=keep, now=unit.now, reason=reason)
        for session in ended:
            _tell(unit, account_id, session.id, session.number, reason)
        return len(ended)

    async def end_everybodys(self, caller: Caller, reason: str) -> int:
        """End every session that lives now, a batch at a time; return how many.

        If it is interrupted, what was ended stays ended; ask again for the rest.
        """
        until, after, count = self._database.clock.now(), "", 0
        while True:
            async with self._database.unit(caller) as unit:
                of_batch = {"after": after, "until": until, "now": unit.now}
                last = (await unit.get(queries.BATCH_END, most=BATCH, **of_batch)).id
                if last is None:
                    return count
                for session in await unit.all(queries.END_BATCH, last=last, reason=reason, **of_batch):
                    _tell(unit, session.account_id, session.id, session.number, reason)
                    count += 1
            after = last

    async def used_since(self, since: Millis, *, after: str = "", most: int = 100) -> list[str]:
        """Return ids of accounts of which a session was begun or refreshed since a moment, in order, after one id."""
        found = await self._database.all(queries.USED_SINCE, since=since, after=after, most=most)
        return [row.account_id for row in found]

    async def sign_out(self, caller: Caller, session_id: str | None) -> None:
        """End the session that a genuine token names; nothing happens if it is over already."""
        if session_id is None:
            return
        async with self._database.unit(caller) as unit:
            session = await unit.find(queries.BY_ID, session_id=session_id)
            if session is not None:
                await self.end_one(unit, session.account_id, session.id, "signed-out")

    async def of_account(self, account_id: str) -> AsyncIterator[Session]:
        """Yield every stored session of an account, ended ones too, a page in memory at a time."""
        after = ""
        while page := await self._database.all(queries.OF_ACCOUNT, account_id=account_id, after=after, most=BATCH):
            for session in page:
                yield session
            after = page[-1].id

    async def find(self, session_id: str) -> Session | None:
        """Return a session as stored, or None."""
        return await self._database.find(queries.BY_ID, session_id=session_id)

    async def named(self, session_id: str) -> tuple[Account, AccessClaims]:
        """Return whom a living session names, and what an access token of it would say now; none is made.

        Raises:
            RefreshRefused: It has ended, or its account has moved on.
        """
        session, now = await self.find(session_id), self._database.clock.now()
        if session is None or not session.lives(now):
            raise RefreshRefused
        account = await self.owner(session)
        return account, self._minter.claims(account, session, now)

    async def last_number(self) -> int:
        """Return the highest number that a session was given; 0 where none was."""
        found = (await self._database.all(queries.LAST_NUMBER))[0].number
        return found or 0

    async def left_behind(self, account_id: str, epoch: int) -> list[int]:
        """Return the numbers of an account's sessions that another epoch has overtaken without ending them."""
        now = self._database.clock.now()
        found = await self._database.all(queries.LEFT_BEHIND, account_id=account_id, epoch=epoch, now=now)
        return [row.number for row in found if row.number is not None]

    async def _number(self, unit: Unit) -> int | None:
        if not self._settings.status_claim:
            return None
        return (await unit.get(queries.GIVE_NUMBER, now=unit.now)).number

    async def prune(self) -> int:
        """Delete rows of sessions whose longest life was over a month ago, and what their numbers came from."""
        await self._database.run(queries.FORGET_NUMBERS)
        return await self._database.run(queries.PRUNE, before=self._database.clock.now() - 30 * 86_400_000)

    async def _end_replaced(self, unit: Unit) -> None:
        if unit.caller.replaces is None:
            return
        session = await unit.find(queries.BY_ID, session_id=unit.caller.replaces)
        if session is not None:
            await self.end_one(unit, session.account_id, session.id, "replaced")

    async def owner(self, session: Session) -> Account:
        """Return whose session it is, if the account still stands where it stood (D13).

        Raises:
            RefreshRefused: It does not.
        """
        account = await self._accounts.remembered(session.account_id)
        if account is None or not account.is_alive or account.epoch != session.account_epoch:
            raise RefreshRefused
        return account

    async def _graced(self, caller: Caller, session_id: str, generation: int, *, at_device: bool) -> Session:
        async with self._database.unit(caller) as unit:
            session = await unit.find(queries.BY_ID, session_id=session_id)
            # Before anything is thought of theft: a copy without the device does the owner no harm.
            self._refuse_elsewhere(unit, session, at_device=at_device)
            if session is None or not session.lives(unit.now) or generation >= session.generation:
                raise RefreshRefused
            if self._is_racing_tab(session, generation, caller, unit.now):
                unit.note("session.grace_used", session.account_id, session_id=session_id)
                return session
            await self._end_stolen(unit, session)
            raise RefreshTokenReplayed

    def _refuse_elsewhere(self, unit: Unit, session: Session | None, *, at_device: bool) -> None:
        """Refuse a genuine token of a living session that came without the device it is bound to; leave evidence."""
        if session is None or not session.lives(unit.now) or session.bound_at is None:
            return
        if session.bound_at <= _bound_after(unit.now, at_device=at_device):
            unit.note("session.elsewhere_refused", session.account_id, session_id=session.id)
            raise RefreshRefused

    def _is_racing_tab(self, session: Session, generation: int, caller: Caller, now: Millis) -> bool:
        if generation != session.generation - 1 or now - session.refreshed_at > millis(self._settings.refresh_grace):
            return False
        if not self._settings.refresh_grace:
            return False
        # Where the winner showed a device cookie, its racing tab shows the same one.
        winner, racer = session.refreshed_by or "", caller.device_id or ""
        return not winner or hmac.compare_digest(winner, racer)

    async def _end_stolen(self, unit: Unit, session: Session) -> None:
        unit.note("session.theft_detected", session.account_id, session_id=session.id)
        await self.end_one(unit, session.account_id, session.id, "stolen")
        unit.later("letter", kind="session_stolen", account_id=session.account_id, agent=session.agent, when=unit.now)
        await self._alerts.raise_(unit, "session_stolen", account_id=session.account_id)


def _tell(unit: Unit, account_id: str, session_id: str, number: int | None, reason: str) -> None:
    """Note the end of a session, and tell every process of it."""
    unit.note("session.ended", account_id, session_id=session_id, reason=reason)
    unit.signal("session", session_id)
    if number is not None:
        unit.signal("status", str(number))


def _bound_after(now: Millis, *, at_device: bool) -> Millis:
    """Return since when a session may be bound at most to go on: at its device, ever; else what was on its way then."""
    return -1 if at_device else now - millis(ON_THE_WAY)
