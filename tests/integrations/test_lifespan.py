"""The house opens with the application and closes after it."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from tests.house import API, ORIGIN, PASSWORD, bearer, login, register
from tests.integrations.conftest import BuildHouse
from tests.integrations.hosts import Browser, host_of, is_problem, started

from ostiary.core.clock import ManualClock
from ostiary.core.db import DatabaseUnavailable
from ostiary.core.errors import Misconfigured
from ostiary.integrations.fastapi import CannotMount, CurrentAccount, mount
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would rather have another HTTP library
    from starlette.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import MutableMapping


async def test_the_house_is_open_around_the_applications_own_lifespan(closed_house: Ostiary) -> None:
    seen: list[tuple[str, bool]] = []

    @asynccontextmanager
    async def its_own(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        seen.append(("begins", await closed_house.is_ready()))
        yield {"kept": "yes"}
        seen.append(("ends", await closed_house.is_ready()))

    app = FastAPI(lifespan=its_own)
    mount(app, closed_house)
    assert not await closed_house.is_ready()
    async with app.router.lifespan_context(app) as state:
        assert state == {"kept": "yes"}

    assert seen == [("begins", True), ("ends", True)]
    assert not await closed_house.is_ready()


async def test_a_router_with_a_lifespan_may_be_included_after_the_house_is_mounted(closed_house: Ostiary) -> None:
    seen: list[bool] = []

    @asynccontextmanager
    async def its_own(_: FastAPI) -> AsyncIterator[None]:
        seen.append(await closed_house.is_ready())
        yield

    app = host_of(closed_house)
    app.include_router(APIRouter(lifespan=its_own))
    async with started(app) as client:
        assert (await client.get("/auth/sign-in")).status_code == 200

    assert seen == [True]


async def test_the_house_closes_when_the_applications_own_lifespan_fails(closed_house: Ostiary) -> None:
    @asynccontextmanager
    async def its_own(starting: FastAPI) -> AsyncIterator[None]:
        if starting is app:
            raise LookupError("no model")
        yield

    app = FastAPI(lifespan=its_own)
    mount(app, closed_house)

    with pytest.raises(LookupError):
        async with started(app):
            pass
    assert not await closed_house.is_ready()


@pytest.mark.parametrize("storage", ["sqlite", "postgresql"])
def test_a_test_client_may_start_the_application_again_and_again(closed_house: Ostiary) -> None:
    """Each time in another event loop, as tests do that share one application."""
    app = host_of(closed_house)
    names = ("mira", "otto", "lena")
    for name in names:
        with TestClient(app, base_url=ORIGIN) as client:
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            answer = client.post(f"{API}/register", json=body)
            assert answer.status_code == 201, answer.text
            assert client.get("/hello", headers=bearer(answer.json())).json()["hello"] == name
            for _ in range(200):  # the queue works in the background: that it does is what is tested
                assert isinstance(closed_house.post, Mailbox)
                if len(closed_house.post.letters) > names.index(name):
                    break
                client.portal.call(asyncio.sleep, 0.05)  # type: ignore[union-attr]

    assert isinstance(closed_house.post, Mailbox)
    assert [letter.to for letter in closed_house.post.letters] == [f"{name}@example.org" for name in reversed(names)]


async def test_an_application_that_was_never_started_refuses_and_its_log_says_why(
    closed_house: Ostiary, caplog: pytest.LogCaptureFixture
) -> None:
    app = host_of(closed_house)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        for path in ("/hello", "/visit", "/auth/sign-in", f"{API}/me"):
            assert is_problem(await client.get(path), 503, "unavailable"), path
        assert (await client.get("/public")).status_code == 200

    ours = [record for record in caplog.records if record.name.startswith("ostiary.")]  # and no other test's remains
    said = [record.getMessage() for record in ours if record.levelno == logging.ERROR]
    assert said
    assert all("lifespan did not run" in line for line in said)


async def test_a_house_that_somebody_else_has_opened_serves_without_a_lifespan(closed_house: Ostiary) -> None:
    app = host_of(closed_house)
    async with closed_house:
        transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 50000))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            mira = await register(client)
            assert (await client.get("/hello", headers=bearer(mira))).json()["hello"] == "mira"


async def test_a_second_house_in_one_application_is_refused(closed_house: Ostiary, build_house: BuildHouse) -> None:
    app = host_of(closed_house)

    for house in (closed_house, build_house()):
        with pytest.raises(CannotMount, match="has an Ostiary already"):
            mount(app, house)


async def test_one_house_in_two_running_applications_is_refused(closed_house: Ostiary) -> None:
    first, second = host_of(closed_house), host_of(closed_house)
    async with started(first) as client:
        with pytest.raises(CannotMount, match="another application"):
            async with started(second):
                pass
        await register(client)  # the first one is none the worse for it

    async with started(second) as client:
        await login(client)


async def test_a_house_cannot_move_into_an_application_that_runs(closed_house: Ostiary) -> None:
    app = FastAPI()
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        await client.get("/")

    with pytest.raises(CannotMount, match="started already"):
        mount(app, closed_house)


def test_an_application_below_a_path_of_its_host_name_is_refused(closed_house: Ostiary) -> None:
    app = FastAPI()
    app.root_path = "/shop"

    with pytest.raises(CannotMount, match="root_path"):
        mount(app, closed_house)


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("web", {"public_url": "http://login.example.org"}, "web.public_url: must be https"),
        ("web", {"cors_origins": ["*"]}, "web.cors_origins: with credentials only exact origins"),
        ("web", {"trusted_proxies": ["0.0.0.0/0"]}, "web.trusted_proxies: trusting"),
        ("web", {"cookie_name": "x"}, "web.cookie_name is no setting of Ostiary"),
    ],
)
def test_an_unsafe_setting_stops_the_application_where_it_is_made(
    build_house: BuildHouse, section: str, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(Misconfigured) as stopped:
        mount(FastAPI(), build_house(**{section: values}))
    assert said in str(stopped.value)


async def test_a_database_that_cannot_be_reached_stops_the_start(build_house: BuildHouse, tmp_path: Path) -> None:
    app = host_of(build_house(storage={"database": f"sqlite:///{tmp_path}/no/such/folder/ostiary.db"}))
    said: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: MutableMapping[str, Any]) -> None:
        said.append(message["type"])

    with pytest.raises((DatabaseUnavailable, FileNotFoundError)):
        await app({"type": "lifespan", "state": {}}, receive, send)
    assert said == ["lifespan.startup.failed"]


async def test_an_application_with_pages_keeps_a_browser_signed_in_and_sends_others_to_the_door(
    closed_house: Ostiary, clock: ManualClock
) -> None:
    app = host_of(closed_house, redirect_to_sign_in=True)

    @app.get("/deep/er/page")
    async def page(account: CurrentAccount) -> str:
        return account.username

    html = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with started(app) as client:
        browser = Browser(client)
        sent = await browser.send("GET", "/deep/er/page", headers=html)
        assert (sent.status_code, sent.headers["location"]) == (303, "/auth/sign-in?next=/deep/er/page")
        assert is_problem(await browser.send("GET", "/hello"), 401, "not-signed-in")
        assert is_problem(await browser.send("POST", "/things", headers=html), 401, "not-signed-in")
        shown = html | {"authorization": "Bearer nonsense"}
        assert is_problem(await browser.send("GET", "/hello", headers=shown), 401, "not-signed-in")

        await browser.sign_up()
        clock.advance(hours=3)
        del browser.cookies["__Host-access_token"]  # its fifteen minutes are over
        assert is_problem(await browser.send("GET", "/hello"), 401, "not-signed-in")  # a script refreshes
        assert (await browser.send("GET", "/deep/er/page", headers=html)).json() == "mira"
        assert (await browser.send("GET", "/hello")).json()["hello"] == "mira"  # the answer renewed the cookie

        # Whoever is in, and not well enough, proves more in the session that they have.
        sent = await browser.send("GET", "/fresh", headers=html)
        assert (sent.status_code, sent.headers["location"]) == (303, "/auth/step-up?next=/fresh")
        sent = await browser.send("GET", "/vault", headers=html)
        assert sent.headers["location"] == "/auth/step-up?next=/vault&acr=aal2"
        assert is_problem(await browser.send("GET", "/vault"), 401, "sign-in-too-old")

        await browser.sign_out()
        assert (await browser.send("GET", "/deep/er/page", headers=html)).status_code == 303


async def test_without_being_asked_nobody_is_redirected(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get("/hello", headers={"accept": "text/html"}), 401, "not-signed-in")


async def test_where_to_go_after_signing_in_cannot_be_another_site(closed_house: Ostiary) -> None:
    app = host_of(closed_house, redirect_to_sign_in=True)

    @app.get("/{anything:path}")
    async def page(_: CurrentAccount) -> str:
        return "mine"

    async with started(app) as client:
        for path in ("//evil.example/x", "/\\evil.example", "/%0dset-cookie:x", "/a?next=https://evil.example"):
            sent = await client.get(f"{ORIGIN}{path}", headers={"accept": "text/html"})
            location = sent.headers["location"]
            assert location.startswith("/auth/sign-in?next=/"), path
            assert "\\" not in location
            assert "\r" not in location
            assert location.count("?") == 1
            asked = await client.get(location)
            assert 'value="//evil.example' not in asked.text
            assert "evil" not in asked.text
