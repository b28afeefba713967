"""How the journal is anchored, and how long it is kept."""

from __future__ import annotations

from datetime import timedelta
from pathlib import PurePath
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class JournalSettings(BaseModel):
    """Checkpoints, the places that keep them, and retention."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint_every: timedelta = Field(
        timedelta(hours=1),
        ge=timedelta(minutes=1),
        description="How often a checkpoint is signed, if there are new entries.",
    )
    anchors: tuple[str, ...] = Field(
        (),
        description=(
            "Where each checkpoint goes, too: `file:/path`, `https://host/path` (by PUT), `syslog://host:514` (UDP) or"
            " `syslog+tcp://host:601`."
        ),
    )
    anchor_token: str | None = Field(
        None, min_length=1, repr=False, description="Bearer token for the `https` anchor; there may then be one only."
    )
    keep: timedelta | None = Field(
        None, ge=timedelta(days=1), description="Entries older than this are deleted; default: none ever is."
    )

    @field_validator("anchors")
    @classmethod
    def _are_anchors(cls, anchors: tuple[str, ...]) -> tuple[str, ...]:
        for text in anchors:
            _check(text)
        return anchors

    @model_validator(mode="after")
    def _token_has_one_reader(self) -> Self:
        if self.anchor_token is not None and sum(text.startswith("http") for text in self.anchors) != 1:
            raise ValueError("anchor_token is told to one https anchor only: name exactly one")
        return self


def _check(text: str) -> None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("an anchor's address is not readable") from None
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("an anchor holds no login, no query and no fragment: use journal.anchor_token")
    match parts.scheme:
        case "file":
            good = not parts.netloc and PurePath(parts.path).is_absolute()
        case "https" | "http":  # plain http only into outbound.allowed_networks: Outbound sees to that
            good = bool(parts.hostname)
        case "syslog" | "syslog+tcp":
            good = bool(parts.hostname) and port is not None and parts.path in ("", "/")
        case _:
            good = False
    if not good:
        raise ValueError("an anchor is file:/path, https://host/path, syslog://host:port or syslog+tcp://host:port")
