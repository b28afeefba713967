"""The numbers of the named limits."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator


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
    login_failures_per_hour: int = Field(
        20, ge=1, description="Failed logins from one address in an hour; as many block it to strangers."
    )
    lockout_failures: int = Field(
        5, ge=1, le=100, description="Failed logins after which a name is locked to strangers (SP 800-63B 3.2.2)."
    )
    lockout: timedelta = Field(timedelta(minutes=30), description="How long it stays locked.")
    failures_forgotten: timedelta = Field(timedelta(hours=1), description="After this, failures count no more.")
    review_failures: int = Field(
        10, ge=1, le=100, description="Failed logins of strangers after which an account is under review."
    )
    most_failures: int = Field(
        100, ge=1, le=100,
        description="Passwords that strangers may try in all until the owner acts, and each known browser until it "
        "signs in (SP 800-63B-4, 3.2.2).",
    )  # fmt: skip
    proven_failures: int = Field(
        5, ge=0, le=20, description="More passwords in an hour for a locked name, each for a proof of work."
    )
    block_for: timedelta = Field(timedelta(hours=1), description="How long an address is blocked for its failures.")
    never_blocked: tuple[str, ...] = Field(
        (), description="Networks that are never blocked by themselves, such as the office's."
    )
    spraying_names: int = Field(
        10, ge=2, description="Names for which one wrong password is tried in an hour, and spraying is seen."
    )
    stuffing_names: int = Field(
        50, ge=2, description="Names that fail in ten minutes, those that succeed taken off, and stuffing is seen."
    )
    attack_lasts: timedelta = Field(
        timedelta(minutes=15), description="How long the house is on guard after an attack was seen."
    )
    welcome: timedelta = Field(
        timedelta(days=30), description="How long a browser that its owner let in by mail counts as known."
    )
    anonymous_per_minute: int = Field(100, ge=1, description="Requests from one address that show no credential.")
    signed_in_per_minute: int = Field(1000, ge=1, description="Requests of one account.")
    signups_per_hour: int = Field(5, ge=1, description="New accounts from one address in an hour.")
    resets_per_hour: int = Field(
        10, ge=1, description="Letters for a new password that one address can ask for in an hour."
    )
    letters_per_hour: int = Field(5, ge=1, description="Letters that strangers can cause to one address in an hour.")
    weighings_per_minute: int = Field(120, ge=1, description="Passwords weighed for one address in a minute.")
    csp_reports_per_minute: int = Field(
        20, ge=1, description="Reports of violated content policies from one address in a minute."
    )
    csp_reports_per_minute_in_all: int = Field(300, ge=1, description="The same from everybody, for each process.")
    passkey_failures_per_minute: int = Field(
        10, ge=1, description="Passkeys refused to one address, or to one known browser, in a minute."
    )
    links_per_hour: int = Field(
        10, ge=1, description="Sign-in links that one address, or one known browser, can ask for in an hour."
    )
    link_code_failures: int = Field(
        5, ge=1, le=20, description="Wrong codes of one sign-in link, after which only the link itself is good."
    )
    link_failures_per_day: int = Field(
        20, ge=1, le=100,
        description="Codes of sign-in links that strangers may try for one account in a day; links work on.",
    )  # fmt: skip
    texts_per_address: int = Field(10, ge=1, description="Texts that one address can cause in an hour.")
    texts_per_hour: int = Field(5, ge=1, description="Texts that one account can cause in an hour.")
    texts_per_number: int = Field(10, ge=1, description="Texts to one number in a day, whoever causes them.")
    text_failures_per_day: int = Field(
        20, ge=1, le=100, description="Wrong codes in a day from whoever adds a telephone number to an account."
    )
    text_budget_of_prefix: int = Field(
        100, ge=1, description="Texts in a day to all numbers of one country prefix: what pumping can cost there."
    )
    text_budget: int = Field(500, ge=1, description="Texts in a day in all: what pumping can cost.")
    second_factor_failures: int = Field(
        5, ge=1, le=20, description="Wrong second factors for one account in ten minutes, or from one known browser."
    )
    second_factor_failures_per_day: int = Field(20, ge=1, le=100, description="The same in a day.")
    api_key_failures_per_minute: int = Field(
        20, ge=1, description="Wrong API keys, each counted once, from one address in a minute."
    )
    sign_ins_elsewhere_per_minute: int = Field(20, ge=1, description="Ways to a provider from one address in a minute.")
    rechecks: int = Field(5, ge=1, description="Wrong passwords inside a session in 15 minutes.")
    enrolment_codes: int = Field(
        5, ge=1, le=100, description="Wrong codes in 15 minutes while a second factor is set up."
    )
    exports_per_day: int = Field(5, ge=1, description="Exports of everything about one account in a day.")
    challenge: ChallengeSettings = Field(
        default_factory=ChallengeSettings, description="Work instead of refusal, for strangers at a locked name."
    )

    @field_validator("never_blocked")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for text in networks:
            try:
                ip_network(text)
            except ValueError:
                raise ValueError("each must be a network such as 203.0.113.0/24 or 2001:db8::/48") from None
        return networks
