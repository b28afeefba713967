"""Hazard: what a device has signed for its session, shown many times at the same moment (D10)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.house import PASSWORD
from tests.races.peers import Peers, register
from tests.races.wire import Reply, Switchboard, at_once, statuses
from tests.sessions.device import REGISTER, RENEW, Offer, jwk_of, read_challenge, signed

from ostiary.client import SigningKey

CALLERS = 1000
RIVALS = 50


def offer_in(answer: Reply) -> Offer:
    """Return the offer that an answer carries."""
    return Offer.read(answer.headers["secure-session-registration"])


def answer_to(offer: Offer, key: SigningKey) -> dict[str, str]:
    """Return what a browser shows that takes an offer up."""
    claims = {"authorization": offer.authorization, "jti": offer.challenge}
    return {"Secure-Session-Response": signed(claims, key, jwk=jwk_of(key))}


@pytest.mark.parametrize("processes", [1, 2])
async def test_of_many_keys_for_one_session_one_is_taken_and_of_a_thousand_uses_of_its_answer_one_counts(
    peers: Peers, switchboard: Switchboard, name: Callable[[], str], processes: int
) -> None:
    lines = await switchboard.lines(peers.ports[:processes], CALLERS // processes)
    who = name()
    await register(lines[0], who)
    login = await lines[0].post("/login", {"login": who, "password": PASSWORD})
    offer = offer_in(login)
    keys = [SigningKey.generate("ES256") for _ in range(RIVALS)]

    rivals = zip(lines, keys, strict=False)
    registered = await at_once(line.ask("POST", REGISTER, headers=answer_to(offer, key)) for line, key in rivals)

    assert statuses(registered) == {200: 1, 401: RIVALS - 1}
    (winner,) = (index for index, reply in enumerate(registered) if reply.status == 200)
    challenge, session_id = read_challenge(registered[winner].headers["secure-session-challenge"])
    shown = {
        "Sec-Secure-Session-Id": session_id,
        "Secure-Session-Response": signed({"jti": challenge}, keys[winner]),
    }

    renewed = await at_once(line.ask("POST", RENEW, headers=shown) for line in lines)

    assert statuses(renewed) == {200: 1, 403: CALLERS - 1}
    assert sum("set-cookie" in reply.headers for reply in renewed) == 1
