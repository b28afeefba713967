"""Named statements on sessions."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, case, delete, func, insert, or_, select, update

from ostiary.accounts import describe_agent
from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.sessions.models import session_numbers, sessions


class Session(msgspec.Struct, frozen=True):
    """A signed-in device.

    Attributes:
        generation: Which refresh token is the current one; the only trace of all of them (D2).
        refreshed_by: Device cookie of whoever advanced the generation last, if they showed one.
        agent: The User-Agent header of the sign-in, as sent.
        methods: How the person proved who they are, parted by spaces (RFC 8176 `amr`).
        device_key: The public key that the session is bound to, as a JWK; None where no browser has registered one.
        bound_at: Since when.
        number: Its place in the status lists; None where tokens do not name one.
        proven_at: Time of the youngest challenge that its device has answered: none older counts any more.
    """

    id: str
    account_id: str
    account_epoch: int
    generation: int
    refreshed_at: Millis
    refreshed_by: str | None
    started_at: Millis
    authenticated_at: Millis
    methods: str
    seen_at: Millis
    idle_ends_at: Millis
    ends_at: Millis
    ended_at: Millis | None
    end_reason: str | None
    device_id: str | None
    address: str | None
    agent: str
    device_key: str | None = None
    bound_at: Millis | None = None
    proven_at: Millis | None = None
    number: int | None = None

    @property
    def device(self) -> str:
        """The browser or program in a few words, for its owner."""
        return describe_agent(self.agent)

    def lives(self, now: Millis) -> bool:
        """Return whether this session was neither ended nor outlived."""
        return self.ended_at is None and now < self.idle_ends_at and now < self.ends_at


class SessionId(msgspec.Struct, frozen=True):
    """A session's id alone."""

    id: str


class Number(msgspec.Struct, frozen=True):
    """A session's place in the status lists, if it has one."""

    number: int | None


class Ended(msgspec.Struct, frozen=True):
    """A session that has just been ended."""

    id: str
    number: int | None


class Owned(msgspec.Struct, frozen=True):
    """A session that has just been ended, and whose it was."""

    id: str
    account_id: str
    number: int | None


class LastId(msgspec.Struct, frozen=True):
    """The last id of a batch, or None."""

    id: str | None


class AccountId(msgspec.Struct, frozen=True):
    """An account's id alone."""

    account_id: str


START = Query(insert(sessions).values({column.name: bindparam(column.name) for column in sessions.columns}))

BY_ID = Query(select(sessions).where(sessions.c.id == bindparam("session_id")), Session)

_ALIVE = (
    sessions.c.ended_at.is_(None),
    sessions.c.idle_ends_at > bindparam("now"),
    sessions.c.ends_at > bindparam("now"),
)

# A session that is bound goes on at its device alone; `bound_after` lets those by that are known to be there, or were
# on their way when it was bound.
_AT_ITS_DEVICE = or_(sessions.c.bound_at.is_(None), sessions.c.bound_at > bindparam("bound_after"))

_IDLE_END = case((sessions.c.ends_at < bindparam("idle_ends_at"), sessions.c.ends_at), else_=bindparam("idle_ends_at"))

ADVANCE = Query(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.generation == bindparam("presented"),  # the database picks one winner (D10)
        *_ALIVE,
        _AT_ITS_DEVICE,
    )
    .values(
        generation=sessions.c.generation + 1, refreshed_at=bindparam("now"), refreshed_by=bindparam("device"),
        seen_at=bindparam("now"), idle_ends_at=_IDLE_END,
    )
    .returning(*sessions.columns),
    Session,
)  # fmt: skip

RESUME = Query(
    update(sessions)
    .where(sessions.c.id == bindparam("session_id"), *_ALIVE, _AT_ITS_DEVICE)
    .values(seen_at=bindparam("now"), idle_ends_at=_IDLE_END)
    .returning(*sessions.columns),
    Session,
)

RECHECKED = Query(
    update(sessions)
    .where(sessions.c.id == bindparam("session_id"), *_ALIVE)
    .values(
        authenticated_at=case(
            (sessions.c.methods == bindparam("by"), bindparam("now")), else_=sessions.c.authenticated_at
        )
    )
    .returning(*sessions.columns),
    Session,
)
"""Of what was shown with more than this, one part shown again says nothing of the rest."""

