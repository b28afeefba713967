"""Accounts that wait to be erased, and names that rest."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "account_erasures",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_erasures_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_account_erasures")),
    )
    op.create_index(op.f("ix_account_erasures_due_at"), "account_erasures", ["due_at"], unique=False)
    op.create_table(
        "resting_names",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("rests_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_resting_names")),
    )
    op.create_index(op.f("ix_resting_names_rests_until"), "resting_names", ["rests_until"], unique=False)


def downgrade() -> None:
    """Nobody goes back: who asked to be erased would be forgotten, and an older version does not mind the tables."""
