"""The steps of an incident; each is journalled with who took it and why, and each tells the keepers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ostiary.accounts import Account, NoSuchAccount
from ostiary.core.clock import iso
from ostiary.core.crypto import Unsealable
from ostiary.core.errors import Misconfigured
from ostiary.core.jobs import PATIENT_ATTEMPTS
from ostiary.incident import queries

if TYPE_CHECKING:
    from datetime import timedelta

    from ostiary.accounts import Accounts
    from ostiary.alerts import Alert, Alerts
    from ostiary.apikeys import ApiKeys
    from ostiary.core.caller import Caller
    from ostiary.core.clock import Millis
    from ostiary.core.db import Database, Unit
    from ostiary.core.jobs import Outbox
    from ostiary.core.keyring import Key
    from ostiary.keys import Keys
    from ostiary.mail import Letters, Post
    from ostiary.mfa import Mfa
    from ostiary.protection import Block, Blocks
    from ostiary.sessions import Sessions

JOB = "incident.letter"
BATCH = 200
"""Accounts whose letters are queued in one transaction."""

TRIES = 3


class NoticeDiffers(Exception):  # noqa: N818 - reads as what it says
    """Another message was sent under this notice's id."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Who takes a step, and why; personal, so the journal keeps it sealed."""

    keeper: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """What is blocked and open now."""

    blocked: list[Account]
    alerts: list[Alert]


