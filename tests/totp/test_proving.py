"""A code proves that its owner is there: each step once, the current and the previous one, of this account alone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import httpx
import pytest
from sqlalchemy import bindparam, update
from tests.house import NEW_PASSWORD, OpenHouse, client_of, journalled
from tests.passkeys.steps import owner
from tests.recovery.steps import confirm as choose_password
from tests.recovery.steps import reset_token
from tests.totp.steps import CALLER, App, named, only_account, prove, set_up, use

from ostiary.core.caller import HOUSE
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.totp.models import totp_authenticators
from ostiary.wiring import Ostiary

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.db import Unit

USERS = 24


class SecondFactor(Protocol):
    """What the front desk asks of a second factor; whoever satisfies it needs to know nothing of the desk."""

    @property
    def method(self) -> str: ...
    @property
    def amr(self) -> tuple[str, ...]: ...
    async def is_set_up(self, unit: Unit, account_id: str) -> bool: ...
    async def prove(self, caller: Caller, account_id: str, answer: str, bound_to: str) -> Any | None: ...  # noqa: ANN401
    async def confirm(self, unit: Unit, proof: Any) -> bool: ...  # noqa: ANN401
    async def forget_all(self, unit: Unit, account_id: str) -> None: ...
    async def personal(self, unit: Unit, account_id: str) -> dict[str, Any]: ...


async def test_both_are_what_the_front_desk_asks_for(house: Ostiary, outside: httpx.AsyncClient) -> None:
    factors: tuple[SecondFactor, ...] = (house.totp, house.codes)
    bearing = await owner(house, outside)
    account_id = await only_account(house)
    app, codes = await set_up(house, outside, bearing)
    assert isinstance(house.clock, ManualClock)
    house.clock.advance(minutes=1)
    answers = {"totp": app.code(), "recovery_code": codes[0]}

    assert {factor.method: factor.amr for factor in factors} == {"totp": ("otp",), "recovery_code": ("rc",)}
    for factor in factors:
        async with house.database.unit() as unit:
            assert await factor.is_set_up(unit, account_id)
        proof = await factor.prove(CALLER, account_id, answers[factor.method], "a ticket's id")
        assert proof is not None
        assert proof.account_id == account_id
        async with house.database.unit(CALLER) as unit:
            assert await factor.confirm(unit, proof)
        async with house.database.unit(CALLER) as unit:
            assert not await factor.confirm(unit, proof)


@pytest.fixture
async def app(house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> App:
    """An app that is set up, some minutes later."""
    made, _ = await set_up(house, outside, await owner(house, outside))
    clock.advance(minutes=5)
    return made


async def test_the_current_and_the_previous_step_once_each(house: Ostiary, app: App, clock: ManualClock) -> None:
    account_id = await only_account(house)
    former, current = app.code(1), app.code()

    assert [await use(house, account_id, code) for code in (former, former, current, current)] == [
        True, False, True, False,
    ]  # fmt: skip
    assert not await use(house, account_id, former)
    clock.advance(seconds=30)
    assert await use(house, account_id, app.code())
    refusals = [entry for entry in await journalled(house) if entry == "totp.refused"]
    assert len(refusals) == 3


async def test_no_step_before_one_that_was_used(house: Ostiary, app: App) -> None:
    """RFC 6238 section 5.2; whoever looked over the owner's shoulder half a minute ago is too late."""
    account_id = await only_account(house)
    assert await use(house, account_id, app.code())
    assert not await use(house, account_id, app.code(1))


async def test_of_many_who_show_one_code_at_once_one_is_in(house: Ostiary, app: App) -> None:
    account_id = await only_account(house)

    outcomes = await asyncio.gather(*(use(house, account_id, app.code()) for _ in range(USERS)))

    assert outcomes.count(True) == 1


async def test_of_many_proofs_of_one_step_one_is_confirmed(house: Ostiary, app: App) -> None:
    """All were right when they were looked at: the write decides, and not the look (D10)."""
    account_id = await only_account(house)
    proofs = [await prove(house, account_id, app.code()) for _ in range(USERS)]
    assert None not in proofs

    async def confirmed(proof: Any) -> bool:  # noqa: ANN401
        async with house.database.unit(CALLER) as unit:
            return await house.totp.confirm(unit, proof)

    outcomes = await asyncio.gather(*(confirmed(proof) for proof in proofs))

    assert outcomes.count(True) == 1


async def test_a_proof_that_is_not_confirmed_uses_nothing_up(house: Ostiary, app: App) -> None:
    account_id = await only_account(house)
    assert await prove(house, account_id, app.code())
    assert await use(house, account_id, app.code())


