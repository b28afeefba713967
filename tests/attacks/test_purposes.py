"""A token of one purpose is worth nothing for another (D10): every kind of token at every place that takes one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.attacks.raw import contents
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser, set_cookies
from tests.house import (
    API,
    CHEAP_HASHING,
    NEW_PASSWORD,
    ORIGIN,
    PASSWORD,
    OpenHouse,
    client_of,
    letter_to,
    token_in,
)
from tests.magiclinks.steps import COOKIE, asked, code_in
from tests.sessions.device import REGISTER, RENEW, Device, Offer, bound_device

from ostiary.accounts import tell_of_lock
from ostiary.core.clock import ManualClock
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

GENEROUS = {
    "signups_per_hour": 1000, "login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6,
    "letters_per_hour": 1000, "link_code_failures": 20, "link_failures_per_day": 100,
}  # fmt: skip


@dataclass
class Held:
    """All that the house has handed to one person, by kind; and the keys of what it was handed to.

    Attributes:
        bound: A browser that has bound its session.
        offered: Two that may; the challenge of one offer and the authorization of the other are among the tokens.
    """

    tokens: dict[str, str]
    bound: Device
    offered: tuple[tuple[Device, Offer], tuple[Device, Offer]]

    def __getitem__(self, kind: str) -> str:
        return self.tokens[kind]


@pytest.fixture
async def home(open_house: OpenHouse) -> Ostiary:
    opened: Ostiary = await open_house(work=False, protection=GENEROUS)
    return opened


@pytest.fixture
async def elsewhere(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Ostiary]:
    """Another deployment with the same address, names and settings, but keys of its own."""
    house = Ostiary.at(tmp_path / "elsewhere", clock=clock, post=Mailbox(), hashing=CHEAP_HASHING, protection=GENEROUS)
    await house.open(work=False)
    yield house
    await house.close()


async def handed_out(house: Ostiary, name: str = "mira") -> Held:
    """Register somebody and collect every secret and every id that leaves the house."""
    async with client_of(house) as client:
        browser = Browser(client)
        await browser.get(f"{API}/csrf")
        anonymous = browser.cookies[CSRF]
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        answer = await browser.post(f"{API}/register", json=body)
        assert answer.status_code == 201
        (session,) = (await browser.get(f"{API}/sessions")).json()["sessions"]
        kinds = {"access": ACCESS, "refresh": REFRESH, "page": PAGE, "csrf": CSRF, "device": DEVICE}
        found = {kind: browser.cookies[cookie] for kind, cookie in kinds.items()}
        found |= {
            "csrf of nobody": anonymous,
            "jti": answer.json()["jti"],
            "session id": session["id"],
            "account id": answer.json()["user"]["id"],
        }
        bound = await bound_device(client, name)
        assert (await bound.browser.post(f"{API}/refresh")).status_code == 200  # whose access token says so
        devices = [Device(Browser(client)) for _ in range(2)]
        first, second = [(device, Offer.of(await device.browser.sign_in(name))) for device in devices]
        found |= {
            "bound cookie": bound.browser.cookies[bound.bound],
            "device challenge": bound.challenge or "",
            "device offer": first[1].challenge,
            "device authorization": second[1].authorization,
        }
        found |= await by_letter(house, browser, name, found["account id"])
    return Held(found, bound, (first, second))


async def by_letter(house: Ostiary, browser: Browser, name: str, account_id: str) -> dict[str, str]:
    """Have one letter of each kind sent, and return the secret in each."""
    address, new_address = f"{name}@example.org", f"{name}@example.net"
    proof = {"token": token_in(await letter_to(house, address))}
    assert (await browser.post(f"{API}/email/verify", json=proof)).status_code == 200
    change = {"email": new_address, "current_password": PASSWORD}
    assert (await browser.post(f"{API}/email/change", json=change)).status_code == 200
    assert (await browser.post(f"{API}/password-reset/request", json={"email": address})).status_code == 200
    assert (await browser.post(f"{API}/magic-link/request", json={"email": address})).status_code == 200
    async with house.database.unit() as unit:
        tell_of_lock(unit, account_id)
        unit.later("letter", kind="new_sign_in", account_id=account_id, when=unit.now, agent="", address="192.0.2.1")
    return {
        "proof": token_in(await letter_to(house, new_address)),
        "reset": token_in(await letter_to(house, address, "Choose a new password")),
        "unlock": token_in(await letter_to(house, address, "Wrong passwords")),
        "disown": token_in(await letter_to(house, address, "New sign-in")),
        "link": token_in(await letter_to(house, address, "Sign in to")),
        "link code": code_in(await letter_to(house, address, "Sign in to")),
        "link cookie": browser.cookies[COOKIE],
    }


Place = Callable[[httpx.AsyncClient, str, Held], Awaitable[bool]]


def cookies(**pairs: str) -> dict[str, str]:
    names = {"access": ACCESS, "refresh": REFRESH, "page": PAGE, "csrf": CSRF, "device": DEVICE}
    return {"cookie": "; ".join(f"{names[kind]}={value}" for kind, value in pairs.items())}


async def bearer_header(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get(f"{API}/me", headers={"authorization": f"Bearer {token}"})).status_code == 200


async def access_cookie(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get(f"{API}/me", headers=cookies(access=token))).status_code == 200


async def access_cookie_of_a_page(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get("/auth/sessions", headers=cookies(access=token))).status_code == 200


async def page_cookie(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get("/auth/account", headers=cookies(page=token))).status_code == 200


async def refresh_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.post(f"{API}/refresh", json={"refresh_token": token})).status_code == 200


async def refresh_cookie(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    guarded = cookies(refresh=token, page=held["page"], csrf=held["csrf"]) | {"x-csrf-token": held["csrf"]}
    return (await client.post(f"{API}/refresh", headers=guarded)).status_code == 200


async def csrf_pair(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    guarded = cookies(access=held["access"], page=held["page"], csrf=token) | {"x-csrf-token": token}
    return (await client.post(f"{API}/sessions/revoke-others", headers=guarded)).status_code == 200


async def csrf_pair_of_a_stranger(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    guarded = cookies(csrf=token) | {"x-csrf-token": token, "origin": ORIGIN}
    return (await client.post(f"{API}/logout", headers=guarded)).status_code == 200


async def device_cookie(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    credentials = {"login": "mira", "password": PASSWORD}
    answer = await client.post(f"{API}/login", json=credentials, headers=cookies(device=token))
    assert answer.status_code == 200
    return set_cookies(answer)[DEVICE].value == token  # a device that is not known gets a new name


async def bound_cookie(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    shown = f"{ACCESS}={held.bound.browser.cookies[ACCESS]}; {held.bound.bound}={token}"
    return (await client.get(f"{API}/me", headers={"cookie": shown})).status_code == 200


async def renewal(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    signed = held.bound.signed({"jti": token})
    shown = {"sec-secure-session-id": held.bound.session_id, "secure-session-response": signed}
    return (await client.post(RENEW, headers=shown)).status_code == 200


async def registration(client: httpx.AsyncClient, device: Device, offer: Offer) -> bool:
    claims = {"jti": offer.challenge, "authorization": offer.authorization}
    shown = {"secure-session-response": device.signed(claims, jwk=device.jwk())}
    return (await client.post(REGISTER, headers=shown)).status_code == 200


async def registration_challenge(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    device, offer = held.offered[0]
    return await registration(client, device, replace(offer, challenge=token))


async def registration_authorization(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    device, offer = held.offered[1]
    return await registration(client, device, replace(offer, authorization=token))


async def proof_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.post(f"{API}/email/verify", json={"token": token[:128]})).status_code == 200


async def proof_link(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get("/auth/confirm", params={"token": token})).status_code == 200


def link_to(page: str) -> Place:
    """Return the place that a letter leads to."""

    async def link(client: httpx.AsyncClient, token: str, _: Held) -> bool:
        return (await client.get(f"/auth/{page}", params={"token": token})).status_code == 200

    link.__name__ = f"link to {page}"
    return link


def button_of(page: str) -> Place:
    """Return the place that uses a letter's secret up."""

    async def button(client: httpx.AsyncClient, token: str, _: Held) -> bool:
        return (await client.post(f"/auth/{page}", data={"token": token[:128]})).status_code == 200

    button.__name__ = f"button of {page}"
    return button


