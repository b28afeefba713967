"""Passwords that others have lost: a filter on disk, and a service that can be asked."""

from ostiary.passwords.breaches.service import Breaches

__all__ = ["Breaches"]
