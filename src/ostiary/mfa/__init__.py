"""What protects an account beside its password: shown as a whole, and forgotten by the keeper."""

from ostiary.mfa.service import Mfa, Standing

__all__ = ["Mfa", "Standing"]
