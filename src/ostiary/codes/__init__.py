"""Recovery codes: a second factor on paper, for when the others are lost."""

from ostiary.codes.errors import NoSecondFactor
from ostiary.codes.queries import Standing
from ostiary.codes.service import LOW, CodeProof, RecoveryCodes

__all__ = ["LOW", "CodeProof", "NoSecondFactor", "RecoveryCodes", "Standing"]
