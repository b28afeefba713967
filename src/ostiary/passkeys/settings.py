"""Passkeys: how many."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PasskeySettings(BaseModel):
    """How many passkeys an account can have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most: int = Field(20, ge=1, le=100, description="Passkeys of an account at most.")
