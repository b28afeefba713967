"""Named statements on reports."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, or_, select

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.csp_reports.models import csp_reports


class Group(msgspec.Struct, frozen=True):
    """Reports that are alike, counted.

    Attributes:
        count: How many were counted; what the limits turned away is not.
        sample: The first one that was told.
    """

    id: str
    directive: str
    blocked: str
    page: str
    source: str
    disposition: str
    sample: str
    count: int
    first_seen_at: Millis
    last_seen_at: Millis


FIELDS = Group.__struct_fields__


@cache
def count(number_of_groups: int) -> Query[Any]:
    """Return the statement that counts reports of so many different groups at once."""

    def build(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
        statement = insert(csp_reports).values(
            [{name: bindparam(f"{name}_{place}") for name in FIELDS} for place in range(number_of_groups)]
        )
        return statement.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "count": csp_reports.c.count + statement.excluded.count,
                "last_seen_at": statement.excluded.last_seen_at,
            },
        )

    return Query(build)


MAKE_ROOM = Query(
    delete(csp_reports).where(
        csp_reports.c.id.in_(
            select(csp_reports.c.id)
            .order_by(csp_reports.c.last_seen_at.desc(), csp_reports.c.id)
            .offset(bindparam("most"))
        )
    )
)
"""Whoever was seen least recently goes (R18: what strangers can make us keep is bounded)."""

LISTED = Query(
    select(csp_reports)
    .where(
        or_(
            csp_reports.c.last_seen_at < bindparam("seen_at"),
            (csp_reports.c.last_seen_at == bindparam("seen_at")) & (csp_reports.c.id > bindparam("after_id")),
        )
    )
    .order_by(csp_reports.c.last_seen_at.desc(), csp_reports.c.id)
    .limit(bindparam("most")),
    Group,
)

CLEAR = Query(delete(csp_reports))
