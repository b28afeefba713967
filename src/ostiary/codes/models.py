"""The table of recovery codes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from ostiary.core.tables import metadata

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # Keyed, and of this account: a row moved to another account opens nothing there.
    Column("digest", LargeBinary, primary_key=True),
    Column("made_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)
