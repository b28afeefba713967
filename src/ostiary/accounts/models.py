"""Tables of people: accounts, and claims to addresses that are not proven yet."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

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
)

# Many may claim an address, one may have proven it (D4): the database sees to that.
Index(
    "uq_accounts_proven_email",
    accounts.c.email_key,
    unique=True,
    sqlite_where=accounts.c.email_proven_at.is_not(None),
    postgresql_where=accounts.c.email_proven_at.is_not(None),
)
Index(
    "ix_accounts_lapses_at",
    accounts.c.lapses_at,
    sqlite_where=accounts.c.lapses_at.is_not(None),
    postgresql_where=accounts.c.lapses_at.is_not(None),
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
