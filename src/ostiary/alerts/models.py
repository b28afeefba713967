"""The table of alerts; nothing in it says who somebody is."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

alerts = Table(
    "alerts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("severity", Text, nullable=False),
    # No foreign key: an alert outlives the account that it tells of.
    Column("account_id", Text),
    Column("subject", LargeBinary, nullable=False),
    Column("count", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("quiet_until", BigInteger, nullable=False),
    # Kind and subject while repetitions are counted here; NULL afterwards. Unique: of many at once, one opens.
    Column("open_as", LargeBinary, unique=True),
)
