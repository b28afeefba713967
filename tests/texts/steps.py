"""What people do with telephone numbers, in one step each."""

from __future__ import annotations

import re
from typing import Any

import httpx
from tests.house import API, OpenHouse, bearer, login, strengthened
from tests.recovery.steps import ADDRESS, settled

from ostiary.texts import ConsoleCarrier, KeptText
from ostiary.wiring import Ostiary

NUMBER, OTHER = "+46701234567", "+12015550123"
OFFERED = {"prefixes": ["+46", "+1"], "barred": ["+1876"]}


async def offering(open_house: OpenHouse, **more: Any) -> Ostiary:  # noqa: ANN401 - sections of settings
    """Open a house that sends texts, to Sweden and North America."""
    house: Ostiary = await open_house(work=False, **{"texts": OFFERED} | more)
    return house


async def owner(house: Ostiary, client: httpx.AsyncClient, name: str = "mira") -> dict[str, str]:
    """Be somebody with a proven address who has just signed in; return the header that says so."""
    await settled(house, client, name)
    return bearer(await strengthened(house, await login(client, name)))


async def begin(client: httpx.AsyncClient, bearing: dict[str, str], number: str = NUMBER) -> httpx.Response:
    """Ask for a code to a number."""
    return await client.post(f"{API}/mfa/phone/begin", json={"number": number}, headers=bearing)


async def confirm(client: httpx.AsyncClient, bearing: dict[str, str], code: str) -> httpx.Response:
    """Show a code."""
    return await client.post(f"{API}/mfa/phone/confirm", json={"code": code}, headers=bearing)


async def remove(client: httpx.AsyncClient, bearing: dict[str, str]) -> httpx.Response:
    """Remove the number."""
    return await client.delete(f"{API}/mfa/phone", headers=bearing)


async def add(house: Ostiary, client: httpx.AsyncClient, bearing: dict[str, str], number: str = NUMBER) -> None:
    """Add a number."""
    answer = await begin(client, bearing, number)
    assert answer.status_code == 200, answer.text
    answer = await confirm(client, bearing, code_in(texts(house)[0]))
    assert answer.status_code == 200, answer.text


def texts(house: Ostiary) -> list[KeptText]:
    """Return every text that went out, the newest first."""
    assert isinstance(house.texts.carrier, ConsoleCarrier)
    return list(house.texts.carrier.texts)


def code_in(text: KeptText) -> str:
    """Return the code in a text."""
    found = re.match(r"([0-9]{6}) ", text.body)
    assert found, text.body
    return found[1]


def wrong(code: str) -> str:
    """Return another code than this."""
    return f"{(int(code) + 1) % 10**6:06}"


async def account_id(house: Ostiary, address: str = ADDRESS) -> str:
    """Return whose a proven address is."""
    async with house.database.unit() as unit:
        return await house.accounts.find_by_login(unit, address) or ""


async def number_of(house: Ostiary, whose: str) -> str | None:
    """Return an account's number as its export says it."""
    async with house.database.unit() as unit:
        phone = (await house.texts.personal(unit, whose))["phone"]
    return phone["number"] if phone else None


def slug(answer: httpx.Response) -> tuple[int, str]:
    """Return how a request was refused."""
    return answer.status_code, answer.json()["type"].rpartition("/")[2]
