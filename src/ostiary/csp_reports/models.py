"""The table of reported violations of a content policy: one row for each group of like ones."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from ostiary.core.tables import metadata

csp_reports = Table(
    "csp_reports",
    metadata,
    # A digest of what makes the group: reports of two processes meet in one row.
    Column("id", Text, primary_key=True),
    Column("directive", Text, nullable=False),
    Column("blocked", Text, nullable=False),
    Column("page", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("disposition", Text, nullable=False),
    Column("sample", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_seen_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Index("ix_csp_reports_last_seen_at", "last_seen_at", "id"),
)
