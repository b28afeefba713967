"""The table of the front desk: browsers that need not show a second factor again."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from ostiary.core.tables import metadata

remembered_browsers = Table(
    "remembered_browsers",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("device_id", Text, primary_key=True),
    # What must not have changed since: epoch, password, second factors. Compared, so that nobody has to tell us.
    Column("standing", Text, nullable=False),
    Column("remembered_at", BigInteger, nullable=False, index=True),
)
