"""A token of one purpose is worth nothing for another (D10): every kind of token at every place that takes one.

Nor is it worth anything cut, written otherwise, for somebody else, or late.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import pytest
from sqlalchemy import delete, select, update
from tests.attacks import factors
from tests.attacks.factors import guarded
from tests.attacks.holdings import Held, another_link, handed_out
from tests.attacks.places import (
    AGAIN,
    ALSO,
    LASTS,
    OF_ONE_ACCOUNT,
    PLACES,
    Place,
    bearer_header,
    cookies,
    csrf_pair,
    doors_for_secrets,
    link_button,
    link_code,
    link_cookie,
    refresh_cookie,
    sign_out_by_access,
    signing_out_by,
)
from tests.attacks.raw import contents
from tests.house import API, CHEAP_HASHING, OpenHouse, client_of
from tests.texts.steps import OFFERED

from ostiary.core.clock import ManualClock, millis
from ostiary.core.db import Query
from ostiary.core.tables import counters
from ostiary.mail import Mailbox
from ostiary.texts import ConsoleCarrier
from ostiary.texts.models import text_codes
from ostiary.wiring import Ostiary


class Count(msgspec.Struct, frozen=True):
    """What a counter says."""

    spent: int


GENEROUS = {
    "signups_per_hour": 1000, "login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6,
    "letters_per_hour": 1000, "passkey_failures_per_minute": 10**6, "anonymous_per_minute": 10**6,
    "signed_in_per_minute": 10**6, "texts_per_number": 1000, "texts_per_address": 1000,
}  # fmt: skip
SETTINGS: dict[str, Any] = {"protection": GENEROUS, "texts": OFFERED}
COUNTED = Query(select(counters.c.spent).limit(1), Count)
RESET_COUNTERS = Query(delete(counters))
RESET_GUESSES = Query(update(text_codes).values(guesses=0))

IN_HEADERS = frozenset({
    "access", "refresh", "page", "csrf", "csrf of nobody", "device", "bound cookie", "link cookie", "passkey cookie",
    "remembered browser",
})  # fmt: skip
"""Kinds that travel in headers: what no header can hold is not tried."""

TYPED = frozenset({"recovery code", "link code", "totp code", "sms code", "phone code", "enrolment code"})
"""Kinds that people type: case and spaces are theirs."""


@pytest.fixture
def storage() -> str:
    """One of the two: purposes are in keys and MACs; which database looks them up is shown in tests/races."""
    return "sqlite"


@pytest.fixture
async def home(open_house: OpenHouse) -> Ostiary:
    opened: Ostiary = await open_house(work=False, **SETTINGS)
    return opened


@pytest.fixture
async def elsewhere(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Ostiary]:
    """Another deployment with the same address, names and settings, but keys of its own."""
    house = Ostiary.at(
        tmp_path / "elsewhere", clock=clock, post=Mailbox(), console=ConsoleCarrier(), hashing=CHEAP_HASHING, **SETTINGS
    )
    await house.open(work=False)
    yield house
    await house.close()


def foreign_to(place: Place, own: str, held: Held) -> Iterator[tuple[str, str]]:
    """Yield all that a place must not take: every other kind, and its own, bent."""
    taken = {own} | ALSO.get(place, set())
    yield from ((kind, token) for kind, token in held.tokens.items() if kind not in taken)
    yield from ((f"{own} {how}", token) for how, token in bent(own, held[own]))


def bent(kind: str, token: str) -> Iterator[tuple[str, str]]:
    """Yield a token cut, lengthened, and in other spellings that some decoder would take for the same."""
    ways = {
        "without its end": token[:-1], "without its beginning": token[1:], "cut in half": token[: len(token) // 2],
        "lengthened": f"{token}A", "with something before it": f"A{token}", "padded": f"{token}=",
        "in base64": base64.urlsafe_b64encode(token.encode()).decode(), "in hex": token.encode().hex(),
        "percent-encoded": quote(token).replace(token[0], f"%{ord(token[0]):02X}", 1), "twice": f"{token}{token}",
    }  # fmt: skip
    if kind not in TYPED:
        ways |= {
            "in capitals": token.upper(), "in small letters": token.lower(), "with its case swapped": token.swapcase(),
            "in the other alphabet of base64": token.translate(str.maketrans("-_", "+/")),
            "with unused bits set": token[:-1] + _sibling(token[-1]),
        }  # fmt: skip
    if kind not in IN_HEADERS:
        ways |= {
            "in wide letters": "".join(chr(ord(sign) + 0xFEE0) if sign.isalnum() else sign for sign in token),
            "with a mark that nobody sees": f"{token}\u200b",
        }
    if kind not in IN_HEADERS | TYPED:
        ways |= {"with a line break": f"{token}\n", "with a space": f" {token}"}
    yield from ((how, changed) for how, changed in ways.items() if changed != token)


def _sibling(last: str) -> str:
    """Return the sign whose lowest bit alone is another: a lax decoder drops it."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return alphabet[alphabet.index(last) ^ 1]


Holder = TypeVar("Holder")


