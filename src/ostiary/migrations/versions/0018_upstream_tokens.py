"""Tokens that providers have given, sealed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "upstream_tokens",
        sa.Column("connection_id", sa.Text(), nullable=False),
        sa.Column("access", sa.LargeBinary(), nullable=False),
        sa.Column("refresh", sa.LargeBinary(), nullable=True),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("claimed_until", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["federated_identities.id"],
            name=op.f("fk_upstream_tokens_connection_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("connection_id", name=op.f("pk_upstream_tokens")),
    )


def downgrade() -> None:
    """Nobody goes back: people would have to connect anew, and an older version does not mind the table."""
