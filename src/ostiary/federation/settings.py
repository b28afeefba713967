"""Signing in elsewhere: at whom, and where to afterwards."""

from __future__ import annotations

from datetime import timedelta
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ostiary.federation.provider import ProviderSettings, resolve


class FederationSettings(BaseModel):
    """Signing in elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    providers: dict[str, ProviderSettings] = Field(
        default_factory=dict, description="By name; `OSTIARY_FEDERATION__PROVIDERS__GITHUB__CLIENT_ID` and so on."
    )
    return_to: tuple[str, ...] = Field(
        (), description="Addresses of applications that a sign-in may lead back to, compared character by character."
    )
    join_by_address: bool = Field(
        default=False,
        description="Let a sign-in elsewhere open the account that has proven the same address, where the provider is "
        "believed in addresses. Off: people sign in first, and connect.",
    )
    transaction_lifetime: timedelta = Field(
        timedelta(minutes=15), ge=timedelta(minutes=1), le=timedelta(hours=1),
        description="How long somebody may take at the provider.",
    )  # fmt: skip

    @field_validator("return_to")
    @classmethod
    def _are_whole(cls, places: tuple[str, ...]) -> tuple[str, ...]:
        for place in places:
            parts = urlsplit(place)
            local = parts.hostname in ("localhost", "127.0.0.1")
            if parts.scheme != "https" and not (parts.scheme == "http" and local):
                raise ValueError("each must be a whole address that begins with https://, on localhost http://")
            if not place.isascii() or any(sign in place for sign in ' \\#"<>') or "@" in parts.netloc:
                raise ValueError("each must be one plain address, without login and fragment")
        return places

    @model_validator(mode="after")
    def _can_be_resolved(self) -> Self:
        for slug, provider in self.providers.items():
            resolve(slug, provider)
        return self
