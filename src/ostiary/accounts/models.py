"""Tables of people: accounts, what they may do and by which roles, and claims to addresses not proven yet."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False, unique=True),
    Column("username_skeleton", Text, nullable=False, unique=True),
    Column("full_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("email_proven_at", BigInteger),
    Column("status", Text, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("lapses_at", BigInteger),
    # The one that letters come in; null is: as the request asks.
    Column("language", Text),
    # A person, or a machine: that has no password and no address, and is known by API keys alone.
    Column("kind", Text, nullable=False, server_default="person"),
)

address_claims = Table(
    "address_claims",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("email", Text, nullable=False),
    Column("email_key", Text, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),
    Column("lapses_at", BigInteger, nullable=False, index=True),
)

account_permissions = Table(
    "account_permissions",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("permission", Text, primary_key=True),
)

roles = Table(
    "roles",
    metadata,
    Column("id", Text, primary_key=True),
    # Null is: deleted. It grants nothing then, and stays for a while with who held it, so that all can hear of it.
    Column("name", Text, unique=True),
    Column("description", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
)

role_permissions = Table(
    "role_permissions",
    metadata,
    Column("role_id", Text, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Column("permission", Text, primary_key=True),
)

account_roles = Table(
    "account_roles",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", Text, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
    Column("since", BigInteger, nullable=False),
    # Who holds a role, page by page; what the key's own index cannot say.
    Index("ix_account_roles_role_id_account_id", "role_id", "account_id"),
)

account_erasures = Table(
    "account_erasures",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False, index=True),
    # What the account becomes again if it is kept.
    Column("was", Text, nullable=False),
)

resting_names = Table(
    "resting_names",
    metadata,
    # Keyed digests alone: the name of somebody who is erased is not written down.
    Column("digest", LargeBinary, primary_key=True),
    Column("rests_until", BigInteger, nullable=False, index=True),
)


def add_partial_indexes() -> None:
    """Add the indexes that hold for some rows only; for the migrations, which create them.

    Apart from the tables, because describing them loads PostgreSQL's dialect,
    which a server on SQLite never needs.
    """
    proven, lapsing = accounts.c.email_proven_at.is_not(None), accounts.c.lapses_at.is_not(None)
    # Many may claim an address, one may have proven it (D4): the database sees to that.
    Index("uq_accounts_proven_email", accounts.c.email_key, unique=True, sqlite_where=proven, postgresql_where=proven)
    Index("ix_accounts_lapses_at", accounts.c.lapses_at, sqlite_where=lapsing, postgresql_where=lapsing)
