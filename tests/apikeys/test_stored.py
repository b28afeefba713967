"""What is stored of a key, in each of the forms that rules may demand; and what showing it costs then."""

from __future__ import annotations

import asyncio
import re

import pytest
from tests.apikeys.steps import ask, made, name_of, owner, refuses, rotate, status, with_checksum
from tests.house import CHEAP_HASHING, OpenHouse, client_of

from ostiary.apikeys import ApiKeySettings
from ostiary.core.caller import KEEPER
from ostiary.core.errors import TooBusy
from ostiary.wiring import Ostiary

ROUNDS = 10
FORMS = {
    "keyed": r"^a[0-9a-f]{10}\.[A-Za-z0-9_-]{43}$",
    "argon2id": r"^a[0-9a-f]{10}\.\$argon2id\$v=19\$m=8,t=1,p=1\$\S+$",
    "bcrypt": rf"^a[0-9a-f]{{10}}\.\$2b\${ROUNDS}\$\S{{53}}$",
}


@pytest.fixture
def storage() -> str:
    return "sqlite"


async def stored(house: Ostiary, text: str) -> str:
    key = await house.api_keys.find(name_of(text).id)
    assert key is not None
    return key.digest


class Hashes:
    """How many slow hashes a house computes."""

    def __init__(self, house: Ostiary, monkeypatch: pytest.MonkeyPatch) -> None:
        self.number = 0
        compute = house.hasher._compute

        async def counted(*words: object) -> object:
            self.number += 1
            return await compute(*words)  # type: ignore[arg-type]

        monkeypatch.setattr(house.hasher, "_compute", counted)


async def opened(open_house: OpenHouse, form: str, **more: object) -> Ostiary:
    house: Ostiary = await open_house(work=False, apikeys={"hash": form, "bcrypt_rounds": ROUNDS} | more)
    return house


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_is_stored_and_opens_with_the_very_text_alone(
    open_house: OpenHouse, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = await opened(open_house, form)
    async with client_of(house) as client:
        mira = await owner(house, client)
        text, other = await made(client, mira), await made(client, mira)
        assert re.match(FORMS[form], await stored(house, text))
        hashes = Hashes(house, monkeypatch)

        for _ in range(3):
            assert await status(client, text) == 200

        assert hashes.number == (0 if form == "keyed" else 1)  # the first time in this process
        # bcrypt would absorb 72 bytes: what differs behind them must count.
        bent = with_checksum(text[:-7] + ("A" if text[-7] != "A" else "B"))
        swapped = with_checksum(f"ost_{name_of(text).id}_{other.rpartition('_')[2][:-6]}")
        assert [await status(client, wrong) for wrong in (bent, swapped)] == [401, 401]
        new = (await rotate(client, mira, text, overlap_seconds=60)).json()["api_key"]
        assert [await status(client, one) for one in (text, new)] == [200, 200]


@pytest.mark.parametrize(("before", "after"), [("keyed", "argon2id"), ("argon2id", "bcrypt"), ("bcrypt", "keyed")])
async def test_a_changed_setting_takes_keys_over_as_they_are_used(
    open_house: OpenHouse, before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await opened(open_house, before)
    async with client_of(old) as client:
        mira = await owner(old, client)
        text, unused = await made(client, mira), await made(client, mira)
        assert await status(client, text) == 200
    new = await opened(open_house, after)
    async with client_of(old) as here, client_of(new) as there:
        assert await status(there, text) == 200
        assert re.match(FORMS[after], await stored(new, text))
        assert re.match(FORMS[before], await stored(new, unused))
        hashes = Hashes(new, monkeypatch)
        assert [await status(client, text) for client in (there, here, there)] == [200, 200, 200]
        assert hashes.number == 0


async def test_a_revocation_and_the_memory_of_a_slow_hash_agree(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a text fits is remembered, that the key lives is not: after a change the row is read, and nothing hashed."""
    house = await opened(open_house, "argon2id")
    async with client_of(house) as client:
        text = await made(client, await owner(house, client))
        assert await status(client, text) == 200
        hashes = Hashes(house, monkeypatch)
        house.api_key_guard._forget(name_of(text).id)
        assert await status(client, text) == 200
        assert hashes.number == 0
        key = await house.api_keys.find(name_of(text).id)
        assert key is not None
        await house.api_keys.revoke(KEEPER, key.account_id, key.id)
        assert await status(client, text) == 401
        assert hashes.number == 0


async def test_a_flood_of_guesses_is_turned_away_by_the_hashing_pool_and_known_keys_are_not_touched(
    open_house: OpenHouse,
) -> None:
    house = await open_house(
        work=False, apikeys={"hash": "argon2id"}, protection={"api_key_failures_per_minute": 10**6},
        hashing=CHEAP_HASHING | {"memory_kib": 65536, "passes": 3, "threads": 1, "longest_wait": 0.2, "hold": 0.05},
    )  # fmt: skip
    async with client_of(house) as client:
        mira = await owner(house, client)
        text = await made(client, mira)
        assert await status(client, text) == 200
        guesses = [with_checksum(f"ost_{name_of(text).id}_{number:043}") for number in range(40)]

        answers = await asyncio.gather(*(ask(client, guess) for guess in guesses), ask(client, text))

        assert answers.pop().status_code == 200
        busy = [answer for answer in answers if answer.status_code == 503]
        assert busy
        assert refuses(busy[0], 503, TooBusy.slug)
        assert "retry-after" in busy[0].headers
        assert {answer.status_code for answer in answers} <= {401, 503}


def test_settings_that_cannot_be_are_refused() -> None:
    for wrong in (
        {"prefix": "Ost"}, {"prefix": "o"}, {"prefix": "o_st"}, {"prefix": "9st"}, {"prefix": "a" * 17},
        {"former_prefixes": ["ost"]}, {"former_prefixes": ["O"]}, {"hash": "md5"}, {"bcrypt_rounds": 20},
        {"longest_lifetime": "PT0S"},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"prefix|hash|rounds|lifetime"):
            ApiKeySettings.model_validate(wrong)
