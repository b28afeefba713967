"""Table of sign-in links: who asked for one, and the digest of its code. The link itself is a single-use token."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, LargeBinary, Table, Text

from ostiary.core.tables import metadata

magic_links = Table(
    "magic_links",
    metadata,
    # The id in the cookie of the browser that asked; a name, and worth nothing without the cookie's MAC.
    Column("asked", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("code_digest", LargeBinary, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("agent", Text, nullable=False),
    Column("address", Text),
)
