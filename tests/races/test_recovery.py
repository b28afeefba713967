"""Hazard: ways back into an account, used by many at the same moment on two processes (R9, D10)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from tests.house import PASSWORD
from tests.races.peers import Peers, SignedIn, refresh, register
from tests.races.wire import Line, Switchboard, at_once, statuses

from ostiary.accounts import TokenSpent
from ostiary.core.caller import Caller
from ostiary.recovery import Recovery

CALLERS = 200
FRESH = "seven lanterns over Uppsala"
RESET_LINK = re.compile(r"/auth/reset\?token=([A-Za-z0-9_-]{43})")
DISOWN_LINK = re.compile(r"/auth/not-me\?token=([A-Za-z0-9_-]{43})")


async def settled(peers: Peers, line: Line, name: str) -> SignedIn:
    """Register somebody and prove the address."""
    held = await register(line, name)
    proof = await peers.token_for(f"{name}@example.org")
    assert (await line.post("/email/verify", {"token": proof})).status == 200
    return held


async def reset_token(peers: Peers, line: Line, name: str) -> str:
    """Ask for a new password; return the secret from the letter."""
    address = f"{name}@example.org"
    known = tuple(_secrets(peers, address))
    assert (await line.post("/password-reset/request", {"email": address})).status == 200
    # Letters about what was done before may come late, with a secret of their own.
    return await peers.written_to(address, RESET_LINK, but=known)


def _secrets(peers: Peers, address: str) -> list[str]:
    texts = [letter.get_body(("plain",)) for letter in peers.letters() if letter["To"] == address]
    return [token for body in texts if body for token in re.findall(r"token=([A-Za-z0-9_-]{43})", body.get_content())]


async def test_of_many_confirmations_of_one_link_exactly_one_wins(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, CALLERS // 2)
    mira = await settled(peers, lines[0], name())
    token = await reset_token(peers, lines[0], mira.name)
    wanted = [f"{FRESH} {number}" for number in range(len(lines))]

    answers = await at_once(
        line.post("/password-reset/confirm", {"token": token, "new_password": new})
        for line, new in zip(lines, wanted, strict=True)
    )

    # Who finds the hash pool full is told to come back, and has used nothing up.
    assert statuses(answers)[200] == 1
    assert set(statuses(answers)) <= {200, 401, 503}
    (winner,) = (new for new, answer in zip(wanted, answers, strict=True) if answer.status == 200)
    assert (await lines[1].post("/login", {"login": mira.name, "password": winner})).status == 200
    assert (await lines[1].post("/login", {"login": mira.name, "password": PASSWORD})).status == 401


async def test_no_session_of_the_old_password_survives_a_reset_at_the_same_moment(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 10)
    old = PASSWORD
    mira = await settled(peers, lines[0], name())
    for number in range(3):
        token = await reset_token(peers, lines[0], mira.name)
        new = f"{FRESH} {number}"

        confirmed, *visits = await at_once(
            [
                lines[0].post("/password-reset/confirm", {"token": token, "new_password": new}),
                *(line.post("/login", {"login": mira.name, "password": old}) for line in lines[1:]),
            ]
        )

        assert confirmed.status == 200
        assert set(statuses(visits)) <= {200, 401}
        for held in (SignedIn.of(visit) for visit in visits if visit.status == 200):
            seen = await at_once(line.get("/me", bearer=held.access) for line in lines[:2])
            assert statuses([*seen, await refresh(lines[1], held.refresh)]) == {401: 3}
        old = new


async def test_of_many_presses_of_this_was_not_me_one_counts_and_everything_has_ended(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    lines = await switchboard.lines(peers.ports, 20)
    mira = await settled(peers, lines[0], name())
    change = {"current_password": PASSWORD, "new_password": FRESH}
    known = tuple(_secrets(peers, f"{mira.name}@example.org"))
    assert (await lines[0].post("/password/change", change, bearer=mira.access)).status == 200
    token = await peers.written_to(f"{mira.name}@example.org", DISOWN_LINK, but=known)

    async with peers.house() as house:
        # The page's own verb, many times on a third process, while the two others serve the account.
        pressed, entered = await asyncio.gather(
            at_once(_pressed(house.recovery, token) for _ in range(20)),
            at_once(line.post("/login", {"login": mira.name, "password": FRESH}) for line in lines),
        )

    assert sorted(pressed) == [False] * 19 + [True]
    for held in (SignedIn.of(reply) for reply in entered if reply.status == 200):
        seen = await at_once(line.get("/me", bearer=held.access) for line in lines[:2])
        assert statuses([*seen, await refresh(lines[0], held.refresh)]) == {401: 3}
    assert (await lines[0].post("/login", {"login": mira.name, "password": FRESH})).status == 401


async def _pressed(recovery: Recovery, token: str) -> bool:
    try:
        await recovery.disown(Caller(request_id="press"), token)
    except TokenSpent:
        return False
    return True
