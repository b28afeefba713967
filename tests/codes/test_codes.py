"""Recovery codes: made with the first second factor, good once each, gone with the last."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import bindparam, update
from tests.attacks.raw import contents
from tests.house import API, bearer, journalled, letter_to, register
from tests.passkeys.steps import add
from tests.passkeys.steps import strong_owner as owner
from tests.recovery.steps import letters
from tests.totp.steps import CALLER, named, only_account, said, set_up

from ostiary.codes import CodeProof
from ostiary.codes.models import recovery_codes
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.passkeys import Passkeys
from ostiary.totp import Totp
from ostiary.wiring import Ostiary

USERS = 24
LOW, MADE = "Few recovery codes", "New recovery codes"


async def look(house: Ostiary, account_id: str, code: str) -> CodeProof | None:
    """Look at a code as the front desk does."""
    return await house.codes.prove(CALLER, account_id, code, "an attempt")


async def use(house: Ostiary, account_id: str, code: str) -> bool:
    """Look at a code and use it up, as the front desk does."""
    proof = await look(house, account_id, code)
    if proof is None:
        return False
    async with house.database.unit(CALLER) as unit:
        return await house.codes.confirm(unit, proof)


async def renew(client: httpx.AsyncClient, bearing: dict[str, str]) -> list[str]:
    answer = await client.post(f"{API}/mfa/recovery-codes", headers=bearing)
    assert answer.status_code == 200, answer.text
    codes: list[str] = answer.json()["recovery_codes"]
    return codes


async def left(client: httpx.AsyncClient, bearing: dict[str, str]) -> int:
    number: int = (await client.get(f"{API}/mfa", headers=bearing)).json()["recovery_codes"]["left"]
    return number


@pytest.fixture
async def bearing(house: Ostiary, outside: httpx.AsyncClient) -> dict[str, str]:
    """Somebody who has just signed in."""
    return await owner(house, outside)


@pytest.fixture
async def codes(house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str]) -> list[str]:
    """Their codes, from setting up an app."""
    _, made = await set_up(house, outside, bearing)
    return made


async def test_each_is_good_once_however_it_is_written(
    house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str]
) -> None:
    account_id = await only_account(house)
    assert len(set(codes)) == 10

    assert await use(house, account_id, codes[0].lower().replace("-", " "))
    assert not await use(house, account_id, codes[0])
    assert await use(house, account_id, codes[7])

    assert await left(outside, bearing) == 8
    entries = await journalled(house)
    assert (entries.count("code.used"), entries.count("code.refused")) == (2, 1)


async def test_of_many_who_show_one_at_once_one_is_in(house: Ostiary, codes: list[str]) -> None:
    account_id = await only_account(house)
    proofs = [await look(house, account_id, codes[0]) for _ in range(USERS)]

    async def confirmed(proof: CodeProof | None) -> bool:
        assert proof is not None  # all were right when they were looked at: the write decides (D10)
        async with house.database.unit(CALLER) as unit:
            return await house.codes.confirm(unit, proof)

    outcomes = await asyncio.gather(
        *(confirmed(proof) for proof in proofs), *(use(house, account_id, codes[1]) for _ in range(USERS))
    )

    assert outcomes[:USERS].count(True) == 1
    assert outcomes[USERS:].count(True) == 1


async def test_new_ones_kill_the_old_ones_and_their_owner_is_told(
    house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str], clock: ManualClock
) -> None:
    account_id = await only_account(house)
    assert await use(house, account_id, codes[0])
    seen_before = await look(house, account_id, codes[1])
    assert seen_before is not None
    clock.advance(minutes=1)

    new = await renew(outside, bearing)

    assert len(new) == 10
    assert not set(new) & set(codes)
    assert not await use(house, account_id, codes[2])
    async with house.database.unit(CALLER) as unit:
        assert not await house.codes.confirm(unit, seen_before)
    assert await use(house, account_id, new[0])
    assert "/auth/not-me?token=" in (await letter_to(house, "mira@example.org", MADE)).text


async def test_of_many_who_renew_at_once_the_codes_of_one_are_good(
    house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str]
) -> None:
    account_id = await only_account(house)

    made = await asyncio.gather(*(renew(outside, bearing) for _ in range(6)))

    good = [[await look(house, account_id, code) is not None for code in one] for one in made]
    assert sorted(sum(one) for one in good) == [0] * 5 + [10]
    assert await left(outside, bearing) == 10
    assert await look(house, account_id, codes[0]) is None


async def test_the_owner_is_told_when_few_are_left(
    house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str]
) -> None:
    account_id = await only_account(house)
    for code in codes[:6]:
        assert await use(house, account_id, code)
    await house.outbox.drain()
    assert letters(house, LOW) == []

    for number, code in enumerate(codes[6:], start=1):
        assert await use(house, account_id, code)
        await house.outbox.drain()
        assert len(letters(house, LOW)) == number
    assert "none are left" in letters(house, LOW)[0].text
    assert "/auth/recovery-codes\n" in letters(house, LOW)[0].text
    async with house.database.unit() as unit:
        assert not await house.codes.is_set_up(unit, account_id)  # nobody is asked for what they have not got
    assert await left(outside, bearing) == 0


async def test_they_go_with_the_last_second_factor_and_not_before(
    house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str]
) -> None:
    account_id = await only_account(house)
    await add(outside, bearing)
    (passkey,) = (await outside.get(f"{API}/passkeys", headers=bearing)).json()["passkeys"]

    assert (await outside.delete(f"{API}/mfa/totp", headers=bearing)).status_code == 200
    assert await use(house, account_id, codes[0])  # the passkey is left
    seen = await look(house, account_id, codes[1])
    assert seen is not None
    assert (await outside.delete(f"{API}/passkeys/{passkey['id']}", headers=bearing)).status_code == 200

    assert await look(house, account_id, codes[2]) is None
    async with house.database.unit(CALLER) as unit:
        assert not await house.codes.confirm(unit, seen)
    assert (await contents(house, without=frozenset()))["recovery_codes"] == []
    assert "codes.forgotten" in await journalled(house)
    assert said(await outside.post(f"{API}/mfa/recovery-codes", headers=bearing)) == (409, "no-second-factor")


async def test_of_two_who_remove_the_last_two_factors_at_once_one_takes_the_codes(
    house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str]
) -> None:
    await add(outside, bearing)
    account_id = await only_account(house)

    async def remove(factor: Passkeys | Totp) -> None:
        async with house.database.unit(CALLER) as unit:
            await factor.forget_all(unit, account_id)
            await asyncio.sleep(0.2)  # the other has removed its own by now, where the database lets both write
            await house.codes.end_if_last(unit, account_id)
            await asyncio.sleep(0.2)

    await asyncio.gather(remove(house.totp), remove(house.passkeys))

    assert codes
    assert (await contents(house, without=frozenset()))["recovery_codes"] == []


async def test_they_stand_for_nothing_without_another_factor(house: Ostiary, codes: list[str]) -> None:
    """Also where whoever removed the last one forgot to say so."""
    account_id = await only_account(house)
    async with house.database.unit(KEEPER) as unit:
        await house.totp.forget_all(unit, account_id)

    assert await look(house, account_id, codes[0]) is None
    async with house.database.unit() as unit:
        assert not await house.codes.is_set_up(unit, account_id)


class TestOnWhateverDatabase:
    @pytest.fixture
    def storage(self) -> str:
        """One will do."""
        return "sqlite"

    async def test_with_a_passkey_alone_they_are_made_when_asked_for(
        self, house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str]
    ) -> None:
        await add(outside, bearing)
        assert await left(outside, bearing) == 0

        made = await renew(outside, bearing)

        assert await use(house, await only_account(house), made[3])
        assert (await set_up(house, outside, bearing))[1] == []  # and they stay what they are

    async def test_those_of_another_account_are_worth_nothing(
        self, house: Ostiary, outside: httpx.AsyncClient, codes: list[str]
    ) -> None:
        _, his_codes = await set_up(house, outside, await owner(house, outside, "nils"))
        hers, his = await named(house, "mira", "nils")

        assert await look(house, hers, his_codes[0]) is None
        assert await look(house, his, codes[0]) is None
        assert await look(house, "AAAAAAAAAAAAAAAAAAAAAA", codes[0]) is None
        proof = await look(house, his, his_codes[0])
        assert proof is not None
        async with house.database.unit(CALLER) as unit:
            assert not await house.codes.confirm(unit, replace(proof, account_id=hers))

    async def test_a_row_that_was_moved_to_another_account_opens_nothing(
        self, house: Ostiary, outside: httpx.AsyncClient, codes: list[str]
    ) -> None:
        """Somebody who writes the database gives the victim's account the digests of their own codes."""
        await set_up(house, outside, await owner(house, outside, "nils"))
        hers, his = await named(house, "mira", "nils")
        move = update(recovery_codes).values(account_id=bindparam("becomes"))
        move = move.where(recovery_codes.c.account_id == bindparam("whose"))

        await house.database.run(Query(move), whose=hers, becomes=his)

        assert await look(house, his, codes[0]) is None

    async def test_what_is_no_code_proves_nothing_and_leaves_its_entry(self, house: Ostiary, codes: list[str]) -> None:
        account_id = await only_account(house)
        one, other = codes[:2]
        answers = ("", "123456", one[:-1], f"{one}0", f"{one} {other}", "U" * 24, "\x00" * 24, "9" * 10_000)
        assert [await look(house, account_id, answer) for answer in answers] == [None] * len(answers)
        assert (await journalled(house)).count("code.refused") == len(answers)

    async def test_who_may_not_make_new_ones(
        self, house: Ostiary, outside: httpx.AsyncClient, bearing: dict[str, str], codes: list[str], clock: ManualClock
    ) -> None:
        newcomer = bearer(await register(outside, "nils"))
        assert said(await outside.post(f"{API}/mfa/recovery-codes", headers=newcomer)) == (403, "address-not-proven")
        clock.advance(minutes=11)
        late = await outside.post(f"{API}/mfa/recovery-codes", headers=bearing)
        assert said(late) == (401, "sign-in-too-old")
        assert await look(house, (await named(house, "mira"))[0], codes[0]) is not None
