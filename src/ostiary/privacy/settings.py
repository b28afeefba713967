"""How long an erasure can be cancelled, and how long a name rests after it."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class PrivacySettings(BaseModel):
    """Erasing accounts (R8)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # A thief may change the address first, and ask then: the letter about that works for seven days.
    grace: timedelta = Field(
        timedelta(days=14), ge=timedelta(days=7), le=timedelta(days=90),
        description="How long an account that is to be erased can still be kept.",
    )  # fmt: skip
    name_rest: timedelta = Field(
        timedelta(days=90), ge=timedelta(0), le=timedelta(days=36500),
        description="How long nobody else gets the username of an erased account.",
    )  # fmt: skip
