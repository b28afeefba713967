"""Routes of a Starlette application ask who is calling."""

from __future__ import annotations

from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from tests.house import bearer, letter_to, register, token_in
from tests.integrations.hosts import Browser, is_problem, started

from ostiary.core.clock import ManualClock
from ostiary.integrations.starlette import (
    csrf_token,
    current_account,
    mount,
    optional_account,
    require,
)
from ostiary.wiring import Ostiary


async def who(request: Request) -> Response:
    return PlainTextResponse((await current_account(request)).username)


async def perhaps(request: Request) -> Response:
    visitor = await optional_account(request)
    return PlainTextResponse(visitor.username if visitor else "a stranger")


async def proven(request: Request) -> Response:
    return PlainTextResponse((await require(verified=True)(request)).email)


async def lately(request: Request) -> Response:
    return PlainTextResponse((await require(fresh=timedelta(minutes=5))(request)).username)


async def doubly(request: Request) -> Response:
    return PlainTextResponse((await require(acr="aal2")(request)).username)


async def allowed(request: Request) -> Response:
    return PlainTextResponse((await require(permission="books:lend")(request)).username)


async def form(request: Request) -> Response:
    if request.method == "GET":
        return PlainTextResponse(await csrf_token(request))
    account = await current_account(request)
    return PlainTextResponse(f"{account.username}: {(await request.form())['text']}")


async def stream(request: Request) -> Response:
    account = await current_account(request)
    size = 0
    async for part in request.stream():
        size += len(part)
    return PlainTextResponse(f"{account.username}: {size}")


def host_of(house: Ostiary) -> Starlette:
    app = Starlette(
        routes=[
            Route("/who", who), Route("/perhaps", perhaps), Route("/proven", proven), Route("/lately", lately),
            Route("/doubly", doubly), Route("/allowed", allowed), Route("/form", form, methods=["GET", "POST"]),
            Route("/stream", stream, methods=["POST"]), Mount("/below", routes=[Route("/who", who)]),
            Mount("/apart", app=Starlette(routes=[Route("/who", who)])),
        ]
    )  # fmt: skip
    mount(app, house)
    return app


async def test_every_question_has_its_answer(closed_house: Ostiary, clock: ManualClock) -> None:
    async with started(host_of(closed_house)) as client:
        for path in ("/who", "/proven", "/lately", "/allowed", "/below/who", "/apart/who"):
            assert is_problem(await client.get(path), 401, "not-signed-in"), path
        assert (await client.get("/perhaps")).text == "a stranger"

        shown = bearer(await register(client))
        for path in ("/who", "/perhaps", "/lately", "/below/who", "/apart/who"):
            assert (await client.get(path, headers=shown)).text == "mira", path
        assert is_problem(await client.get("/proven", headers=shown), 403, "address-not-proven")
        assert is_problem(await client.get("/allowed", headers=shown), 403, "not-permitted")
        assert is_problem(await client.get("/doubly", headers=shown), 401, "sign-in-too-weak")

        token = token_in(await letter_to(closed_house, "mira@example.org"))
        await client.post("/api/v1/auth/email/verify", json={"token": token})
        assert (await client.get("/proven", headers=shown)).text == "mira@example.org"
        clock.advance(minutes=5, seconds=1)
        assert is_problem(await client.get("/lately", headers=shown), 401, "sign-in-too-old")


async def test_forms_and_streams_are_read_once_and_whole(closed_house: Ostiary) -> None:
    async with started(host_of(closed_house)) as client:
        browser = Browser(client)
        mira = await browser.sign_up()
        token = (await browser.send("GET", "/form")).text

        sent = await browser.send("POST", "/form", data={"text": "hello", "csrf_token": token})
        assert sent.text == "mira: hello"
        assert (await browser.send("POST", "/stream", content=b"12345", csrf=True)).text == "mira: 5"
        # The header spares the body: whatever type it says it has, the route reads it itself.
        upload = {"content-type": "multipart/form-data; boundary=x"}
        assert (await browser.send("POST", "/stream", content=b"12345", csrf=True, headers=upload)).text == "mira: 5"
        browser.cookies = {}
        sent = await browser.send("POST", "/stream", content=b"12345", headers=upload | bearer(mira))
        assert sent.text == "mira: 5"


async def test_a_form_of_another_site_is_refused(closed_house: Ostiary) -> None:
    async with started(host_of(closed_house)) as client:
        browser = Browser(client)
        await browser.sign_up()
        browser.origin = "https://evil.example"

        assert is_problem(await browser.send("POST", "/form", data={"text": "x"}), 403, "foreign-origin")
        assert is_problem(await browser.send("POST", "/stream", csrf=True), 403, "foreign-origin")
