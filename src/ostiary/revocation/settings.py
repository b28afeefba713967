"""Who may hear of what was revoked."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

_DIGEST = re.compile(r"[0-9a-f]{64}")


class RevocationSettings(BaseModel):
    """What programs elsewhere are told of ended sessions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    readers: tuple[str, ...] = Field(
        (), description="SHA-256 digests of the secrets that open the feed; `ostiary revocation reader` makes one."
    )

    @field_validator("readers")
    @classmethod
    def _are_digests(cls, readers: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_DIGEST.fullmatch(reader) for reader in readers):
            raise ValueError("each must be a SHA-256 digest in hexadecimal, and never the secret itself")
        return readers
