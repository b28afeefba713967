"""The table of sessions: one row for each signed-in device (D1)."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, Text

from ostiary.core.tables import Sequence, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("account_epoch", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("refreshed_at", BigInteger, nullable=False),
    Column("refreshed_by", Text),
    Column("started_at", BigInteger, nullable=False),
    Column("authenticated_at", BigInteger, nullable=False),
    Column("methods", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("idle_ends_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False, index=True),
    Column("ended_at", BigInteger),
    Column("end_reason", Text),
    Column("device_id", Text),
    Column("address", Text),
    Column("agent", Text, nullable=False),
    Column("device_key", Text),
    Column("bound_at", BigInteger),
    Column("proven_at", BigInteger),
    Column("number", BigInteger),
)

# Where sessions get their numbers from: each is given once, in no transaction's way. A row is of no use afterwards.
session_numbers = Table(
    "session_numbers",
    metadata,
    Column("number", Sequence, primary_key=True, autoincrement=True),
    Column("given_at", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
