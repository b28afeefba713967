"""The table of learned habits: one sealed row for each account."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

risk_baselines = Table(
    "risk_baselines",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # Under the account's own key: where somebody lives and when they wake is gone with the account (D12).
    Column("sealed", LargeBinary, nullable=False),
    Column("signins", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
