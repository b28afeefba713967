"""What an account may look like."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from ostiary.accounts.addresses import AddressSettings
from ostiary.accounts.names import UsernameSettings


class AccountSettings(BaseModel):
    """Names, addresses, and how long an unproven claim lasts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usernames: UsernameSettings = Field(default_factory=UsernameSettings, description="What a username may be.")
    addresses: AddressSettings = Field(default_factory=AddressSettings, description="What an address may be.")
    provisional_lifetime: timedelta = Field(
        timedelta(days=7), description="After this, an account whose address was never proven is deleted."
    )
    claim_lifetime: timedelta = Field(
        timedelta(hours=24), description="How long the link that proves an address works."
    )
    remembered: int = Field(50_000, ge=1, description="Accounts kept in memory by each process.")
