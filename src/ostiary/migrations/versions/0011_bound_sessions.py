"""The key of the device that a session is bound to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("device_key", sa.Text(), nullable=True))
    op.add_column("sessions", sa.Column("bound_at", sa.BigInteger(), nullable=True))
    op.add_column("sessions", sa.Column("proven_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Nobody goes back: bound sessions would go on unbound, and an older version does not mind the columns."""
