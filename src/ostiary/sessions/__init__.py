"""Signed-in devices, refresh tokens, revocation, cookies."""

from ostiary.sessions.binding import DeviceBinding
from ostiary.sessions.errors import NoSuchSession, NotSignedIn, RefreshRefused, RefreshTokenReplayed
from ostiary.sessions.guard import CookieHandover, Identity, Known, SessionGuard
from ostiary.sessions.queries import Session
from ostiary.sessions.service import Grant, Sessions
from ostiary.sessions.settings import SessionSettings
from ostiary.sessions.socket_door import SocketDoor
from ostiary.sessions.sockets import Sockets
from ostiary.sessions.strength import HeldFactor, acr_of, together
from ostiary.sessions.tickets import SocketTickets
from ostiary.sessions.tokens import LIST_SIZE, AccessGrant, Minter
from ostiary.sessions.view import Bindings, Moved, Revocations, Statuses

__all__ = [
    "LIST_SIZE",
    "AccessGrant",
    "Bindings",
    "CookieHandover",
    "DeviceBinding",
    "Grant",
    "HeldFactor",
    "Identity",
    "Known",
    "Minter",
    "Moved",
    "NoSuchSession",
    "NotSignedIn",
    "RefreshRefused",
    "RefreshTokenReplayed",
    "Revocations",
    "Session",
    "SessionGuard",
    "SessionSettings",
    "Sessions",
    "SocketDoor",
    "SocketTickets",
    "Sockets",
    "Statuses",
    "acr_of",
    "together",
]
