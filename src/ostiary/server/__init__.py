"""Ostiary as an ASGI application."""

from ostiary.server.app import build

__all__ = ["build"]
