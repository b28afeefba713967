"""Recorded sign-ins: found again, explained, and judged by another policy."""

from __future__ import annotations

import random

import pytest
from tests.core.db.raw import raw
from tests.risk.world import BERLIN, MUNICH, NOWHERE, TOKYO, VIENNA, caller_at, mira, risk_of, sign_in

from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.risk import ACTIONS, Outcome, Policy, Recorded, Records, assess, replay
from ostiary.wiring import Ostiary

STRICT = Policy.model_validate({"weights": {"new_device": 100}})


async def everything(house: Ostiary, since: int = 0, account_id: str | None = None) -> list[Recorded]:
    return [found async for found in Records(house.audit).all(since, account_id)]


async def a_month(house: Ostiary, clock: ManualClock, account_id: str, signins: int = 40) -> None:
    """Sign in now and then, from here and there, by a policy that refuses some."""
    luck, risk = random.Random(7), risk_of(house, "AT")
    for _ in range(signins):
        clock.advance(hours=luck.choice((1, 7, 23)))
        address = luck.choice((BERLIN, BERLIN, MUNICH, VIENNA, TOKYO, NOWHERE))
        await sign_in(
            house, risk, account_id, caller_at(address), known_device=luck.random() < 0.6, failures=luck.randrange(8),
            under_attack=luck.random() < 0.2, breached=luck.random() < 0.2, under_review=luck.random() < 0.2,
        )  # fmt: skip


async def test_the_live_policy_replayed_gives_every_live_verdict_again(house: Ostiary, clock: ManualClock) -> None:
    account_id = await mira(house)
    await a_month(house, clock, account_id)
    live = Policy()

    outcome = await replay(Records(house.audit), live)

    recorded = await everything(house)
    assert len(recorded) == outcome.signins == 40
    assert {found.verdict.action for found in recorded} == set(ACTIONS), "the month shows every verdict"
    for found in recorded:
        assert found.facts is not None
        again = assess(found.facts, live)
        told = found.verdict
        assert (again.action, again.score, again.policy) == (told.action, told.score, told.policy)
        assert {reason.code: reason.weight for reason in again.reasons} == told.reasons
    assert outcome.examples == {}
    changed = {(was, to): n for was, row in outcome.table.items() for to, n in row.items() if was != to and n}
    assert changed == {}


async def test_another_policy_shows_what_it_would_change(house: Ostiary, clock: ManualClock) -> None:
    risk, account_id = risk_of(house), await mira(house)
    await sign_in(house, risk, account_id, caller_at(BERLIN), known_device=False)
    for _ in range(5):
        clock.advance(hours=20)
        await sign_in(house, risk, account_id, caller_at(BERLIN))
    for _ in range(4):
        clock.advance(hours=20)
        await sign_in(house, risk, account_id, caller_at(MUNICH), known_device=False)
    clock.advance(days=8)
    await sign_in(house, risk, account_id, caller_at(TOKYO), known_device=False)
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    clock.advance(days=2)
    async with house.database.unit() as unit:
        unit.note("account.disowned", account_id)

    outcome = await replay(Records(house.audit), STRICT)

    assert outcome.signins == 12
    assert outcome.table["allow"] == {"allow": 6, "notify": 0, "challenge": 0, "deny": 0}
    assert outcome.table["notify"] == {"allow": 0, "notify": 0, "challenge": 0, "deny": 5}
    assert outcome.table["challenge"]["deny"] == 1
    assert (outcome.refused_by_mistake, outcome.disowned, outcome.disowned_stopped) == (5, 1, 1)
    assert outcome.examples.keys() == {"notify>deny", "challenge>deny"}
    examples = outcome.examples["notify>deny"]
    assert len(examples) == 3, "no more than a few are kept"
    assert examples[0].reasons[0] == "A browser that has not signed in to this account before."

    mild = Policy.model_validate({"thresholds": {"notify": 20, "challenge": 90, "deny": 100}})
    assert (await replay(Records(house.audit), mild)).disowned_stopped == 0
    sterner = Policy.model_validate({"thresholds": {"challenge": 20}})
    assert (await replay(Records(house.audit), sterner)).challenged_by_mistake == 5


