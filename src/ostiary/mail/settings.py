"""How letters leave the house."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MailSettings(BaseModel):
    """The mail server; without one, letters are laid into the data folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sender: str = Field("Ostiary <no-reply@localhost>", description="From line of every letter.")
    smtp_host: str | None = Field(None, description="Mail server; without one, letters lie in the folder `mail`.")
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="`none` is for a server on the same machine only."
    )
    smtp_username: str | None = Field(None, description="Login at the mail server.")
    smtp_password: str | None = Field(None, repr=False, description="Password at the mail server.")
    timeout: timedelta = Field(timedelta(seconds=20), description="How long one delivery may take.")
