"""Passkeys: how many, and whose authenticators may make them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PasskeySettings(BaseModel):
    """How many passkeys an account can have, and what an authenticator must prove of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most: int = Field(20, ge=1, le=100, description="Passkeys of an account at most.")
    attestation: Literal["none", "direct"] = Field(
        "none", description="`direct`: new passkeys only from authenticators that a trusted maker vouches for."
    )
    attestation_roots: Path | None = Field(
        None, description="PEM file with the root certificates of the makers that are trusted; `direct` needs it."
    )
    allowed_aaguids: tuple[UUID, ...] = Field(
        (),
        description="AAGUIDs of the only models welcome with `direct`; an empty list is all that the roots vouch for.",
    )

    @model_validator(mode="after")
    def _can_be_proven(self) -> Self:
        if self.attestation == "direct" and self.attestation_roots is None:
            raise ValueError('attestation = "direct" needs attestation_roots: without them anybody could vouch')
        if self.attestation == "none" and (self.attestation_roots or self.allowed_aaguids):
            raise ValueError(
                'attestation_roots and allowed_aaguids need attestation = "direct": else a make is its own word'
            )
        if any(aaguid.int == 0 for aaguid in self.allowed_aaguids):
            raise ValueError("allowed_aaguids: zeros stand for no model")
        return self
