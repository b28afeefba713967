"""Named limits, lockout, blocked networks, and attacks that are seen across accounts."""

from ostiary.protection.attacks import Attacks
from ostiary.protection.attempt import Attempt
from ostiary.protection.blocks import Block, Blocks
from ostiary.protection.errors import AddressBlocked, Locked, ProofOfWorkNeeded
from ostiary.protection.limits import Limits
from ostiary.protection.presence import BEAT, Presence
from ostiary.protection.service import Protection
from ostiary.protection.settings import ProtectionSettings

__all__ = [
    "BEAT",
    "AddressBlocked",
    "Attacks",
    "Attempt",
    "Block",
    "Blocks",
    "Limits",
    "Locked",
    "Presence",
    "ProofOfWorkNeeded",
    "Protection",
    "ProtectionSettings",
]
