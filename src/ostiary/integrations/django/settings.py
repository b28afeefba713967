"""What a project's setting `OSTIARY` says, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from ostiary.client.resource import USUAL_COOKIE, ResourceServer

NAME: Final = "OSTIARY"


@dataclass(frozen=True, slots=True, kw_only=True)
class OstiarySettings:
    """The members of the setting `OSTIARY`, in small letters.

    Attributes:
        issuer: Address of the Ostiary, exactly as in the tokens' `iss`.
        audience: This project's name in the tokens' `aud`; the issuer, unless said otherwise.
        cookie: Name of the access cookie; None if cookies are not for this project.
        jwks_url: Where the keys are; by default at the issuer's well-known place.
        leeway: Seconds by which this machine's clock may be wrong.
        outage: Seconds for which the keys still count while the issuer cannot be reached.
        revocations: What says of a token whether it has been revoked, or its dotted path.
        redirect_to_sign_in: Whether `require` sends browsers to the sign-in page instead of a 401.
        user_field: The unique field of the project's user model that holds the account's id; None for users
            without a row.
        create_users: Whether somebody who comes for the first time gets a row.
    """

    issuer: str
    audience: str | None = None
    cookie: str | None = USUAL_COOKIE
    jwks_url: str | None = None
    leeway: float = 0.0
    outage: float = 3600.0
    revocations: str | Callable[[Any], bool] | None = None
    redirect_to_sign_in: bool = False
    user_field: str | None = None
    create_users: bool = False


MEMBERS: Final = frozenset(field.name.upper() for field in fields(OstiarySettings))


@cache
def ostiary_settings() -> OstiarySettings:
    """Return the project's settings.

    Raises:
        ImproperlyConfigured: There are none, or one is not known.
    """
    found = getattr(settings, NAME, None)
    if not isinstance(found, Mapping) or not isinstance(found.get("ISSUER"), str):
        raise ImproperlyConfigured(
            'Set OSTIARY = {"ISSUER": "https://login.example.org"} to the address of your Ostiary.'
        )
    unknown = found.keys() - MEMBERS
    if unknown:
        known = ", ".join(sorted(MEMBERS))
        raise ImproperlyConfigured(f"OSTIARY has no {', '.join(sorted(map(repr, unknown)))}; what there is: {known}.")
    return OstiarySettings(**{name.lower(): value for name, value in found.items()})


@cache
def resource_server() -> ResourceServer:
    """Return whose word counts in this project.

    Raises:
        ImproperlyConfigured: A setting cannot be; says what to write.
    """
    chosen = ostiary_settings()
    revocations = import_string(chosen.revocations) if isinstance(chosen.revocations, str) else chosen.revocations
    try:
        return ResourceServer(
            issuer=chosen.issuer, audience=chosen.audience, cookie=chosen.cookie, jwks_url=chosen.jwks_url,
            leeway=chosen.leeway, outage=chosen.outage, revocations=revocations,
            origins=(origin for origin in settings.CSRF_TRUSTED_ORIGINS if "*" not in origin),
        )  # fmt: skip
    except ValueError as error:
        raise ImproperlyConfigured(f"OSTIARY: {error}") from None


def _forget(*, setting: str, **_: object) -> None:
    """Read again: a test has overridden a setting."""
    if setting in (NAME, "CSRF_TRUSTED_ORIGINS"):
        ostiary_settings.cache_clear()
        resource_server.cache_clear()


setting_changed.connect(_forget)
