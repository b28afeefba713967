"""Codes by text as a second factor: what the front desk asks of them, and what it must not get."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from tests.house import OpenHouse, client_of
from tests.recovery.steps import CALLER
from tests.texts.steps import NUMBER, account_id, add, begin, code_in, offering, owner, remove, texts, wrong

from ostiary.core.clock import ManualClock
from ostiary.texts.errors import NoPhone, TextsNotOffered
from ostiary.texts.service import Proof
from ostiary.wiring import Ostiary

TICKET = "attempt-1"


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    return await offering(open_house)


@pytest.fixture
async def outside(house: Ostiary) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(house) as client:
        yield client


@pytest.fixture
async def whose(house: Ostiary, outside: httpx.AsyncClient) -> str:
    """The id of somebody with a number."""
    await add(house, outside, await owner(house, outside))
    return await account_id(house)


async def confirmed(house: Ostiary, proof: Proof) -> bool:
    async with house.database.unit(CALLER) as unit:
        return await house.texts.confirm(unit, proof)


async def test_a_code_is_proven_and_used_once(house: Ostiary, whose: str) -> None:
    await house.texts.send(CALLER, whose, TICKET)
    text = texts(house)[0]
    assert (text.to, "sign in" in text.body) == (NUMBER, True)
    proof = await house.texts.prove(CALLER, whose, code_in(text), TICKET)
    assert proof is not None
    assert proof.account_id == whose

    assert await confirmed(house, proof)

    assert not await confirmed(house, proof)
    assert await house.texts.prove(CALLER, whose, code_in(text), TICKET) is None
    shown = await house.texts.shown(whose)
    assert shown is not None
    assert shown.last_used_at == house.clock.now()
    assert (house.texts.method, house.texts.amr) == ("sms", ("sms",))


async def test_of_five_proofs_of_one_code_at_once_one_is_confirmed(house: Ostiary, whose: str) -> None:
    await house.texts.send(CALLER, whose, TICKET)
    code = code_in(texts(house)[0])
    proofs = await asyncio.gather(*(house.texts.prove(CALLER, whose, code, TICKET) for _ in range(10)))
    good = [proof for proof in proofs if proof is not None]
    assert len(good) == 5  # each was counted as a guess before it was compared

    assert sum(await asyncio.gather(*(confirmed(house, proof) for proof in good))) == 1


async def test_a_code_is_bound_to_the_attempt_that_asked(house: Ostiary, whose: str) -> None:
    await house.texts.send(CALLER, whose, TICKET)
    code = code_in(texts(house)[0])
    for other in ("attempt-2", "", TICKET + "x"):
        for _ in range(3):
            assert await house.texts.prove(CALLER, whose, code, other) is None
    assert await house.texts.prove(CALLER, "somebody else", code, TICKET) is None

    assert await house.texts.prove(CALLER, whose, code, TICKET) is not None


async def test_a_newer_one_kills_it_whatever_attempt_that_is_of(house: Ostiary, whose: str) -> None:
    await house.texts.send(CALLER, whose, TICKET)
    code = code_in(texts(house)[0])
    await house.texts.send(CALLER, whose, "attempt-2")

    assert await house.texts.prove(CALLER, whose, code, TICKET) is None
    assert await house.texts.prove(CALLER, whose, code_in(texts(house)[0]), "attempt-2") is not None


async def test_five_guesses_and_five_minutes(house: Ostiary, whose: str, clock: ManualClock) -> None:
    await house.texts.send(CALLER, whose, TICKET)
    code = code_in(texts(house)[0])
    for _ in range(5):
        assert await house.texts.prove(CALLER, whose, wrong(code), TICKET) is None
    assert await house.texts.prove(CALLER, whose, code, TICKET) is None

    await house.texts.send(CALLER, whose, TICKET)
    clock.advance(minutes=5)
    assert await house.texts.prove(CALLER, whose, code_in(texts(house)[0]), TICKET) is None


async def test_a_proof_dies_with_the_number(house: Ostiary, outside: httpx.AsyncClient, whose: str) -> None:
    await house.texts.send(CALLER, whose, TICKET)
    proof = await house.texts.prove(CALLER, whose, code_in(texts(house)[0]), TICKET)
    assert proof is not None
    async with house.database.unit(CALLER) as unit:
        assert await house.texts.is_set_up(unit, whose)
        await house.texts.forget_all(unit, whose)
    async with house.database.unit(CALLER) as unit:
        assert not await house.texts.is_set_up(unit, whose)

    assert not await confirmed(house, proof)
    with pytest.raises(NoPhone):
        await house.texts.send(CALLER, whose, TICKET)


async def test_a_code_that_adds_a_number_signs_nobody_in(
    house: Ostiary, outside: httpx.AsyncClient, open_house: OpenHouse
) -> None:
    """Whoever holds a session could have a code sent to a telephone of their own, and show that."""
    bearing = await owner(house, outside)
    await add(house, outside, bearing)
    whose = await account_id(house)
    await begin(outside, bearing, "+12015550123")
    adding = code_in(texts(house)[0])
    (session,) = [s for s in await house.sessions.listed(whose) if s.methods == "pwd"][:1]

    assert await house.texts.prove(CALLER, whose, adding, session.id) is None
    assert (await remove(outside, bearing)).status_code == 200


async def test_what_is_owed_stays_owed_where_nothing_is_sent_any_more(
    house: Ostiary, whose: str, open_house: OpenHouse
) -> None:
    silent: Ostiary = await open_house(work=False)

    async with silent.database.unit(CALLER) as unit:
        assert await silent.texts.is_set_up(unit, whose)
    with pytest.raises(TextsNotOffered):
        await silent.texts.send(CALLER, whose, TICKET)
