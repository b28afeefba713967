"""Hazard: what is good for one use, used by many at the same moment (D10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from tests.races.peers import Peers, register
from tests.races.wire import Switchboard, at_once, heard, statuses

CALLERS = 1000


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_a_thousand_confirmations_of_one_token_exactly_one_wins(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], processes: int
) -> None:
    lines = await switchboard.lines(peers.ports[:processes], CALLERS // processes)
    mira = await register(lines[0], name())
    token = await peers.token_for(f"{mira.name}@example.org")

    answers = await at_once(heard(partial(line.post, "/email/verify", {"token": token})) for line in lines)

    assert statuses(answers) == {200: 1, 401: CALLERS - 1}
    assert {answer.json()["type"].rpartition("/")[2] for answer in answers if answer.status == 401} == {
        "token-not-valid"
    }
    async with peers.house() as house:
        account = await house.accounts.remembered(mira.account_id)
    assert account is not None
    assert account.email_verified


async def test_of_two_accounts_that_prove_one_address_at_once_one_gets_it(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports)
    for _ in range(8):
        address = f"{name()}@example.org"
        claimants = [await register(line, name(), email=address) for line in lines]
        tokens = await _tokens_for(peers, address, len(claimants))

        answers = await at_once(
            line.post("/email/verify", {"token": token}) for line, token in zip(lines, tokens, strict=True)
        )

        assert statuses(answers) == {200: 1, 409: 1}
        async with peers.house() as house:
            found = [await house.accounts.remembered(claimant.account_id) for claimant in claimants]
        assert Counter(account.email_verified for account in found if account) == {True: 1, False: 1}


async def _tokens_for(peers: Peers, address: str, count: int) -> list[str]:
    first = await peers.token_for(address, but=())
    return [first, await peers.token_for(address, but=(first,))][:count]
