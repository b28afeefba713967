"""Named statements on learned habits."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.risk.models import risk_baselines


class StoredBaseline(msgspec.Struct, frozen=True):
    """Sealed habits, and the number of sign-ins that made them: their version."""

    sealed: bytes
    signins: int


class Updated(msgspec.Struct, frozen=True):
    """When habits were last learned from."""

    updated_at: Millis


FIND = Query(
    select(risk_baselines.c.sealed, risk_baselines.c.signins).where(
        risk_baselines.c.account_id == bindparam("account_id")
    ),
    StoredBaseline,
)

UPDATED_AT = Query(
    select(risk_baselines.c.updated_at).where(risk_baselines.c.account_id == bindparam("account_id")), Updated
)


def _begin(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in risk_baselines.columns}
    return insert(risk_baselines).values(values).on_conflict_do_nothing(index_elements=["account_id"])


BEGIN = Query(_begin)
"""Of two first sign-ins at one moment, one begins the habits."""

REPLACE = Query(
    update(risk_baselines)
    .where(risk_baselines.c.account_id == bindparam("of_account"), risk_baselines.c.signins == bindparam("was"))
    .values(sealed=bindparam("sealed"), signins=bindparam("becomes"), updated_at=bindparam("now"))
)
"""Only over the habits that were read: what another sign-in has just learned is never undone."""

FORGET = Query(delete(risk_baselines).where(risk_baselines.c.account_id == bindparam("account_id")))
