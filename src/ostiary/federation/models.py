"""Tables of signing in elsewhere: providers, transactions under way, and who is whom."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, Table, Text, UniqueConstraint

from ostiary.core.tables import metadata

federation_providers = Table(
    "federation_providers",
    metadata,
    Column("slug", Text, primary_key=True),
    # What the keeper has set, as JSON, without secrets.
    Column("settings", Text, nullable=False),
    # The client's secret and private key, under a data key of the house.
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)

federation_transactions = Table(
    "federation_transactions",
    metadata,
    # Keyed digest of `state`: whoever reads the table can answer no provider's question with it.
    Column("digest", LargeBinary, primary_key=True),
    Column("id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("browser", LargeBinary, nullable=False),
    Column("purpose", Text, nullable=False),
    # Set where somebody signed in connects: whose act it is, and in which session.
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), index=True),
    Column("session_id", Text),
    # PKCE verifier, nonce, and where to go afterwards.
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("spent_at", BigInteger),
)

federated_identities = Table(
    "federated_identities",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id", ondelete="CASCADE"), nullable=False),
    Column("provider", Text, nullable=False),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    # The provider's word for its user; it opens nothing here.
    Column("email", Text),
    Column("email_verified", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("linked_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger),
    # One identity opens one account (OpenID Connect Core 5.7: iss and sub, and nothing else).
    UniqueConstraint("issuer", "subject"),
    UniqueConstraint("account_id", "provider"),
)

upstream_tokens = Table(
    "upstream_tokens",
    metadata,
    Column("connection_id", Text, ForeignKey("federated_identities.id", ondelete="CASCADE"), primary_key=True),
    Column("access", LargeBinary, nullable=False),
    Column("refresh", LargeBinary),
    Column("scopes", Text, nullable=False),
    Column("expires_at", BigInteger),
    Column("stored_at", BigInteger, nullable=False),
    # Raised with each renewal: whoever has seen an older one has waited for somebody else's.
    Column("version", Integer, nullable=False),
    # Until then one process renews it, and no other.
    Column("claimed_until", BigInteger, nullable=False),
    # When the provider took it no more.
    Column("ended_at", BigInteger),
)
