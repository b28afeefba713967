"""Tables of text messages: the one number of an account, and the code that was last sent for each purpose."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

phones = Table(
    "phones",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # In E.164 form, under the account's own key: erasing the account is losing it (D12).
    Column("sealed", LargeBinary, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
)

text_codes = Table(
    "text_codes",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # Purpose is part of the key: a newer code of a purpose takes the place of the older (D10).
    Column("purpose", Text, primary_key=True),
    Column("attempt", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("guesses", Integer, nullable=False),
    Column("spent_at", BigInteger),
)
