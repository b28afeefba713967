"""Tables of passkeys: credentials, the handles that name their owners, and challenges that are used up."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text

from ostiary.core.tables import metadata

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False, index=True),
    # At most 1023 bytes (WebAuthn Level 3 section 7.1): one credential has one owner.
    Column("credential_id", LargeBinary, nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("aaguid", Text, nullable=False),
    # The form in which the make was proven when it was added; `none` is the authenticator's own word.
    Column("attestation", Text, nullable=False),
    Column("transports", Text, nullable=False),
    Column("backup_eligible", Integer, nullable=False),
    Column("backed_up", Integer, nullable=False),
    Column("user_verified", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
)

passkey_users = Table(
    "passkey_users",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True),
    # 64 random bytes and nothing of the account: authenticators show it to anybody (WebAuthn Level 3 section 14.6.1).
    Column("handle", LargeBinary, nullable=False, unique=True),
)

passkey_challenges = Table(
    "passkey_challenges",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)
