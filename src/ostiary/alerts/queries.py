"""Named statements on alerts."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, case, delete, func, literal_column, or_, select, update

from ostiary.alerts.models import alerts
from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.core.tables import counters, outbox


class Alert(msgspec.Struct, frozen=True):
    """An alert as stored.

    Attributes:
        subject: Keyed digest of what it is about.
        count: How often it was raised, the first time included.
        quiet_until: Until when repetitions are counted here.
        open_as: Kind and subject while repetitions are counted here.
    """

    id: str
    at: Millis
    kind: str
    severity: str
    account_id: str | None
    subject: bytes
    count: int
    last_at: Millis
    quiet_until: Millis
    open_as: bytes | None


class Folded(msgspec.Struct, frozen=True):
    """Which alert a raise became part of."""

    id: str


class Number(msgspec.Struct, frozen=True):
    """A count alone."""

    number: int


def _is_over(end: Any) -> Any:  # noqa: ANN401 - a column, and what is said of it
    """Say that a quiet time has passed, or was begun by a clock that was far ahead: that must silence nothing."""
    return or_(end <= bindparam("now"), end > bindparam("latest"))


CLOSE = Query(
    update(alerts)
    .where(alerts.c.open_as == bindparam("as_open"), _is_over(alerts.c.quiet_until))
    .values(open_as=None)
    .returning(alerts.c.count.label("number")),
    Number,
)


def _open(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    statement = insert(alerts).values({column.name: bindparam(column.name) for column in alerts.columns})
    return statement.on_conflict_do_update(
        index_elements=["open_as"], set_={"count": alerts.c.count + 1, "last_at": statement.excluded.last_at}
    ).returning(alerts.c.id)


OPEN = Query(_open, Folded)
"""Yields the new alert's own id, or that of the one that is open already and has counted one more."""


def _spend(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    statement = insert(counters).values(
        name=bindparam("name"), digest=bindparam("digest"), spent=1, opened_at=bindparam("now"),
        closes_at=bindparam("closes_at"),
    )  # fmt: skip
    is_over = _is_over(counters.c.closes_at)
    return statement.on_conflict_do_update(
        index_elements=["name", "digest"],
        set_={
            "spent": case((is_over, 1), else_=counters.c.spent + 1),
            "opened_at": case((is_over, statement.excluded.opened_at), else_=counters.c.opened_at),
            "closes_at": case((is_over, statement.excluded.closes_at), else_=counters.c.closes_at),
        },
    ).returning(counters.c.spent.label("number"))


SPEND = Query(_spend, Number)
"""Counts new alerts of one kind, in the transaction of the alert."""

_WAITING: Any = select(literal_column("1").label("present")).where(
    outbox.c.job == bindparam("of_job"), outbox.c.failed_at.is_(None)
)
WAITING = Query(select(func.count().label("number")).select_from(_WAITING.limit(bindparam("most")).subquery()), Number)

NEWEST = Query(
    select(alerts).where(alerts.c.at >= bindparam("since")).order_by(alerts.c.at.desc(), alerts.c.id.desc())
    .limit(bindparam("most")),
    Alert,
)  # fmt: skip

_GRAVITY = case((alerts.c.severity == "critical", 0), (alerts.c.severity == "warning", 1), else_=2)
OPEN_NOW = Query(
    select(alerts).where(alerts.c.open_as.is_not(None), alerts.c.quiet_until > bindparam("now"))
    .order_by(_GRAVITY, alerts.c.at.desc(), alerts.c.id.desc()).limit(bindparam("most")),
    Alert,
)  # fmt: skip

OF_ACCOUNT = Query(
    select(alerts).where(alerts.c.account_id == bindparam("account_id")).order_by(alerts.c.at, alerts.c.id), Alert
)

PRUNE = Query(delete(alerts).where(alerts.c.quiet_until < bindparam("before")))
