"""Named limits, lockout, blocked networks, and attacks that are seen across accounts."""

from ostiary.protection.attacks import Attacks
from ostiary.protection.attempt import Attempt
from ostiary.protection.blocks import Block, Blocks
from ostiary.protection.challenges import LONGEST_SOLUTION, Challenges
from ostiary.protection.errors import AddressBlocked, Locked, ProofOfWorkNeeded
from ostiary.protection.guesses import Guess, Guesses
from ostiary.protection.limits import Limits
from ostiary.protection.presence import BEAT, Presence
from ostiary.protection.service import Protection
from ostiary.protection.settings import ChallengeSettings, ProtectionSettings

__all__ = [
    "BEAT",
    "LONGEST_SOLUTION",
    "AddressBlocked",
    "Attacks",
    "Attempt",
    "Block",
    "Blocks",
    "ChallengeSettings",
    "Challenges",
    "Guess",
    "Guesses",
    "Limits",
    "Locked",
    "Presence",
    "ProofOfWorkNeeded",
    "Protection",
    "ProtectionSettings",
]
