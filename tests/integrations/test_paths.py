"""Every path has one side: the house's or the application's, and no spelling leads to the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from fastapi.routing import iter_route_contexts
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from tests.integrations.hosts import Browser, host_of, is_problem, started

from ostiary.integrations.fastapi import CannotMount, CurrentAccount
from ostiary.integrations.porch import is_house_path
from ostiary.server.app import routes
from ostiary.server.lanes import lanes_behind, lanes_of
from ostiary.wiring import Ostiary

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.requests import Request

LEFT_TO_THE_APPLICATION = {"/", "/healthz", "/readyz", "/api/v1/openapi.json"}
HOUSE = "the house"
APPLICATION = "the application"
NOBODY = "nobody"

TRICKS = {
    "/auth/account": HOUSE,
    "/auth/account/": HOUSE,
    "/auth": NOBODY,
    "/auth/": NOBODY,
    "/auth/nothing-there": NOBODY,
    "/auth/../hello": NOBODY,
    "/auth/./account": NOBODY,
    "/auth/%2e%2e/hello": NOBODY,
    "/auth/..%2fhello": NOBODY,
    "/auth%2faccount": NOBODY,
    "/auth//account": NOBODY,
    "/%61uth/account": NOBODY,
    "/auth/%61ccount": NOBODY,
    "/api/v1/auth/%6de": NOBODY,
    "/api/v1/auth/../../../hello": NOBODY,
    "//auth/account": APPLICATION,
    "/./auth/account": APPLICATION,
    "/hello/../auth/account": APPLICATION,
    "/AUTH/account": APPLICATION,
    "/auth;x/account": APPLICATION,
    "/auth%00/account": APPLICATION,
    "/auth%5caccount": APPLICATION,
    "/authors": APPLICATION,
    "/api/v1/authors": APPLICATION,
    "/.well-known/security.txt": APPLICATION,
    "/healthz": APPLICATION,
    "/api/v1/admin": APPLICATION,
    "/api/v1/admin/users": APPLICATION,
    "/api/v1/admin/accounts": APPLICATION,
    "/api/v1/admin/accounts/7": APPLICATION,
    "/api/v1/admin/accounts/7/orders": APPLICATION,
    "/api/v1/admin/roles/keeper/holders/9": APPLICATION,
    "/hello": APPLICATION,
}
"""Who answers each: the house or nobody on its side, the application on the other."""


async def answered_by(app: FastAPI, path: str) -> tuple[str, int]:
    """Return who answers a raw path, and the status; the path goes on the wire as it stands here."""
    answer: dict[str, Any] = {}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        answer.update(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": unquote(path), "raw_path": path.encode(),
        "query_string": b"", "root_path": "", "headers": [(b"host", b"localhost:8080")],
        "client": ("203.0.113.7", 50000), "server": ("localhost", 8080), "state": {},
    }  # fmt: skip
    await app(scope, receive, send)
    headers = dict(answer["headers"]) if answer.get("headers") else {}
    side = HOUSE if b"x-request-id" in headers else APPLICATION
    return side, answer["status"]


def open_application(house: Ostiary) -> FastAPI:
    """Return an application that answers whatever reaches it."""
    app = host_of(house)

    @app.get("/{anything:path}")
    async def answer(anything: str) -> PlainTextResponse:
        return PlainTextResponse(anything)

    return app


@pytest.mark.parametrize(("path", "side"), TRICKS.items())
async def test_a_path_trick_reaches_neither_side_by_the_other(closed_house: Ostiary, path: str, side: str) -> None:
    app = open_application(closed_house)
    async with started(app):
        found, status = await answered_by(app, path)

    if side == APPLICATION:
        assert found == APPLICATION
        assert status == (401 if path == "/hello" else 200)  # its own catch-all, which the house never sees
    else:
        assert found == HOUSE
        assert status == (303 if side == HOUSE else 404)  # signed out: to the sign-in page


@given(st.text(alphabet="/auth.%2e;v1piA\\é", max_size=12))
def test_a_path_is_the_houses_by_whole_segments_only(rest: str) -> None:
    assert is_house_path(f"/auth/{rest}")
    assert is_house_path(f"/auth{rest}") == (rest == "" or rest.startswith("/"))
    assert is_house_path(f"/{rest}auth/account") == (
        rest in ("", "auth/", "api/v1/") or f"/{rest}".startswith("/auth/")
    )


def test_every_route_of_the_house_is_answered_by_it_or_left_to_the_application_on_purpose(
    closed_house: Ostiary,
) -> None:
    """A new path of the house belongs into `HOUSE_PATHS`, or into the list of those that the application keeps."""
    app = routes(with_mailbox=True)
    paths = {(context.path or "").replace("{provider}", "github") for context in iter_route_contexts(app.routes)}
    paths |= {lane.path for lane in (*lanes_of(closed_house), *lanes_behind(closed_house))}

    mine = {path for path in paths if is_house_path(path)}

    assert {path for path in paths - mine if not path.startswith("/dev/")} == LEFT_TO_THE_APPLICATION
    assert {"/auth/account", "/api/v1/auth/me", "/.well-known/jwks.json", "/.well-known/change-password"} <= mine


def _answer(_: Request) -> PlainTextResponse:
    return PlainTextResponse("mine")


SHADOWED = {
    "a page": lambda app: app.add_api_route("/auth/account", _answer),
    "a whole room": lambda app: app.add_api_route("/auth/{page}", _answer),
    "a name in the API": lambda app: app.add_api_route("/api/v1/auth/me", _answer, methods=["DELETE"]),
    "a well-known path": lambda app: app.add_api_route("/.well-known/jwks.json", _answer),
    "a mounted application": lambda app: app.mount("/auth", Starlette()),
    "one below a mount": lambda app: app.mount(
        "/api", Starlette(routes=[Mount("/v1", routes=[Route("/auth/x", _answer)])])
    ),
    "an included router": lambda app: app.include_router(_router(), prefix="/api/v1"),
}


def _route() -> Route:
    return Route("/auth/x", _answer)


def _router() -> APIRouter:
    router = APIRouter()
    router.add_api_route("/auth/keys", _answer)
    return router


@pytest.mark.parametrize("what", SHADOWED)
async def test_a_route_that_could_never_be_reached_stops_the_start(closed_house: Ostiary, what: str) -> None:
    app = host_of(closed_house)
    SHADOWED[what](app)

    with pytest.raises(CannotMount, match="could never be reached"):
        async with started(app):
            pass
    assert not await closed_house.is_ready()


async def test_a_catch_all_of_the_application_gets_only_what_is_not_the_houses(closed_house: Ostiary) -> None:
    async with started(open_application(closed_house)) as client:
        assert (await client.get("/whatever/else")).text == "whatever/else"
        assert is_problem(await client.get("/api/v1/auth/nothing"), 404, "not-found")


async def test_no_middleware_of_the_application_touches_the_houses_answers(closed_house: Ostiary) -> None:
    """Compressed, the pages' CSRF tokens could be guessed (BREACH); with any origin allowed, R19 is undone."""
    app = host_of(closed_house)
    app.add_middleware(GZipMiddleware, minimum_size=1)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
    said = {"accept-encoding": "gzip", "origin": "https://evil.example"}
    async with started(app) as client:
        own = await client.get("/public", headers=said)
        page = await client.get("/auth/sign-in", headers=said)

    assert own.headers["content-encoding"] == "gzip"
    assert own.headers["access-control-allow-credentials"] == "true"
    assert page.status_code == 200
    assert "content-encoding" not in page.headers
    assert "access-control-allow-origin" not in page.headers
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


