"""Registration, and the proving of addresses."""

from ostiary.registration.service import Application, Registration

__all__ = ["Application", "Registration"]
