"""API keys: how they look, how they are stored, and for how long they are good."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from ostiary.apikeys.form import PREFIX

Prefix = Annotated[str, StringConstraints(pattern=f"^{PREFIX}$")]


class ApiKeySettings(BaseModel):
    """How API keys look, how they are stored, and their bounds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefix: Prefix = Field("ost", description="What new keys begin with: small letters and digits.")
    former_prefixes: tuple[Prefix, ...] = Field((), description="Prefixes of older keys that stay good.")
    hash: Literal["keyed", "argon2id", "bcrypt"] = Field(
        "keyed",
        description="How secrets are stored: by a keyed digest, or by a slow hash over it where rules demand one.",
    )
    bcrypt_rounds: int = Field(12, ge=10, le=14, description="Base-two logarithm of bcrypt's rounds, where it is used.")
    most: int = Field(20, ge=0, le=1000, description="Keys of an account at most; 0 lets nobody make one.")
    longest_lifetime: timedelta | None = Field(
        None, gt=timedelta(0), description="After this every new key ends; without it a key may have no end."
    )
    longest_overlap: timedelta = Field(
        timedelta(days=7), ge=timedelta(0), le=timedelta(days=90),
        description="How long at most the old secret of a rotated key stays good.",
    )  # fmt: skip
    remembered: int = Field(10_000, ge=1, description="Keys kept in memory by each process.")

    @model_validator(mode="after")
    def _has_prefixes_of_its_own(self) -> Self:
        if self.prefix in self.former_prefixes:
            raise ValueError("prefix stands among former_prefixes too: take it out of there")
        return self

    @property
    def beginnings(self) -> tuple[str, ...]:
        """What a key of this house begins with."""
        return tuple(f"{prefix}_" for prefix in (self.prefix, *self.former_prefixes))
