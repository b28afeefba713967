"""`manage.py check` names what a project has got wrong, and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.architecture.source import ROOT
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import KEY
from tests.integrations.remote.django_project import AUTHENTICATION, CSRF, OURS, SESSIONS
from tests.integrations.remote.guests import django_trusts

from django.core.checks import run_checks  # isort: skip - the project of the tests comes first
from django.test import override_settings

ISSUER = "https://id.example.test"
REST = {"DEFAULT_AUTHENTICATION_CLASSES": ["ostiary.integrations.drf.OstiaryAuthentication"]}


def told(*, deploy: bool = False, **settings: Any) -> dict[str | None, str]:  # noqa: ANN401 - Django's
    """Return what the checks say of a project with these settings: texts by id."""
    with override_settings(**settings):
        found = run_checks(include_deployment_checks=deploy)
    return {
        message.id: f"{message.msg} {message.hint}" for message in found if (message.id or "").startswith("ostiary.")
    }


def test_a_project_that_is_in_order_hears_nothing() -> None:
    assert told() == {}


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "no settings": ("ostiary.E001", {"OSTIARY": None}, "login.example.org"),
    "no issuer": ("ostiary.E001", {"OSTIARY": {}}, "ISSUER"),
    "a name that is not known": ("ostiary.E001", {"OSTIARY": {"ISSUER": ISSUER, "AUDIENZ": "x"}}, "'AUDIENZ'"),
    "an issuer with a slash": ("ostiary.E001", {"OSTIARY": {"ISSUER": f"{ISSUER}/"}}, "with no /"),
    "an issuer by plain http": ("ostiary.E001", {"OSTIARY": {"ISSUER": "http://id.example.test"}}, "https://"),
    "revocations that are not there": (
        "ostiary.E001",
        {"OSTIARY": {"ISSUER": ISSUER, "REVOCATIONS": "nowhere.at_all"}},
        "nowhere",
    ),
    "no CSRF middleware": ("ostiary.E002", {"MIDDLEWARE": [SESSIONS, AUTHENTICATION, OURS]}, "CsrfViewMiddleware"),
    "in front of Django's": ("ostiary.E003", {"MIDDLEWARE": [SESSIONS, CSRF, OURS, AUTHENTICATION]}, "behind"),
    "a field that is not there": ("ostiary.E004", {"OSTIARY": {"ISSUER": ISSUER, "USER_FIELD": "nope"}}, "'nope'"),
    "a field that is not unique": (
        "ostiary.E004",
        {"OSTIARY": {"ISSUER": ISSUER, "USER_FIELD": "first_name"}},
        "unique=True",
    ),
    "no middleware": ("ostiary.W001", {"MIDDLEWARE": [SESSIONS, CSRF, AUTHENTICATION], "REST_FRAMEWORK": {}}, OURS),
    "another sign-in page": ("ostiary.W002", {"LOGIN_URL": "/accounts/login/"}, "ostiary:sign-in"),
    "cookies of the same name": (
        "ostiary.W003",
        {"OSTIARY": {"ISSUER": ISSUER, "COOKIE": "access_token"}, "CSRF_COOKIE_NAME": "csrftoken"},
        "SESSION_COOKIE_NAME and CSRF_COOKIE_NAME",
    ),
    "problems as plain JSON": ("ostiary.W004", {"REST_FRAMEWORK": REST}, "drf.exception_handler"),
    "no backend": (
        "ostiary.W005",
        {
            "OSTIARY": {"ISSUER": ISSUER, "USER_FIELD": "ostiary_id"},
            "AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"],
        },
        "OstiaryBackend",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_named_and_nothing_else(what: str) -> None:
    check, settings, words = WRONG[what]
    found = told(**settings)

    assert set(found) == {check}
    assert words in found[check]


def test_what_is_no_mistake_is_not_named() -> None:
    bearer_only = {"ISSUER": ISSUER, "COOKIE": None}
    assert told(OSTIARY=bearer_only, MIDDLEWARE=[SESSIONS, AUTHENTICATION, OURS]) == {}
    shared = {"ISSUER": ISSUER, "COOKIE": "access_token"}
    assert told(OSTIARY=shared, SESSION_COOKIE_NAME="app_session", CSRF_COOKIE_NAME="app_csrf") == {}
    assert told(MIDDLEWARE=[SESSIONS, CSRF, AUTHENTICATION]) == {}  # the REST framework asks by itself
    assert told(OSTIARY={"ISSUER": ISSUER, "USER_FIELD": "ostiary_id"}) == {}
    assert told(LOGIN_URL=f"{ISSUER}/auth/sign-in") == {}


def test_before_a_deployment_the_issuer_is_asked_for_its_keys(issuer: Issuer, clocks: Clocks) -> None:
    issuer.status = 404
    with django_trusts(issuer, clocks):
        assert told() == {}
        assert issuer.asked == 0
        assert "the answer was 404" in told(deploy=True)["ostiary.W006"]
        issuer.status = 200
        issuer.publish(KEY)
        clocks.advance(10)
        assert told(deploy=True) == {}


def test_the_guide_describes_every_check() -> None:
    source = (ROOT / "src" / "ostiary" / "integrations" / "django" / "checks.py").read_text()
    guide = (ROOT / "docs" / "guides" / "django.md").read_text()
    ids = set(re.findall(r'"(ostiary\.[EW]\d{3})"', source))

    assert ids == set(re.findall(r"`(ostiary\.[EW]\d{3})`", guide))
    assert {check for check, _, _ in WRONG.values()} | {"ostiary.W006"} == ids