STEP_UP = Query(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.account_id == bindparam("of_account"),
        sessions.c.account_epoch == bindparam("epoch"),
        *_ALIVE,
    )
    .values(
        # ASVS 7.2.4: whoever proves anew who they are gets tokens anew; the last one is a racing tab's, or a thief's.
        generation=sessions.c.generation + 1, refreshed_at=bindparam("now"), refreshed_by=bindparam("device"),
        authenticated_at=bindparam("now"), methods=bindparam("methods"), seen_at=bindparam("now"),
        idle_ends_at=_IDLE_END,
    )
    .returning(*sessions.columns),
    Session,
)  # fmt: skip

BIND = Query(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.bound_at.is_(None),  # once, and by whoever comes first (D10)
        *_ALIVE,
    )
    .values(device_key=bindparam("key"), bound_at=bindparam("now"), proven_at=bindparam("now"))
    .returning(*sessions.columns),
    Session,
)

PROVE = Query(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.proven_at < bindparam("challenged_at"),  # once, and no older one after it (D10)
        *_ALIVE,
    )
    .values(proven_at=bindparam("challenged_at"))
    .returning(*sessions.columns),
    Session,
)

HAS_ANY = Query(select(sessions.c.id).where(sessions.c.account_id == bindparam("account_id")).limit(1), SessionId)

KNOWS_DEVICE = Query(
    select(sessions.c.id)
    .where(sessions.c.account_id == bindparam("account_id"), sessions.c.device_id == bindparam("device_id"))
    .limit(1),
    SessionId,
)

FORGET_DEVICES = Query(update(sessions).where(sessions.c.account_id == bindparam("of_account")).values(device_id=None))

END = Query(
    update(sessions)
    .where(
        sessions.c.id == bindparam("session_id"),
        sessions.c.account_id == bindparam("of_account"),
        sessions.c.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"))
    .returning(sessions.c.number),
    Number,
)

END_OTHERS = Query(
    update(sessions)
    .where(
        sessions.c.account_id == bindparam("of_account"),
        sessions.c.id != bindparam("keep"),
        sessions.c.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"))
    .returning(sessions.c.id, sessions.c.number),
    Ended,
)

_BATCH = (
    select(sessions.c.id)
    .where(sessions.c.id > bindparam("after"), sessions.c.started_at <= bindparam("until"), *_ALIVE)
    .order_by(sessions.c.id)
    .limit(bindparam("most"))
    .subquery("batch")
)
BATCH_END = Query(select(func.max(_BATCH.c.id).label("id")), LastId)
END_BATCH = Query(
    update(sessions)
    .where(
        sessions.c.id > bindparam("after"),
        sessions.c.id <= bindparam("last"),
        sessions.c.started_at <= bindparam("until"),
        *_ALIVE,
    )
    .values(ended_at=bindparam("now"), end_reason=bindparam("reason"))
    .returning(sessions.c.id, sessions.c.account_id, sessions.c.number),
    Owned,
)

USED_SINCE = Query(
    select(sessions.c.account_id)
    .where(sessions.c.seen_at >= bindparam("since"), sessions.c.account_id > bindparam("after"))
    .distinct()
    .order_by(sessions.c.account_id)
    .limit(bindparam("most")),
    AccountId,
)

LIVING = Query(
    select(sessions)
    .where(sessions.c.account_id == bindparam("account_id"), *_ALIVE)
    .order_by(sessions.c.seen_at.desc(), sessions.c.id)
    .limit(200),
    Session,
)

OF_ACCOUNT = Query(
    select(sessions)
    .where(sessions.c.account_id == bindparam("account_id"), sessions.c.id > bindparam("after"))
    .order_by(sessions.c.id)
    .limit(bindparam("most")),
    Session,
)

GIVE_NUMBER = Query(
    insert(session_numbers).values(given_at=bindparam("now")).returning(session_numbers.c.number), Number
)
LAST_NUMBER = Query(select(func.max(session_numbers.c.number).label("number")), Number)
_LAST = select(func.max(session_numbers.c.number)).scalar_subquery()
FORGET_NUMBERS = Query(delete(session_numbers).where(session_numbers.c.number < _LAST))  # it says how far they go
LEFT_BEHIND = Query(
    select(sessions.c.number).where(
        sessions.c.account_id == bindparam("account_id"),
        sessions.c.account_epoch != bindparam("epoch"),
        sessions.c.number.is_not(None),
        *_ALIVE,
    ),
    Number,
)

PRUNE = Query(delete(sessions).where(sessions.c.ends_at < bindparam("before")))
