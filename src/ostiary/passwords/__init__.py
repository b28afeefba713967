"""Passwords as a way to prove who somebody is."""

from ostiary.passwords.breaches import Breaches
from ostiary.passwords.policy import PasswordPolicy, PasswordSettings, PasswordVerdict, WeakPassword
from ostiary.passwords.queries import StoredHash
from ostiary.passwords.service import (
    PasswordChangeRequired,
    Passwords,
    Proof,
    TicketSpent,
    WrongCurrentPassword,
    WrongPassword,
)

__all__ = [
    "Breaches",
    "PasswordChangeRequired",
    "PasswordPolicy",
    "PasswordSettings",
    "PasswordVerdict",
    "Passwords",
    "Proof",
    "StoredHash",
    "TicketSpent",
    "WeakPassword",
    "WrongCurrentPassword",
    "WrongPassword",
]