async def link_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    body = {"token": token[:128], "elsewhere": True}
    return (await client.post(f"{API}/magic-link/confirm", json=body)).status_code == 200


async def link_button(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    body = {"token": token[:128], "elsewhere": "yes"}
    return (await client.post("/auth/magic-link", data=body)).status_code == 303


async def link_code(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    cookie = {"cookie": f"{COOKIE}={held['link cookie']}"}
    answer = await client.post(f"{API}/magic-link/confirm", json={"code": token[:64]}, headers=cookie)
    return answer.status_code == 200


async def link_cookie(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    body = {"code": held["link code"]}
    answer = await client.post(f"{API}/magic-link/confirm", json=body, headers={"cookie": f"{COOKIE}={token}"})
    return answer.status_code == 200


async def reset_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    body = {"token": token[:128], "new_password": NEW_PASSWORD}
    return (await client.post(f"{API}/password-reset/confirm", json=body)).status_code == 200


async def signing_out_by(client: httpx.AsyncClient, kind: str, token: str, held: Held) -> bool:
    guarded = cookies(**{kind: token, "csrf": held["csrf"]}) | {"x-csrf-token": held["csrf"]}
    return (await client.post(f"{API}/logout", headers=guarded)).status_code == 200


async def sign_out_by_page(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    return await signing_out_by(client, "page", token, held)


async def sign_out_by_access(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    return await signing_out_by(client, "access", token, held)


PLACES: dict[Place, str] = {
    bearer_header: "access",
    access_cookie: "access",
    access_cookie_of_a_page: "access",
    page_cookie: "page",
    refresh_body: "refresh",
    refresh_cookie: "refresh",
    bound_cookie: "bound cookie",
    renewal: "device challenge",
    registration_challenge: "device offer",
    registration_authorization: "device authorization",
    csrf_pair: "csrf",
    csrf_pair_of_a_stranger: "csrf of nobody",
    device_cookie: "device",
    link_to("magic-link"): "link",
    link_body: "link",
    link_button: "link",
    link_code: "link code",
    link_cookie: "link cookie",
    link_to("reset"): "reset",
    link_to("unlock"): "unlock",
    link_to("not-me"): "disown",
    proof_link: "proof",
    proof_body: "proof",
    sign_out_by_access: "access",
    sign_out_by_page: "page",
    button_of("unlock"): "unlock",
    reset_body: "reset",  # which ends what is older, but for the letters that say "this wasn't me"
    button_of("not-me"): "disown",
}
"""Each place that takes a token, and the one kind that it takes; those that use it up come last."""
WRITES_NOTHING = [place for place in PLACES if place is not device_cookie]


def foreign_to(place: Place, held: Held) -> Iterator[tuple[str, str]]:
    yield from ((kind, token) for kind, token in held.tokens.items() if kind != PLACES[place])


async def test_no_place_takes_a_token_of_another_purpose(home: Ostiary) -> None:
    held = await handed_out(home)
    before = await contents(home)
    async with bare_client(home) as client:
        for place in PLACES:
            for kind, token in foreign_to(place, held):
                client.cookies.clear()
                taken = await place(client, token, held)
                assert not taken, f"{place.__name__} takes {kind}"
            if place in WRITES_NOTHING and device_cookie not in list(PLACES)[: list(PLACES).index(place)]:
                assert await contents(home) == before, place.__name__

        for place, kind in PLACES.items():  # and what was refused elsewhere is still good at its own
            client.cookies.clear()
            if place is refresh_cookie:
                held.tokens |= await renewed(client, held)
            if place in (link_button, link_code, link_cookie):  # the last place has used the letter up
                held.tokens |= await another_link(home, client)
            assert await place(client, held[kind], held), f"{place.__name__} does not take {kind}"
            if place is sign_out_by_access:
                held = await handed_out(home, "other")


async def test_no_place_takes_anything_of_another_house(home: Ostiary, elsewhere: Ostiary) -> None:
    held, theirs = await handed_out(home), await handed_out(elsewhere)
    await home.outbox.drain()
    async with bare_client(home) as client:
        for place, own in PLACES.items():
            for kind, token in theirs.tokens.items():
                client.cookies.clear()
                assert not await place(client, token, held), f"{place.__name__} takes {kind} of another house"
            assert held[own] != theirs[own]


async def test_the_same_root_secret_on_a_new_database_is_another_house(
    tmp_path: Path, clock: ManualClock, home: Ostiary
) -> None:
    held = await handed_out(home)
    restarted = Ostiary.at(
        tmp_path / "fresh", clock=clock, post=Mailbox(), hashing=CHEAP_HASHING, protection=GENEROUS,
        keys={"root_secret": (tmp_path / "data" / "root.secret").read_text().strip()},
    )  # fmt: skip
    await restarted.open(work=False)
    try:
        own = await handed_out(restarted)
        async with bare_client(restarted) as client:
            for place, kind in PLACES.items():
                client.cookies.clear()
                assert not await place(client, held[kind], own), place.__name__
    finally:
        await restarted.close()


async def test_tokens_of_one_person_do_not_serve_another(home: Ostiary) -> None:
    mira, eve = await handed_out(home), await handed_out(home, "eve")
    async with bare_client(home) as client:
        assert not await csrf_pair(client, eve["csrf"], mira)
        assert not await signing_out_by(client, "page", mira["page"], eve)
        assert not await signing_out_by(client, "access", mira["access"], eve)
        mixed = cookies(refresh=mira["refresh"], page=mira["page"], csrf=eve["csrf"])
        answer = await client.post(f"{API}/refresh", headers=mixed | {"x-csrf-token": eve["csrf"]})
        assert answer.status_code == 403
        assert await bearer_header(client, mira["access"], mira)


async def renewed(client: httpx.AsyncClient, held: Held) -> dict[str, str]:
    """Return the successor of a refresh token that was just used: within the grace, the very same again."""
    answer = await client.post(f"{API}/refresh", json={"refresh_token": held["refresh"]})
    found: dict[str, Any] = answer.json()
    client.cookies.clear()
    return {"refresh": found["refresh_token"]}


async def another_link(house: Ostiary, client: httpx.AsyncClient) -> dict[str, str]:
    """Return what a newer letter with a sign-in link brings."""
    letter = await asked(house, client)
    return {"link": letter.token, "link code": letter.code, "link cookie": letter.cookie}


@asynccontextmanager
async def bare_client(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(house) as client:
        yield client
