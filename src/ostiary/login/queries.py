"""Named statements on remembered browsers."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.login.models import remembered_browsers


class Browser(msgspec.Struct, frozen=True):
    """A browser that need not show a second factor again."""

    device_id: str
    standing: str
    remembered_at: Millis


def _remember(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in remembered_browsers.columns}
    statement = insert(remembered_browsers).values(values)
    return statement.on_conflict_do_update(
        index_elements=["account_id", "device_id"],
        set_={"standing": statement.excluded.standing, "remembered_at": statement.excluded.remembered_at},
    )


REMEMBER = Query(_remember)

_SHOWN = select(
    remembered_browsers.c.device_id, remembered_browsers.c.standing, remembered_browsers.c.remembered_at
).where(remembered_browsers.c.account_id == bindparam("account_id"))

FIND = Query(
    _SHOWN.where(
        remembered_browsers.c.device_id == bindparam("device_id"),
        remembered_browsers.c.remembered_at > bindparam("after"),
    ),
    Browser,
)

OF_ACCOUNT = Query(_SHOWN.order_by(remembered_browsers.c.device_id), Browser)

FORGET_ALL = Query(delete(remembered_browsers).where(remembered_browsers.c.account_id == bindparam("of_account")))

PRUNE = Query(delete(remembered_browsers).where(remembered_browsers.c.remembered_at <= bindparam("until")))
