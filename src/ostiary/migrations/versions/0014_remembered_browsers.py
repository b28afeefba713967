"""Browsers that need not show a second factor again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remembered_browsers",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Text(), nullable=False),
        sa.Column("standing", sa.Text(), nullable=False),
        sa.Column("remembered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_remembered_browsers_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "device_id", name=op.f("pk_remembered_browsers")),
    )
    op.create_index(op.f("ix_remembered_browsers_remembered_at"), "remembered_browsers", ["remembered_at"])


def downgrade() -> None:
    """Nobody goes back: an older version does not mind the table."""
