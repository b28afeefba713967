"""A bare database with a table to write to, without the rest of the house."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, insert, select, update

from ostiary.core.clock import SystemClock
from ostiary.core.db import Database, Query, driver_for
from ostiary.core.tables import counters


class Item(msgspec.Struct, frozen=True):
    name: str
    spent: int


ADD = Query(
    insert(counters).values(name=bindparam("name"), digest=b"", spent=bindparam("spent"), opened_at=0, closes_at=0)
)
ALL = Query(select(counters.c.name, counters.c.spent).order_by(counters.c.name), Item)
ONE = Query(select(counters.c.name, counters.c.spent).where(counters.c.name == bindparam("name")), Item)
SPEND = Query(
    update(counters)
    .where(counters.c.name == bindparam("of"))
    .values(spent=counters.c.spent + 1)
    .returning(counters.c.name, counters.c.spent),
    Item,
)
DROP = Query(delete(counters).where(counters.c.name == bindparam("of")))


async def opened(url: str, *, largest_pool: int = 4) -> Database:
    """Return an open database; the caller closes its driver."""
    database = Database(driver_for(url, largest_pool=largest_pool), SystemClock())
    await database.driver.open()
    return database


async def names(database: Database) -> list[str]:
    return [item.name for item in await database.all(ALL)]