class Incident:
    """What a keeper does when somebody is in."""

    def __init__(
        self, database: Database, accounts: Accounts, sessions: Sessions, api_keys: ApiKeys, mfa: Mfa, keys: Keys,
        blocks: Blocks, alerts: Alerts, letters: Letters, post: Post, outbox: Outbox,
    ) -> None:  # fmt: skip
        self._database = database
        self._accounts = accounts
        self._sessions = sessions
        self._api_keys = api_keys
        self._mfa = mfa
        self._keys = keys
        self._blocks = blocks
        self._alerts = alerts
        self._letters = letters
        self._post = post
        outbox.on(JOB, self.send, attempts=PATIENT_ATTEMPTS)

    async def block_account(self, caller: Caller, account_id: str, cause: Cause) -> int:
        """Close an account to everybody; return how many sessions that ended.

        Its epoch rises with its status, so whatever was granted to it dies at
        once, on every process (D13). An account that is closed already stays so.

        Raises:
            NoSuchAccount: It is not there.
        """
        for _ in range(TRIES):
            async with self._database.unit(caller) as unit:
                account = await self._accounts.get(unit, account_id)
                if account.is_alive and not await self._accounts.set_status(
                    unit, account_id, account.status, "deactivated"
                ):
                    continue  # its status has just changed: look again
                await self._accounts.stay_closed(unit, account_id)
                ended = await self._sessions.end_others(unit, account_id, "", "incident")
                await self._note(unit, cause, "block-account", accounts=1, sessions=ended)
                return ended
        raise NoSuchAccount("The account keeps changing. Please try again.")

    async def block_network(
        self, caller: Caller, network: str, cause: Cause, *, lifetime: timedelta | None, spares_known: bool
    ) -> Block:
        """Shut a network out; an older block of the same is replaced.

        Args:
            caller: Who asks.
            network: Such as `203.0.113.0/24`, or one address.
            cause: Who takes the step, and why.
            lifetime: None until it is lifted.
            spares_known: Whether running sessions and browsers that were signed in before are let in.

        Raises:
            InvalidFields: It is no network.
        """
        async with self._database.unit(caller) as unit:
            block = await self._blocks.put(
                unit, network, reason=cause.reason, lifetime=lifetime,
                bars="strangers" if spares_known else "everything", by=cause.keeper,
            )  # fmt: skip
            await self._note(unit, cause, "block-network", bars=block.bars)
        return block

    async def unblock_network(self, caller: Caller, network: str, cause: Cause) -> bool:
        """Let a network in again; False, and no step, if it was not blocked.

        Raises:
            InvalidFields: It is no network.
        """
        async with self._database.unit(caller) as unit:
            lifted = await self._blocks.lift(unit, network)
            if lifted:
                await self._note(unit, cause, "unblock-network")
        return lifted

    async def end_sessions(self, caller: Caller, account_ids: Sequence[str] | None, cause: Cause) -> int:
        """End the sessions of some accounts, or of everybody; return how many ended."""
        async with self._database.unit(caller) as unit:
            ended = 0
            for account_id in account_ids or ():
                ended += await self._sessions.end_others(unit, account_id, "", "incident")
            await self._note(unit, cause, "end-sessions", accounts=None if account_ids is None else len(account_ids))
        if account_ids is None:
            ended = await self._sessions.end_everybodys(caller, "incident")
        return ended

    async def forget_factors(self, caller: Caller, account_id: str, cause: Cause) -> int:
        """Remove every second factor of an account: a stranger's, or those that its owner has lost.

        Whoever talks a keeper into this needs no more than a password afterwards, so all keepers hear of it.

        Returns:
            How many sessions ended.

        Raises:
            NoSuchAccount: It is not there.
        """
        async with self._database.unit(caller) as unit:
            ended = await self._mfa.forget(unit, account_id, "incident")
            await self._note(unit, cause, "forget-factors", accounts=1, sessions=ended)
        return ended

    async def revoke_keys(self, caller: Caller, account_ids: Sequence[str] | None, cause: Cause) -> int:
        """Revoke the API keys of some accounts, whose owners get a letter, or everybody's; return how many."""
        async with self._database.unit(caller) as unit:
            revoked = 0
            for account_id in account_ids or ():
                revoked += await self._api_keys.revoke_all(unit, account_id, "incident")
            await self._note(unit, cause, "revoke-keys", accounts=None if account_ids is None else len(account_ids))
        if account_ids is None:
            revoked = await self._api_keys.revoke_everybodys(caller, "incident")
        return revoked

    async def rotate(self, caller: Caller, cause: Cause, new_secret: Path | None = None) -> list[Key]:
        """Replace every key and the root secret, and end every session.

        At each moment one of two files opens the stored keys, and a house that
        starts tries both: a crash costs nothing but the step that it cut off.

        Args:
            caller: Who asks.
            cause: For the journal.
            new_secret: File with the new root secret; needed where the present
                one does not lie in the data folder.

        Raises:
            Misconfigured: No new root secret can be had, or somebody else replaces it just now.
        """
        with self._keys.root.being_replaced():
            await self._keys.settle()  # what an interrupted one left
            await self._keys.reload()
            under = await asyncio.to_thread(self._keys.root.prepare, new_secret)
            async with self._database.unit(caller) as unit:
                try:
                    made = await self._keys.replace(unit, under)
                except Unsealable:
                    raise Misconfigured("another machine has just replaced the root secret: begin anew") from None
                await self._note(unit, cause, "rotate", keys=len(made))
                await self._alerts.raise_(unit, "keys_rotated")
            if self._keys.root.file is not None:
                await asyncio.to_thread(self._keys.root.settle)
            await self._keys.adopt(under)
        await self._sessions.end_everybodys(caller, "keys-replaced")
        return made

    async def notify(
        self, caller: Caller, cause: Cause, message: str, audience: AsyncIterator[str], notice_id: str | None = None
    ) -> tuple[str, int]:
        """Queue a letter to each account of an audience that has a proven address and none of this notice yet.

        If it is interrupted, ask again: whoever has one queued gets no second.

        Returns:
            The notice's id, and how many letters were queued now.

        Raises:
            NoticeDiffers: This id stands for another message.
        """
        notice_id = notice_id or hashlib.sha256(message.encode()).hexdigest()[:12]
        async with self._database.unit(caller) as unit:
            await unit.run(queries.KEEP, id=notice_id, at=unit.now, message=message)
            if (await unit.get(queries.FIND, notice_id=notice_id)).message != message:
                raise NoticeDiffers
            await self._note(unit, cause, "notify", notice=notice_id)
        queued = 0
        batch: list[str] = []
        async for account_id in audience:
            batch.append(account_id)
            if len(batch) == BATCH:
                queued += await self._queue(caller, notice_id, batch)
                batch = []
        return notice_id, queued + await self._queue(caller, notice_id, batch)

    async def everybody(self) -> AsyncIterator[str]:
        """Yield the id of every account."""
        after = ""
        while found := await self._accounts.listed(after, BATCH):
            for account in found:
                yield account.id
            after = found[-1].id

    async def used_since(self, since: Millis) -> AsyncIterator[str]:
        """Yield the id of every account of which a session was begun or refreshed since a moment, ended or not.

        A thief's is often an older one, so that it was begun since is not asked.
        """
        after = ""
        while found := await self._sessions.used_since(since, after=after, most=BATCH):
            for account_id in found:
                yield account_id
            after = found[-1]

    async def send(self, payload: dict[str, Any]) -> None:
        """Deliver one letter of the outbox, to the address that is the account's own now."""
        async with self._database.unit() as unit:
            notice = await unit.find(queries.FIND, notice_id=payload["notice"])
            try:
                account = await self._accounts.get(unit, payload["account_id"])
            except NoSuchAccount:
                return
        if notice is None or not account.email_verified:
            return
        letter = self._letters.compose(
            "incident_notice", account.email, language=account.language, username=account.username,
            paragraphs=paragraphs(notice.message),
        )  # fmt: skip
        await self._post.deliver(letter)

    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]:
        """Return which notices were written to an account, for its owner's export."""
        received = await unit.all(queries.RECEIVED, account_id=account_id)
        return {
            "notices": [
                {
                    "id": one.id, "at": iso(one.noticed_at), "message": one.message, "queued_at": iso(one.queued_at),
                }
                for one in received
            ]
        }  # fmt: skip

    async def status(self) -> Status:
        """Return what is blocked and open now."""
        return Status(await self._accounts.in_status("deactivated", most=1000), await self._alerts.open())

    async def _queue(self, caller: Caller, notice_id: str, account_ids: list[str]) -> int:
        queued = 0
        async with self._database.unit(caller) as unit:
            for account_id in account_ids:
                try:
                    account = await self._accounts.get(unit, account_id)
                except NoSuchAccount:
                    continue
                if account.email_verified and await unit.run(
                    queries.OWE, notice_id=notice_id, account_id=account_id, at=unit.now
                ):
                    unit.later(JOB, notice=notice_id, account_id=account_id)
                    queued += 1
        return queued

    async def _note(self, unit: Unit, cause: Cause, step: str, **numbers: object) -> None:
        private = {"keeper": cause.keeper, "reason": cause.reason}
        unit.note(
            "incident.step_taken", private={"keeper": cause.keeper, "reason": cause.reason}, step=step, numbers=numbers
        )
        await self._alerts.raise_(unit, "incident", subject=step, private=private, step=step)


def paragraphs(message: str) -> list[str]:
    """Return the paragraphs of a keeper's message, each on one line and without invisible characters."""
    parts = (" ".join(part.split()) for part in message.replace("\r\n", "\n").split("\n\n"))
    return ["".join(c for c in part if c.isprintable()) for part in parts if part]