async def test_replay_goes_back_as_far_as_asked_and_to_one_account(house: Ostiary, clock: ManualClock) -> None:
    risk, account_id, other_id = risk_of(house), await mira(house), await mira(house, "nora")
    for owner in (account_id, other_id):
        await sign_in(house, risk, owner, caller_at(BERLIN))
    clock.advance(days=40)
    border = clock.now()
    await sign_in(house, risk, account_id, caller_at(BERLIN))

    async def judged(**wanted: object) -> int:
        return (await replay(Records(house.audit), Policy(), **wanted)).signins  # type: ignore[arg-type]

    assert await judged() == 3
    assert await judged(since=border) == 1
    assert await judged(account_id=other_id) == 1
    assert await judged(since=border, account_id=other_id) == 0


async def test_an_erased_account_is_counted_and_left_out(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    _, session_id = await sign_in(house, risk, account_id, caller_at(BERLIN), known_device=False)
    async with house.database.unit() as unit:
        await house.accounts.delete(unit, account_id)

    outcome = await replay(Records(house.audit), STRICT)
    assert (outcome.signins, outcome.erased, outcome.unreadable) == (0, 1, 0)
    found = await Records(house.audit).find(session_id or "")
    assert found is not None
    assert found.is_erased
    assert found.facts is None
    assert found.verdict.reasons == {"device.new": 20}, "what was decided stays"


async def test_entries_without_facts_and_edited_ones_do_not_stop_a_replay(house: Ostiary) -> None:
    risk, account_id = risk_of(house), await mira(house)
    await sign_in(house, risk, account_id, caller_at(BERLIN))
    verdict = (await sign_in(house, risk, account_id, caller_at(BERLIN)))[0].details()
    async with house.database.unit() as unit:
        unit.note("login.succeeded", account_id, methods=["pwd"])  # from before there was a verdict
        unit.note("login.succeeded", account_id, risk=verdict)
        unit.note("login.refused", account_id, reason="risk", risk=verdict, private={"facts": "[]"})
        unit.note("login.refused", account_id, reason="risk", risk={"action": "shrug"})
    edited = "UPDATE journal SET details = '{\"risk\": 7}' WHERE action = 'login.succeeded' AND position = "
    first = min(await raw(house.database_url, "SELECT position FROM journal WHERE action = 'login.succeeded'"))[0]
    await raw(house.database_url, f"{edited}{first}")

    outcome = await replay(Records(house.audit), STRICT)

    assert (outcome.signins, outcome.unreadable, outcome.erased) == (1, 2, 0)


async def test_a_sign_in_is_found_by_request_session_and_place(house: Ostiary, clock: ManualClock) -> None:
    risk, account_id = risk_of(house), await mira(house)
    caller = Caller(request_id="abc-1", address=BERLIN)
    made, session_id = await sign_in(house, risk, account_id, caller)
    for _ in range(3):
        clock.advance(minutes=5)
        await sign_in(house, risk, account_id, caller_at(BERLIN))
    records = Records(house.audit)

    found = await records.find("abc-1")

    assert found is not None
    assert (found.session_id, found.request_id, found.facts) == (session_id, "abc-1", made.facts)
    at, strand, position = found.place.split(":")
    for identity in (session_id or "", found.place, f"{strand}:{position}"):
        assert await records.find(identity) == found, identity
    for nobody in ("", "abc", "0:99999", f"{at}:9:9", "A" * 22, "99999999999999999:0:0"):
        assert await records.find(nobody) is None, nobody


async def test_reading_is_by_pages_and_tells_how_far_it_is(
    house: Ostiary, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = await mira(house)
    await a_month(house, clock, account_id, 12)
    whole = await everything(house)
    monkeypatch.setattr("ostiary.risk.records.PAGE", 5)
    told: list[int] = []

    in_pages = [found async for found in Records(house.audit).all(progress=told.append)]

    assert in_pages == whole
    assert told == list(range(1, 13))


def test_an_empty_outcome_has_a_table_of_its_own() -> None:
    first, second = Outcome("a"), Outcome("b")
    first.table["allow"]["deny"] += 1
    assert second.table["allow"]["deny"] == 0
