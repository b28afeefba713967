"""Who hears of alerts, and how often."""

from __future__ import annotations

import binascii
from base64 import b64decode
from datetime import timedelta
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ostiary.alerts.kinds import KINDS

PREFIX = "whsec_"
FEWEST_BYTES, MOST_BYTES = 24, 64
"""Length of a signing secret in the Standard Webhooks specification."""


class Webhook(BaseModel):
    """One receiver of alerts. Neither its secrets nor its whole URL are ever shown: a path may be a secret, too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(repr=False, description="Where to; https, or http into `outbound.allowed_networks`.")
    secret: str = Field(repr=False, description="Signs: `whsec_` and 24 to 64 random bytes in base64.")
    former_secrets: tuple[str, ...] = Field(
        (), repr=False, max_length=4, description="Sign as well, until the receiver has changed over."
    )
    kinds: tuple[str, ...] = Field((), description="Only these kinds of alert; without any, all.")

    @field_validator("url")
    @classmethod
    def _leads_somewhere(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
            raise ValueError("must be an https address without a login in it")
        return url

    @field_validator("secret", "former_secrets")
    @classmethod
    def _is_strong(cls, found: str | tuple[str, ...]) -> str | tuple[str, ...]:
        for secret in (found,) if isinstance(found, str) else found:
            if not secret.startswith(PREFIX) or not FEWEST_BYTES <= _length(secret) <= MOST_BYTES:
                raise ValueError(
                    "must be whsec_ and 24 to 64 random bytes in base64: echo whsec_$(openssl rand -base64 32)"
                )
        return found

    @field_validator("kinds")
    @classmethod
    def _are_known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(kinds) - KINDS.keys():
            raise ValueError(f"there is no alert of the kind {min(unknown)!r} (docs/reference/alerts.md)")
        return kinds


class AlertSettings(BaseModel):
    """Who hears of alerts, and how often (R15)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    mail_to: tuple[str, ...] = Field((), description="Addresses of the keepers, who get a letter for each alert.")
    webhooks: tuple[Webhook, ...] = Field(
        (), repr=False,
        description="Receivers, each a table of `url`, `secret`, and if you like `former_secrets` and `kinds`.",
    )  # fmt: skip
    quiet: timedelta = Field(
        timedelta(hours=1), ge=timedelta(minutes=1),
        description="For how long repetitions of an alert are counted and not sent.",
    )  # fmt: skip
    most_of_a_kind: int = Field(
        10, ge=1, description="Alerts of one kind about different subjects that are sent in one quiet time."
    )
    backlog: int = Field(200, ge=1, description="Alerts that wait for one receiver at most; more are only listed.")

    @field_validator("mail_to")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if "@" not in address or any(c <= " " or c in ",;<>" for c in address):
                raise ValueError("each must be one bare address such as keeper@example.org")
        return addresses

    @field_validator("webhooks")
    @classmethod
    def _are_different(cls, webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
        if len({webhook.url for webhook in webhooks}) < len(webhooks):
            raise ValueError("two receivers have one url: name its kinds together")
        return webhooks


def _length(secret: str) -> int:
    try:
        return len(b64decode(secret.removeprefix(PREFIX), validate=True))
    except (binascii.Error, ValueError):
        return 0
