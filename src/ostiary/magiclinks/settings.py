"""Sign-in links: whether they are offered."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MagicLinkSettings(BaseModel):
    """Signing in by a link in a letter, or by the code beside it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    offered: bool = Field(
        default=True,
        description="Whether people may sign in by a mailed link; `false` where mail is no factor (ASVS 6.3.6).",
    )  # fmt: skip
