"""Every setting of the house: composed from each room's section, read from a file and the environment."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ostiary.accounts.settings import AccountSettings
from ostiary.alerts.settings import AlertSettings
from ostiary.apikeys.settings import ApiKeySettings
from ostiary.audit.settings import JournalSettings
from ostiary.core.errors import Misconfigured
from ostiary.core.hashing import HashingSettings
from ostiary.core.outbound import OutboundSettings
from ostiary.csp_reports.settings import CspReportSettings
from ostiary.federation.settings import FederationSettings
from ostiary.forward.settings import ForwardSettings
from ostiary.keys.settings import KeySettings
from ostiary.login.settings import LoginSettings
from ostiary.magiclinks.settings import MagicLinkSettings
from ostiary.mail.settings import MailSettings
from ostiary.passkeys.settings import PasskeySettings
from ostiary.passwords.policy import PasswordSettings
from ostiary.places.settings import PlaceSettings
from ostiary.privacy.settings import PrivacySettings
from ostiary.protection.settings import ProtectionSettings
from ostiary.revocation.settings import RevocationSettings
from ostiary.risk.settings import RiskSettings
from ostiary.sessions.settings import SessionSettings
from ostiary.texts.settings import TextSettings
from ostiary.web.settings import WebSettings

FILE_NAME = "ostiary.toml"
ENVIRONMENT = "OSTIARY_"
NOT_SETTINGS = frozenset({"OSTIARY_DATA"})


class StorageSettings(BaseModel):
    """Where records are kept, and how processes hear of each other."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str | None = Field(
        None, repr=False,
        description="`postgresql://user@host/name`, or `sqlite:///path`; default an SQLite file in the data folder.",
    )  # fmt: skip
    largest_pool: int = Field(10, ge=2, le=100, description="PostgreSQL connections of each process at most.")
    push: Literal["database", "valkey"] = Field(
        "database", description="What wakes other processes: PostgreSQL's own NOTIFY, or Valkey."
    )
    valkey: str | None = Field(None, repr=False, description="`valkey://host:port/0` or `unix://path`, where used.")


class Settings(BaseModel):
    """All sections; each is documented with its room."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    web: WebSettings = Field(default_factory=WebSettings, description="Origin, cookies, proxies, bounds.")
    storage: StorageSettings = Field(default_factory=StorageSettings, description="Database and change feed.")
    keys: KeySettings = Field(default_factory=KeySettings, description="Keys and the root secret.")
    sessions: SessionSettings = Field(default_factory=SessionSettings, description="Lifetimes of sessions and tokens.")
    apikeys: ApiKeySettings = Field(default_factory=ApiKeySettings, description="Keys for programs and machines.")
    revocation: RevocationSettings = Field(
        default_factory=RevocationSettings, description="What programs elsewhere are told of ended sessions."
    )
    forward: ForwardSettings = Field(
        default_factory=ForwardSettings, description="Applications behind a proxy that asks us."
    )
    accounts: AccountSettings = Field(default_factory=AccountSettings, description="Names and addresses.")
    passwords: PasswordSettings = Field(default_factory=PasswordSettings, description="What a password must be.")
    passkeys: PasskeySettings = Field(
        default_factory=PasskeySettings, description="How many an account can have, and who may make them."
    )
    magiclinks: MagicLinkSettings = Field(
        default_factory=MagicLinkSettings, description="Signing in by a link in a letter, or by the code beside it."
    )
    texts: TextSettings = Field(
        default_factory=TextSettings, description="Codes by text message: where they may go, and who sends them."
    )
    login: LoginSettings = Field(
        default_factory=LoginSettings, description="Second factors, and browsers that need not show one."
    )
    federation: FederationSettings = Field(
        default_factory=FederationSettings, description="Signing in elsewhere: where, and what that is worth."
    )
    hashing: HashingSettings = Field(default_factory=HashingSettings, description="What a password hash costs.")
    protection: ProtectionSettings = Field(default_factory=ProtectionSettings, description="Limits and lockout.")
    risk: RiskSettings = Field(default_factory=RiskSettings, description="How sign-ins are judged, and what follows.")
    journal: JournalSettings = Field(
        default_factory=JournalSettings, description="Checkpoints of the journal, their anchors, and retention."
    )
    privacy: PrivacySettings = Field(default_factory=PrivacySettings, description="Erasing accounts.")
    places: PlaceSettings = Field(default_factory=PlaceSettings, description="Where an address is.")
    csp_reports: CspReportSettings = Field(
        default_factory=CspReportSettings, description="What is kept of what browsers report."
    )
    mail: MailSettings = Field(default_factory=MailSettings, description="How letters leave.")
    alerts: AlertSettings = Field(default_factory=AlertSettings, description="Who hears of alerts, and how often.")
    outbound: OutboundSettings = Field(
        default_factory=OutboundSettings, description="Where the house may go by itself, and for how long."
    )


def load(
    data: Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings of a data folder.

    Its `ostiary.toml` stands over `defaults`, the environment over that, and `overrides` over all.

    `OSTIARY_WEB__PUBLIC_URL` is the environment's word for `public_url` in the
    section `[web]`; lists and tables are written there as JSON.

    Raises:
        Misconfigured: A setting is unknown, or unsafe; names it and says what to do.
    """
    found: dict[str, Any] = {}
    _merge(found, defaults or {})
    path = data / FILE_NAME
    if path.exists():
        try:
            _merge(found, tomllib.loads(path.read_text()))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
            raise Misconfigured(f"{path} is not TOML: {wrong}") from None
    _merge(found, _from_environment(os.environ if environment is None else environment))
    _merge(found, overrides or {})
    try:
        return Settings.model_validate(found)
    except ValidationError as wrong:
        raise Misconfigured("\n".join(_explained(error) for error in wrong.errors(include_input=False))) from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, text in sorted(environment.items()):  # a table before its members
        if not name.startswith(ENVIRONMENT) or name in NOT_SETTINGS or not text:
            continue
        *sections, last = name.removeprefix(ENVIRONMENT).lower().split("__")
        if not sections:
            if last in Settings.model_fields:
                raise Misconfigured(f"{name}: write {name}__SETTING, or use {FILE_NAME}")
            if last.startswith(("test_", "without", "chromium", "bench_")):
                continue  # of the test suite
            raise Misconfigured(f"{name} is no setting: names look like OSTIARY_WEB__PUBLIC_URL")
        place = found
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise Misconfigured(f"{name}: {section} is set already, and holds no settings of its own")
        place[last] = _value(text)
    return found


def _value(text: str) -> Any:  # noqa: ANN401 - whatever JSON says
    try:
        return json.loads(text) if text[:1] in "[{" else text
    except ValueError:
        return text


def _merge(into: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping) and isinstance(into.get(name), dict):
            _merge(into[name], value)
        else:
            into[name] = dict(value) if isinstance(value, Mapping) else value


def _explained(error: Any) -> str:  # noqa: ANN401 - pydantic's error dict
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{name} is no setting of Ostiary: remove it, or correct its name (docs/reference/settings.md)"
    return f"{name}: {error['msg'].removeprefix('Value error, ')}"
