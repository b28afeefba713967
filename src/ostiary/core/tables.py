"""The tables that every room stands on, and the metadata that all tables join."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = MetaData(naming_convention=NAMES)

# BigInteger would not become SQLite's rowid, which is what a queue wants there.
Sequence = BigInteger().with_variant(Integer(), "sqlite")

journal = Table(
    "journal",
    metadata,
    Column("strand", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("action", Text, nullable=False),
    # No foreign keys: the journal outlives what it tells of.
    Column("account_id", Text),
    Column("session_id", Text),
    Column("request_id", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("sealed", LargeBinary),
    Column("chain", LargeBinary, nullable=False),
    Index("ix_journal_account_id_at", "account_id", "at"),
    Index("ix_journal_at", "at"),
)

journal_strands = Table(
    "journal_strands",
    metadata,
    Column("strand", Integer, primary_key=True, autoincrement=False),
    Column("entries", BigInteger, nullable=False),
    Column("head", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

account_keys = Table(
    "account_keys",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Text, primary_key=True),
    Column("job", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("run_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
    Column("failed_at", BigInteger),
    Column("last_error", Text),
    Index("ix_outbox_run_at", "run_at"),
)

signals = Table(
    "signals",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_signals_at", "at"),
    sqlite_autoincrement=True,
)

onetime_tokens = Table(
    "onetime_tokens",
    metadata,
    # Purpose is part of the key: a token of one purpose is not there for another (D10).
    Column("purpose", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("subject", Text, nullable=False),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("spent_at", BigInteger),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("spent", Integer, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("closes_at", BigInteger, nullable=False, index=True),
)
