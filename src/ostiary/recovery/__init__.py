"""Coming back: a new password by mail, "this wasn't me", and unlocking by mail."""

from ostiary.recovery.errors import NotClosed
from ostiary.recovery.service import Recovery

__all__ = ["NotClosed", "Recovery"]
