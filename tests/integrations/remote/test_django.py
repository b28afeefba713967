"""What Django has of its own: users, decorators, sessions, forms, class-based views."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.forging import NOW
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import bearer, cookie, token_of
from tests.integrations.remote.django_project import CSRF, OURS
from tests.integrations.remote.guests import HOST, Asgi, Wsgi, django_trusts, guest_of
from tests.integrations.remote.test_every_framework import crossing_token, is_problem

from django.contrib.auth import authenticate  # isort: skip - the project of the tests comes first
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings
from django.utils.decorators import method_decorator
from django.views import View
from tests.integrations.remote.people.models import Member

from ostiary.client.identity import Identity
from ostiary.integrations.django import RemoteUser, current_account, require
from ostiary.integrations.django.backends import OstiaryBackend
from ostiary.integrations.django.middleware import OstiaryMiddleware

IDENTITY = Identity(
    id="acc_7", username="mira", session_id="ses_1", email="mira@example.test", permissions=("books:lend", "desk")
)
ON_ONE_ORIGIN = {"host": "id.example.test"}


@pytest.fixture
def site(issuer: Issuer, clocks: Clocks) -> Iterator[Wsgi]:
    with django_trusts(issuer, clocks):
        found = guest_of("django", issuer, clocks)
        assert isinstance(found, Wsgi)
        yield found


# Users


def test_a_user_needs_no_row(site: Wsgi) -> None:
    answer = site.ask("GET", "/user", bearer())

    assert answer.json == {"id": "acc_7", "name": "mira", "kind": "RemoteUser", "email": "mira@example.test"}
    assert site.ask("GET", "/members", cookie()).json["name"] == "mira"
    assert Asgi(ASGIHandler(), "/async").ask("GET", "/user", bearer()).json == {"id": "acc_7", "kind": "RemoteUser"}


async def test_a_user_without_a_row_can_be_asked_all_that_django_asks() -> None:
    user = RemoteUser(IDENTITY)

    assert (user.pk, user.id, str(user), user.get_username()) == ("acc_7", "acc_7", "mira", "mira")
    assert (user.is_authenticated, user.is_anonymous, user.is_active) == (True, False, True)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert user.email == ""  # not proven (D4)
    assert user.get_full_name() == user.get_short_name() == "mira"
    assert user == RemoteUser(IDENTITY)
    assert len({user, RemoteUser(IDENTITY)}) == 1
    assert user != AnonymousUser()
    assert user.has_perm("books:lend")
    assert not user.has_perm("books:lend", object())
    assert user.has_perms(["books:lend", "desk"])
    assert not user.has_perms(["books:lend", "books:burn"])
    assert user.has_module_perms("books")
    assert not user.has_module_perms("boo")
    assert user.get_all_permissions() == {"books:lend", "desk"}
    assert await user.ahas_perms(["desk"])
    assert await user.ahas_perm("desk")
    assert await user.ahas_module_perms("desk")
    assert await user.aget_all_permissions() == user.get_all_permissions()
    assert await user.aget_user_permissions() == user.get_user_permissions()
    assert not await user.aget_group_permissions()
    assert not user.check_password("x")
    unsupported: list[Any] = [user.save, user.delete, lambda: user.set_password("x")]
    for verb in unsupported:
        with pytest.raises(NotImplementedError):
            verb()
    with pytest.raises(ValueError, match="iterable"):
        user.has_perms("books:lend")


def test_the_backend_takes_an_access_token_and_no_password(site: Wsgi) -> None:
    assert authenticate(access_token=token_of()) == RemoteUser(IDENTITY)
    assert authenticate(access_token=token_of(aud="other")) is None
    assert authenticate(access_token=None) is None


# Signing in


def test_login_required_leads_to_the_ostiary_and_back(site: Wsgi) -> None:
    asked = site.ask("GET", "/members?page=2", ON_ONE_ORIGIN)
    assert (asked.status, asked.headers["location"]) == (302, "/sign-in?next=/members%3Fpage%3D2")
    sent_on = site.ask("GET", asked.headers["location"], ON_ONE_ORIGIN)
    assert (sent_on.status, sent_on.headers["location"]) == (
        302,
        "https://id.example.test/auth/sign-in?next=/members",  # the page goes on to plain paths only
    )
    assert "no-store" in sent_on.headers["cache-control"]

    elsewhere = site.ask("GET", "/sign-in?next=/members")
    assert elsewhere.headers["location"] == "https://id.example.test/auth/sign-in"  # whose paths are not ours


@pytest.mark.parametrize("following", ["//evil.test/x", "https://evil.test/x", "\\\\evil.test", "javascript:x", ""])
def test_nobody_is_sent_back_to_another_place(site: Wsgi, following: str) -> None:
    sent_on = site.ask("GET", "/sign-in", ON_ONE_ORIGIN, query_string={"next": following})

    assert sent_on.headers["location"] == "https://id.example.test/auth/sign-in?next=/"


def test_who_is_signed_in_and_may_not_is_not_sent_round_in_circles(site: Wsgi, issuer: Issuer, clocks: Clocks) -> None:
    """Django sends whoever lacks a permission to the sign-in page, which would send them straight back."""
    without = cookie(token_of(permissions=()))
    asked = site.ask("GET", "/lenders", without)
    assert asked.headers["location"] == "/sign-in?next=/lenders"
    is_problem(site.ask("GET", asked.headers["location"], without), 403, "not-permitted")
    assert site.ask("GET", "/lenders", cookie()).status == 200

    for_others = cookie(token_of(aud="https://other.example.test"))
    is_problem(site.ask("GET", "/sign-in?next=/members", for_others), 401, "not-signed-in")
    lapsed = cookie(token_of(iat=NOW - 1000, exp=NOW - 100, auth_time=NOW - 1000))
    assert site.ask("GET", "/sign-in?next=/members", lapsed).status == 302
    issuer.status = 500
    clocks.advance(4000)
    is_problem(site.ask("GET", "/sign-in?next=/members", cookie()), 503, "unavailable")


def test_require_sends_browsers_to_the_sign_in_page_if_it_is_told_to(issuer: Issuer, clocks: Clocks) -> None:
    browser = {"accept": "text/html,*/*", "host": "id.example.test"}
    with django_trusts(issuer, clocks, REDIRECT_TO_SIGN_IN=True):
        site = guest_of("django", issuer, clocks)
        sent = site.ask("GET", "/who", browser)
        assert (sent.status, sent.headers["location"]) == (302, "https://id.example.test/auth/sign-in?next=/who")
        too_old = site.ask("GET", "/fresh", cookie(token_of(auth_time=0)) | browser)
        assert too_old.headers["location"] == "https://id.example.test/auth/sign-in?next=/fresh&reason=once-more"

        form = browser | crossing_token(site) | {"origin": "https://id.example.test"}
        is_problem(site.ask("POST", "/who", form), 401, "not-signed-in")
        is_problem(site.ask("GET", "/who", {"accept": "application/json"}), 401, "not-signed-in")
        is_problem(site.ask("GET", "/who", bearer("nonsense") | browser), 401, "not-signed-in")
        is_problem(site.ask("GET", "/lend", cookie(token_of(permissions=())) | browser), 403, "not-permitted")


# Forgery


def test_a_view_that_django_spares_is_not_spared_for_cookies(site: Wsgi) -> None:
    is_problem(site.ask("POST", "/spared", cookie(origin=HOST)), 403, "csrf-token-missing")
    crossing = crossing_token(site)
    both = cookie(origin=HOST)["cookie"] + "; " + crossing.pop("cookie")
    assert site.ask("POST", "/spared", {"cookie": both, "origin": HOST} | crossing).status == 200
    assert site.ask("POST", "/spared", bearer()).status == 200


def test_a_form_passes_by_its_hidden_field(site: Wsgi) -> None:
    crossing = crossing_token(site)
    both = {"cookie": f"{cookie()['cookie']}; {crossing['cookie']}", "origin": HOST}

    assert site.ask("POST", "/act", both, data={"csrfmiddlewaretoken": crossing["x-csrftoken"]}).status == 200
    assert site.ask("POST", "/act", both, data={"csrfmiddlewaretoken": "x" * 64}).status == 403


def test_only_a_bearer_token_that_is_good_spares_djangos_own_check(site: Wsgi) -> None:
    """Else a made-up header would let a foreign page act by a session of Django's."""
    assert site.ask("POST", "/public", bearer()).status == 200
    for shown in (bearer("nonsense"), {"authorization": "Basic eA=="}, cookie()):
        assert site.ask("POST", "/public", shown).status == 403, shown


