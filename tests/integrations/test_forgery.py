"""Another site's page must not act on the application with a visitor's cookies (R19)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import httpx
import pytest
from fastapi import FastAPI, File, Form
from tests.house import ORIGIN, bearer
from tests.integrations.conftest import BuildHouse
from tests.integrations.hosts import Browser, host_of, is_problem, started

from ostiary.integrations.fastapi import CsrfToken, CurrentAccount
from ostiary.wiring import Ostiary

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

FOREIGN = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:8081"},
    {"origin": "https://localhost:8080"},
    {"origin": f"{ORIGIN}.evil.example"},
    {"origin": "", "sec-fetch-site": "same-origin"},
    {"origin": ORIGIN.upper(), "sec-fetch-site": "same-site"},
)


@pytest.mark.parametrize("said", FOREIGN, ids=str)
@pytest.mark.parametrize("path", ["/things", "/wave"])
async def test_a_foreign_page_cannot_post_with_the_victims_cookies(
    browser: Browser, path: str, said: dict[str, str]
) -> None:
    await browser.sign_up()

    # Even with the token, which it could not read.
    assert is_problem(await browser.send("POST", path, csrf=True, headers=said), 403, "foreign-origin")


async def test_a_page_of_a_neighbouring_host_name_is_foreign_too(browser: Browser) -> None:
    await browser.sign_up()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    said = {"cookie": cookie, "x-csrf-token": browser.cookies["__Host-csrftoken"], "sec-fetch-site": "same-site"}

    assert is_problem(await browser.client.post("/things", headers=said), 403, "foreign-origin")


@pytest.mark.parametrize("path", ["/things", "/wave"])
async def test_a_cookie_without_its_csrf_token_changes_nothing(browser: Browser, path: str) -> None:
    await browser.sign_up()

    assert is_problem(await browser.send("POST", path), 403, "csrf-token-missing")


async def test_a_program_with_cookies_but_no_origin_needs_the_token_as_well(browser: Browser) -> None:
    await browser.sign_up()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())

    assert is_problem(await browser.client.post("/things", headers={"cookie": cookie}), 403, "csrf-token-missing")


async def test_a_csrf_token_of_another_session_does_not_serve(browser: Browser) -> None:
    await browser.sign_up("mallory")
    mallorys = browser.cookies["__Host-csrftoken"]
    browser.cookies = {}
    await browser.sign_up("mira")

    browser.cookies["__Host-csrftoken"] = mallorys  # planted in cookie and header alike
    answer = await browser.send("POST", "/things", csrf=True)

    assert is_problem(answer, 403, "csrf-token-missing")


async def test_a_bearer_token_needs_no_csrf_token(browser: Browser) -> None:
    mira = await browser.sign_up()
    browser.cookies = {}

    assert (await browser.send("POST", "/things", headers=bearer(mira))).json() == {"made_by": "mira"}


async def test_a_bearer_header_does_not_carry_a_cookie_past_the_check(browser: Browser) -> None:
    await browser.sign_up()

    answer = await browser.send("POST", "/things", headers={"authorization": "Bearer "})

    assert is_problem(answer, 401, "not-signed-in")


async def test_a_visitor_without_a_session_may_post_where_the_account_is_optional(client: httpx.AsyncClient) -> None:
    assert (await client.post("/wave", headers={"origin": ORIGIN})).json() == {"visitor": None}


async def test_a_get_that_a_middleware_turns_into_a_post_is_checked_as_one(closed_house: Ostiary) -> None:
    class Override:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and scope["query_string"] == b"_method=POST":
                scope = {**scope, "method": "POST"}
            await self.app(scope, receive, send)

    app = host_of(closed_house)
    app.add_middleware(Override)
    async with started(app) as client:
        browser = Browser(client)
        await browser.sign_up()

        answer = await browser.send("GET", "/things?_method=POST", headers={"sec-fetch-site": "cross-site"})
        assert is_problem(answer, 403, "foreign-origin")
        assert is_problem(await browser.send("GET", "/things?_method=POST"), 403, "csrf-token-missing")


async def test_another_origin_that_settings_list_may_act_with_the_token(build_house: BuildHouse) -> None:
    app = host_of(build_house(web={"cors_origins": ["https://app.example.org"]}))
    async with started(app) as client:
        browser = Browser(client)
        await browser.sign_up()
        browser.origin = "https://app.example.org"

        assert (await browser.send("POST", "/things", csrf=True)).status_code == 200
        assert is_problem(await browser.send("POST", "/things"), 403, "csrf-token-missing")


def book_of(house: Ostiary) -> FastAPI:
    """Return an application with forms."""
    app = host_of(house)

    @app.get("/form")
    async def form(_: CurrentAccount, token: CsrfToken) -> str:
        return token

    @app.post("/form")
    async def written(account: CurrentAccount, text: Annotated[str, Form()]) -> str:
        return f"{account.username}: {text}"

    @app.post("/upload")
    async def uploaded(account: CurrentAccount, file: Annotated[bytes, File()]) -> str:
        return f"{account.username}: {len(file)}"

    return app


async def test_a_form_repeats_its_token_in_a_field(closed_house: Ostiary) -> None:
    async with started(book_of(closed_house)) as client:
        browser = Browser(client)
        await browser.sign_up()
        token = (await browser.send("GET", "/form")).json()

        sent = await browser.send("POST", "/form", data={"text": "hello", "csrf_token": token})
        assert sent.json() == "mira: hello"
        sent = await browser.send("POST", "/upload", data={"csrf_token": token}, files={"file": b"12345"})
        assert sent.json() == "mira: 5"
        for wrong in ({}, {"csrf_token": ""}, {"csrf_token": token[:-2]}, {"csrf_token": "ä"}):
            refused = await browser.send("POST", "/form", data={"text": "hello"} | wrong)
            assert is_problem(refused, 403, "csrf-token-missing"), wrong


async def test_a_form_is_given_a_token_even_where_the_browser_has_lost_its_cookie(closed_house: Ostiary) -> None:
    async with started(book_of(closed_house)) as client:
        browser = Browser(client)
        await browser.sign_up()
        del browser.cookies["__Host-csrftoken"]

        token = (await browser.send("GET", "/form")).json()

        assert browser.cookies["__Host-csrftoken"] == token
        sent = await browser.send("POST", "/form", data={"text": "hello", "csrf_token": token})
        assert sent.json() == "mira: hello"


async def test_a_foreign_form_is_refused_before_its_fields_count(closed_house: Ostiary) -> None:
    async with started(book_of(closed_house)) as client:
        browser = Browser(client)
        await browser.sign_up()
        token = (await browser.send("GET", "/form")).json()
        browser.origin = "https://evil.example"

        sent = await browser.send("POST", "/form", data={"text": "hello", "csrf_token": token})

        assert is_problem(sent, 403, "foreign-origin")


async def test_a_developer_is_told_when_the_public_url_is_not_the_address_in_use(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    said = {"host": "localhost:8000", "origin": "http://localhost:8000"}
    for _ in range(2):
        answer = await client.post("/api/v1/auth/login", json={"login": "mira", "password": "x"}, headers=said)
        assert is_problem(answer, 403, "foreign-origin")

    hints = [record.getMessage() for record in caplog.records if "web.public_url" in record.getMessage()]
    assert len(hints) == 1
    assert ORIGIN in hints[0]
