"""Named statements on passkeys."""

from __future__ import annotations

import msgspec
from sqlalchemy import and_, bindparam, delete, func, insert, literal, or_, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.passkeys.models import passkey_challenges, passkey_users, passkeys
from ostiary.sessions import HeldFactor


class Passkey(msgspec.Struct, frozen=True):
    """A credential that opens an account.

    Attributes:
        credential_id: The authenticator's name for it, at most 1023 bytes.
        public_key: COSE_Key (RFC 9052 section 7), with nothing but what its algorithm needs.
        sign_count: The last that the authenticator showed; 0 where it does not count.
        aaguid: Make of the authenticator; zeros where it does not say.
        attestation: How that was proven: `packed` by a trusted maker's statement, `none` not at all.
        transports: How browsers reach it, parted by spaces.
        backup_eligible: Whether it can be synchronised; never changes.
        backed_up: Whether it was, the last time.
        name: The owner's word for it.
    """

    id: str
    account_id: str
    credential_id: bytes
    public_key: bytes
    sign_count: int
    aaguid: str
    attestation: str
    transports: str
    backup_eligible: bool
    backed_up: bool
    user_verified: bool
    name: str
    created_at: Millis
    last_used_at: Millis | None


class Handle(msgspec.Struct, frozen=True):
    """The name by which authenticators know an account."""

    handle: bytes


class Number(msgspec.Struct, frozen=True):
    """How many there are."""

    number: int


ADD = Query(insert(passkeys).values({column.name: bindparam(column.name) for column in passkeys.columns}))

BY_CREDENTIAL = Query(select(passkeys).where(passkeys.c.credential_id == bindparam("credential_id")), Passkey)

OF_ACCOUNT = Query(
    select(passkeys)
    .where(passkeys.c.account_id == bindparam("account_id"))
    .order_by(passkeys.c.created_at, passkeys.c.id),
    Passkey,
)

OWN = Query(
    select(passkeys).where(passkeys.c.id == bindparam("passkey_id"), passkeys.c.account_id == bindparam("account_id")),
    Passkey,
)

HELD = Query(
    select(literal("passkey").label("method"), passkeys.c.id.label("mark"), passkeys.c.created_at.label("since")).where(
        passkeys.c.account_id == bindparam("account_id")
    ),
    HeldFactor,
)

COUNT = Query(
    select(func.count().label("number")).select_from(passkeys).where(passkeys.c.account_id == bindparam("account_id")),
    Number,
)

CONFIRM = Query(
    update(passkeys)
    .where(
        passkeys.c.id == bindparam("passkey_id"),
        # WebAuthn Level 3 section 7.2: greater than the stored one, unless neither counts. The database compares.
        or_(
            passkeys.c.sign_count < bindparam("shown"),
            and_(passkeys.c.sign_count == 0, bindparam("shown_too") == 0),
        ),
    )
    .values(sign_count=bindparam("becomes"), backed_up=bindparam("now_backed_up"), last_used_at=bindparam("now"))
)

RENAME = Query(
    update(passkeys)
    .where(passkeys.c.id == bindparam("passkey_id"), passkeys.c.account_id == bindparam("of_account"))
    .values(name=bindparam("becomes"))
)

REMOVE = Query(
    delete(passkeys).where(passkeys.c.id == bindparam("passkey_id"), passkeys.c.account_id == bindparam("of_account"))
)

REMOVE_ALL = Query(delete(passkeys).where(passkeys.c.account_id == bindparam("of_account")))

NAME_OWNER = Query(
    lambda insert: (
        insert(passkey_users)
        .values(account_id=bindparam("account_id"), handle=bindparam("handle"))
        .on_conflict_do_nothing()
    )
)

HANDLE = Query(select(passkey_users.c.handle).where(passkey_users.c.account_id == bindparam("account_id")), Handle)

FORGET_OWNER = Query(delete(passkey_users).where(passkey_users.c.account_id == bindparam("of_account")))

SPEND = Query(
    lambda insert: (
        insert(passkey_challenges)
        .values(digest=bindparam("digest"), expires_at=bindparam("expires_at"))
        .on_conflict_do_nothing()
    )
)
"""Uses a challenge up; of two that do, the database lets one (D10)."""

PRUNE = Query(delete(passkey_challenges).where(passkey_challenges.c.expires_at < bindparam("before")))
