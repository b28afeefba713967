"""Ostiary as an ASGI application."""

from ostiary.server.door import Breadth, open_door

__all__ = ["Breadth", "open_door"]
