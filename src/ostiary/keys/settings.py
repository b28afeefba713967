"""How keys live."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class KeySettings(BaseModel):
    """Signing algorithm, rotation, and where the root secret comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    algorithm: Literal["ES256", "EdDSA", "RS256"] = Field("ES256", description="How access tokens are signed.")
    rotate_every: timedelta = Field(timedelta(days=90), description="Age at which signing and MAC keys are replaced.")
    publish_ahead: timedelta = Field(
        timedelta(minutes=10),
        description="How long a new key is published before its first use; no shorter than `jwks_max_age`.",
    )
    jwks_max_age: timedelta = Field(timedelta(minutes=5), description="How long clients may keep the JWKS.")
    pepper: bool = Field(
        default=False,
        description="Key password hashes with a secret that is not in the database: a stolen table is useless alone.",
    )
    root_secret: str | None = Field(
        None, repr=False, description="The root secret itself, at least 32 random characters."
    )
    root_secret_file: Path | None = Field(
        None,
        description="File with the root secret, readable by its owner only; default `root.secret` in the data folder.",
    )
    root_secret_command: str | None = Field(
        None, description="Command that prints the root secret, such as a vault's client."
    )

    @model_validator(mode="after")
    def _is_known_before_use(self) -> Self:
        if self.publish_ahead < self.jwks_max_age:
            raise ValueError("publish_ahead must be at least jwks_max_age: clients know a key before its first use")
        return self
