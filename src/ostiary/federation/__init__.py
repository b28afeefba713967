"""Signing in elsewhere: providers, what they say of somebody, and whom that opens an account to."""

from ostiary.federation.errors import (
    AccountsNotOpened,
    AddressKnown,
    AddressNotVouched,
    ElsewhereRefused,
    IdentityTaken,
)
from ostiary.federation.identities import Identities, ProvenIdentity
from ostiary.federation.proof import METHODS, Proof
from ostiary.federation.provider import ProviderSettings
from ostiary.federation.registry import Providers
from ostiary.federation.service import Answer, Federation
from ostiary.federation.settings import FederationSettings
from ostiary.federation.tokens import AccessToken, UpstreamTokens
from ostiary.federation.transactions import Transactions
from ostiary.federation.upstream import Upstream

__all__ = [
    "METHODS",
    "AccessToken",
    "AccountsNotOpened",
    "AddressKnown",
    "AddressNotVouched",
    "Answer",
    "ElsewhereRefused",
    "Federation",
    "FederationSettings",
    "Identities",
    "IdentityTaken",
    "Proof",
    "ProvenIdentity",
    "ProviderSettings",
    "Providers",
    "Transactions",
    "Upstream",
    "UpstreamTokens",
]
