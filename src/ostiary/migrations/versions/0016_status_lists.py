"""Numbers of sessions, which are their places in status lists."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("number", sa.BigInteger(), nullable=True))
    op.create_table(
        "session_numbers",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False, autoincrement=True),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_session_numbers")),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    """Nobody goes back: an older version does not mind the column, and gives no numbers."""
