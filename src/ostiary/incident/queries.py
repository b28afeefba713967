"""Named statements on notices."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.incident.models import notices, receipts


class Notice(msgspec.Struct, frozen=True):
    """What people are told."""

    id: str
    message: str


class Received(msgspec.Struct, frozen=True):
    """A notice that was queued to an account."""

    id: str
    noticed_at: Millis
    message: str
    queued_at: Millis


RECEIVED = Query(
    select(notices.c.id, notices.c.at.label("noticed_at"), notices.c.message, receipts.c.at.label("queued_at"))
    .join(receipts, receipts.c.notice_id == notices.c.id)
    .where(receipts.c.account_id == bindparam("account_id"))
    .order_by(receipts.c.at, notices.c.id),
    Received,
)


def _keep(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in notices.columns}
    return insert(notices).values(values).on_conflict_do_nothing(index_elements=["id"])


def _owe(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in receipts.columns}
    return insert(receipts).values(values).on_conflict_do_nothing(index_elements=["notice_id", "account_id"])


KEEP = Query(_keep)
FIND = Query(select(notices.c.id, notices.c.message).where(notices.c.id == bindparam("notice_id")), Notice)

OWE = Query(_owe)
"""Affects a row only for the first who asks: that one queues the letter (D10)."""
