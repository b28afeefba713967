"""The numbers of the named limits."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ChallengeSettings(BaseModel):
    """Work that a stranger's browser may do instead of being refused (R12)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Literal["under-attack", "off"] = Field(
        "under-attack", description="Offer it where a name is shut to strangers, or never."
    )
    difficulty: int = Field(
        2000, ge=1, le=1_000_000,
        description="Tries that a solution takes on average, each of 500 rounds of PBKDF2-SHA256.",
    )  # fmt: skip
    lifetime: timedelta = Field(
        timedelta(minutes=5), ge=timedelta(seconds=30), le=timedelta(hours=1),
        description="How long a challenge can be answered.",
    )  # fmt: skip


class ProtectionSettings(BaseModel):
    """How often what may be tried (R10, R11)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    counters: Literal["database", "memory", "valkey"] = Field(
        "database", description="Where security limits count; `memory` is exact for a single process only."
    )
    login_failures_per_minute: int = Field(5, ge=1, description="Failed logins from one address in a minute.")
    login_failures_per_hour: int = Field(20, ge=1, description="Failed logins from one address in an hour.")
    lockout_failures: int = Field(
        5, ge=1, le=100, description="Failed logins after which a name is locked to strangers (SP 800-63B 3.2.2)."
    )
    lockout: timedelta = Field(timedelta(minutes=30), description="How long it stays locked.")
    failures_forgotten: timedelta = Field(timedelta(hours=1), description="After this, failures count no more.")
    signups_per_hour: int = Field(5, ge=1, description="New accounts from one address in an hour.")
    letters_per_hour: int = Field(5, ge=1, description="Letters that strangers can cause to one address in an hour.")
    weighings_per_minute: int = Field(120, ge=1, description="Passwords weighed for one address in a minute.")
    rechecks: int = Field(5, ge=1, description="Wrong passwords inside a session in 15 minutes.")
    challenge: ChallengeSettings = Field(
        default_factory=ChallengeSettings, description="Work instead of refusal, for strangers at a locked name."
    )
