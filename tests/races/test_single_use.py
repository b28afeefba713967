"""Hazard: what is good for one use, used by many at the same moment (D10)."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import pytest
from tests.races.peers import Peers, register
from tests.races.single_use import pressed
from tests.races.things import THINGS, Thing
from tests.races.wire import Switchboard, at_once, statuses

import ostiary
from ostiary.passkeys import challenges as passkey_challenges

CALLERS = 40
PROCESSES = 2
"""What each thing is pressed by; `python -m tests.races.single_use` takes a thousand, and one process as well."""


@pytest.mark.parametrize("thing", THINGS, ids=lambda thing: re.sub(r"\W+", "-", thing.name))
async def test_of_many_uses_at_once_exactly_one_counts(peers: Peers, switchboard: Switchboard, thing: Thing) -> None:
    outcome = await pressed(thing, peers, switchboard, PROCESSES, CALLERS)

    assert outcome.is_single(thing), outcome


def test_the_table_names_every_purpose_of_a_token_and_of_a_challenge() -> None:
    challenges = {value for value in vars(passkey_challenges).values() if str(value).endswith(" challenge")}
    purposes = set(_purposes()) | challenges
    assert len(purposes) >= 12, purposes

    in_tables = {"recovery_codes", "text_codes", "totp_authenticators", "totp_enrolments"}
    assert {thing.kept_in for thing in THINGS} == purposes | in_tables


def _purposes() -> Iterator[str]:
    """Yield what tokens are issued for, anywhere in the source."""
    root = Path(ostiary.__file__).parent
    for path in root.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and re.fullmatch(r"self\._?tokens\.issue", ast.unparse(call.func)):
                module = import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
                yield getattr(module, ast.unparse(call.args[1]))


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
