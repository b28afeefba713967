"""Text messages: where they may go, and who sends them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_PREFIX = re.compile(r"\+[1-9][0-9]{0,6}")
_ID = r"^[A-Za-z0-9_-]{1,64}$"


class TextSettings(BaseModel):
    """Codes by text message: off until prefixes and a provider are named."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prefixes: tuple[str, ...] = Field(
        (), description="Country prefixes that texts may go to, such as `+46`; without any, texts are switched off."
    )
    barred: tuple[str, ...] = Field(
        (), description="Longer prefixes within those that they may not go to all the same, such as `+1876`."
    )
    api_url: str = Field(
        "https://api.twilio.com",
        description="Where the provider's Messages API is; several speak the same.",
    )
    account: str | None = Field(None, pattern=_ID, description="The id of your account at the provider (`AC…`).")
    key: str | None = Field(
        None, pattern=_ID, description="The id of an API key (`SK…`), where the secret is that of a key."
    )
    secret: str | None = Field(None, repr=False, min_length=1, description="The secret of the account or of the key.")
    sender: str | None = Field(
        None, pattern=r"^(\+[1-9][0-9]{2,14}|[0-9]{3,8}|[A-Za-z0-9 ]{1,34})$",
        description="Who texts come from: a number, a name, or the id of a messaging service (`MG…`).",
    )  # fmt: skip
    timeout: timedelta = Field(
        timedelta(seconds=10), gt=timedelta(0), le=timedelta(seconds=30),
        description="How long the provider may take; whoever asked waits for it.",
    )  # fmt: skip

    @field_validator("prefixes", "barred")
    @classmethod
    def _are_prefixes(cls, prefixes: tuple[str, ...]) -> tuple[str, ...]:
        for text in prefixes:
            if not _PREFIX.fullmatch(text):
                raise ValueError("each must be + and one to seven digits, such as +46")
        return prefixes

    @field_validator("api_url")
    @classmethod
    def _is_an_origin(cls, url: str) -> str:
        if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]{1,200}", url):
            raise ValueError("must be an origin without a path, such as https://api.twilio.com")
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        given = (self.account is not None, self.secret is not None, self.sender is not None)
        if any(given) and not all(given):
            raise ValueError("a provider needs account, secret and sender")
        if self.key is not None and not all(given):
            raise ValueError("key is nothing without account, secret and sender")
        return self

    @property
    def has_provider(self) -> bool:
        """Whether somebody is named who sends."""
        return self.account is not None
