"""The language in which letters come to an account."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Null for everybody who is there: nobody was asked, and the request that causes a letter decides as before.
    op.add_column("accounts", sa.Column("language", sa.Text(), nullable=True))


def downgrade() -> None:
    """Nobody goes back: an older version does not mind the column, and a choice would be lost."""
