"""One application, with an Ostiary in it and with one elsewhere: a line differs, and the answers are the same."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from types import ModuleType
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Form
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from tests.client.forging import b64, compact
from tests.integrations.hosts import is_problem, started

from ostiary.client import ACCESS_TYP, AccessClaims, TokenRefused
from ostiary.client.jws import sign
from ostiary.integrations import fastapi, starlette
from ostiary.integrations.fastapi import (
    CannotMount,
    CsrfToken,
    CurrentAccount,
    Identity,
    OptionalAccount,
    ResourceServer,
    VerifiedAccount,
    current_account,
    limit,
    require,
)
from ostiary.testing import InProcessOstiary, SignedIn

JOININGS = ("mounted", "elsewhere")
Recent = Annotated[Identity, require(fresh=timedelta(minutes=10))]


def application(join: Callable[[FastAPI], None]) -> FastAPI:
    """Return the application of the tests; `join` is the line that differs."""
    app = FastAPI()
    join(app)
    desk = APIRouter(prefix="/desk", dependencies=[require(permission="books:lend", verified=True)])

    @app.get("/who")
    async def who(account: CurrentAccount) -> dict[str, object]:
        return {"id": account.id, "session": account.session_id, "may": account.may("books:lend"), "acr": account.acr}

    @app.post("/act")
    async def act(account: CurrentAccount) -> str:
        return account.username

    @app.get("/perhaps")
    async def perhaps(visitor: OptionalAccount) -> str | None:
        return visitor.username if visitor else None

    @app.get("/proven")
    async def proven(account: VerifiedAccount) -> str:
        return account.email

    @app.get("/lend", dependencies=[require(permission="books:lend")])
    async def lend() -> str:
        return "lent"

    @app.get("/fresh")
    async def recent(account: Recent) -> str:
        return account.username

    @app.get("/strong", dependencies=[require(acr="aal2")])
    async def strong() -> str:
        return "strong"

    @app.get("/vault", dependencies=[require(fresh=timedelta(minutes=10), acr="phr")])
    async def vault() -> str:
        return "open"

    @app.get("/read")
    async def read(account: Annotated[Identity, require(scope="books:read")]) -> str:
        return account.username

    @app.get("/form")
    async def form(account: CurrentAccount, token: CsrfToken) -> str:
        return f"{account.username}:{token}"

    @app.post("/form")
    async def sent(account: CurrentAccount, text: Annotated[str, Form()]) -> str:
        return f"{account.username}:{text}"

    @desk.delete("/{book}")
    async def burn(book: int) -> int:
        return book

    @app.get("/public")
    async def public() -> str:
        return "hello"

    app.include_router(desk)
    return app


@dataclass
class Site:
    """The application, and the house that it trusts."""

    client: httpx.AsyncClient
    house: InProcessOstiary

    async def ask(self, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> httpx.Response:
        """Send a request, without any cookie that an earlier answer has set."""
        self.client.cookies.clear()
        return await self.client.request(method, path, headers=headers)

    def forged(self, mira: SignedIn, typ: str = ACCESS_TYP, **changes: object) -> str:
        """Return what the house itself would have signed, had it been wrong."""
        claims = self.house.tokens.read(mira.access_token, self.house.clock.now() / 1000).to_claims()
        return sign(claims | changes, self.house.keys.signer(), typ)


def server_of(house: InProcessOstiary, keys: bytes, **more: Any) -> ResourceServer:  # noqa: ANN401 - its arguments
    """Return what trusts a house whose published keys are these."""
    answer = httpx.Response(200, stream=httpx.ByteStream(keys))
    return ResourceServer(
        issuer=house.origin, clock=lambda: house.clock.now() / 1000, transport=httpx.MockTransport(lambda _: answer),
        **more,
    )  # fmt: skip


@asynccontextmanager
async def site_of(
    joining: str, build: Callable[[Callable[[Any], None]], Starlette], module: ModuleType
) -> AsyncIterator[Site]:
    """Start an application of a framework with a house in it, or elsewhere."""
    house = InProcessOstiary()
    if joining == "mounted":
        async with house.serving(build(lambda app: module.mount(app, house))) as client:
            yield Site(client, house)
        return
    async with house.serving() as there:
        keys = (await there.get("/.well-known/jwks.json")).content
        app = build(lambda app: module.connect(app, server_of(house, keys)))
        async with started(app) as client:
            client.base_url = httpx.URL(house.origin)
            yield Site(client, house)


@pytest.fixture(params=JOININGS)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    async with site_of(request.param, application, fastapi) as site:
        yield site


def cookie(token: str, **headers: str) -> dict[str, str]:
    return {"cookie": f"__Host-access_token={token}", **headers}


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_who_somebody_is_and_what_they_may_do(site: Site) -> None:
    mira = await site.house.sign_in("mira", permissions=["books:lend"], acr="phr")

    for shown in (mira.headers, cookie(mira.access_token), mira.browser):
        answer = await site.ask("/who", shown)
        assert answer.json() == {"id": mira.id, "session": mira.session_id, "may": True, "acr": "phr"}
        assert answer.headers["cache-control"] == "no-store"
        for path, said in {
            "/perhaps": "mira", "/proven": "mira@example.org", "/lend": "lent", "/fresh": "mira", "/strong": "strong",
            "/vault": "open", "/read": "mira",
        }.items():  # fmt: skip
            assert (await site.ask(path, shown)).json() == said, path
    assert (await site.ask("/desk/7", mira.headers, "DELETE")).json() == 7
    assert (await site.ask("/desk/7", mira.browser, "DELETE")).json() == 7
    assert (await site.ask("/perhaps")).json() is None
    assert (await site.ask("/perhaps", cookie("nonsense"))).json() is None
    assert "cache-control" not in (await site.ask("/public", mira.headers)).headers


async def test_what_proves_nothing_is_refused(site: Site) -> None:
    mira = await site.house.sign_in("mira")
    now = site.house.clock.now() // 1000
    claims = site.house.tokens.read(mira.access_token, now).to_claims()
    head, body, tail = mira.access_token.split(".")
    plain = b64(compact({"alg": "none", "typ": ACCESS_TYP, "kid": json.loads(_unpadded(head))["kid"]}))
    worthless = {
        "nothing": "", "nonsense": "nonsense", "cut short": mira.access_token[:-1], "too long": "a" * 9000,
        "a part missing": f"{head}.{body}", "another payload": f"{head}.{b64(compact(claims | {'sub': 'x'}))}.{tail}",
        "none": f"{plain}.{body}.", "none, signed": f"{plain}.{body}.{tail}", "a refresh token": mira.refresh_token,
        "another audience": site.forged(mira, aud="https://other.test"),
        "another issuer": site.forged(mira, iss="https://evil.test"),
        "another purpose": site.forged(mira, typ="JWT"), "type": site.forged(mira, type="refresh"),
        "expired": site.forged(mira, iat=now - 1000, auth_time=now - 1000, exp=now),
        "of tomorrow": site.forged(mira, iat=now + 86_000, exp=now + 87_000),
        "without a subject": site.forged(mira, sub=""),
    }  # fmt: skip
    for name, token in worthless.items():
        refused = await site.ask("/who", bearer(token))
        assert is_problem(refused, 401, "not-signed-in"), name
        assert refused.headers["www-authenticate"].startswith('Bearer realm="ostiary"'), name
        assert is_problem(await site.ask("/who", cookie(token)), 401, "not-signed-in"), name
        assert is_problem(await site.ask("/perhaps", bearer(token)), 401, "not-signed-in"), name
        assert token not in refused.text or not token, name
    # Beside an Authorization header no cookie counts, and of two cookies neither.
    for shown in ("Basic bWlyYTp4", "Bearer", "Token x", ""):
        good = cookie(mira.access_token, authorization=shown)
        assert is_problem(await site.ask("/who", good), 401, "not-signed-in"), shown
    twice = {"cookie": f"__Host-access_token={mira.access_token}; __Host-access_token={mira.access_token}"}
    assert is_problem(await site.ask("/who", twice), 401, "not-signed-in")
    assert is_problem(await site.ask("/who", {"cookie": f"access_token={mira.access_token}"}), 401, "not-signed-in")
    assert (await site.ask("/who", mira.headers)).status_code == 200


def _unpadded(segment: str) -> bytes:
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


SCOPE = 'Bearer realm="ostiary", error="insufficient_scope"'
STEP_UP = 'Bearer realm="ostiary", error="insufficient_user_authentication"'


async def test_who_may_not_is_told_what_is_missing(site: Site) -> None:
    otto = await site.house.sign_in("otto", verified=False, permissions=["books", "books:lend2"])
    for path in ("/who", "/lend", "/proven", "/fresh", "/strong", "/vault", "/read"):
        stranger = await site.ask(path)
        assert is_problem(stranger, 401, "not-signed-in"), path
        assert stranger.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    assert is_problem(await site.ask("/desk/7", method="DELETE"), 401, "not-signed-in")

    site.house.clock.advance(minutes=10, seconds=1)
    for path, status, slug, challenge in (
        ("/lend", 403, "not-permitted", SCOPE),
        ("/proven", 403, "address-not-proven", SCOPE),
        ("/fresh", 401, "sign-in-too-old", f'{STEP_UP}, error_description="A more recent sign-in is needed."'),
        ("/strong", 401, "sign-in-too-weak", f'{STEP_UP}, error_description="A stronger sign-in is needed."'),
        ("/vault", 401, "sign-in-too-old", f'{STEP_UP}, error_description="A more recent sign-in is needed."'),
    ):
        refused = await site.ask(path, otto.headers)
        assert is_problem(refused, status, slug), path
        assert refused.headers["www-authenticate"].startswith(challenge), path
    told = (await site.ask("/vault", otto.headers)).json()
    assert (told["max_age"], told["acr_values"]) == (600, "phr")
    assert "max_age" not in (await site.ask("/strong", otto.headers)).json()
    assert is_problem(await site.ask("/desk/7", otto.headers, "DELETE"), 403, "not-permitted")
    lender = await site.house.sign_in("noor", verified=False, permissions=["books:lend"])
    assert is_problem(await site.ask("/desk/7", lender.headers, "DELETE"), 403, "address-not-proven")


async def test_a_cookie_acts_from_the_applications_own_pages_only(site: Site) -> None:
    mira = await site.house.sign_in("mira")

    assert (await site.ask("/act", mira.browser, "POST")).json() == "mira"
    assert (await site.ask("/act", mira.headers | {"origin": "https://evil.test"}, "POST")).json() == "mira"
    for origin in (
        "https://evil.test",
        "null",
        "http://app.test",
        "https://app.test:8443",
        "https://app.test.evil.test",
    ):
        refused = await site.ask("/act", mira.browser | {"origin": origin}, "POST")
        assert is_problem(refused, 403, "foreign-origin"), origin
    crossed = mira.browser | {"sec-fetch-site": "cross-site"}
    del crossed["origin"]
    assert is_problem(await site.ask("/act", crossed, "POST"), 403, "foreign-origin")
    assert (await site.ask("/act", cookie(mira.access_token), "POST")).status_code == 403
    assert is_problem(await site.ask("/act", mira.browser | cookie("nonsense"), "POST"), 401, "not-signed-in")


async def test_a_form_carries_what_the_page_was_given(site: Site) -> None:
    mira = await site.house.sign_in("mira")
    browser = {"cookie": mira.browser["cookie"], "origin": mira.browser["origin"]}
    token = (await site.ask("/form", browser)).json().removeprefix("mira:")

    sent = await site.client.post("/form", headers=browser, data={"text": "hello", "csrf_token": token})
    assert sent.json() == "mira:hello"
    evil = await site.client.post("/form", headers=browser | {"origin": "https://evil.test"}, data={"text": "hello"})
    assert is_problem(evil, 403, "foreign-origin")


async def test_the_document_says_who_may_call_and_what_others_get() -> None:
    documents = []
    for joining in JOININGS:
        async with site_of(joining, application, fastapi) as site:
            documents.append((await site.ask("/openapi.json")).json())
    assert documents[0] == documents[1]

    paths = documents[0]["paths"]
    schemes = documents[0]["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["cookie"]["in"], schemes["cookie"]["name"]) == ("cookie", "__Host-access_token")
    refused = {
        (path, method): sorted(status for status in operation["responses"] if status in ("401", "403"))
        for path, item in paths.items() for method, operation in item.items()
    }  # fmt: skip
    assert refused == {
        ("/who", "get"): ["401"], ("/act", "post"): ["401", "403"], ("/perhaps", "get"): ["401"],
        ("/proven", "get"): ["401", "403"], ("/lend", "get"): ["401", "403"], ("/fresh", "get"): ["401", "403"],
        ("/strong", "get"): ["401", "403"], ("/vault", "get"): ["401", "403"], ("/read", "get"): ["401", "403"],
        ("/form", "get"): ["401"], ("/form", "post"): ["401", "403"], ("/desk/{book}", "delete"): ["401", "403"],
        ("/public", "get"): [],
    }  # fmt: skip
    for path, item in paths.items():
        for operation in item.values():
            assert ("security" in operation) == (path != "/public")
            assert operation.get("security") in (None, [{"bearer": []}, {"cookie": []}]), path
            for status in set(operation["responses"]) & {"401", "403"}:
                content = operation["responses"][status]["content"]
                assert content == {
                    "application/problem+json": {"schema": {"$ref": "#/components/schemas/OstiaryProblem"}}
                }
    desk = paths["/desk/{book}"]["delete"]["responses"]["403"]["description"]
    assert "the permission books:lend, a proven address" in desk
    assert "600 seconds old, at least of strength phr" in paths["/vault"]["get"]["responses"]["401"]["description"]
    # A document is only as good as what is answered: each refusal that is shown holds what the schema needs.
    needed = documents[0]["components"]["schemas"]["OstiaryProblem"]["required"]
    async with site_of("elsewhere", application, fastapi) as site:
        assert set(needed) <= set((await site.ask("/who")).json())


async def test_tests_of_an_application_may_say_who_is_calling() -> None:
    for joining in JOININGS:
        async with site_of(joining, overridden, fastapi) as site:
            assert (await site.ask("/who")).json()["id"] == "1"
            assert is_problem(await site.ask("/proven"), 403, "address-not-proven")


def overridden(join: Callable[[FastAPI], None]) -> FastAPI:
    app = application(join)
    app.dependency_overrides[current_account] = lambda: Identity(id="1", username="nobody", session_id="2")
    return app


# Starlette

lender = starlette.require(permission="books:lend")
lately = starlette.require(fresh=timedelta(minutes=10), acr="aal2")
reader = starlette.require(scope="books:read", verified=True)


def notes(join: Callable[[Starlette], None]) -> Starlette:
    def route(path: str, ask: Callable[[Any], Any]) -> Route:
        async def answer(request: Request) -> PlainTextResponse:
            account = await ask(request)
            return PlainTextResponse(account.username if account else "nobody")

        return Route(path, answer, methods=["GET", "POST"])

    app = Starlette(
        routes=[
            route("/who", starlette.current_account), route("/perhaps", starlette.optional_account),
            route("/lend", lender), route("/lately", lately), route("/read", reader),
        ]
    )  # fmt: skip
    join(app)
    return app


@pytest.mark.parametrize("joining", JOININGS)
async def test_starlette_has_the_same_names(joining: str) -> None:
    async with site_of(joining, notes, starlette) as site:
        mira = await site.house.sign_in("mira", permissions=["books:lend"], acr="aal2")
        otto = await site.house.sign_in("otto", verified=False)
        for path in ("/who", "/perhaps", "/lend", "/lately", "/read"):
            assert (await site.ask(path, mira.headers)).text == "mira", path
            assert (await site.ask(path, mira.browser, "POST")).text == "mira", path
            evil = mira.browser | {"origin": "https://evil.test"}
            assert is_problem(await site.ask(path, evil, "POST"), 403, "foreign-origin"), path
        assert (await site.ask("/perhaps")).text == "nobody"
        assert is_problem(await site.ask("/who"), 401, "not-signed-in")
        assert is_problem(await site.ask("/lend", otto.headers), 403, "not-permitted")
        assert is_problem(await site.ask("/lately", otto.headers), 401, "sign-in-too-weak")
        assert is_problem(await site.ask("/read", otto.headers), 403, "address-not-proven")


# What is only so elsewhere


@asynccontextmanager
async def elsewhere(**more: Any) -> AsyncIterator[Site]:  # noqa: ANN401 - arguments of `ResourceServer`
    house = InProcessOstiary()
    async with house.serving() as there:
        keys = (await there.get("/.well-known/jwks.json")).content
        app = application(lambda app: fastapi.connect(app, server_of(house, keys, **more), redirect_to_sign_in=True))
        async with started(app) as client:
            client.base_url = httpx.URL(house.origin)
            yield Site(client, house)


async def test_an_api_key_is_refused_where_nobody_can_say_what_it_is_worth() -> None:
    async with elsewhere() as site:
        key = await site.house.api_key("robot", machine=True, scopes=["books:read"], permissions=["books:read"])
        for path in ("/who", "/read", "/perhaps"):
            refused = await site.ask(path, key.headers)
            assert is_problem(refused, 401, "api-key-refused")
            assert refused.headers["www-authenticate"].startswith('Bearer realm="ostiary", error="invalid_token"')
            assert "access token" in refused.json()["detail"]
            assert key.text not in refused.text


async def test_a_token_that_was_made_for_some_things_is_good_for_no_others() -> None:
    async with elsewhere() as site:
        mira = await site.house.sign_in("mira", permissions=["books:lend"])
        bounded = bearer(site.forged(mira, scope="books:read mail"))
        assert (await site.ask("/read", bounded)).json() == "mira"
        assert (await site.ask("/who", bounded)).json()["may"] is False
        refused = await site.ask("/lend", bounded)
        assert is_problem(refused, 403, "scope-missing")
        assert refused.headers["www-authenticate"] == f'{SCOPE}, scope="books:lend"'


async def test_what_is_revoked_is_refused_and_so_is_everything_where_nobody_can_say() -> None:
    ended: set[str] = set()
    is_heard = True

    def revoked(claims: AccessClaims) -> bool:
        if not is_heard:
            raise TokenRefused("revocations-outdated")
        return claims.sid in ended

    async with elsewhere(revocations=revoked) as site:
        mira, otto = await site.house.sign_in("mira"), await site.house.sign_in("otto")
        ended.add(mira.session_id)
        for shown in (mira.headers, cookie(mira.access_token)):
            assert is_problem(await site.ask("/who", shown), 401, "not-signed-in")
        assert (await site.ask("/who", otto.headers)).status_code == 200
        is_heard = False
        for shown in (mira.headers, otto.headers, cookie(otto.access_token)):
            refused = await site.ask("/who", shown)
            assert is_problem(refused, 503, "unavailable")
            assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert is_problem(await site.ask("/who"), 401, "not-signed-in")
        assert (await site.ask("/public", otto.headers)).status_code == 200


async def test_a_browser_is_sent_to_the_sign_in_page_where_that_helps() -> None:
    page = {"accept": "text/html"}
    async with elsewhere() as site:
        sent = await site.ask("/who", page)
        assert (sent.status_code, sent.headers["location"]) == (303, f"{site.house.origin}/auth/sign-in?next=/who")
        mira = await site.house.sign_in("mira")
        weak = await site.ask("/strong", cookie(mira.access_token) | page)
        assert weak.headers["location"] == f"{site.house.origin}/auth/sign-in?next=/strong&reason=once-more"
        assert is_problem(await site.ask("/lend", cookie(mira.access_token) | page), 403, "not-permitted")
        assert is_problem(await site.ask("/act", page, "POST"), 401, "not-signed-in")


def test_what_a_house_elsewhere_cannot_do_is_said_where_it_is_written() -> None:
    async def start(app: Starlette) -> None:
        async with app.router.lifespan_context(app):
            pass

    server = ResourceServer(issuer="https://login.example.org")
    for place in ("app", "router"):
        app = FastAPI()
        router = APIRouter(prefix="/r")
        counted = [limit("10/h", name="reports.make")]

        @(app if place == "app" else router).post("/reports", dependencies=counted)
        async def make() -> None: ...

        app.include_router(router)
        fastapi.connect(app, server)
        with pytest.raises(CannotMount, match=r"/reports cannot be served.*limit\(\.\.\.\) counts"):
            asyncio.run(start(app))
    again = FastAPI()
    fastapi.connect(again, server)
    with pytest.raises(CannotMount, match="already"):
        fastapi.mount(again, InProcessOstiary())
    for wrong in ({"acr": "aal9"}, {"fresh": timedelta(0)}, {"permission": ""}, {"scope": "Books lend"}):
        with pytest.raises(ValueError, match=r"."):
            require(**wrong)


def test_where_cookies_do_not_count_the_document_shows_none() -> None:
    app = application(lambda app: fastapi.connect(app, ResourceServer(issuer="https://id.example.org", cookie=None)))
    document = app.openapi()
    assert set(document["components"]["securitySchemes"]) == {"bearer"}
    assert document["paths"]["/who"]["get"]["security"] == [{"bearer": []}]
    assert app.openapi() is document
