"""The feed: ended sessions as server-sent events, with numbers, so that nothing is missed between two connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ostiary.core.clock import Clock
from ostiary.core.errors import Problem
from ostiary.core.signals import Heard

if TYPE_CHECKING:
    from ostiary.accounts import Account, Accounts
    from ostiary.core.signals import Signals
    from ostiary.roles import Holder, Roles

BEAT_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.02
"""How often the file is looked at while somebody listens, where no push tells of news (SQLite)."""

LONGEST: Final = 600.0
"""Seconds until a stream ends by itself and its reader comes again: some servers wait for the last answer to end."""

MOST_WAITING: Final = 10_000
PAGE: Final = 1000
KINDS: Final = frozenset({"session", "account", "role", "keys"})
GONE: Final = 2**53 - 1
"""The epoch of an account that is not there any more: above that of every token."""

_END = Heard(0, "end", "")


class Feed:
    """Tells readers of each change that could make a token worthless.

    Every reader hears at once, and with every beat that this process knows
    everything there is to know; when it cannot say so it ends the stream, and
    the reader's view grows old (D3, D14).
    """

    def __init__(
        self, signals: Signals, accounts: Accounts, roles: Roles, clock: Clock, remember: timedelta
    ) -> None:  # fmt: skip
        self._signals = signals
        self._accounts = accounts
        self._roles = roles
        self._clock = clock
        self._remember = int(remember.total_seconds())
        self._streams: set[asyncio.Queue[Heard]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._is_ending = False
        signals.tap(self._hear)

    def __len__(self) -> int:
        return len(self._streams)

    async def read(self, last: str | None, admit: Callable[[], Awaitable[None]]) -> AsyncIterator[bytes]:
        """Yield the feed in the form of `text/event-stream`.

        Args:
            last: The id of the last event that the reader has heard, if it says so.
            admit: Raises when the reader may not read any more.
        """
        waiting: asyncio.Queue[Heard] = asyncio.Queue(MOST_WAITING)
        self._streams.add(waiting)  # before anything is read: nothing may fall between
        self._watch()
        ends_at = time.monotonic() + LONGEST
        try:
            await self._prove_fresh()
            line, _ = self._signals.position
            async for event in self._what_was(line, last):
                yield event
            yield _event("ready", {"remember": self._remember, "beat": BEAT_SECONDS})
            while time.monotonic() < ends_at and not self._is_ending and not waiting.full():
                await admit()
                await self._prove_fresh()
                # What this process knows by now is in the queue, and is told before the beat that vouches for it.
                proven_at, position = time.monotonic(), self._signals.position
                if position[0] != line:
                    return  # another server counts anew: the reader comes again, and is told everything
                for _ in range(waiting.qsize()):
                    async for event in self._told(waiting.get_nowait()):
                        yield event
                yield _event("beat", {"at": int(proven_at * 1000)}, position)
                async for event in self._what_comes(waiting):
                    yield event
        except Problem:
            return  # nobody can say, or the reader may not hear: silence says so
        finally:
            self._streams.discard(waiting)

    def end(self) -> None:
        """End every stream at its next beat: the process is about to end."""
        self._is_ending = True
        for waiting in self._streams:
            if not waiting.full():
                waiting.put_nowait(_END)

    async def _what_was(self, line: str, last: str | None) -> AsyncIterator[bytes]:
        after = await self._continues(line, last)
        if after is None:
            yield _event("reset", {})
        while page := await self._signals.kept(after or 0, PAGE):
            for heard in page:
                if heard.kind in KINDS:
                    async for event in self._told(heard):
                        yield event
            after = page[-1].sequence

    async def _continues(self, line: str, last: str | None) -> int | None:
        """Return the number after which a reader has missed anything; None if it has to begin anew."""
        told_line, _, text = (last or "").partition(".")
        if told_line != _short(line) or not (text.isascii() and text.isdigit() and len(text) < 19):
            return None
        number, oldest = int(text), await self._signals.oldest_kept()
        return number if oldest is not None and oldest <= number + 1 <= self._signals.position[1] + 1 else None

    async def _what_comes(self, waiting: asyncio.Queue[Heard]) -> AsyncIterator[bytes]:
        """Yield what is heard until the next beat is due."""
        due = time.monotonic() + BEAT_SECONDS
        while (left := due - time.monotonic()) > 0:
            try:
                async with asyncio.timeout(left):
                    heard = await waiting.get()
            except TimeoutError:
                return
            if heard is _END:
                return
            async for event in self._told(heard):
                yield event

    async def _told(self, heard: Heard) -> AsyncIterator[bytes]:
        if heard.kind == "session":
            yield _event("session", {"sid": heard.subject})
        elif heard.kind == "keys":
            yield _event("keys", {})
        elif heard.kind == "role":
            async for events in self._told_of_holders(heard.subject):
                yield events
        else:
            yield self._standing(heard.subject, await self._accounts.remembered(heard.subject))

    async def _told_of_holders(self, role_id: str) -> AsyncIterator[bytes]:
        """Tell of everybody who holds a role, a page at a time; whoever lost it is told of by an entry of their own."""
        after = ""
        while page := await self._roles.holders(role_id, after, PAGE):
            yield b"".join(self._standing(holder.id, holder) for holder in page)
            after = page[-1].id

    def _standing(self, account_id: str, account: Account | Holder | None) -> bytes:
        at = self._clock.now() // 1000
        told: dict[str, Any] = {"sub": account_id, "at": at, "epoch": GONE, "permissions": ()}
        if account is not None and account.is_alive:
            told |= {"epoch": account.epoch, "permissions": account.permissions}
        return _event("account", told)

    def _hear(self, heard: Heard) -> None:
        if heard.kind in KINDS:
            for waiting in self._streams:
                if not waiting.full():
                    waiting.put_nowait(heard)

    async def _prove_fresh(self) -> None:
        if not self._signals.is_fresh():
            await self._signals.refresh()

    def _watch(self) -> None:
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._look(), name="revocation feed")

    async def _look(self) -> None:
        while self._streams:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._signals.is_fresh()  # on SQLite this hears what is new
            except Problem:
                continue  # the streams find out by themselves


def _event(kind: str, data: dict[str, Any], position: tuple[str, int] | None = None) -> bytes:
    """Write an event; with an id, where everything up to that number has been told."""
    number = b"id: %s.%d\n" % (_short(position[0]).encode(), position[1]) if position else b""
    return b"%sevent: %s\ndata: %s\n\n" % (number, kind.encode(), msgspec.json.encode(data))


def _short(line: str) -> str:
    return sha256(line.encode()).hexdigest()[:16]
