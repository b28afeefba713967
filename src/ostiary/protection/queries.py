"""Named statements on blocks, welcome browsers and living processes."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, delete, func, or_, select

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.protection.models import address_blocks, processes, welcome_devices


class StoredBlock(msgspec.Struct, frozen=True):
    """A blocked network as stored."""

    network: str
    bars: str
    reason: str
    created_at: Millis
    expires_at: Millis | None


class DeviceId(msgspec.Struct, frozen=True):
    """A device's id alone."""

    device_id: str


class Welcome(msgspec.Struct, frozen=True):
    """A browser that an owner let in by mail, and until when."""

    device_id: str
    welcome_until: Millis


class HowMany(msgspec.Struct, frozen=True):
    """A number of rows."""

    number: int


def _put_block(insert: Insert, *, spares_longer: bool = False) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in address_blocks.columns}
    statement = insert(address_blocks).values(values)
    new, changed = statement.excluded, ("bars", "reason", "created_at", "expires_at")
    ends_sooner = address_blocks.c.expires_at < new.expires_at  # one without an end does not
    is_over = address_blocks.c.expires_at <= new.created_at
    return statement.on_conflict_do_update(
        index_elements=["network"], set_={name: new[name] for name in changed},
        where=or_(is_over, and_(ends_sooner, address_blocks.c.bars == new.bars)) if spares_longer else None,
    )  # fmt: skip


PUT_BLOCK = Query(_put_block)
PUT_BLOCK_BY_ITSELF = Query(partial(_put_block, spares_longer=True))
"""The same, but where one stands that lasts longer or bars something else: a keeper's, say."""
DROP_BLOCK = Query(delete(address_blocks).where(address_blocks.c.network == bindparam("which")))
BLOCKS = Query(
    select(address_blocks)
    .where(or_(address_blocks.c.expires_at.is_(None), address_blocks.c.expires_at > bindparam("now")))
    .order_by(address_blocks.c.expires_at.is_(None).desc(), address_blocks.c.created_at.desc())
    .limit(bindparam("most")),
    StoredBlock,
)
PRUNE_BLOCKS = Query(delete(address_blocks).where(address_blocks.c.expires_at < bindparam("before")))


def _welcome(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in welcome_devices.columns}
    statement = insert(welcome_devices).values(values)
    return statement.on_conflict_do_update(
        index_elements=["account_id", "device_id"], set_={"welcome_until": statement.excluded.welcome_until}
    )


WELCOME = Query(_welcome)
IS_WELCOME = Query(
    select(welcome_devices.c.device_id).where(
        welcome_devices.c.account_id == bindparam("account_id"),
        welcome_devices.c.device_id == bindparam("device_id"),
        welcome_devices.c.welcome_until > bindparam("now"),
    ),
    DeviceId,
)
WELCOME_OF = Query(
    select(welcome_devices.c.device_id, welcome_devices.c.welcome_until)
    .where(welcome_devices.c.account_id == bindparam("account_id"))
    .order_by(welcome_devices.c.device_id),
    Welcome,
)
FORGET_DEVICES = Query(delete(welcome_devices).where(welcome_devices.c.account_id == bindparam("of_account")))
PRUNE_WELCOME = Query(delete(welcome_devices).where(welcome_devices.c.welcome_until < bindparam("before")))


def _seen(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    statement = insert(processes).values(id=bindparam("id"), seen_at=bindparam("now"))
    return statement.on_conflict_do_update(index_elements=["id"], set_={"seen_at": statement.excluded.seen_at})


SEEN = Query(_seen)
GONE = Query(
    delete(processes).where(or_(processes.c.id == bindparam("which"), processes.c.seen_at < bindparam("before")))
)
ALIVE = Query(select(func.count().label("number")).where(processes.c.seen_at >= bindparam("since")), HowMany)
