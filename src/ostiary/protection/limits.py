"""The one table of named limits (R10): what is counted, for whom, how often, and for how long the door is shut."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.core.limits import Limit

if TYPE_CHECKING:
    from ostiary.protection.settings import ProtectionSettings

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
FOR_GOOD = timedelta(days=3650)
"""Until it is forgotten by an act of the owner."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Every named limit of a house; `docs/reference/limits.md` is made of it."""

    by_minute: Limit
    by_hour: Limit
    by_name: Limit
    by_account: Limit
    by_device: Limit
    proven: Limit
    in_all: Limit
    nobody_in_all: Limit
    signups: Limit
    resets: Limit
    letters: Limit
    passkeys: Limit
    links: Limit
    link_letters: Limit
    link_codes: Limit
    link_failures: Limit
    texts_from: Limit
    texts: Limit
    texts_to: Limit
    text_failures: Limit
    texts_of_prefix: Limit
    texts_in_all: Limit
    factors: Limit
    factors_daily: Limit
    api_keys: Limit
    elsewhere: Limit
    rechecks: Limit
    enrolments: Limit
    exports: Limit
    weighings: Limit
    reports: Limit
    all_reports: Limit
    spray_pair: Limit
    spraying: Limit
    stuffing_name: Limit
    stuffing: Limit
    anonymous: Limit
    signed_in: Limit

    @classmethod
    def of(cls, settings: ProtectionSettings) -> Limits:
        """Return the table with the numbers of these settings."""
        lock = {"window": settings.failures_forgotten, "penalty": settings.lockout}
        return cls(
            by_minute=Limit("login.address.minute", settings.login_failures_per_minute, MINUTE),
            by_hour=Limit("login.address.hour", settings.login_failures_per_hour, HOUR),
            by_name=Limit("login.name", settings.lockout_failures, **lock, per="name"),
            by_account=Limit("login.account", settings.lockout_failures, **lock, per="account"),
            by_device=Limit("login.device", settings.lockout_failures, **lock, per="device"),
            proven=Limit("login.proven", settings.proven_failures, HOUR, per="account"),
            in_all=Limit("login.total", settings.most_failures, FOR_GOOD, per="account"),
            # A name of nobody is counted as well, by the same statement; but not for years.
            nobody_in_all=Limit("login.total", settings.most_failures, HOUR, per="name"),
            signups=Limit("signup.address", settings.signups_per_hour, HOUR),
            resets=Limit("reset.address", settings.resets_per_hour, HOUR),
            letters=Limit("letters.mailbox", settings.letters_per_hour, HOUR, per="mailbox"),
            passkeys=Limit("passkey.address", settings.passkey_failures_per_minute, MINUTE),
            links=Limit("link.address", settings.links_per_hour, HOUR),
            link_letters=Limit("link.device", settings.links_per_hour, HOUR, per="device"),
            link_codes=Limit("link.code", settings.link_code_failures, 10 * MINUTE, per="link"),
            link_failures=Limit("link.account", settings.link_failures_per_day, DAY, per="account"),
            texts_from=Limit("text.address", settings.texts_per_address, HOUR),
            texts=Limit("text.account", settings.texts_per_hour, HOUR, per="account"),
            texts_to=Limit("text.number", settings.texts_per_number, DAY, per="number"),
            text_failures=Limit("text.code", settings.text_failures_per_day, DAY, per="account"),
            texts_of_prefix=Limit("text.prefix", settings.text_budget_of_prefix, DAY, per="prefix"),
            texts_in_all=Limit("text.all", settings.text_budget, DAY, per="everybody"),
            api_keys=Limit("apikey.address", settings.api_key_failures_per_minute, MINUTE),
            elsewhere=Limit("elsewhere.address", settings.sign_ins_elsewhere_per_minute, MINUTE),
            rechecks=Limit("recheck.account", settings.rechecks, timedelta(minutes=15), per="account"),
            enrolments=Limit("enrolment.account", settings.enrolment_codes, timedelta(minutes=15), per="account"),
            exports=Limit("export.account", settings.exports_per_day, timedelta(days=1), per="account"),
            factors=Limit(
                "second_factor.account", settings.second_factor_failures, timedelta(minutes=10), per="account"
            ),
            factors_daily=Limit("second_factor.day", settings.second_factor_failures_per_day, DAY, per="account"),
            weighings=Limit("weighing.address", settings.weighings_per_minute, MINUTE),
            reports=Limit("csp.address", settings.csp_reports_per_minute, MINUTE),
            all_reports=Limit("csp.all", settings.csp_reports_per_minute_in_all, MINUTE, per="everybody"),
            spray_pair=Limit("spray.pair", 1, HOUR, per="password"),
            spraying=Limit("spray.password", settings.spraying_names, HOUR, per="password"),
            stuffing_name=Limit("stuffing.name", 1, 10 * MINUTE, per="name"),
            stuffing=Limit("stuffing.names", settings.stuffing_names, 10 * MINUTE, per="everybody"),
            anonymous=Limit("anonymous", settings.anonymous_per_minute, MINUTE),
            signed_in=Limit("signed-in", settings.signed_in_per_minute, MINUTE, per="account"),
        )

    def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204
        yield from astuple(self)
