"""How much of what browsers report is kept."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class CspReportSettings(BaseModel):
    """Bounds of what strangers can make the house keep; the rates are in `protection`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    most_groups: int = Field(
        500, ge=10, le=10_000, description="Groups of like reports at most; the least recently seen makes room."
    )
    largest_delivery: int = Field(
        32 * 1024, ge=1024, le=64 * 1024, description="Bytes of one delivery at most; a browser may gather reports."
    )
