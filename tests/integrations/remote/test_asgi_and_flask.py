"""What Flask, Starlette and plain ASGI have of their own."""

from __future__ import annotations

import flask
import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from tests.client.forging import ISSUER
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import bearer, cookie, token_of
from tests.integrations.remote.guests import HOST, Asgi, Guest, Wsgi, asgi_app, flask_app, server_of
from tests.integrations.remote.test_every_framework import is_problem

from ostiary.integrations import asgi
from ostiary.integrations import flask as flask_integration

BROWSER = {"accept": "text/html", "host": "id.example.test"}


@pytest.fixture(params=["flask", "asgi"])
def site(request: pytest.FixtureRequest, issuer: Issuer, clocks: Clocks) -> Guest:
    """An application with pages."""
    server = server_of(issuer, clocks)
    if request.param == "flask":
        return Wsgi(flask_app(server, OSTIARY_REDIRECT_TO_SIGN_IN=True))
    return Asgi(asgi_app(server, redirect_to_sign_in=True))


def test_a_browser_is_sent_to_the_sign_in_page_and_only_where_that_helps(site: Guest) -> None:
    sent = site.ask("GET", "/who", BROWSER)
    assert (sent.status, sent.headers["location"]) == (303, f"{ISSUER}/auth/sign-in?next=/who")
    assert sent.headers["cache-control"] == "no-store"
    too_old = site.ask("GET", "/fresh", cookie(token_of(auth_time=0)) | BROWSER)
    assert too_old.headers["location"] == f"{ISSUER}/auth/sign-in?next=/fresh&reason=once-more"

    is_problem(site.ask("GET", "/who", cookie(token_of(aud="other")) | BROWSER), 401, "not-signed-in")
    is_problem(site.ask("GET", "/lend", cookie(token_of(permissions=())) | BROWSER), 403, "not-permitted")
    is_problem(site.ask("POST", "/act", BROWSER), 401, "not-signed-in")
    is_problem(site.ask("GET", "/who", bearer("x") | BROWSER), 401, "not-signed-in")


def test_a_head_request_gets_the_headers_alone(site: Guest) -> None:
    answer = site.ask("HEAD", "/raises")

    assert (answer.status, answer.text) == (401, "")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary"'


# Flask


def test_flask_reads_its_settings_from_the_configuration(issuer: Issuer) -> None:
    app = flask.Flask("configured")
    ostiary = flask_integration.Ostiary()
    with pytest.raises(ValueError, match="OSTIARY_ISSUER"):
        ostiary.init_app(app)
    app.config["OSTIARY_ISSUER"] = "http://id.example.test"
    with pytest.raises(ValueError, match="https://"):
        ostiary.init_app(app)

    app.config |= {
        "OSTIARY_ISSUER": ISSUER, "OSTIARY_AUDIENCE": "https://app.example.test", "OSTIARY_JWKS_URL": issuer.url,
        "OSTIARY_COOKIE": "access_token", "OSTIARY_ORIGINS": "https://www.example.test",
    }  # fmt: skip
    ostiary.init_app(app)
    app.add_url_rule("/", "act", lambda: {"who": flask.g.ostiary and flask.g.ostiary.username}, methods=["POST"])
    shown = {"cookie": f"access_token={token_of(exp=2**40, iat=1, auth_time=1)}"}
    site = Wsgi(app)
    assert site.ask("POST", "/", shown | {"origin": "https://www.example.test"}).json == {"who": "mira"}
    assert site.ask("POST", "/", shown | {"origin": HOST}).json == {"who": "mira"}
    assert site.ask("POST", "/", shown | {"origin": "https://evil.test"}).json == {"who": None}


def test_a_blueprint_is_guarded_as_a_whole_and_async_views_too(issuer: Issuer, clocks: Clocks) -> None:
    app = flask_app(server_of(issuer, clocks))
    desk = flask.Blueprint("desk", __name__, url_prefix="/desk")

    @desk.before_request
    @flask_integration.require(permission="books:lend")
    def only_those_who_lend() -> None: ...

    @desk.get("/")
    def front() -> str:
        return flask_integration.current_account().username

    @desk.get("/later")
    @flask_integration.require(verified=True)
    async def later() -> str:
        return flask_integration.current_account().username

    app.register_blueprint(desk)
    site = Wsgi(app)
    for path in ("/desk/", "/desk/later"):
        assert site.ask("GET", path, bearer()).text == "mira"
        is_problem(site.ask("GET", path, bearer(permissions=())), 403, "not-permitted")
        is_problem(site.ask("GET", path), 401, "not-signed-in")
    is_problem(site.ask("GET", "/desk/later", bearer(email_verified=False)), 403, "address-not-proven")


def test_flask_without_the_extension_says_what_to_do() -> None:
    app = flask.Flask("bare")
    with app.test_request_context(), pytest.raises(RuntimeError, match=r"Ostiary\(app\)"):
        flask_integration.current_account()


# Starlette, and what else speaks ASGI


async def test_a_starlette_application_may_trust_an_ostiary_elsewhere(issuer: Issuer, clocks: Clocks) -> None:
    async def who(request: Request) -> JSONResponse:
        return JSONResponse({"who": asgi.current_account(request.scope).username})

    middleware = Middleware(asgi.OstiaryMiddleware, server_of(issuer, clocks))  # type: ignore[arg-type]
    app = Starlette(routes=[Route("/who", who)], middleware=[middleware])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOST) as client:
        assert (await client.get("/who", headers=bearer())).json() == {"who": "mira"}
        refused = await client.get("/who")
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")


async def test_what_is_neither_http_nor_a_socket_passes_untouched() -> None:
    seen: list[asgi.Scope] = []

    async def app(scope: asgi.Scope, _receive: asgi.Receive, _send: asgi.Send) -> None:
        seen.append(scope)

    scope: asgi.Scope = {"type": "lifespan"}
    await asgi.OstiaryMiddleware(app, issuer=ISSUER)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [scope]
    assert seen[0] is scope


async def test_a_refusal_after_the_answer_has_begun_is_not_a_second_answer(issuer: Issuer, clocks: Clocks) -> None:
    sent: list[str] = []

    async def app(scope: asgi.Scope, _: asgi.Receive, send: asgi.Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        asgi.current_account(scope)

    async def send(message: asgi.Message) -> None:
        sent.append(message["type"])

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    with pytest.raises(asgi.Refusal):
        await asgi.OstiaryMiddleware(app, server_of(issuer, clocks))(scope, None, send)  # type: ignore[arg-type]
    assert sent == ["http.response.start"]


def test_an_application_without_the_middleware_says_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="OstiaryMiddleware"):
        asgi.current_account({"type": "http"})


def test_a_setting_that_cannot_be_is_named_where_the_application_is_made() -> None:
    for wrong in ({"issuer": "x"}, {"issuer": ISSUER, "cookie": "a b"}, {"issuer": ISSUER, "origins": ["*"]}):
        with pytest.raises(ValueError, match=r"."):
            asgi.OstiaryMiddleware(None, **wrong)  # type: ignore[arg-type]
