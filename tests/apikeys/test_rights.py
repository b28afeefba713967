"""A key never exceeds its owner's rights, nor what it was made for; applications see both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.apikeys.steps import ask, made, name_of, owner, refuses, showing
from tests.house import CHEAP_HASHING, bearer
from tests.integrations.hosts import started

from ostiary.accounts import Account
from ostiary.apikeys import ApiKey
from ostiary.apikeys.guard import Held
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.integrations import starlette
from ostiary.integrations.fastapi import (
    CurrentAccount,
    Identity,
    OptionalAccount,
    VerifiedAccount,
    mount,
    require,
)
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

NAMES = ("books", "books:lend", "books:lend:rare", "books:burn", "csp-reports:read", "users", "lend")
some_names = st.frozensets(st.sampled_from(NAMES))


def held(scopes: frozenset[str]) -> Held:
    key = ApiKey(
        "k", "a", 1, "x", "ost", " ".join(sorted(scopes)), "", 1, "d", None, None, 0, None, None, None, None
    )  # fmt: skip
    return Held(key, 1e12)


def account(granted: frozenset[str]) -> Account:
    return Account("a", "mira", "", "", 1, "active", 1, 0, " ".join(granted))


@settings(max_examples=200, deadline=None)
@given(scopes=some_names, states=st.lists(some_names, min_size=1, max_size=6))
def test_rights_are_what_the_owner_has_now_and_the_key_was_made_for(
    scopes: frozenset[str], states: list[frozenset[str]]
) -> None:
    """One key in memory, while its owner's permissions come and go: it never lags, and never adds."""
    one = held(scopes)
    for granted in states:
        owner_now = account(granted)
        for _ in range(2):  # made, and remembered
            identity = one.identity_of(owner_now)
            assert set(identity.permissions) == scopes & granted
            assert set(identity.permissions) <= set(owner_now.permissions)
            assert identity.account is owner_now
            assert identity.auth_time == 0
            assert identity.session_id == ""


# In an application


@pytest.fixture
def storage() -> str:
    return "sqlite"


def application(house: Ostiary) -> FastAPI:
    app = FastAPI()
    mount(app, house)

    @app.get("/who")
    async def who(account: CurrentAccount) -> dict[str, object]:
        told = {name: getattr(account, name) for name in Identity.__struct_fields__}
        return told | {"may": account.may("books:lend"), "reaches": account.reaches("aal1")}

    @app.post("/make")
    async def make(account: CurrentAccount) -> str:
        return account.username

    @app.get("/visit")
    async def visit(account: OptionalAccount) -> str | None:
        return account.username if account else None

    @app.get("/verified")
    async def verified(account: VerifiedAccount) -> str:
        return account.username

    @app.get("/lend", dependencies=[require(permission="books:lend")])
    async def lend() -> str:
        return "lent"

    @app.get("/read")
    async def read(account: Annotated[Identity, require(scope="books:read")]) -> str:
        return account.username

    @app.get("/fresh", dependencies=[require(fresh=timedelta(minutes=10))])
    async def recent() -> str:
        return "fresh"

    return app


@pytest.fixture
async def mounted(tmp_path_factory: pytest.TempPathFactory, database_url: str, clock: ManualClock) -> Ostiary:
    settings = {"hashing": CHEAP_HASHING, "storage": {"database": database_url}}
    return Ostiary.at(tmp_path_factory.mktemp("m") / "data", clock=clock, post=Mailbox(), **settings)  # type: ignore[arg-type]


@pytest.fixture
async def client(mounted: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    async with started(application(mounted)) as client:
        yield client


async def permit(house: Ostiary, account_id: str, name: str) -> None:
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, account_id, name)


