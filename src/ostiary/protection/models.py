"""Tables of what protects the house: blocked networks, browsers let in by mail, processes alive."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from ostiary.core.tables import metadata

address_blocks = Table(
    "address_blocks",
    metadata,
    Column("network", Text, primary_key=True),
    Column("bars", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
)

welcome_devices = Table(
    "welcome_devices",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("device_id", Text, primary_key=True),
    Column("welcome_until", BigInteger, nullable=False, index=True),
)

processes = Table(
    "processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("seen_at", BigInteger, nullable=False),
)
