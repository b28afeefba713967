"""Showing a key: what opens, what does not, at which doors, and what a stranger's tries cost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, cast

import httpx
import pytest
from tests.apikeys.steps import (
    ask,
    body_of,
    made,
    name_of,
    owner,
    refuses,
    revoke,
    showing,
    status,
    with_checksum,
)
from tests.house import API, OpenHouse, bearer, client_of, register

from ostiary.apikeys.form import new_key
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock, iso
from ostiary.server.app import ROUTERS
from ostiary.wiring import Ostiary

ADMIN = "/api/v1/admin/csp-reports"
READ = "csp-reports:read"


class Counted:
    """How often a house asks its database for a key."""

    def __init__(self, house: Ostiary, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = 0
        find = house.database.find

        async def counted(query: Any, **parameters: Any) -> Any:  # noqa: ANN401 - as Database.find
            self.reads += "key_id" in parameters
            return await find(query, **parameters)

        monkeypatch.setattr(house.database, "find", counted)


async def test_a_key_says_who_is_asking(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)
    text = await made(outside, mira)

    answer = await ask(outside, text)

    assert answer.status_code == 200
    assert answer.json() == (await outside.get(f"{API}/me", headers=mira)).json()
    assert answer.json()["username"] == "mira"
    assert answer.headers["cache-control"] == "no-store"


BENT: dict[str, Callable[[str, str], str]] = {
    "empty": lambda text, _: "",
    "the prefix alone": lambda text, _: "ost_",
    "truncated": lambda text, _: text[:-1],
    "cut in the middle": lambda text, _: text[:40],
    "doubled": lambda text, _: text + text,
    "in small letters": lambda text, _: text.lower(),
    "in capitals": lambda text, _: text.upper(),
    "re-cased by one letter": lambda text, _: body_of(text).swapcase() + text[-6:],
    "with a wrong checksum": lambda text, _: text[:-1] + ("0" if text[-1] != "0" else "1"),
    "with a space after it": lambda text, _: text + " x",
    "huge": lambda text, _: text[:30] + "A" * 12_000,
    "not ASCII": lambda text, _: text[:-1] + "é",
    "without its secret": lambda text, _: "_".join(text.split("_")[:2]),
    "another's id, its own secret": lambda text, other: with_checksum(
        f"ost_{name_of(other).id}_{body_of(text).rpartition('_')[2]}"
    ),
    "its own id, another's secret": lambda text, other: with_checksum(
        f"ost_{name_of(text).id}_{body_of(other).rpartition('_')[2]}"
    ),
    "another prefix, the right checksum": lambda text, _: with_checksum("ost2" + body_of(text)[3:]),
    "of another house": lambda text, _: new_key("ost", 1_790_000_000_000)[1],
}


async def test_nothing_but_the_very_text_opens(house: Ostiary, outside: httpx.AsyncClient) -> None:
    text = await made(outside, await owner(house, outside))
    other = await made(outside, await owner(house, outside, "noor"))
    for what, bend in BENT.items():
        bent = bend(text, other)
        answer = await outside.get(f"{API}/me", headers=[(b"authorization", f"Bearer {bent}".encode("latin-1"))])

        slug = "api-key-refused" if bent.startswith("ost_") else "not-signed-in"
        assert refuses(answer, 401, slug), what
        assert answer.headers.get_list("www-authenticate") == (
            ['Bearer realm="ostiary", error="invalid_token"']
            if slug == "api-key-refused"
            else ['Bearer realm="ostiary"']
        ), what
    assert await status(outside, text) == await status(outside, other) == 200


async def test_a_key_is_no_cookie_no_refresh_token_and_no_other_header(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    text = await made(outside, await owner(house, outside))

    for headers in (
        {"cookie": f"__Host-access_token={text}"},
        {"authorization": f"Basic {text}"},
        {"authorization": text},
        {"x-api-key": text},
        [("authorization", f"Bearer {text}"), ("authorization", f"Bearer {text}")],
    ):
        assert refuses(await outside.get(f"{API}/me", headers=headers), 401, "not-signed-in")
    assert (await outside.get(f"{API}/me?access_token={text}&api_key={text}")).status_code == 401
    assert (await outside.post(f"{API}/refresh", json={"refresh_token": text})).status_code == 401
    assert (await outside.post(f"{API}/logout", headers=showing(text))).status_code == 200  # it hangs on no session
    assert await status(outside, text) == 200


async def test_a_key_ends_at_its_time_and_its_account_is_asked_each_time(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await owner(house, outside)
    text = await made(outside, mira, expires_at=iso(clock.now() + 60_000))
    clock.advance(milliseconds=59_999)
    assert await status(outside, text) == 200
    clock.advance(milliseconds=1)
    assert refuses(await ask(outside, text), 401, "api-key-refused")


# Addresses


async def test_a_list_of_networks_lets_in_from_nowhere_else(open_house: OpenHouse) -> None:
    house = await open_house(work=False, web={"trusted_proxies": ["10.0.0.0/8"]})
    async with client_of(house) as client:
        mira = await owner(house, client)
        text = await made(client, mira, networks=["198.51.100.0/24", "2001:db8::/64", "203.0.113.7"])
        free = await made(client, mira)
    allowed = {
        "203.0.113.7": 200, "203.0.113.8": 401, "198.51.100.200": 200, "::ffff:198.51.100.200": 200,
        "2001:db8::1": 200, "2001:db8:0:1::1": 401, "10.0.0.1": 401,
    }  # fmt: skip
    for address, expected in allowed.items():
        async with client_of(house, address) as client:
            assert (await status(client, text), await status(client, free)) == (expected, 200), address
    forwarded = {"x-forwarded-for": "198.51.100.9"}
    async with client_of(house, "10.0.0.1") as client:  # a proxy of ours vouches
        assert (await client.get(f"{API}/me", headers=showing(text) | forwarded)).status_code == 200
        assert (await client.get(f"{API}/me", headers=showing(text) | {"x-forwarded-for": "junk"})).status_code == 401
    async with client_of(house, "192.0.2.9") as client:  # anybody says so
        assert (await client.get(f"{API}/me", headers=showing(text) | forwarded)).status_code == 401


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_an_unknown_address_is_in_no_list(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)
    bound, free = await made(outside, mira, networks=["172.16.0.0/12"]), await made(outside, mira)
    async with client_of(house, "172.16.0.9") as client:  # a proxy that nobody configured: the address is unknown
        headers = {"x-forwarded-for": "203.0.113.7"}
        assert (await client.get(f"{API}/me", headers=showing(bound))).status_code == 200
        assert (await client.get(f"{API}/me", headers=showing(bound) | headers)).status_code == 401
        assert (await client.get(f"{API}/me", headers=showing(free) | headers)).status_code == 200


# Doors


def sessions_doors() -> list[tuple[str, str]]:
    """Return every door of the house but those that look at no credential."""
    routes = [cast("Any", route) for router in ROUTERS for route in router.routes]
    found = {(method, route.path.replace("{name}", "ostiary.css")) for route in routes for method in route.methods}
    return sorted(found)


BY_KEY = {
    f"/api/v1/admin/{thing}" for thing in ("csp-reports", "providers", "permissions", "roles", "rights", "accounts/")
}
"""Routes that take a key: the keeper's, if it was made for them."""

