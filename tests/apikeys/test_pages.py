"""The page of keys, without a script: made, shown once, rotated, revoked."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from tests.apikeys.steps import name_of, owner, status
from tests.contract.browser import Browser
from tests.house import OpenHouse, client_of

from ostiary.core.clock import ManualClock, iso
from ostiary.wiring import Ostiary

HERE = "/auth/api-keys"
ROW = {"scopes": "", "networks": "", "lifetime": "P90D"}


@pytest.fixture
def storage() -> str:
    return "sqlite"


@pytest.fixture
async def mira(house: Ostiary, outside: httpx.AsyncClient) -> Browser:
    await owner(house, outside)
    signed_in = Browser(outside)
    await signed_in.sign_in()
    return signed_in


def shown(answer: httpx.Response) -> str:
    """Return the key that a page shows."""
    (text,) = re.findall(r'id="new-key"[^>]* value="([^"]+)"', answer.text)
    return str(text)


async def keys(mira: Browser) -> list[dict[str, Any]]:
    answer = await mira.get("/api/v1/auth/api-key")
    found: list[dict[str, Any]] = answer.json()["api_keys"]
    return found


async def test_a_key_is_made_and_shown_in_that_one_answer(
    mira: Browser, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    fields = ROW | {"name": "Backup", "scopes": "books:read, books:lend", "networks": "203.0.113.0/24 2001:db8::/48"}

    answer = await mira.submit(HERE, **fields)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    text = shown(answer)
    assert await status(outside, text) == 200
    again = await mira.get(HERE)
    assert text not in again.text
    assert name_of(text).hint in again.text
    (key,) = await keys(mira)
    assert (key["scopes"], key["networks"]) == (["books:lend", "books:read"], ["203.0.113.0/24", "2001:db8::/48"])
    assert key["expires_at"] == iso(clock.now() + 90 * 86_400_000)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "Give the key a name"),
        ({"name": "x", "scopes": "Books"}, "A scope looks like books:lend"),
        ({"name": "x", "networks": "nowhere"}, "Give networks such as"),
        ({"name": "x", "lifetime": "P9Y"}, "Choose one of the list."),
    ],
    ids=range(4),
)
async def test_what_is_wrong_is_said_and_what_was_typed_stays(mira: Browser, fields: dict[str, str], said: str) -> None:
    answer = await mira.submit(HERE, **ROW | fields)

    assert answer.status_code == 422
    assert said in answer.text
    assert all(f'value="{value}"' in answer.text for name, value in fields.items() if value and name != "lifetime")
    assert await keys(mira) == []


async def test_a_key_gets_a_new_secret_and_is_revoked(mira: Browser, outside: httpx.AsyncClient) -> None:
    old = shown(await mira.submit(HERE, name="Backup", **ROW))
    key_id = name_of(old).id

    answer = await mira.submit(f"{HERE}/rotate", at=HERE, key_id=key_id, overlap="PT1H")

    new = shown(answer)
    assert "Its old secret is good until" in answer.text
    assert [await status(outside, text) for text in (old, new)] == [200, 200]
    answer = await mira.submit(f"{HERE}/revoke", at=HERE, key_id=key_id)
    assert (answer.status_code, answer.headers["location"]) == (303, HERE)
    assert [await status(outside, text) for text in (old, new)] == [401, 401]
    assert (await mira.submit(f"{HERE}/revoke", at=HERE, key_id=key_id)).status_code == 303
    assert (await mira.submit(f"{HERE}/rotate", at=HERE, key_id=key_id, overlap="PT1H")).status_code == 404
    assert "No API key yet." in (await mira.get(HERE)).text


async def test_an_ended_key_says_so_and_where_the_proof_is_long_ago_another_is_asked_for(
    mira: Browser, clock: ManualClock
) -> None:
    await mira.submit(HERE, name="Backup", **ROW | {"lifetime": "P30D"})
    clock.advance(minutes=11)
    (key,) = await keys(mira)
    asked: list[tuple[str, dict[str, str]]] = [
        (HERE, ROW | {"name": "x"}),
        (f"{HERE}/rotate", {"key_id": key["id"], "overlap": "PT0S"}),
        (f"{HERE}/revoke", {"key_id": key["id"]}),
    ]
    for path, fields in asked:
        answer = await mira.submit(path, at=HERE, **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/step-up")
    assert await keys(mira) == [key]
    clock.advance(days=30)
    await mira.sign_in()

    page = (await mira.get(HERE)).text

    assert "Ended" in page
    assert "New secret" not in page


async def test_a_form_without_its_token_makes_nothing(mira: Browser) -> None:
    for path in (HERE, f"{HERE}/rotate", f"{HERE}/revoke"):
        answer = await mira.request("POST", path, csrf=False, data=ROW | {"name": "x"})
        assert answer.status_code == 403
    assert await keys(mira) == []


async def test_only_what_the_settings_allow_is_offered(open_house: OpenHouse) -> None:
    house = await open_house(work=False, apikeys={"longest_lifetime": "P40D", "longest_overlap": "PT2H"})
    async with client_of(house) as client:
        await owner(house, client)
        mira = Browser(client)
        await mira.sign_in()
        assert "Never" not in (await mira.get(HERE)).text
        answer = await mira.submit(HERE, name="x", **ROW | {"lifetime": "P30D"})

        assert re.findall(r'<option value="([^"]*)"', answer.text) == ["PT0S", "PT1H", "P30D", ""]
        assert (await mira.submit(HERE, name="x", **ROW)).status_code == 422