async def test_an_application_sees_whose_key_it_is_and_what_it_was_made_for(
    mounted: Ostiary, client: httpx.AsyncClient
) -> None:
    mira = await owner(mounted, client)
    text = await made(client, mira, scopes=["books:lend", "books:read"])
    told = (await ask(client, text, "/who")).json()
    await permit(mounted, told["id"], "books:lend")
    await permit(mounted, told["id"], "books:burn")

    told = (await ask(client, text, "/who")).json()
    person = (await client.get("/who", headers=mira)).json()

    assert told == person | {
        "session_id": "", "permissions": ["books:lend"], "amr": [], "acr": "", "auth_time": 0,
        "key_id": name_of(text).id, "scopes": ["books:lend", "books:read"], "reaches": False,
    }  # fmt: skip
    assert told["may"] is True
    assert person["permissions"] == ["books:burn", "books:lend"]
    assert person["reaches"] is True
    assert (person["key_id"], person["scopes"]) == (None, None)


async def test_what_a_key_may_in_an_application(mounted: Ostiary, client: httpx.AsyncClient) -> None:
    mira = await owner(mounted, client)
    account_id = (await client.get("/who", headers=mira)).json()["id"]
    bare, lending = await made(client, mira), await made(client, mira, scopes=["books:lend"])
    reading = await made(client, mira, scopes=["books:read"])

    for text in (bare, lending, reading):
        for path in ("/visit", "/verified"):
            assert (await ask(client, text, path)).json() == "mira"
        assert (await client.post("/make", headers=showing(text))).json() == "mira"  # no cookie, no forgery
        refused = await ask(client, text, "/fresh")
        assert refuses(refused, 403, "api-key-not-accepted")
    assert refuses(await ask(client, lending, "/lend"), 403, "not-permitted")
    await permit(mounted, account_id, "books:lend")
    assert (await ask(client, lending, "/lend")).json() == "lent"
    for text in (bare, reading):
        missing = await ask(client, text, "/lend")
        assert refuses(missing, 403, "scope-missing")
        assert 'error="insufficient_scope", scope="books:lend"' in missing.headers["www-authenticate"]
    assert (await ask(client, reading, "/read")).json() == "mira"
    assert refuses(await ask(client, lending, "/read"), 403, "scope-missing")
    assert (await client.get("/read", headers=mira)).json() == "mira"  # a person is not bounded by scopes
    assert refuses(await client.get("/read"), 401, "not-signed-in")


async def test_a_worthless_key_is_told_so_by_the_application_even_where_nobody_need_sign_in(
    mounted: Ostiary, client: httpx.AsyncClient
) -> None:
    text = await made(client, await owner(mounted, client))

    for path in ("/visit", "/who", "/lend"):
        answer = await ask(client, text[:-1], path)
        assert refuses(answer, 401, "api-key-refused")
        assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary", error="invalid_token"'


async def test_the_openapi_document_says_that_the_bearer_may_be_a_key(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    assert "API key" in document["components"]["securitySchemes"]["bearer"]["description"]
    assert document["paths"]["/read"]["get"]["security"] == [{"bearer": []}, {"cookie": []}]


async def test_a_scope_in_starlette(mounted: Ostiary) -> None:
    reader = starlette.require(scope="books:read")

    async def read(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await reader(request)).username)

    app = Starlette(routes=[Route("/read", read)])
    starlette.mount(app, mounted)
    async with started(app) as client:
        mira = await owner(mounted, client)
        reading, bare = await made(client, mira, scopes=["books:read"]), await made(client, mira)

        assert (await ask(client, reading, "/read")).text == "mira"
        assert refuses(await ask(client, bare, "/read"), 403, "scope-missing")


def test_a_scope_that_cannot_be_is_refused_where_it_is_written() -> None:
    for name in ("", "Books", "books lend", 'books", x="', "b:"):
        with pytest.raises(ValueError, match="no scope"):
            require(scope=name)


async def test_a_page_of_an_application_takes_a_key_as_well(mounted: Ostiary) -> None:
    app = FastAPI()
    mount(app, mounted, redirect_to_sign_in=True)

    @app.get("/who")
    async def who(account: CurrentAccount) -> str:
        return account.username

    async with started(app) as client:
        text = await made(client, await owner(mounted, client))
        headers = showing(text) | {"accept": "text/html"}
        assert (await client.get("/who", headers=headers)).json() == "mira"
        assert (await client.get("/who", headers=bearer({"access_token": text[:-1]}))).status_code == 401
