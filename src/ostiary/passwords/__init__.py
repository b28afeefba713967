"""Passwords as a way to prove who somebody is."""

from ostiary.passwords.policy import PasswordPolicy, PasswordSettings, PasswordVerdict, WeakPassword
from ostiary.passwords.service import Passwords, Proof, WrongCurrentPassword, WrongPassword

__all__ = [
    "PasswordPolicy",
    "PasswordSettings",
    "PasswordVerdict",
    "Passwords",
    "Proof",
    "WeakPassword",
    "WrongCurrentPassword",
    "WrongPassword",
]
