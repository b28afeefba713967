"""Passkeys: how many, and what it takes to change them."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class PasskeySettings(BaseModel):
    """How many passkeys an account can have, and what changing them needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most: int = Field(20, ge=1, le=100, description="Passkeys of an account at most.")
    recent: timedelta = Field(
        timedelta(minutes=15), gt=timedelta(0),
        description="How old a sign-in may be that adds or removes a passkey (RFC 9470).",
    )  # fmt: skip
