"""Which applications stand behind a proxy that asks us."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ostiary.web.settings import is_loopback, origin_of


class ForwardSettings(BaseModel):
    """Forward authentication for nginx, Caddy, Traefik."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    origins: tuple[str, ...] = Field(
        (), description="Exact origins of applications whose proxy asks us: people may be sent back there after they "
        "have signed in. The house's own origin need not be named.",
    )  # fmt: skip

    @field_validator("origins")
    @classmethod
    def _are_exact(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.hostname or origin_of(origin) != origin:
                raise ValueError("each must look like https://app.example.org, in lower case, without a path")
            if parts.scheme == "http" and not is_loopback(parts.hostname):
                raise ValueError("each must be https, except on localhost")
        return origins
