"""Named limits and lockout."""

from ostiary.protection.service import Attempt, LimitReached, Locked, Protection
from ostiary.protection.settings import ProtectionSettings

__all__ = ["Attempt", "LimitReached", "Locked", "Protection", "ProtectionSettings"]
