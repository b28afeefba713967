"""The table of API keys."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text

from ostiary.core.tables import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    # Of the account when the key was made: whatever ended everything since ended this, too (D13).
    Column("account_epoch", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("prefix", Text, nullable=False),
    # Parted by spaces.
    Column("scopes", Text, nullable=False),
    Column("networks", Text, nullable=False),
    # Raised by each rotation, of which the database picks one winner (D10).
    Column("generation", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("previous_digest", Text),
    Column("previous_ends_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("rotated_at", BigInteger),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)
