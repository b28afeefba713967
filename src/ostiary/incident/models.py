"""Tables of notices: what was told to people, and to whom it is queued already."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from ostiary.core.tables import metadata

notices = Table(
    "incident_notices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("message", Text, nullable=False),
)

receipts = Table(
    "incident_receipts",
    metadata,
    # Once for each notice and account, however often and for whatever audience the keeper asks.
    Column("notice_id", Text, ForeignKey("incident_notices.id", ondelete="CASCADE"), primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("at", BigInteger, nullable=False),
)
