"""How long a session lives, idle and in all (ASVS 7.3.1, 7.3.2; SP 800-63B-4 2.1.3 and 2.2.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
from tests.contract.browser import ACCESS, CSRF, PAGE, REFRESH, Browser
from tests.contract.test_access_token import parts
from tests.house import API, OpenHouse, client_of, register

from ostiary.core.clock import ManualClock
from ostiary.core.signals import Signals
from ostiary.sessions import Bindings, SessionSettings

AAL2 = {"idle_lifetime": timedelta(hours=1), "lifetime": timedelta(hours=24)}
"""What SP 800-63B-4 allows at most where two factors were shown: docs/explanation/sessions.md."""


async def ways(browser: Browser) -> list[int]:
    """Return how the house answers each of a session's tokens."""
    held, bare = dict(browser.cookies), browser.client
    answers = [
        await Browser(bare, {ACCESS: held[ACCESS]}).get(f"{API}/me"),
        await Browser(bare, {PAGE: held[PAGE]}).get("/auth/account"),
        await Browser(bare, {REFRESH: held[REFRESH], CSRF: held[CSRF]}).post(f"{API}/refresh"),
    ]
    return [answer.status_code for answer in answers]


OVER = [401, 303, 401]


async def test_by_default_a_session_ends_after_a_week_unused_and_after_a_month_however_used(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    assert (SessionSettings().idle_lifetime, SessionSettings().lifetime) == (timedelta(days=7), timedelta(days=30))
    house = await open_house(work=False)
    async with client_of(house) as client:
        await register(client)
        idle, used = Browser(client), Browser(client)
        await idle.sign_in()
        await used.sign_in()
        for _ in range(4):
            clock.advance(days=7, seconds=-1)
            assert (await used.post(f"{API}/refresh")).status_code == 200
        assert await ways(idle) == OVER
        clock.advance(days=2)

        assert (await used.get("/auth/account")).status_code == 200
        clock.advance(seconds=5)
        assert await ways(used) == OVER


async def test_with_the_limits_of_aal2_after_an_hour_unused_and_after_a_day_however_used(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False, sessions=AAL2)
    async with client_of(house) as client:
        await register(client)
        idle, used = Browser(client), Browser(client)
        await idle.sign_in()
        await used.sign_in()
        clock.advance(minutes=59)
        assert (await used.post(f"{API}/refresh")).status_code == 200
        clock.advance(minutes=1)
        assert await ways(idle) == OVER
        for _ in range(24):
            clock.advance(minutes=57)
            assert (await used.get("/auth/account")).status_code == 200
        clock.advance(minutes=11)
        assert (await used.get("/auth/account")).status_code == 200, "a second before the day is over at the latest"
        assert parts(used.cookies[ACCESS])[1]["exp"] * 1000 <= clock.now() + 60_000

        clock.advance(minutes=1)
        assert await ways(used) == OVER


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_an_access_token_does_not_outlive_what_a_session_may_be_idle(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False, sessions={"idle_lifetime": timedelta(minutes=5)})
    async with client_of(house) as client:
        signed_in = await register(client)

    assert signed_in["expires_in"] == 300


def test_a_binding_is_demanded_once_either_clock_says_that_nothing_can_be_on_its_way(clock: ManualClock) -> None:
    steady = [0.0]
    heard = []

    class Feed:
        def on(self, kind: str, listener: object) -> None:
            assert kind == "binding"
            heard.append(listener)

    view = Bindings(cast("Signals", Feed()), clock, timedelta(minutes=16), steady=lambda: steady[0])
    (hear,) = heard
    hear("ses_1")  # type: ignore[operator]
    assert not view.demand("ses_1")
    clock.advance(seconds=61)
    assert view.demand("ses_1")
    hear("ses_1")  # type: ignore[operator]  # told once more, it begins no new minute
    assert view.demand("ses_1")
    hear("ses_2")  # type: ignore[operator]
    steady[0] += 61
    assert view.demand("ses_2"), "though somebody has set the time of day"
    assert not view.demand("ses_3")
