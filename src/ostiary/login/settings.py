"""How the front desk treats browsers that it knows."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field


class LoginSettings(BaseModel):
    """What a browser need not show again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    remember_browser: timedelta = Field(
        timedelta(days=30), ge=timedelta(0), le=timedelta(days=90),
        description="How long a browser need not show a second factor again whose owner wants it so; 0 is never.",
    )  # fmt: skip
