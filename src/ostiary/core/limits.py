"""Counting with one atomic write: memory, database or Valkey behind one port."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta
from functools import cache
from typing import Any, Literal, Protocol

import msgspec
from sqlalchemy import BigInteger, bindparam, case, delete, func, select, tuple_, update

from ostiary.core.clock import Clock, Millis, millis
from ostiary.core.db import Database, Insert, Query
from ostiary.core.errors import Problem
from ostiary.core.tables import counters

Per = Literal[
    "address", "name", "account", "device", "route", "mailbox", "password", "challenge", "link", "number", "prefix",
    "everybody",
]  # fmt: skip
"""Whose counter it is: each of these has one of its own."""

LARGEST_MEMORY = 200_000
LARGEST_TABLE = 500_000
"""Counters that a database keeps: beyond that the least telling go (about 100 bytes each)."""

LOOKED_AT = 16
"""Counters that are compared where one of them must go."""


class Limit(msgspec.Struct, frozen=True):
    """A named bound: so many in a window, and how long the door stays shut after the last allowed.

    Attributes:
        name: Part of the counter's key, and of the documentation.
        number: How many are allowed in a window.
        window: Counted from the first.
        penalty: From the last allowed one on, the counter stays full for so
            long; zero means no longer than the window.
        per: Whose counter it is.
    """

    name: str
    number: int
    window: timedelta
    penalty: timedelta = timedelta()
    per: Per = "address"


class Count(msgspec.Struct, frozen=True):
    """A counter after it was spent from."""

    spent: int
    closes_at: Millis


class Spend(msgspec.Struct, frozen=True):
    """Whose counter of which limit; the digest names it without telling who it is."""

    limit: Limit
    digest: bytes


class LimitReached(Problem):
    """Too many of these from here; says when it works again."""

    slug = "limit-reached"
    title = "Too many attempts. Please wait a little and try again."
    status = 429

    @classmethod
    def of(cls, limit: Limit, closes_at: Millis, now: Millis) -> LimitReached:
        """Return the refusal by a limit, with the header fields that name it."""
        wait = seconds_until(closes_at, now)
        refusal = cls(retry_after=wait)
        refusal.headers = told(limit, 0, wait)
        return refusal

    headers: tuple[tuple[bytes, bytes], ...] = ()


def told(limit: Limit, left: int, seconds: int) -> tuple[tuple[bytes, bytes], ...]:
    """Return what a limit says in an answer (draft-ietf-httpapi-ratelimit-headers-10): its policy, and what is left."""
    name, window = limit.name, int(limit.window.total_seconds())
    return (
        (b"ratelimit-policy", f'"{name}";q={limit.number};w={window}'.encode()),
        (b"ratelimit", f'"{name}";r={left};t={seconds}'.encode()),
    )


class Limiter(Protocol):
    """Counts exactly, whoever asks at the same moment."""

    async def spend(self, *spends: Spend) -> list[Count]:
        """Count one on each counter; a count above its limit's number means refused."""
        ...

    async def give_back(self, *spends: Spend) -> None:
        """Take one back from each counter, as when an attempt was no failure."""
        ...

    async def forget(self, *spends: Spend) -> None:
        """Set counters back, as after a success."""
        ...

    async def prune(self) -> int:
        """Drop counters whose window is over."""
        ...


