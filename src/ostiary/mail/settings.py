"""How letters leave the house, and in which words."""

from __future__ import annotations

from datetime import timedelta
from email.errors import HeaderParseError, InvalidHeaderDefect
from email.policy import SMTP
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


class MailSettings(BaseModel):
    """The mail server; without one, letters are laid into the data folder. Their templates and languages."""

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
    templates: Path | None = Field(
        None, description="Folder of templates of your own: a file of the same name there wins (`ostiary mail check`)."
    )
    language: str = Field("en", description="Language of letters to whoever has chosen none and asked for none.")
    languages: tuple[str, ...] = Field(
        (), description="The only languages of letters, such as `de`; none is all that there are templates for."
    )

    @field_validator("sender")
    @classmethod
    def _is_one_mailbox(cls, sender: str) -> str:
        if not sender.isprintable() or not _is_mailbox(sender):  # CWE-93: no second header
            raise ValueError("must be one mailbox, such as Example <no-reply@example.org>")
        return sender

    @field_validator("templates")
    @classmethod
    def _is_a_folder(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.is_dir():
            raise ValueError(f"there is no folder {folder}")
        return folder


def _is_mailbox(text: str) -> bool:
    """Return whether a text is one mailbox, with or without a name (RFC 5322 section 3.4)."""
    try:
        header: Any = SMTP.header_factory("from", text)
    except (HeaderParseError, IndexError, ValueError):  # the parser stumbles over what ends too early
        return False
    if any(isinstance(defect, InvalidHeaderDefect) for defect in header.defects):
        return False
    (group, *more) = header.groups or (None,)
    if group is None or more or group.display_name is not None:
        return False
    return bool(group.addresses[0].username and group.addresses[0].domain)
