"""What the journal keeps beside its entries: signed checkpoints, and where a strand begins."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

journal_checkpoints = Table(
    "journal_checkpoints",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("jws", Text, nullable=False),
)

journal_bases = Table(
    "journal_bases",
    metadata,
    Column("strand", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("chain", LargeBinary, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)
