"""Signing in and out."""

from ostiary.login.service import Login, folded

__all__ = ["Login", "folded"]