ASKS_NOBODY = {
    "/auth/return/{written:path}", "/api/v1/auth/status-lists/{which}", "/accounts/{provider}/login",
    "/accounts/{provider}/login/callback", "/api/v1/auth/federation/providers",
    "/api/v1/auth/federation/{provider}/sign-in", "/api/v1/auth/csrf", "/api/v1/auth/email/verify",
    "/api/v1/auth/account/keep", "/api/v1/auth/login",
    "/api/v1/auth/logout", "/api/v1/auth/passkeys/sign-in/begin", "/api/v1/auth/passkeys/sign-in/finish",
    "/api/v1/auth/password-reset/confirm", "/api/v1/auth/password-reset/request", "/api/v1/auth/password/check",
    "/api/v1/auth/password/replace", "/api/v1/auth/register", "/api/v1/csp-report", "/auth/check-mail",
    "/auth/confirm", "/api/v1/auth/magic-link/confirm", "/api/v1/auth/magic-link/request", "/auth/link",
    "/auth/link/code", "/auth/link/sent", "/auth/magic-link", "GET /auth/second-factor", "/auth/forgot", "/auth/keep",
    "/auth/new-password", "/auth/not-me", "/auth/register", "/auth/reset", "/auth/sign-in", "/auth/sign-out",
    "/auth/signed-out", "/auth/static/ostiary.css", "/auth/unlock",
}  # fmt: skip
"""Routes that act on no credential: what a key is there, is nothing."""


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_every_door_that_asks_who_is_there_refuses_a_key(house: Ostiary, outside: httpx.AsyncClient) -> None:
    text = await made(outside, await owner(house, outside), scopes=[READ, "csp-reports:write"])
    before = await house.api_keys.listed((await ask(outside, text)).json()["id"])
    seen = 0
    for method, path in sessions_doors():
        concrete = re.sub(r"\{\w+_id\}", "A" * 22, path).replace("{provider}", "github")
        concrete = concrete.replace("{role}", "night-porter").replace("{permission}", "books:lend")
        if not ASKS_NOBODY.isdisjoint((path, f"{method} {path}")):
            continue
        body: dict[str, str] | None = {} if path.startswith("/api/") and method in ("POST", "PATCH") else None
        answer = await outside.request(method, concrete, headers=showing(text), json=body)
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {"title": answer.text}
        assert answer.status_code == 403, f"{method} {path}: {answer.status_code} {answer.text[:200]}"
        if path.startswith(tuple(BY_KEY)):  # this key was made for reports, by somebody who may not keep anything
            reason = "not-permitted" if path.endswith("csp-reports") else "scope-missing"
            assert told["type"].endswith(f"/{reason}"), f"{method} {path}"
        elif path.startswith("/api/"):
            assert told["type"].endswith("/api-key-not-accepted"), f"{method} {path}"
        else:
            assert "This API key cannot be used here." in told["title"], f"{method} {path}"
        seen += 1
    assert seen > 25
    assert await house.api_keys.listed(before[0].account_id) == before


