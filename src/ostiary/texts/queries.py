"""Named statements on telephone numbers and the codes that are sent to them."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Text, bindparam, cast, delete, literal, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Insert, Query
from ostiary.sessions import HeldFactor
from ostiary.texts.models import phones, text_codes

MOST_GUESSES = 5


class Phone(msgspec.Struct, frozen=True):
    """The number of an account, sealed under its own key."""

    account_id: str
    sealed: bytes
    added_at: Millis
    last_used_at: Millis | None


class SentCode(msgspec.Struct, frozen=True):
    """A code that was sent.

    Attributes:
        attempt: Digest of what it is bound to: the session that adds the number, or the attempt to sign in.
        digest: Keyed digest of the code.
        sealed: The number it went to.
    """

    account_id: str
    purpose: str
    attempt: bytes
    digest: bytes
    sealed: bytes
    sent_at: Millis
    expires_at: Millis
    guesses: int
    spent_at: Millis | None


class Guessed(msgspec.Struct, frozen=True):
    """What a guess is compared with, after it was counted."""

    digest: bytes
    sealed: bytes


def _put_code(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    statement = insert(text_codes).values({column.name: bindparam(column.name) for column in text_codes.columns})
    changed = {c.name: statement.excluded[c.name] for c in text_codes.columns if not c.primary_key}
    return statement.on_conflict_do_update(index_elements=["account_id", "purpose"], set_=changed)


def _put_phone(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    statement = insert(phones).values({column.name: bindparam(column.name) for column in phones.columns})
    changed = {c.name: statement.excluded[c.name] for c in phones.columns if not c.primary_key}
    return statement.on_conflict_do_update(index_elements=["account_id"], set_=changed)


PUT_CODE = Query(_put_code)
"""A newer code of a purpose takes the place of the older."""

GUESS = Query(
    update(text_codes)
    .where(
        text_codes.c.account_id == bindparam("of_account"),
        text_codes.c.purpose == bindparam("for_purpose"),
        text_codes.c.attempt == bindparam("of_attempt"),
        text_codes.c.spent_at.is_(None),
        text_codes.c.expires_at > bindparam("now"),
        text_codes.c.guesses < MOST_GUESSES,  # counted before it is compared: of a hundred at once five are
    )
    .values(guesses=text_codes.c.guesses + 1)
    .returning(text_codes.c.digest, text_codes.c.sealed),
    Guessed,
)

SPEND = Query(
    update(text_codes)
    .where(
        text_codes.c.account_id == bindparam("of_account"),
        text_codes.c.purpose == bindparam("for_purpose"),
        text_codes.c.attempt == bindparam("of_attempt"),
        text_codes.c.digest == bindparam("matched"),
        text_codes.c.spent_at.is_(None),  # the database picks one winner
        text_codes.c.expires_at > bindparam("now"),
    )
    .values(spent_at=bindparam("now"))
)

PENDING = Query(
    select(text_codes).where(
        text_codes.c.account_id == bindparam("account_id"),
        text_codes.c.purpose == bindparam("purpose"),
        text_codes.c.attempt == bindparam("attempt"),
        text_codes.c.spent_at.is_(None),
        text_codes.c.expires_at > bindparam("now"),
    ),
    SentCode,
)

CODES_OF = Query(
    select(text_codes).where(text_codes.c.account_id == bindparam("account_id")).order_by(text_codes.c.purpose),
    SentCode,
)

DROP_CODES = Query(delete(text_codes).where(text_codes.c.account_id == bindparam("of_account")))

HELD = Query(
    # Two numbers of one account are never of one moment: the later takes the place of the earlier.
    select(
        literal("sms").label("method"), cast(phones.c.added_at, Text).label("mark"), phones.c.added_at.label("since")
    ).where(phones.c.account_id == bindparam("account_id")),
    HeldFactor,
)

PHONE_OF = Query(select(phones).where(phones.c.account_id == bindparam("account_id")), Phone)

PUT_PHONE = Query(_put_phone)

USED = Query(update(phones).where(phones.c.account_id == bindparam("of_account")).values(last_used_at=bindparam("now")))

REMOVE = Query(
    delete(phones)
    .where(phones.c.account_id == bindparam("of_account"), phones.c.added_at >= bindparam("since"))
    .returning(phones.c.account_id, phones.c.sealed, phones.c.added_at, phones.c.last_used_at),
    Phone,
)

PRUNE = Query(delete(text_codes).where(text_codes.c.expires_at < bindparam("before")))