async def is_taken(
    house: Ostiary, client: httpx.AsyncClient, place: Callable[[httpx.AsyncClient, str, Holder], Awaitable[bool]],
    token: str, held: Holder,
) -> bool:  # fmt: skip
    """Hand something in; wrong ones are not counted, so that each is looked at."""
    client.cookies.clear()
    taken = await place(client, token, held)
    if await house.database.find(COUNTED):
        await house.database.run(RESET_COUNTERS)
        await house.database.run(RESET_GUESSES)
    return taken


async def test_no_place_takes_a_token_of_another_purpose_nor_its_own_bent(home: Ostiary) -> None:
    held, again = await handed_out(home), await handed_out(home, "again")
    seen: set[tuple[str, str]] = set()
    async with bare_client(home) as client:
        client.event_hooks = {"request": [noting(seen)]}
        for place, own in (PLACES | AGAIN).items():
            before = await contents(home)
            for kind, token in foreign_to(place, own, held):
                assert not await is_taken(home, client, place, token, held), f"{place.__name__} takes {kind}"
            if place.__name__ not in ("device_cookie", "remembered_cookie"):  # which sign in by the password
                assert await contents(home) == before, place.__name__

        for place, kind in PLACES.items():  # and what was refused elsewhere is still good at its own
            if place is refresh_cookie:
                held.tokens |= await renewed(client, held)
            if place in (link_button, link_code, link_cookie):  # the last place has used the letter up
                held.tokens |= await another_link(home, client)
            assert await is_taken(home, client, place, held[kind], held), f"{place.__name__} does not take {kind}"
            if place is sign_out_by_access:
                held = await handed_out(home, "other")
        for place, kind in AGAIN.items():
            if place.__name__ == "button of reset":
                again = await handed_out(home, "last")
            assert await is_taken(home, client, place, again[kind], again), f"{place.__name__} does not take {kind}"
    assert len(list(doors_for_secrets())) > 25
    assert set(doors_for_secrets()) <= seen


def noting(seen: set[tuple[str, str]]) -> Callable[[httpx.Request], Awaitable[None]]:
    """Return a hook that notes where something is sent."""

    async def note(request: httpx.Request) -> None:
        seen.add((request.method, request.url.path))

    return note


async def test_no_place_takes_a_secret_of_another_account(home: Ostiary) -> None:
    async with bare_client(home) as client:
        nora, olga = await guarded(home, client, "nora"), await guarded(home, client, "olga")
        before = await contents(home)
        for place, kind in OF_ONE_ACCOUNT.items():
            taken = await is_taken(home, client, place, olga.tokens[kind], nora)
            assert not taken, f"{place.__name__} takes somebody else's {kind}"
            if place is not factors.remembered_cookie:
                assert await contents(home) == before, place.__name__


async def test_no_place_takes_a_secret_at_its_end_and_each_takes_it_right_before(
    home: Ostiary, clock: ManualClock
) -> None:
    async with bare_client(home) as client:
        early, late = await guarded(home, client, "early"), await guarded(home, client, "late")
        begun = clock.now()
        next_step = timedelta(milliseconds=60_000 - begun % 30_000)
        of_apps = {factors.totp_field: "totp code", factors.enrolment_field: "enrolment code"}
        lasts = {place: (kind, next_step) for place, kind in of_apps.items()} | LASTS
        for lifetime in sorted({lifetime for _, lifetime in lasts.values()}):
            ending = {place: kind for place, (kind, its_own) in lasts.items() if its_own == lifetime}
            clock.advance(milliseconds=begun + millis(lifetime) - 1 - clock.now())
            for place, kind in ending.items():
                taken = await is_taken(home, client, place, early.tokens[kind], early)
                assert taken, f"{place.__name__} does not take {kind} any more"
            clock.advance(milliseconds=1)
            for place, kind in ending.items():
                taken = await is_taken(home, client, place, late.tokens[kind], late)
                assert not taken, f"{place.__name__} takes a late {kind}"


async def test_no_place_takes_anything_of_another_house(home: Ostiary, elsewhere: Ostiary) -> None:
    held, theirs = await handed_out(home), await handed_out(elsewhere)
    await home.outbox.drain()
    async with bare_client(home) as client:
        for place, kind in PLACES.items():
            assert held[kind] != theirs[kind]
            taken = await is_taken(home, client, place, theirs[kind], held)
            assert not taken, f"{place.__name__} takes {kind} of another house"


async def test_the_same_root_secret_on_a_new_database_is_another_house(
    tmp_path: Path, clock: ManualClock, home: Ostiary
) -> None:
    held = await handed_out(home)
    restarted = Ostiary.at(
        tmp_path / "fresh", clock=clock, post=Mailbox(), console=ConsoleCarrier(), hashing=CHEAP_HASHING, **SETTINGS,
        keys={"root_secret": (tmp_path / "data" / "root.secret").read_text().strip()},
    )  # fmt: skip
    await restarted.open(work=False)
    try:
        own = await handed_out(restarted)
        async with bare_client(restarted) as client:
            for place, kind in PLACES.items():
                assert not await is_taken(restarted, client, place, held[kind], own), place.__name__
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


@asynccontextmanager
async def bare_client(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(house) as client:
        yield client
