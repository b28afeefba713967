"""For programs that trust an Ostiary. Imports no part of the server."""

from __future__ import annotations

from ostiary.client.claims import ACCESS_TYP, AccessClaims, check
from ostiary.client.jwks import KeysUnavailable, RemoteKeys
from ostiary.client.keys import Algorithm, KeyRefused, KeySource, KnownKeys, SigningKey, VerifyingKey
from ostiary.client.problems import Refusal
from ostiary.client.refusals import Reason, TokenRefused
from ostiary.client.requirements import Requirement
from ostiary.client.resource import ResourceServer, Visitor
from ostiary.client.revocations import RevocationFeed
from ostiary.client.status_lists import StatusLists
from ostiary.client.strength import STRENGTHS, Strength, reaches
from ostiary.client.tokens import AccessTokens
from ostiary.client.verifier import Proof, Verifier
from ostiary.client.visits import Visit

__all__ = [
    "ACCESS_TYP",
    "STRENGTHS",
    "AccessClaims",
    "AccessTokens",
    "Algorithm",
    "KeyRefused",
    "KeySource",
    "KeysUnavailable",
    "KnownKeys",
    "Proof",
    "Reason",
    "Refusal",
    "RemoteKeys",
    "Requirement",
    "ResourceServer",
    "RevocationFeed",
    "SigningKey",
    "StatusLists",
    "Strength",
    "TokenRefused",
    "Verifier",
    "VerifyingKey",
    "Visit",
    "Visitor",
    "check",
    "reaches",
]
