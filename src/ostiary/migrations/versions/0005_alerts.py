"""Alerts that were raised, and notices to people after an incident."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("subject", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("quiet_until", sa.BigInteger(), nullable=False),
        sa.Column("open_as", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("open_as", name=op.f("uq_alerts_open_as")),
    )
    op.create_index(op.f("ix_alerts_at"), "alerts", ["at"], unique=False)
    op.create_table(
        "incident_notices",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_notices")),
    )
    op.create_table(
        "incident_receipts",
        sa.Column("notice_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_incident_receipts_account_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["incident_notices.id"], name=op.f("fk_incident_receipts_notice_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("notice_id", "account_id", name=op.f("pk_incident_receipts")),
    )
    op.create_index(op.f("ix_incident_receipts_account_id"), "incident_receipts", ["account_id"], unique=False)


def downgrade() -> None:
    """Nothing reads these tables before this version, so they may stay."""
