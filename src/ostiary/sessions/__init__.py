"""Signed-in devices, refresh tokens, revocation, cookies."""

from ostiary.sessions.binding import DeviceBinding
from ostiary.sessions.errors import NoSuchSession, NotSignedIn, RefreshRefused, RefreshTokenReplayed
from ostiary.sessions.guard import CookieHandover, Identity, SessionGuard
from ostiary.sessions.queries import Session
from ostiary.sessions.service import Grant, Sessions
from ostiary.sessions.settings import SessionSettings
from ostiary.sessions.strength import HeldFactor, acr_of, together
from ostiary.sessions.tokens import AccessGrant, Minter
from ostiary.sessions.view import Bindings, Revocations

__all__ = [
    "AccessGrant",
    "Bindings",
    "CookieHandover",
    "DeviceBinding",
    "Grant",
    "HeldFactor",
    "Identity",
    "Minter",
    "NoSuchSession",
    "NotSignedIn",
    "RefreshRefused",
    "RefreshTokenReplayed",
    "Revocations",
    "Session",
    "SessionGuard",
    "SessionSettings",
    "Sessions",
    "acr_of",
    "together",
]