SOCKET: dict[str, Any] = {"type": "websocket", "headers": [], "query_string": b"", "state": {}}


async def test_websockets_pass_untouched_wherever_they_are(closed_house: Ostiary) -> None:
    app = host_of(closed_house)

    @app.websocket("/auth/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message.get("text") or message["type"])

    scope: dict[str, Any] = {
        "type": "websocket",
        "path": "/auth/socket",
        "headers": [],
        "query_string": b"",
        "state": {},
    }
    async with started(app):
        await app(scope, receive, send)

    assert sent == ["websocket.accept", "hello", "websocket.close"]
    assert "ostiary.guest" not in scope


async def test_a_websocket_of_a_stranger_is_closed_before_the_application_sees_it(closed_house: Ostiary) -> None:
    app = host_of(closed_house)
    let_in: list[str] = []
    said: list[MutableMapping[str, Any]] = []

    @app.websocket("/socket")
    async def socket(socket: WebSocket, account: CurrentAccount) -> None:
        let_in.append(account.username)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message)

    async with started(app):
        await app({**SOCKET, "path": "/socket"}, receive, send)
    assert not let_in
    assert [message["type"] for message in said] == ["websocket.accept", "websocket.close"]
    assert said[1]["code"] == 4001


async def test_signing_in_on_the_houses_page_signs_in_to_the_application(browser: Browser) -> None:
    await browser.sign_up()
    await browser.sign_out()
    token = browser.cookies.get("__Host-csrftoken")
    assert token is None
    await browser.send("GET", "/auth/sign-in")

    filled = {"login": "mira", "password": "correct horse battery", "next": "/hello"}
    signed_in = await browser.send(
        "POST", "/auth/sign-in", data=filled | {"csrf_token": browser.cookies["__Host-csrftoken"]}
    )

    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/hello")
    assert (await browser.send("GET", "/hello")).json()["hello"] == "mira"
