"""Named limits and lockout."""

from ostiary.protection.challenges import LONGEST_SOLUTION, Challenges
from ostiary.protection.service import Attempt, LimitReached, Locked, Protection
from ostiary.protection.settings import ChallengeSettings, ProtectionSettings

__all__ = [
    "LONGEST_SOLUTION", "Attempt", "ChallengeSettings", "Challenges", "LimitReached", "Locked", "Protection",
    "ProtectionSettings",
]  # fmt: skip