def seconds_until(at: Millis, now: Millis) -> int:
    """Return the whole seconds from now until a moment, at least one: a Retry-After."""
    return max(1, -(-(at - now) // 1000))


def _key(spend: Spend) -> tuple[str, bytes]:
    return spend.limit.name, spend.digest


class MemoryLimiter:
    """Counters of one process, bounded in number."""

    def __init__(self, clock: Clock, largest: int = LARGEST_MEMORY) -> None:
        self._clock = clock
        self._largest = largest
        self._counts: OrderedDict[tuple[str, bytes], Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    async def spend(self, *spends: Spend) -> list[Count]:
        """Count one on each counter."""
        return [self._spend_one(spend) for spend in spends]

    async def give_back(self, *spends: Spend) -> None:
        """Take one back from each counter."""
        for spend in spends:
            count = self._counts.get(_key(spend))
            if count is not None and count.spent > 0:
                self._counts[_key(spend)] = Count(count.spent - 1, count.closes_at)

    async def forget(self, *spends: Spend) -> None:
        """Set counters back."""
        for spend in spends:
            self._counts.pop(_key(spend), None)

    async def prune(self) -> int:
        """Drop counters whose window is over."""
        now = self._clock.now()
        over = [key for key, count in self._counts.items() if count.closes_at <= now]
        for key in over:
            del self._counts[key]
        return len(over)

    def find(self, spend: Spend) -> Count | None:
        """Return a counter as it stands, or None."""
        return self._counts.get(_key(spend))

    def hold(self, spend: Spend, count: Count) -> None:
        """Set a counter to what is known of it."""
        key = _key(spend)
        self._counts[key] = count
        self._counts.move_to_end(key)
        if len(self._counts) > self._largest:
            self._make_room()

    def _spend_one(self, spend: Spend) -> Count:
        now, limit = self._clock.now(), spend.limit
        count = self._counts.get(_key(spend))
        if count is None or count.closes_at <= now:
            count = Count(0, now + millis(limit.window))
        spent = count.spent + 1
        penalised = limit.penalty and spent == limit.number
        count = Count(spent, now + millis(limit.penalty) if penalised else count.closes_at)
        self.hold(spend, count)
        return count

    def _make_room(self) -> None:
        """Drop the one that says least among those untouched longest.

        Not simply the oldest: names made up by the thousand would push out the
        counter of a locked one, and so unlock it.
        """
        now = self._clock.now()
        oldest = [key for key, _ in zip(self._counts, range(LOOKED_AT), strict=False)]
        least = min(oldest, key=lambda key: self._counts[key].spent if self._counts[key].closes_at > now else 0)
        for key in oldest:
            self._counts.move_to_end(key)
        del self._counts[least]


class Spent(msgspec.Struct, frozen=True):
    """A counter in the database after it was spent from."""

    name: str
    digest: bytes
    spent: int
    closes_at: Millis


@cache
def _spend(number_of_counters: int) -> Query[Spent]:
    """Return the statement that spends from so many different counters at once."""
    places = range(number_of_counters)

    def build(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
        statement = insert(counters).values(
            [
                {
                    "name": bindparam(f"name_{place}"), "digest": bindparam(f"digest_{place}"), "spent": 1,
                    "opened_at": bindparam("now"), "closes_at": bindparam(f"closes_at_{place}"),
                }
                for place in places
            ]
        )  # fmt: skip
        is_over = counters.c.closes_at <= bindparam("now")
        return statement.on_conflict_do_update(
            index_elements=["name", "digest"],
            set_={
                "spent": case((is_over, 1), else_=counters.c.spent + 1),
                "opened_at": case((is_over, statement.excluded.opened_at), else_=counters.c.opened_at),
                "closes_at": case(
                    (is_over, statement.excluded.closes_at),
                    *(_penalised(place) for place in places),
                    else_=counters.c.closes_at,
                ),
            },
        ).returning(counters.c.name, counters.c.digest, counters.c.spent, counters.c.closes_at)

    return Query(build, Spent)


def _penalised(place: int) -> tuple[Any, Any]:
    """Return when the counter of one place is penalised, and until when it is closed then."""
    penalty = bindparam(f"penalty_closes_at_{place}", type_=BigInteger)
    is_this = (counters.c.name == bindparam(f"name_{place}")) & (counters.c.digest == bindparam(f"digest_{place}"))
    return is_this & (counters.c.spent + 1 == bindparam(f"number_{place}")) & (penalty > 0), penalty


GIVE_BACK = Query(
    update(counters)
    .where(counters.c.name == bindparam("of_name"), counters.c.digest == bindparam("of_digest"), counters.c.spent > 0)
    .values(spent=counters.c.spent - 1)
)
FORGET = Query(delete(counters).where(counters.c.name == bindparam("name"), counters.c.digest == bindparam("digest")))
PRUNE = Query(delete(counters).where(counters.c.closes_at < bindparam("before")))


class HowMany(msgspec.Struct, frozen=True):
    """A number of rows."""

    number: int


COUNT = Query(select(func.count().label("number")).select_from(counters), HowMany)
_least = (
    select(counters.c.name, counters.c.digest)
    .where(counters.c.spent <= bindparam("most_spent"))
    .order_by(counters.c.closes_at)  # by its index: half a million rows are not sorted
    .limit(bindparam("excess"))
)
DROP_LEAST = Query(delete(counters).where(tuple_(counters.c.name, counters.c.digest).in_(_least)))
LEAST_FIRST = (1, 2, 4, 2**31 - 1)
DROPPED_AT_ONCE = 5_000


class DatabaseLimiter:
    """Counters in the database: exact across every process that shares it."""

    def __init__(self, database: Database, largest: int = LARGEST_TABLE) -> None:
        self._database = database
        self._largest = largest

    async def spend(self, *spends: Spend) -> list[Count]:
        """Count one on each counter, all in one statement."""
        if len(set(spends)) < len(spends):  # one statement touches a row once
            return [(await self.spend(spend))[0] for spend in spends]
        now = self._database.clock.now()
        parameters: dict[str, Any] = {"now": now}
        # In one order, so that two statements never hold what the other waits for.
        for place, spend in enumerate(sorted(spends, key=_key)):
            limit = spend.limit
            penalty_closes_at = now + millis(limit.penalty) if limit.penalty else 0
            is_penalised_at_once = limit.penalty and limit.number == 1
            parameters |= {
                f"name_{place}": limit.name,
                f"digest_{place}": spend.digest,
                f"number_{place}": limit.number,
                f"closes_at_{place}": penalty_closes_at if is_penalised_at_once else now + millis(limit.window),
                f"penalty_closes_at_{place}": penalty_closes_at,
            }
        found = await self._database.all(_spend(len(spends)), **parameters)
        counts = {(row.name, row.digest): Count(row.spent, row.closes_at) for row in found}
        return [counts[_key(spend)] for spend in spends]

    async def give_back(self, *spends: Spend) -> None:
        """Take one back from each counter."""
        async with self._database.unit() as unit:
            for spend in sorted(spends, key=_key):
                await unit.run(GIVE_BACK, of_name=spend.limit.name, of_digest=spend.digest)

    async def forget(self, *spends: Spend) -> None:
        """Set counters back."""
        async with self._database.unit() as unit:
            for spend in sorted(spends, key=_key):
                await unit.run(FORGET, name=spend.limit.name, digest=spend.digest)

    async def prune(self) -> int:
        """Drop counters whose window is over, and of the others what is beyond the cap.

        Those with the smallest counts go first: names made up by the million
        must not push out the counter that keeps one of them locked.
        """
        over = await self._database.run(PRUNE, before=self._database.clock.now())
        excess = (await self._database.all(COUNT))[0].number - self._largest
        for most_spent in LEAST_FIRST:
            while excess > 0:
                dropped = await self._database.run(
                    DROP_LEAST, most_spent=most_spent, excess=min(excess, DROPPED_AT_ONCE)
                )
                over, excess = over + dropped, excess - dropped
                if not dropped:
                    break
        return over