async def test_a_code_of_another_account_proves_nothing(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira, _ = await set_up(house, outside, await owner(house, outside))
    nils, _ = await set_up(house, outside, await owner(house, outside, "nils"))
    clock.advance(minutes=1)
    hers, his = await named(house, "mira", "nils")

    assert not await use(house, hers, nils.code())
    assert not await use(house, his, mira.code())
    assert not await use(house, "AAAAAAAAAAAAAAAAAAAAAA", mira.code())
    proof = await prove(house, his, nils.code())
    assert proof is not None
    async with house.database.unit(CALLER) as unit:  # a proof names its account and its secret
        assert not await house.totp.confirm(unit, replace(proof, account_id=hers))
    assert await use(house, his, nils.code())


class TestOnWhateverDatabase:
    @pytest.fixture
    def storage(self) -> str:
        """One will do."""
        return "sqlite"

    async def test_a_telephone_may_be_half_a_minute_late_and_no_more(self, house: Ostiary, app: App) -> None:
        account_id = await only_account(house)
        for seconds, is_good in ((-3600, False), (-60, False), (-30, True), (0, True), (30, False), (3600, False)):
            proof = await prove(house, account_id, replace(app, skew_seconds=seconds).code())
            assert (proof is not None) is is_good, seconds

    async def test_a_clock_that_is_set_back_lets_nothing_in_twice(
        self, house: Ostiary, app: App, clock: ManualClock
    ) -> None:
        account_id = await only_account(house)
        code = app.code()
        assert await use(house, account_id, code)
        clock.advance(minutes=-3)
        assert not await use(house, account_id, app.code())
        clock.advance(minutes=3)
        assert not await use(house, account_id, code)

    async def test_what_is_no_code_proves_nothing_and_leaves_its_entry(self, house: Ostiary, app: App) -> None:
        account_id = await only_account(house)
        answers = ("", "000 00", "12345", "1234567", "９９９９９９", "\x00" * 6, "9" * 10_000, "a" * 6, app.wrong())
        assert [await prove(house, account_id, answer) for answer in answers] == [None] * len(answers)
        assert (await journalled(house)).count("totp.refused") == len(answers)

    async def test_a_secret_that_was_moved_to_another_account_opens_nothing(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        """Somebody who writes the database gives the victim's account the secret of their own."""
        await set_up(house, outside, await owner(house, outside))
        thief, _ = await set_up(house, outside, await owner(house, outside, "nils"))
        clock.advance(minutes=1)
        hers, his = await named(house, "mira", "nils")
        theirs = await house.totp.find(his)
        assert theirs is not None
        move = (
            update(totp_authenticators)
            .where(totp_authenticators.c.account_id == bindparam("whose"))
            .values(sealed=bindparam("moved"), id=bindparam("becomes"), last_step=0)
        )

        await house.database.run(Query(move), whose=hers, moved=theirs.sealed, becomes=theirs.id)

        assert await prove(house, hers, thief.code()) is None
        async with house.database.unit() as unit:
            assert await house.totp.is_set_up(unit, hers)  # what cannot be read is not taken for none (D14)

    async def test_a_new_password_by_mail_takes_no_factor_away(
        self, house: Ostiary, outside: httpx.AsyncClient, app: App
    ) -> None:
        """R20: a reset never bypasses a second factor."""
        assert (await choose_password(outside, await reset_token(house, outside), NEW_PASSWORD)).status_code == 200
        assert await use(house, await only_account(house), app.code())

    async def test_new_keys_of_the_house_leave_apps_and_codes_good(
        self, open_house: OpenHouse, clock: ManualClock
    ) -> None:
        """A year on, with every key replaced on schedule: what lies in the drawer must still work."""
        house = await open_house(work=False)
        async with client_of(house) as outside:
            made, codes = await set_up(house, outside, await owner(house, outside))
        before = {key.id for key in await house.keys.listed()}
        for _ in range(10):
            clock.advance(days=40)
            await house.keys.tend(HOUSE)
        account_id = await only_account(house)
        index = [key for key in await house.keys.listed() if key.purpose == "index" and key.id in before]
        assert not any(key.sealed for key in index)  # the keys for digests of then are destroyed

        assert await use(house, account_id, made.code())
        proof = await house.codes.prove(CALLER, account_id, codes[0], "")
        assert proof is not None
        async with house.database.unit(CALLER) as unit:
            assert await house.codes.confirm(unit, proof)
