"""Named statements on providers, transactions and identities."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select, update

from ostiary.core.clock import Millis
from ostiary.core.db import Query
from ostiary.federation.models import (
    federated_identities,
    federation_providers,
    federation_transactions,
    upstream_tokens,
)

# --- Providers


class StoredProvider(msgspec.Struct, frozen=True):
    """A provider that the keeper has set up by command or API."""

    slug: str
    settings: str
    sealed: bytes
    created_at: Millis
    changed_at: Millis


PROVIDERS = Query(select(federation_providers).order_by(federation_providers.c.slug), StoredProvider)

PROVIDER = Query(select(federation_providers).where(federation_providers.c.slug == bindparam("slug")), StoredProvider)

ADD_PROVIDER = Query(
    insert(federation_providers).values(
        {column.name: bindparam(column.name) for column in federation_providers.columns}
    )
)

CHANGE_PROVIDER = Query(
    update(federation_providers)
    .where(federation_providers.c.slug == bindparam("at_slug"))
    .values(settings=bindparam("told"), sealed=bindparam("kept"), changed_at=bindparam("now"))
)

REMOVE_PROVIDER = Query(delete(federation_providers).where(federation_providers.c.slug == bindparam("at_slug")))

# --- Transactions


class Begun(msgspec.Struct, frozen=True):
    """A sign-in under way at a provider."""

    id: str
    provider: str
    browser: bytes
    purpose: str
    account_id: str | None
    session_id: str | None
    sealed: bytes
    expires_at: Millis
    spent_at: Millis | None


_TOLD = [getattr(federation_transactions.c, name) for name in Begun.__struct_fields__]

BEGIN = Query(
    insert(federation_transactions).values(
        {column.name: bindparam(column.name) for column in federation_transactions.columns}
    )
)

SPEND = Query(
    update(federation_transactions)
    .where(
        federation_transactions.c.digest == bindparam("presented"),
        federation_transactions.c.provider == bindparam("at_provider"),
        federation_transactions.c.browser == bindparam("by_browser"),
        federation_transactions.c.spent_at.is_(None),  # of a thousand callbacks the database picks one
        federation_transactions.c.expires_at > bindparam("now"),
    )
    .values(spent_at=bindparam("now"))
    .returning(*_TOLD),
    Begun,
)

LOOK = Query(select(*_TOLD).where(federation_transactions.c.digest == bindparam("digest")), Begun)

PRUNE = Query(delete(federation_transactions).where(federation_transactions.c.expires_at < bindparam("before")))

# --- Identities


class Connection(msgspec.Struct, frozen=True):
    """An identity elsewhere that opens an account here.

    Attributes:
        email: The provider's word for its user's address; it opens nothing here.
        email_verified: Whether the provider says that it has seen that it is theirs.
        name: What its user is called there.
    """

    id: str
    account_id: str
    provider: str
    issuer: str
    subject: str
    email: str | None
    email_verified: bool
    name: str
    linked_at: Millis
    last_used_at: Millis | None


class Number(msgspec.Struct, frozen=True):
    """How many there are."""

    number: int


ADD = Query(
    insert(federated_identities).values(
        {column.name: bindparam(column.name) for column in federated_identities.columns}
    )
)

BY_SUBJECT = Query(
    select(federated_identities).where(
        federated_identities.c.issuer == bindparam("issuer"), federated_identities.c.subject == bindparam("subject")
    ),
    Connection,
)

AT_PROVIDER = Query(
    select(federated_identities).where(
        federated_identities.c.account_id == bindparam("account_id"),
        federated_identities.c.provider == bindparam("provider"),
    ),
    Connection,
)

OF_ACCOUNT = Query(
    select(federated_identities)
    .where(federated_identities.c.account_id == bindparam("account_id"))
    .order_by(federated_identities.c.linked_at, federated_identities.c.id),
    Connection,
)

OWN = Query(
    select(federated_identities).where(
        federated_identities.c.id == bindparam("connection_id"),
        federated_identities.c.account_id == bindparam("account_id"),
    ),
    Connection,
)

COUNT = Query(
    select(func.count().label("number"))
    .select_from(federated_identities)
    .where(federated_identities.c.account_id == bindparam("account_id")),
    Number,
)

USE = Query(
    update(federated_identities)
    .where(
        federated_identities.c.id == bindparam("connection_id"),
        federated_identities.c.account_id == bindparam("of_account"),
    )
    .values(
        email=bindparam("told_email"), email_verified=bindparam("told_verified"), name=bindparam("told_name"),
        last_used_at=bindparam("now"),
    )
)  # fmt: skip
"""Of a connection that was removed at the same moment no row is left, and nobody is let in by it."""

REMOVE = Query(
    delete(federated_identities).where(
        federated_identities.c.id == bindparam("connection_id"),
        federated_identities.c.account_id == bindparam("of_account"),
    )
)

REMOVE_ALL = Query(delete(federated_identities).where(federated_identities.c.account_id == bindparam("of_account")))

# --- Tokens


class Access(msgspec.Struct, frozen=True):
    """Tokens of a connection, sealed."""

    connection_id: str
    access: bytes
    refresh: bytes | None
    scopes: str
    expires_at: Millis | None
    stored_at: Millis
    version: int
    claimed_until: Millis
    ended_at: Millis | None
    account_id: str
    provider: str


_ACCESS = select(upstream_tokens, federated_identities.c.account_id, federated_identities.c.provider).join(
    federated_identities, federated_identities.c.id == upstream_tokens.c.connection_id
)

ACCESS = Query(_ACCESS.where(upstream_tokens.c.connection_id == bindparam("connection_id")), Access)

ACCESS_AT = Query(
    _ACCESS.where(
        federated_identities.c.account_id == bindparam("account_id"),
        federated_identities.c.provider == bindparam("provider"),
    ),
    Access,
)

ACCESS_OF_ACCOUNT = Query(_ACCESS.where(federated_identities.c.account_id == bindparam("account_id")), Access)

ACCESS_PAGE = Query(
    _ACCESS.where(upstream_tokens.c.connection_id > bindparam("after"))
    .order_by(upstream_tokens.c.connection_id)
    .limit(bindparam("most")),
    Access,
)

_GIVEN = ("access", "refresh", "scopes", "expires_at", "stored_at")

KEEP = Query(
    lambda insert: (
        insert(upstream_tokens)
        .values(
            connection_id=bindparam("connection_id"), version=1, claimed_until=0, ended_at=None,
            **{name: bindparam(name) for name in _GIVEN},
        )
        .on_conflict_do_update(
            index_elements=["connection_id"],
            set_={
                **{name: bindparam(name) for name in _GIVEN},
                "version": upstream_tokens.c.version + 1, "claimed_until": 0, "ended_at": None,
            },
        )
    )
)  # fmt: skip

CLAIM_ACCESS = Query(
    update(upstream_tokens)
    .where(
        upstream_tokens.c.connection_id == bindparam("at_connection"),
        upstream_tokens.c.version == bindparam("seen"),
        upstream_tokens.c.claimed_until <= bindparam("now"),  # of many processes the database picks one
        upstream_tokens.c.ended_at.is_(None),
    )
    .values(claimed_until=bindparam("until"))
)

LET_GO = Query(
    update(upstream_tokens)
    .where(
        upstream_tokens.c.connection_id == bindparam("at_connection"),
        upstream_tokens.c.claimed_until == bindparam("claimed"),
    )
    .values(claimed_until=0)
)

RENEW = Query(
    update(upstream_tokens)
    .where(
        upstream_tokens.c.connection_id == bindparam("at_connection"),
        upstream_tokens.c.version == bindparam("seen"),
        upstream_tokens.c.claimed_until == bindparam("claimed"),
    )
    .values(
        version=upstream_tokens.c.version + 1, claimed_until=0,
        **{name: bindparam(f"new_{name}") for name in _GIVEN},
    )
)  # fmt: skip

END_ACCESS = Query(
    update(upstream_tokens)
    .where(
        upstream_tokens.c.connection_id == bindparam("at_connection"),
        upstream_tokens.c.version == bindparam("seen"),
        upstream_tokens.c.ended_at.is_(None),
    )
    .values(ended_at=bindparam("now"), claimed_until=0)
)

RESEAL = Query(
    update(upstream_tokens)
    .where(
        upstream_tokens.c.connection_id == bindparam("at_connection"),
        upstream_tokens.c.version == bindparam("seen"),  # renewed meanwhile: sealed under the current key already
    )
    .values(access=bindparam("new_access"), refresh=bindparam("new_refresh"))
)
