"""Refresh tokens are counters: exchanged once, forgiven for ten seconds, betrayed after that (D2)."""

from __future__ import annotations

import pytest
from tests.house import PASSWORD, journalled, letter_to, token_in

from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.registration import Application
from ostiary.sessions import Grant, RefreshRefused, RefreshTokenReplayed
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="test", address="203.0.113.7", agent="Mozilla/5.0")


async def sign_up(house: Ostiary, name: str = "mira") -> Grant:
    grant = await house.registration.register(CALLER, Application(name, f"{name}@example.org", PASSWORD))
    await house.registration.confirm(CALLER, token_in(await letter_to(house, f"{name}@example.org")))
    return grant


async def test_a_refresh_token_yields_its_successor(house: Ostiary) -> None:
    grant = await sign_up(house)

    heir = await house.sessions.refresh(CALLER, grant.refresh_token)

    assert heir.refresh_token != grant.refresh_token
    assert heir.session.id == grant.session.id
    assert heir.session.generation == 2


async def test_a_racing_tab_gets_the_very_same_successor(house: Ostiary, clock: ManualClock) -> None:
    grant = await sign_up(house)
    winner = await house.sessions.refresh(CALLER, grant.refresh_token)
    clock.advance(seconds=10)

    racer = await house.sessions.refresh(CALLER, grant.refresh_token)

    assert racer.refresh_token == winner.refresh_token
    assert "session.grace_used" in await journalled(house)


async def test_a_late_replay_ends_the_session_and_its_owner_is_told(house: Ostiary, clock: ManualClock) -> None:
    grant = await sign_up(house)
    heir = await house.sessions.refresh(CALLER, grant.refresh_token)
    clock.advance(seconds=11)

    with pytest.raises(RefreshTokenReplayed):
        await house.sessions.refresh(CALLER, grant.refresh_token)

    with pytest.raises(RefreshRefused):
        await house.sessions.refresh(CALLER, heir.refresh_token)
    assert "session.theft_detected" in await journalled(house)
    await letter_to(house, "mira@example.org", "ended a session")


async def test_a_token_older_than_the_predecessor_is_theft_even_within_the_grace(house: Ostiary) -> None:
    grant = await sign_up(house)
    second = await house.sessions.refresh(CALLER, grant.refresh_token)
    await house.sessions.refresh(CALLER, second.refresh_token)

    with pytest.raises(RefreshTokenReplayed):
        await house.sessions.refresh(CALLER, grant.refresh_token)


async def test_an_idle_session_cannot_be_refreshed(house: Ostiary, clock: ManualClock) -> None:
    grant = await sign_up(house)
    clock.advance(days=7, seconds=1)

    with pytest.raises(RefreshRefused):
        await house.sessions.refresh(CALLER, grant.refresh_token)


async def test_a_session_ends_however_much_it_is_used(house: Ostiary, clock: ManualClock) -> None:
    grant = await sign_up(house)
    for _ in range(5):
        clock.advance(days=6)
        if clock.now() < grant.session.ends_at:
            grant = await house.sessions.refresh(CALLER, grant.refresh_token)

    with pytest.raises(RefreshRefused):
        await house.sessions.refresh(CALLER, grant.refresh_token)