async def test_a_keepers_door_opens_to_a_key_that_was_made_for_it_and_is_confined(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await owner(house, outside)
    account_id = (await outside.get(f"{API}/me", headers=mira)).json()["id"]
    scoped = await made(outside, mira, scopes=[READ], networks=["203.0.113.0/24"])
    roaming, plain = await made(outside, mira, scopes=[READ]), await made(outside, mira, networks=["203.0.113.0/24"])
    assert refuses(await ask(outside, scoped, ADMIN), 403, "not-permitted")
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, account_id, READ)
    clock.advance(hours=2)  # nobody has signed in lately

    assert (await ask(outside, scoped, ADMIN)).status_code == 200
    assert refuses(await ask(outside, roaming, ADMIN), 403, "api-key-not-accepted")
    missing = await ask(outside, plain, ADMIN)
    assert refuses(missing, 403, "scope-missing")
    assert missing.headers["www-authenticate"] == f'Bearer realm="ostiary", error="insufficient_scope", scope="{READ}"'
    assert missing.json()["scope"] == READ
    assert refuses(await outside.delete(ADMIN, headers=showing(scoped)), 403, "scope-missing")
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.forbid(unit, account_id, READ)
    assert refuses(await ask(outside, scoped, ADMIN), 403, "not-permitted")


async def test_what_a_key_did_stands_in_the_journal_by_its_id(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira = await owner(house, outside)
    account_id = (await outside.get(f"{API}/me", headers=mira)).json()["id"]
    write = "csp-reports:write"
    text = await made(outside, mira, scopes=[write], networks=["203.0.113.0/24"])
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, account_id, write)

    assert (await outside.delete(ADMIN, headers=showing(text))).status_code == 200

    entries = [line for line in await house.audit.listed(None) if line.action == "reports.cleared"]
    assert [entry.details["by_key"] for entry in entries] == [name_of(text).id]


