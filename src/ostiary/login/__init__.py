"""Signing in and out."""

from ostiary.login.service import Login

__all__ = ["Login"]
