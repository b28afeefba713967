"""A passkey after another proof: for one account, in one sign-in (R20). The front desk asks these verbs."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.house import bearer, login
from tests.passkeys.steps import add, ask, owner, show, why_refused

from ostiary.core.caller import Caller
from ostiary.core.secrets import unb64
from ostiary.passkeys import Asked, PasskeyRefused, Proof
from ostiary.passkeys.answers import AssertionBody
from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="test", address="203.0.113.7")
ATTEMPT = "the-sign-in-under-way"
on_one_database = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


async def somebody(
    house: Ostiary,
    client: httpx.AsyncClient,
    name: str = "mira",
    **kind: Any,  # noqa: ANN401
) -> tuple[str, Authenticator]:
    """Be somebody with a passkey; return their account's id and what holds it."""
    await owner(house, client, name)
    held = await login(client, name)
    return held["user"]["id"], await add(client, bearer(held), Authenticator(**kind))


async def prove(
    house: Ostiary, account_id: str, credential: dict[str, Any], attempt: str = ATTEMPT, *, named: bool = False
) -> Proof:
    """Send an answer, as browsers do that need not name anybody: without a user handle."""
    if not named:
        credential["response"]["userHandle"] = None
    answer = AssertionBody.model_validate(credential).read()
    return await house.passkeys.prove(CALLER, answer, Asked.by_attempt(attempt, account_id))


async def begin(house: Ostiary, account_id: str) -> dict[str, Any]:
    async with house.database.unit(CALLER) as unit:
        return await house.passkeys.begin(unit, Asked.by_attempt(ATTEMPT, account_id))


async def confirmed(house: Ostiary, proof: Proof) -> bool:
    async with house.database.unit(CALLER) as unit:
        return await house.passkeys.confirm(unit, proof)


@on_one_database
@pytest.mark.parametrize("named", [True, False])
async def test_it_is_asked_for_by_its_name_and_shown(house: Ostiary, outside: httpx.AsyncClient, named: bool) -> None:
    mira, authenticator = await somebody(house, outside)
    await somebody(house, outside, "nils")

    options = await begin(house, mira)
    proof = await prove(house, mira, authenticator.show(options), named=named)

    assert [unb64(one["id"]) for one in options["allowCredentials"]] == [authenticator.credential_id]
    assert options["userVerification"] == "required"
    assert (proof.account_id, proof.methods) == (mira, ("hwk", "user", "mfa"))
    assert await confirmed(house, proof)
    async with house.database.unit(CALLER) as unit:
        assert await house.passkeys.has_one(unit, mira)
        assert not await house.passkeys.has_one(unit, "AAAAAAAAAAAAAAAAAAAAAA")


async def test_of_one_answer_sent_many_times_one_counts(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira, authenticator = await somebody(house, outside, counts=False)
    options = await begin(house, mira)
    proof = await prove(house, mira, authenticator.show(options))

    assert sorted(await asyncio.gather(*(confirmed(house, proof) for _ in range(6)))) == [False] * 5 + [True]
    assert await why_refused(house) == "spent"


@on_one_database
async def test_anothers_passkey_is_no_second_factor(house: Ostiary, outside: httpx.AsyncClient) -> None:
    """Whoever knows a password must not finish with a key of their own."""
    mira, _ = await somebody(house, outside)
    _, thief = await somebody(house, outside, "nils")
    options = await begin(house, mira)

    for named in (True, False):
        with pytest.raises(PasskeyRefused):
            await prove(house, mira, thief.show(options), named=named)
        assert await why_refused(house) == "another-account"


@on_one_database
async def test_nor_is_ones_own_that_names_another(house: Ostiary, outside: httpx.AsyncClient) -> None:
    mira, authenticator = await somebody(house, outside)
    _, other = await somebody(house, outside, "nils")
    authenticator.handle = other.handle
    options = await begin(house, mira)

    with pytest.raises(PasskeyRefused):
        await prove(house, mira, authenticator.show(options), named=True)
    assert await why_refused(house) == "user-handle"


@on_one_database
async def test_a_challenge_serves_its_own_sign_in_and_no_other_purpose(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    mira, authenticator = await somebody(house, outside)
    options = await begin(house, mira)
    nameless, cookie = await ask(outside)

    for account_id, answer, attempt in (
        (mira, authenticator.show(options), "another-sign-in"),
        (mira, authenticator.show(nameless), ATTEMPT),
    ):
        with pytest.raises(PasskeyRefused):
            await prove(house, account_id, answer, attempt)
        assert await why_refused(house) == "challenge"
    assert (await show(outside, authenticator.show(options), cookie)).status_code == 401
    assert await why_refused(house) == "challenge"


@on_one_database
async def test_a_sign_in_without_a_name_has_to_name_somebody(house: Ostiary, outside: httpx.AsyncClient) -> None:
    _, authenticator = await somebody(house, outside)
    options, cookie = await ask(outside)
    credential = authenticator.show(options)
    del credential["response"]["userHandle"]

    assert (await show(outside, credential, cookie)).status_code == 401
    assert await why_refused(house) == "user-handle"