# What tries cost


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_what_has_not_the_form_costs_no_read_and_a_wrong_one_costs_one(
    house: Ostiary, outside: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = await made(outside, await owner(house, outside))
    counted = Counted(house, monkeypatch)

    for bent in (text[:-1], text[:-1] + "~", text.swapcase().replace("OST", "ost"), "ost_" + "A" * 8000):
        await ask(outside, bent)
    assert counted.reads == 0
    wrong = with_checksum(f"ost_{name_of(text).id}_{'A' * 43}")
    for _ in range(30):  # the same again and again: remembered, and counted once
        assert await status(outside, wrong) == 401
    assert counted.reads == 1
    for _ in range(3):
        assert await status(outside, text) == 200
    assert counted.reads == 2


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_whoever_guesses_is_refused_before_the_database_is_asked_and_nobody_else(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    house = await open_house(work=False, protection={"api_key_failures_per_minute": 5})
    async with client_of(house) as client, client_of(house, "192.0.2.1") as elsewhere:
        mira = await owner(house, client)
        known, fresh = await made(client, mira), await made(client, mira)
        assert await status(client, known) == 200
        counted = Counted(house, monkeypatch)
        guesses = [with_checksum(f"ost_{name_of(known).id}_{number:043}") for number in range(12)]

        answers = await asyncio.gather(*(ask(client, guess) for guess in guesses))

        assert sorted(answer.status_code for answer in answers) == [401] * 5 + [429] * 7
        assert counted.reads == 5
        limited = await ask(client, fresh)
        assert refuses(limited, 429, "limit-reached")
        assert int(limited.headers["retry-after"]) <= 60
        assert 'apikey.address"' in limited.headers["ratelimit-policy"]
        assert await status(client, known) == 200  # memory knows it: a guessing neighbour shuts nobody out
        assert await status(elsewhere, fresh) == 200
        clock.advance(minutes=1)
        assert await status(client, fresh) == 200


async def test_a_right_key_passes_where_the_address_has_no_requests_left(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"anonymous_per_minute": 8})
    async with client_of(house) as client:
        text = await made(client, await owner(house, client))
        for _ in range(12):
            await client.get(f"{API}/csrf")
        assert (await client.get(f"{API}/csrf")).status_code == 429

        assert await status(client, text) == 200
        assert (await ask(client, text[:-1])).status_code == 429


async def test_requests_by_key_count_for_the_account(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"signed_in_per_minute": 9})
    async with client_of(house) as client:
        text = await made(client, await owner(house, client))
        answers = [await ask(client, text) for _ in range(10)]

    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert refuses(answers[-1], 429, "limit-reached")


async def test_a_signed_token_is_not_taken_for_a_key_whatever_the_prefix(open_house: OpenHouse) -> None:
    house = await open_house(work=False, apikeys={"prefix": "ey", "former_prefixes": ["eyj", "e0"]})
    async with client_of(house) as client:
        mira = await register(client)
        assert mira["access_token"].startswith("eyJ")
        assert (await client.get(f"{API}/me", headers=bearer(mira))).status_code == 200


async def test_keys_of_a_former_prefix_stay_good_until_it_is_taken_out(open_house: OpenHouse) -> None:
    first = await open_house(work=False)
    async with client_of(first) as client:
        mira = await owner(first, client)
        text = await made(client, mira)
    second = await open_house(work=False, apikeys={"prefix": "acme", "former_prefixes": ["ost"]})
    third = await open_house(work=False, apikeys={"prefix": "acme"})

    async with client_of(second) as client:
        assert await status(client, text) == 200
        new = (await client.post(f"{API}/api-key", json={"name": "x"}, headers=mira)).json()["api_key"]
        assert new.startswith("acme_")
        assert await status(client, new) == 200
    async with client_of(third) as client:
        assert await status(client, text) == 401
        assert (await revoke(client, mira, text)).status_code == 200
