"""What `manage.py check` says of a project that trusts an Ostiary; each is described in docs/guides/django.md."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004 - Django's own name
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from ostiary.client.jwks import KeysUnavailable
from ostiary.integrations.django.middleware import OstiaryMiddleware
from ostiary.integrations.django.settings import OstiarySettings, ostiary_settings, resource_server

if TYPE_CHECKING:
    from django.apps import AppConfig

MIDDLEWARE: Final = "ostiary.integrations.django.middleware.OstiaryMiddleware"
BACKEND: Final = "ostiary.integrations.django.backends.OstiaryBackend"
REST_CLASS: Final = "ostiary.integrations.drf.OstiaryAuthentication"
REST_HANDLER: Final = "ostiary.integrations.drf.exception_handler"
SIGN_IN: Final = "ostiary:sign-in"


def register_all() -> None:
    """Make the checks known to Django."""
    register(look_over, Tags.security)
    register(look_over_deployment, Tags.security, deploy=True)


def look_over(app_configs: Iterable[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401 - Django's form
    """Return what is wrong with the settings."""
    try:
        resource_server()
    except (ImproperlyConfigured, ImportError) as error:
        return [Error(str(error), id="ostiary.E001")]
    chosen = ostiary_settings()
    return [*_middleware(chosen), *_cookies(chosen), *_users(chosen), *_sign_in(chosen), *_rest()]


def look_over_deployment(app_configs: Iterable[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:  # noqa: ANN401 - Django's form
    """Return what is wrong with the way to the Ostiary; asks it for its keys."""
    try:
        resource_server().verifier.fetch_keys_blocking()
    except KeysUnavailable as error:
        hint = "Ask for /.well-known/jwks.json at OSTIARY['ISSUER'] from this machine."
        return [Warning(f"Nobody can be let in: {error}", hint=hint, id="ostiary.W006")]
    except (ImproperlyConfigured, ImportError):
        return []  # look_over says it
    return []


def _middleware(chosen: OstiarySettings) -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    ours = _place(names, MIDDLEWARE)
    if ours is None:
        if not _rest_class_is_default():
            yield Warning(
                "OstiaryMiddleware is not installed: no view knows who is calling.",
                hint=f"Put {MIDDLEWARE!r} into MIDDLEWARE, behind AuthenticationMiddleware.", id="ostiary.W001",
            )  # fmt: skip
        return
    theirs = _place(names, "django.contrib.auth.middleware.AuthenticationMiddleware")
    if theirs is not None and theirs > ours:
        yield Error(
            "AuthenticationMiddleware stands behind OstiaryMiddleware and replaces its users.",
            hint="Put OstiaryMiddleware behind it.", id="ostiary.E003",
        )  # fmt: skip
    if chosen.cookie is not None and _place(names, "django.middleware.csrf.CsrfViewMiddleware") is None:
        yield Error(
            "Cookies count here and nothing hands out CSRF tokens: every unsafe request of a browser will be refused.",
            hint="Put CsrfViewMiddleware into MIDDLEWARE, or set OSTIARY['COOKIE'] to None for bearer tokens alone.",
            id="ostiary.E002",
        )


def _cookies(chosen: OstiarySettings) -> Iterator[CheckMessage]:
    if chosen.cookie is None or chosen.cookie.startswith("__Host-"):
        return
    shared = {"SESSION_COOKIE_NAME": "sessionid", "CSRF_COOKIE_NAME": "csrftoken"}
    same = [name for name, value in shared.items() if getattr(settings, name) == value]
    if same:
        yield Warning(
            f"{' and '.join(same)}: the Ostiary's own cookies have these names, and it shares them with this project.",
            hint="Give this project's cookies other names: of two with one name browsers send both.",
            id="ostiary.W003",
        )


def _users(chosen: OstiarySettings) -> Iterator[CheckMessage]:
    name = chosen.user_field
    if name is None:
        return
    if not apps.is_installed("django.contrib.auth"):
        yield Error("OSTIARY['USER_FIELD'] is set and django.contrib.auth is not installed.", id="ostiary.E004")
        return
    from django.contrib.auth import get_user_model  # noqa: PLC0415 - only where it is installed

    model: Any = get_user_model()
    try:
        field = model._meta.get_field(name)  # noqa: SLF001 - Django's documented interface
    except FieldDoesNotExist:
        yield Error(f"OSTIARY['USER_FIELD']: {model.__name__} has no field {name!r}.", id="ostiary.E004")
        return
    if not getattr(field, "unique", False):
        yield Error(
            f"OSTIARY['USER_FIELD']: {name!r} is not unique, and two requests at once would make two people of one.",
            hint="Make it models.CharField(max_length=64, unique=True, null=True).", id="ostiary.E004",
        )  # fmt: skip
    if _place(list(settings.AUTHENTICATION_BACKENDS), BACKEND) is None:
        yield Warning(
            "No OstiaryBackend in AUTHENTICATION_BACKENDS: user.has_perm does not know the account's permissions.",
            hint=f"Add {BACKEND!r}, or your own subclass of it.", id="ostiary.W005",
        )  # fmt: skip


def _sign_in(chosen: OstiarySettings) -> Iterator[CheckMessage]:
    if not apps.is_installed("django.contrib.auth"):
        return
    try:
        leads_to = resolve_url(settings.LOGIN_URL)
        ours = reverse(SIGN_IN)
    except NoReverseMatch:
        leads_to, ours = str(settings.LOGIN_URL), ""
    if leads_to != ours and not leads_to.startswith(f"{chosen.issuer}/"):
        yield Warning(
            f"LOGIN_URL is {settings.LOGIN_URL!r}: login_required does not lead to the Ostiary.",
            hint=f"Include 'ostiary.integrations.django.urls' in your URLs and set LOGIN_URL = {SIGN_IN!r}.",
            id="ostiary.W002",
        )


def _rest() -> Iterator[CheckMessage]:
    handler = getattr(settings, "REST_FRAMEWORK", {}).get("EXCEPTION_HANDLER")
    if _rest_class_is_default() and handler is None:
        yield Warning(
            "Refusals of the REST framework are plain JSON: clients do not see that they are problems (RFC 9457).",
            hint=f"Set REST_FRAMEWORK['EXCEPTION_HANDLER'] = {REST_HANDLER!r}.", id="ostiary.W004",
        )  # fmt: skip


def _rest_class_is_default() -> bool:
    classes = getattr(settings, "REST_FRAMEWORK", {}).get("DEFAULT_AUTHENTICATION_CLASSES", ())
    return _place([name for name in classes if isinstance(name, str)], REST_CLASS) is not None


def _place(names: list[str], wanted: str) -> int | None:
    """Return where a class or a subclass of it stands in a list of dotted paths, or None."""
    if wanted in names:
        return names.index(wanted)
    kind = OstiaryMiddleware if wanted == MIDDLEWARE else import_string(wanted)
    for place, name in enumerate(names):
        try:
            found = import_string(name)
        except ImportError:
            continue  # Django says that
        if isinstance(found, type) and issubclass(found, kind):
            return place
    return None
