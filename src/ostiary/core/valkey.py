"""Valkey behind the ports that have a second implementation: counting, and waking other processes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from ostiary.core.clock import Clock, millis
from ostiary.core.errors import Misconfigured
from ostiary.core.limits import Count, MemoryLimiter, Spend
from ostiary.core.signals import steady_seconds

if TYPE_CHECKING:
    from valkey.asyncio import Valkey
    from valkey.asyncio.client import PubSub

    from ostiary.core.db import Unit

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

PREFIX = "ostiary:counter:"
CHANNEL = "ostiary:signals"
TIMEOUT_SECONDS = 1.0
PATIENCE_SECONDS = 3.0
"""For an answer with everything that goes before it, such as waiting for a connection."""

RETRY_SECONDS = 1.0
"""How long a server that did not answer is left alone; one request a second pays for looking again."""

SILENCE_SECONDS = 5.0
"""After so long without a word the listener asks whether anybody is there, and after twice that it reconnects."""

LARGEST_POOL = 20
LARGEST_MIRROR = 50_000  # counters that a process knows without Valkey
KEPT_LONGER = 60_000  # milliseconds, for a process whose clock runs behind

# Every argument is a whole number below 2^53: exact in Lua. Times are the house's own, never the server's.
_SPEND = f"""
local now, counts = tonumber(ARGV[1]), {{}}
for place, key in ipairs(KEYS) do
  local at = 6 * place - 4
  local number, window, penalty = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local forgotten, least, least_closes_at = ARGV[at + 3] == '1', tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local stored = redis.call('HMGET', key, 'spent', 'closes_at')
  local spent, closes_at = tonumber(stored[1] or 0), tonumber(stored[2] or 0)
  if forgotten or closes_at <= now then spent, closes_at = 0, now + window end
  if least > spent and least_closes_at > now then spent, closes_at = least, least_closes_at end
  spent = spent + 1
  if penalty > 0 and spent == number then closes_at = now + penalty end
  redis.call('HSET', key, 'spent', spent, 'closes_at', closes_at)
  redis.call('PEXPIRE', key, closes_at - now + {KEPT_LONGER})
  counts[#counts + 1] = spent
  counts[#counts + 1] = closes_at
end
return counts
"""
_GIVE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('HGET', key, 'spent') or 0) > 0 then redis.call('HINCRBY', key, 'spent', -1) end
end
"""


def _client(url: str | None) -> Valkey:
    """Return a client that connects when it is first used, and gives up soon.

    Raises:
        Misconfigured: There is no URL, it is not one, or the library is not installed.
    """
    try:
        from valkey.asyncio import BlockingConnectionPool, Valkey  # noqa: PLC0415 - only who runs Valkey installs it
        from valkey.asyncio.retry import Retry  # noqa: PLC0415
        from valkey.backoff import NoBackoff  # noqa: PLC0415
        from valkey.exceptions import ConnectionError as NotConnected  # noqa: PLC0415
    except ImportError:
        raise Misconfigured("Valkey is asked for but its library is missing: install ostiary[valkey]") from None
    if not url:
        raise Misconfigured("storage.valkey is needed where Valkey counts or pushes: valkey://host:6379/0")
    try:
        # One new attempt where the connection was of before a restart. Waiting for a connection has no
        # bound of its own: a crowd must not look like an outage.
        pool = BlockingConnectionPool.from_url(
            url, max_connections=LARGEST_POOL, timeout=None, socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS, socket_keepalive=True, health_check_interval=0,
            retry=Retry(NoBackoff(), 1, supported_errors=(NotConnected,)), retry_on_error=[NotConnected],
        )  # fmt: skip
    except ValueError:
        raise Misconfigured("storage.valkey must look like valkey://host:6379/0, valkeys:// or unix://path") from None
    return Valkey.from_pool(pool)


def _gone() -> tuple[type[Exception], ...]:
    """Return what means that the server does not do its work now: unreachable, full, or refusing."""
    from valkey.exceptions import ValkeyError  # noqa: PLC0415

    return ValkeyError, OSError, TimeoutError


class ValkeyLimiter:
    """Counters in Valkey: one atomic script for each spend, whatever the number of counters.

    Without Valkey this process counts for itself, from the last counts it saw:
    neither the beginning of an outage nor its end gives anybody a new budget
    from this process. It says so once and goes back by itself.
    """

    def __init__(self, url: str | None, clock: Clock) -> None:
        self._client = _client(url)
        self._clock = clock
        self._spend = self._client.register_script(_SPEND)
        self._give_back = self._client.register_script(_GIVE_BACK)
        self._gone = _gone()
        self._memory = MemoryLimiter(clock, LARGEST_MIRROR)
        self._apart: dict[Spend, bool] = {}  # what changed here while Valkey was away; True: was forgotten
        self._is_away = False
        self._ask_again_at = 0.0

    async def spend(self, *spends: Spend) -> list[Count]:
        """Count one on each counter, all in one step."""
        keys = [_key(spend) for spend in spends]
        arguments = [self._clock.now()]
        for spend in spends:
            arguments += self._arguments(spend)
        found = await self._asked(lambda: self._spend(keys, arguments))
        if found is None:
            counts = await self._memory.spend(*spends)
            for spend in spends:
                self._apart.setdefault(spend, False)
            self._bound_apart()
            return counts
        counts = [Count(*found[place : place + 2]) for place in range(0, len(found), 2)]
        for spend, count in zip(spends, counts, strict=True):
            self._memory.hold(spend, count)
            self._apart.pop(spend, None)
        return counts

    async def give_back(self, *spends: Spend) -> None:
        """Take one back from each counter."""
        await self._memory.give_back(*spends)
        await self._asked(lambda: self._give_back([_key(spend) for spend in spends]))

    async def forget(self, *spends: Spend) -> None:
        """Set counters back."""
        await self._memory.forget(*spends)
        if await self._asked(lambda: self._client.delete(*[_key(spend) for spend in spends])) is None:
            self._apart |= dict.fromkeys(spends, True)
            self._bound_apart()

    async def prune(self) -> int:
        """Drop what this process remembers of windows that are over; Valkey's keys expire by themselves."""
        dropped = await self._memory.prune()
        if not self._is_away:
            # What was forgotten meanwhile and not asked for since: other processes would find the old count.
            late = [spend for spend, forgotten in self._apart.items() if forgotten and not self._memory.find(spend)]
            if late and await self._asked(lambda: self._client.delete(*[_key(spend) for spend in late])) is None:
                return dropped
            self._apart = {spend: was for spend, was in self._apart.items() if self._memory.find(spend)}
        return dropped

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose(close_connection_pool=True)

    def _bound_apart(self) -> None:
        """Keep of what changed here no more than memory knows, whatever is made up while Valkey is away."""
        if len(self._apart) <= 3 * LARGEST_MIRROR:
            return
        forgotten = [spend for spend, was in self._apart.items() if was][-LARGEST_MIRROR:]
        counted = [spend for spend, was in self._apart.items() if not was and self._memory.find(spend)]
        self._apart = dict.fromkeys(counted, False) | dict.fromkeys(forgotten, True)

    def _arguments(self, spend: Spend) -> tuple[int, ...]:
        limit, apart = spend.limit, self._apart.get(spend)
        own = None if apart is None else self._memory.find(spend)
        least = (own.spent, own.closes_at) if own else (0, 0)  # what was counted here meanwhile counts there, too
        return limit.number, millis(limit.window), millis(limit.penalty), int(apart or False), *least

    async def _asked(self, ask: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """Return Valkey's answer, or None if there is none to be had."""
        if self._is_away and steady_seconds() < self._ask_again_at:
            return None
        # Others go on without while one looks again: a black hole must not hold up every login.
        self._ask_again_at = steady_seconds() + RETRY_SECONDS + TIMEOUT_SECONDS
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await ask()
        except self._gone as failure:
            if not self._is_away:
                # The type alone: a message may hold the address and what was sent.
                log.error("Valkey does not count (%s): each process counts for itself", type(failure).__name__)  # noqa: TRY400
            self._is_away = True
            self._ask_again_at = steady_seconds() + RETRY_SECONDS
            return None
        if self._is_away:
            self._is_away = False
            log.warning("Valkey counts again")
        return answer


class ValkeyPush:
    """Wakes other processes by a message that says nothing: what is new, they read in the database.

    So whoever can write to Valkey can cause readings, and cannot revoke or
    revive anything. A message that is lost costs the time to the next heartbeat.
    """

    def __init__(self, url: str | None) -> None:
        self._client = _client(url)
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._complained = False

    async def start(self, wake: Callable[[], None]) -> None:
        """Begin to listen and to tell; returns at once, with or without Valkey."""
        self._tasks = [
            asyncio.create_task(self._listen(wake), name="listen"),
            asyncio.create_task(self._tell(), name="tell"),
        ]

    async def stop(self) -> None:
        """Stop listening."""
        while alive := [task for task in self._tasks if not task.done()]:
            for task in alive:
                task.cancel()
            await asyncio.wait(alive, timeout=0.1)  # the library loses a cancellation that meets a time-out
        self._tasks = []
        await self._client.aclose(close_connection_pool=True)

    async def announce(self, unit: Unit) -> None:
        """Tell once the unit has committed; never holds it up, never makes it fail."""
        unit.afterwards(self._news.set)

    async def _tell(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()  # what is announced while we tell is told by the next message
            try:
                await self._client.publish(CHANNEL, b"")
            except Exception as failure:  # noqa: BLE001 - whatever failed, the next one must be told
                self._complain(failure)

    async def _listen(self, wake: Callable[[], None]) -> None:
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.subscribe(CHANNEL)
                    await self._attend(channel, wake)
            except Exception as failure:  # noqa: BLE001 - whatever failed, listening must go on
                self._complain(failure)
            await asyncio.sleep(RETRY_SECONDS)

    async def _attend(self, channel: PubSub, wake: Callable[[], None]) -> None:
        asked = False
        while True:
            message = await channel.get_message(timeout=SILENCE_SECONDS)
            if message is None and asked:
                raise TimeoutError  # half open: the other end vanished without a farewell
            self._complained = self._complained and not asked
            asked = message is None
            if message is None:
                await channel.ping()
            elif message["type"] in ("subscribe", "message"):
                wake()  # at the subscription, too: what was said before it was not heard

    def _complain(self, failure: Exception) -> None:
        if not self._complained:
            log.warning("Valkey does not push (%s): others hear at their next heartbeat", type(failure).__name__)
        self._complained = True


def _key(spend: Spend) -> str:
    return f"{PREFIX}{spend.limit.name}:{spend.digest.hex()}"
