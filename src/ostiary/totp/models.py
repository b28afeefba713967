"""Tables of authenticator apps: the one that an account has, and the one that it is about to have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

totp_authenticators = Table(
    "totp_authenticators",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # New with each secret: a proof of the former one is none of the present one.
    Column("id", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # RFC 6238 section 5.2: no step is accepted twice, nor any before it.
    Column("last_step", BigInteger, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
)

totp_enrolments = Table(
    "totp_enrolments",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, nullable=False),
    # Who began may finish, and nobody else: this session, and before anything ended everything (D13).
    Column("session_id", Text, nullable=False),
    Column("account_epoch", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
