"""The policy that turns what was seen at a sign-in into what is done about it (R13)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MOST = 1000


class Weights(BaseModel):
    """What each finding adds to the score; 0 switches it off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    new_device: int = Field(20, ge=0, le=_MOST, description="A browser that never signed in to this account.")
    known_device: int = Field(
        15,
        ge=0,
        le=_MOST,
        description="Taken off for a known browser, but never off a rule on countries.",
    )
    first_signin: int = Field(0, ge=0, le=_MOST, description="Nothing is known of this account's habits yet.")
    new_network: int = Field(5, ge=0, le=_MOST, description="A network it was never used from.")
    new_country: int = Field(30, ge=0, le=_MOST, description="A country it was never used from.")
    impossible_travel: int = Field(30, ge=0, le=_MOST, description="Farther from the last sign-in than one can travel.")
    unusual_hour: int = Field(10, ge=0, le=_MOST, description="An hour at which it is hardly ever used.")
    guessing: int = Field(15, ge=0, le=_MOST, description="Strangers tried many passwords on it lately.")
    under_review: int = Field(30, ge=0, le=_MOST, description="The account is under review.")
    breached_password: int = Field(15, ge=0, le=_MOST, description="Its password is in a published leak.")
    bad_network: int = Field(40, ge=0, le=_MOST, description="An address on the list of known-bad networks.")
    under_attack: int = Field(10, ge=0, le=_MOST, description="The server is under attack.")
    refused_country: int = Field(
        100, ge=1, le=_MOST, description="A country that a rule on places refuses; at least `deny`."
    )


class Thresholds(BaseModel):
    """From which score on what is done; below the first, the sign-in is allowed without a word."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    notify: int = Field(20, ge=1, le=10 * _MOST, description="Allow, and write to the owner.")
    challenge: int = Field(50, ge=1, le=10 * _MOST, description="Ask for a second proof.")
    deny: int = Field(100, ge=1, le=10 * _MOST, description="Refuse, and write to the owner.")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if not self.notify <= self.challenge <= self.deny:
            raise ValueError("notify, challenge and deny must not fall: a higher score is never treated more mildly")
        return self


class Policy(BaseModel):
    """Everything that a verdict depends on besides the facts of the sign-in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: Weights = Field(default_factory=Weights, description="What each finding adds to the score.")
    thresholds: Thresholds = Field(default_factory=Thresholds, description="From which score on what is done.")
    travel_speed: float = Field(
        1000.0, ge=100, le=100_000, description="Kilometres an hour above which travel is impossible."
    )
    travel_distance: float = Field(
        300.0,
        ge=0,
        le=20_000,
        description="Kilometres below which no travel is looked at: databases are not exact.",
    )
    hours_learned: int = Field(20, ge=1, le=10_000, description="Sign-ins before an hour can be unusual.")
    unusual_hour: float = Field(
        0.01, ge=0, le=1, description="An hour with a smaller share of the account's sign-ins is unusual."
    )
    many_failures: int = Field(5, ge=1, le=10_000, description="Wrong passwords of strangers that count as guessing.")

    @model_validator(mode="after")
    def _refuses(self) -> Self:
        if self.weights.refused_country < self.thresholds.deny:
            raise ValueError("weights.refused_country must reach thresholds.deny: a refused country is refused")
        return self

    def fingerprint(self) -> str:
        """Return a short name that two policies share only if they decide alike."""
        fields = self.model_dump_json(include=set(Policy.model_fields))
        return hashlib.sha256(fields.encode()).hexdigest()[:12]


class RiskSettings(Policy):
    """The live policy, and what it looks at."""

    bad_networks: Path | None = Field(
        None, description="File of known-bad networks, one a line as `203.0.113.0/24`; read again when it changes."
    )