def test_a_forged_request_is_a_problem_if_the_project_says_so(site: Wsgi, issuer: Issuer, clocks: Clocks) -> None:
    with override_settings(CSRF_FAILURE_VIEW="ostiary.integrations.django.views.csrf_failure"):
        is_problem(site.ask("POST", "/act", cookie()), 403, "csrf-token-missing")


# Sessions of Django's beside


def request_of(user: object, **headers: str) -> Any:  # noqa: ANN401 - with all that middlewares put into it
    """Return a request that Django's own session says is somebody's, as the middleware leaves it."""
    request: Any = RequestFactory().get("/", headers=headers)
    request.user = user

    def view(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    OstiaryMiddleware(view)(request)
    return request


def test_a_session_of_djangos_stays_where_an_ostiary_says_nothing(site: Wsgi) -> None:
    someone = object()

    assert request_of(someone).user is someone
    for worthless in (token_of(iat=NOW - 1000, exp=NOW - 100, auth_time=NOW - 1000), token_of(aud="other"), "x"):
        assert request_of(someone, **cookie(worthless)).user is someone
    assert request_of(someone, authorization="Token x").user is someone
    assert request_of(someone, **cookie()).user == RemoteUser(IDENTITY)


def test_a_broken_token_is_not_made_good_by_a_session_of_djangos(site: Wsgi) -> None:
    for shown in (bearer("nonsense"), bearer(token_of(aud="other"))):
        assert isinstance(request_of(object(), **shown).user, AnonymousUser), shown


def test_a_forged_request_is_nobodys_also_beside_a_session_of_djangos(site: Wsgi) -> None:
    request: Any = RequestFactory().post("/", headers=cookie())
    request.user = Member(username="keeper")

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    middleware = OstiaryMiddleware(view)
    request._dont_enforce_csrf_checks = False  # the factory of the tests sets it
    middleware(request)
    assert request.user == RemoteUser(IDENTITY)
    middleware.process_view(request, view, (), {})
    assert isinstance(request.user, AnonymousUser)


def test_a_setting_that_cannot_be_stops_the_server_where_it_starts() -> None:
    with (
        override_settings(OSTIARY={"ISSUER": "login.example.org"}),
        pytest.raises(ImproperlyConfigured, match="https://"),
    ):
        WSGIHandler()


def test_a_session_of_djangos_cannot_be_started_for_a_user_of_the_ostiary(site: Wsgi) -> None:
    """It would go on when the Ostiary's own has ended."""
    assert OstiaryBackend().get_user("acc_7") is None


def test_a_project_without_djangos_authentication_has_a_user_all_the_same(issuer: Issuer, clocks: Clocks) -> None:
    with django_trusts(issuer, clocks), override_settings(MIDDLEWARE=[CSRF, OURS]):
        for kind, below in (("django", ""), ("django under asgi", "/async")):
            site = guest_of(kind, issuer, clocks)
            assert site.ask("GET", "/user").status == 200, below
            assert site.ask("GET", "/user", bearer()).json["id"] == "acc_7"


# Views


def test_class_based_views_take_the_decorator(site: Wsgi) -> None:
    @method_decorator(require(permission="books:lend"), name="dispatch")
    class Lending(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(current_account(request).id)

    lent: Any = Lending.as_view()(request_of(None, **cookie()))
    assert lent.content == b"acc_7"
    refused: Any = Lending.as_view()(request_of(None, **cookie(token_of(permissions=()))))
    assert refused.status_code == 403


def test_a_view_in_a_project_without_the_middleware_says_what_to_do() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"middleware\.OstiaryMiddleware"):
        current_account(RequestFactory().get("/"))


def test_a_view_may_say_itself_how_its_answer_is_stored(site: Wsgi) -> None:
    request = RequestFactory().get("/", headers=cookie())

    def view(_: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={"Cache-Control": "private, max-age=60"})

    assert OstiaryMiddleware(view)(request)["Cache-Control"] == "private, max-age=60"
