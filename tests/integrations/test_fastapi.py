"""Routes of a FastAPI application ask who is calling."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from tests.house import API, PASSWORD, bearer, letter_to, login, register, token_in
from tests.integrations.conftest import BuildHouse
from tests.integrations.hosts import Browser, host_of, is_problem, started
from tests.login.steps import ONE, give_codes, type_in

from ostiary.client import ACCESS_TYP
from ostiary.client.jws import sign
from ostiary.core.clock import ManualClock
from ostiary.integrations.fastapi import CannotMount, CurrentAccount, Identity, current_account, mount, require
from ostiary.passwords import WrongPassword
from ostiary.wiring import Ostiary


async def test_a_stranger_gets_a_401_problem(client: httpx.AsyncClient) -> None:
    answer = await client.get("/hello")

    assert is_problem(answer, 401, "not-signed-in")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary"'
    assert answer.headers["cache-control"] == "no-store"


async def test_a_bearer_token_says_who_is_calling(client: httpx.AsyncClient) -> None:
    mira = await register(client)

    answer = await client.get("/hello", headers=bearer(mira))

    assert answer.status_code == 200
    assert answer.json()["hello"] == "mira"
    assert answer.json()["id"] == mira["user"]["id"]


async def test_a_cookie_says_who_is_calling(browser: Browser) -> None:
    await browser.sign_up()

    assert (await browser.send("GET", "/hello")).json()["hello"] == "mira"


async def test_an_unsafe_route_takes_the_cookie_with_its_csrf_token(browser: Browser) -> None:
    await browser.sign_up()

    assert (await browser.send("POST", "/things", csrf=True)).json() == {"made_by": "mira"}


async def test_signing_out_ends_it_for_cookie_and_bearer_alike(browser: Browser) -> None:
    mira = await browser.sign_up()
    stolen = dict(browser.cookies)
    await browser.sign_out()

    browser.cookies = stolen
    assert is_problem(await browser.send("GET", "/hello"), 401, "not-signed-in")
    browser.cookies = {}
    assert is_problem(await browser.send("GET", "/hello", headers=bearer(mira)), 401, "not-signed-in")


async def test_a_token_that_has_expired_is_refused(client: httpx.AsyncClient, clock: ManualClock) -> None:
    mira = await register(client)
    clock.advance(minutes=15, seconds=1)

    assert is_problem(await client.get("/hello", headers=bearer(mira)), 401, "not-signed-in")


async def test_a_new_password_ends_what_other_devices_hold(client: httpx.AsyncClient) -> None:
    mira = await register(client)
    elsewhere = await login(client)
    change = {"current_password": PASSWORD, "new_password": "another battery staple"}
    changed = await client.post(f"{API}/password/change", json=change, headers=bearer(mira))
    assert changed.status_code == 200, changed.text

    assert is_problem(await client.get("/hello", headers=bearer(elsewhere)), 401, "not-signed-in")


async def test_a_broken_bearer_token_is_not_made_good_by_a_cookie(browser: Browser) -> None:
    await browser.sign_up()

    for shown in ("Bearer nonsense", "Basic bWlyYTptaXJh", "Bearer", ""):
        answer = await browser.send("GET", "/hello", headers={"authorization": shown})
        assert is_problem(answer, 401, "not-signed-in"), shown


async def test_an_optional_account_is_none_for_strangers_and_for_ended_sessions(browser: Browser) -> None:
    assert (await browser.send("GET", "/visit")).json() == {"visitor": None}
    await browser.sign_up()
    assert (await browser.send("GET", "/visit")).json() == {"visitor": "mira"}
    ended = dict(browser.cookies)
    await browser.sign_out()

    browser.cookies = ended
    assert (await browser.send("GET", "/visit")).json() == {"visitor": None}


async def test_who_shows_a_worthless_bearer_token_hears_of_it_even_where_it_is_optional(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.get("/visit", headers={"authorization": "Bearer nonsense"})

    assert is_problem(answer, 401, "not-signed-in")


async def test_a_claimed_address_is_not_a_proven_one(client: httpx.AsyncClient, closed_house: Ostiary) -> None:
    mira = await register(client)
    assert is_problem(await client.get("/verified", headers=bearer(mira)), 403, "address-not-proven")

    token = token_in(await letter_to(closed_house, "mira@example.org"))
    assert (await client.post(f"{API}/email/verify", json={"token": token})).status_code == 200

    # The very same access token: what counts is the account as it is now.
    answer = await client.get("/verified", headers=bearer(mira))
    assert answer.json() == {"email": "mira@example.org"}


async def test_a_sign_in_of_eleven_minutes_ago_is_challenged_by_rfc_9470(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await register(client)
    clock.advance(minutes=10)
    assert (await client.get("/fresh", headers=bearer(mira))).status_code == 200
    clock.advance(seconds=1)

    answer = await client.get("/fresh", headers=bearer(mira))

    assert is_problem(answer, 401, "sign-in-too-old")
    challenges = answer.headers.get_list("www-authenticate")
    assert len(challenges) == 1
    assert 'error="insufficient_user_authentication"' in challenges[0]
    assert 'max_age="600"' in challenges[0]
    assert answer.json()["max_age"] == 600
    again = await login(client)
    assert (await client.get("/fresh", headers=bearer(again))).status_code == 200


async def test_a_route_can_ask_for_two_factors(client: httpx.AsyncClient, closed_house: Ostiary) -> None:
    mira = await register(client)
    await give_codes(closed_house, mira["user"]["id"], ONE)

    answer = await client.get("/vault", headers=bearer(mira))

    assert is_problem(answer, 401, "sign-in-too-weak")
    (challenge,) = answer.headers.get_list("www-authenticate")
    assert challenge.startswith('Bearer realm="ostiary", error="insufficient_user_authentication"')
    assert 'acr_values="aal2"' in challenge
    assert 'max_age="3600"' in challenge
    asked = await client.post(f"{API}/step-up", json={"password": PASSWORD}, headers=bearer(mira))
    heir = await type_in(client, asked.json()["ticket"], ONE, headers=bearer(mira))
    shown = await client.get("/vault", headers=bearer(heir.json()))
    assert shown.json() == {"acr": "aal2", "by_passkey": False}


def test_a_strength_that_nobody_knows_is_a_mistake_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="acr is one of"):
        require(acr="aal3")  # type: ignore[arg-type]


async def test_a_permission_is_read_from_the_account_and_by_its_exact_name(
    client: httpx.AsyncClient, closed_house: Ostiary, clock: ManualClock
) -> None:
    mira = await register(client)
    account_id = mira["user"]["id"]
    claims = closed_house.tokens.read(mira["access_token"], clock.now() / 1000)
    # A token that says more than the account has: as old as it is, it does not decide.
    said = msgspec.structs.replace(claims, permissions=("books:lend",), jti="older")
    older = {"authorization": f"Bearer {sign(said.to_claims(), closed_house.keys.signer(), ACCESS_TYP)}"}

    for name in ("books", "books:lend2", "books:read"):
        async with closed_house.database.unit() as unit:
            await closed_house.accounts.permit(unit, account_id, name)
        assert is_problem(await client.get("/lend", headers=older), 403, "not-permitted"), name
    async with closed_house.database.unit() as unit:
        await closed_house.accounts.permit(unit, account_id, "books:lend")
    assert (await client.get("/lend", headers=bearer(mira))).json() == {"lent": "yes"}


async def test_the_openapi_document_shows_both_ways_to_sign_in(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()

    schemes = document["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    assert (schemes["cookie"]["in"], schemes["cookie"]["name"]) == ("cookie", "__Host-access_token")
    protected = {
        path for path, item in document["paths"].items() for operation in item.values() if "security" in operation
    }
    assert protected == document["paths"].keys() - {"/public"}
    assert document["paths"]["/fresh"]["get"]["security"] == [{"bearer": []}, {"cookie": []}]


async def test_the_openapi_document_names_the_cookie_that_settings_name(build_house: BuildHouse) -> None:
    house = build_house(web={"cookies": {"access": "pass"}})
    async with started(host_of(house)) as client:
        document = (await client.get("/openapi.json")).json()

    assert document["components"]["securitySchemes"]["cookie"]["name"] == "__Host-pass"


async def test_answers_that_depend_on_who_asks_are_not_stored_and_others_are_left_alone(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/visit")).headers["cache-control"] == "no-store"
    assert "cache-control" not in (await client.get("/public")).headers


async def test_a_route_may_say_itself_how_its_answer_is_stored(closed_house: Ostiary) -> None:
    app = host_of(closed_house)

    @app.get("/picture")
    async def picture(account: CurrentAccount) -> PlainTextResponse:
        return PlainTextResponse(account.username, headers={"cache-control": "private, max-age=60"})

    async with started(app) as client:
        answer = await client.get("/picture", headers=bearer(await register(client)))

    assert answer.headers.get_list("cache-control") == ["private, max-age=60"]


async def test_a_refusal_of_a_service_of_the_house_becomes_a_problem_too(closed_house: Ostiary) -> None:
    app = host_of(closed_house)

    @app.get("/wrong")
    async def wrong() -> None:
        raise WrongPassword

    async with started(app) as client:
        assert is_problem(await client.get("/wrong"), 401, WrongPassword.slug)


async def test_the_application_keeps_its_own_way_of_answering_errors(closed_house: Ostiary) -> None:
    app = host_of(closed_house)

    @app.exception_handler(HTTPException)
    async def on_http(_: Request, failure: Exception) -> JSONResponse:
        assert isinstance(failure, HTTPException)
        return JSONResponse({"ours": failure.detail}, failure.status_code)

    @app.exception_handler(LookupError)
    async def on_lookup(_: Request, __: Exception) -> JSONResponse:
        return JSONResponse({"ours": "lookup"}, 410)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout")

    @app.get("/gone")
    async def gone() -> None:
        raise KeyError("gone")

    async with started(app) as client:
        assert (await client.get("/teapot")).json() == {"ours": "short and stout"}
        assert (await client.get("/gone")).json() == {"ours": "lookup"}
        assert is_problem(await client.get("/hello"), 401, "not-signed-in")


async def test_an_application_may_answer_refusals_in_its_own_shape(closed_house: Ostiary) -> None:
    app = FastAPI()

    @app.exception_handler(closed_house.reception.refusals)
    async def on_refusal(_: Request, refusal: Exception) -> JSONResponse:
        return JSONResponse({"ours": str(refusal)}, 401)

    mount(app, closed_house)

    @app.get("/hello")
    async def hello(account: CurrentAccount) -> str:
        return account.username

    async with started(app) as client:
        assert (await client.get("/hello")).json() == {"ours": "Please sign in."}


async def test_routers_and_mounted_applications_are_protected_alike(closed_house: Ostiary) -> None:
    app = host_of(closed_house)
    router = APIRouter(prefix="/shelves")
    below = FastAPI()

    @router.get("/mine")
    async def mine(account: CurrentAccount) -> str:
        return account.username

    @below.get("/deep")
    async def deep(account: CurrentAccount) -> str:
        return account.username

    app.include_router(router)
    app.mount("/below", below)
    async with started(app) as client:
        mira = await register(client)
        for path in ("/shelves/mine", "/below/deep"):
            assert is_problem(await client.get(path), 401, "not-signed-in"), path
            assert (await client.get(path, headers=bearer(mira))).json() == "mira"


async def test_tests_of_an_application_may_say_who_is_calling(closed_house: Ostiary) -> None:
    app = host_of(closed_house)
    app.dependency_overrides[current_account] = lambda: Identity(id="1", username="nobody", session_id="2")

    async with started(app) as client:
        assert (await client.get("/hello")).json()["hello"] == "nobody"
        assert is_problem(await client.get("/verified"), 403, "address-not-proven")


async def test_a_dependency_without_a_mounted_house_says_what_is_missing() -> None:
    app = FastAPI()

    @app.get("/hello")
    async def hello(account: CurrentAccount) -> str:
        return account.username

    async with started(app) as client:
        with pytest.raises(CannotMount, match="call mount"):
            await client.get("/hello")


async def test_who_is_calling_cannot_be_said_by_the_request(client: httpx.AsyncClient) -> None:
    """CVE-2025-61928 and its kin: the subject comes from a verified credential only (D13)."""
    mira, _ = await register(client), await register(client, "otto")
    said: dict[str, Any] = {"username": "otto", "account": "otto", "account_id": "otto", "id": "otto"}

    answer = await client.get("/hello", params=said, headers=bearer(mira) | {"x-user": "otto", "remote-user": "otto"})

    assert answer.json()["hello"] == "mira"
