"""An alert is written with its cause, told once, and counted while it is repeated (R15)."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import httpx
import pytest
from tests.alerts.raised import KEEPER_MAIL, LOOPBACK, new_secret, raised
from tests.core.db.raw import raw
from tests.house import API, OpenHouse, journalled, letter_to, register
from tests.services.web import open_site

from ostiary.alerts import KINDS
from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.core.errors import InvalidFields
from ostiary.mail import Mailbox
from ostiary.sessions import RefreshTokenReplayed
from ostiary.wiring import Ostiary


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    """A house whose keeper wants letters."""
    opened: Ostiary = await open_house(work=False, alerts={"mail_to": [KEEPER_MAIL]})
    return opened


def letters(house: Ostiary) -> list[str]:
    assert isinstance(house.post, Mailbox)
    return [letter.subject for letter in house.post.letters]


async def test_a_new_alert_is_stored_journalled_logged_and_mailed(
    house: Ostiary, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert await raised(house, subject="10.0.0.9", private={"address": "planted.9"}, accounts=40)
    (alert,) = await house.alerts.listed()
    assert (alert.kind, alert.severity, alert.count, alert.at) == ("spraying_seen", "critical", 1, clock.now())
    (line,) = await house.audit.listed(action="alert.raised")
    assert line.details == {
        "kind": "spraying_seen", "severity": "critical", "alert": alert.id, "details": {"accounts": 40},
    }  # fmt: skip
    assert line.private == {"facts": '{"address":"planted.9"}'}

    letter = await letter_to(house, KEEPER_MAIL)
    assert letter.subject == "Alert at Ostiary: spraying_seen"
    for text in (letter.text, letter.html):
        assert KINDS["spraying_seen"].words in text
        assert "accounts: 40" in text
        assert alert.id in text
    (record,) = [record for record in caplog.records if record.name == "ostiary.alerts"]
    assert record.levelno == logging.ERROR
    assert '"accounts":40' in record.getMessage()
    for told in (letter.text, letter.html, caplog.text):
        assert "planted" not in told
        assert "10.0.0.9" not in told


async def test_nothing_personal_lies_in_the_table(house: Ostiary) -> None:
    await raised(house, "address_blocked", subject="198.51.100.77", private={"address": "198.51.100.77"})
    rows = await raw(house.database_url, "SELECT * FROM alerts")
    assert "198.51.100.77" not in str(rows)
    assert "address_blocked" in str(rows)


async def test_a_thousand_raises_are_one_letter_and_one_webhook(open_house: OpenHouse) -> None:
    async with open_site() as site:
        house = await open_house(
            work=False, outbound=LOOPBACK,
            alerts={"mail_to": [KEEPER_MAIL], "webhooks": [{"url": site.url, "secret": new_secret()}]},
        )  # fmt: skip
        for _ in range(20):
            await asyncio.gather(*(raised(house) for _ in range(50)))
        await house.outbox.drain()

    assert letters(house) == ["Alert at Ostiary: spraying_seen"]
    assert len(site.heard) == 1
    (alert,) = await house.alerts.listed()
    assert alert.count == 1000
    assert (await journalled(house)).count("alert.raised") == 1


async def test_of_two_processes_that_raise_at_once_one_tells(open_house: OpenHouse) -> None:
    houses = [await open_house(work=False, alerts={"mail_to": [KEEPER_MAIL]}) for _ in range(2)]
    found = await asyncio.gather(*(raised(house) for house in houses for _ in range(20)))
    assert found.count(True) == 1
    assert (await houses[0].alerts.listed())[0].count == 40


async def test_after_the_quiet_time_it_is_told_anew_with_what_was_counted(house: Ostiary, clock: ManualClock) -> None:
    assert await raised(house)
    clock.advance(minutes=59, seconds=59)
    assert not await raised(house)
    assert not await raised(house)
    clock.advance(seconds=1)
    assert await raised(house)
    await house.outbox.drain()

    assert [alert.count for alert in await house.alerts.listed()] == [1, 3]
    assert len(letters(house)) == 2
    assert "raised 3 times in the quiet time before" in (await letter_to(house, KEEPER_MAIL)).text


async def test_many_at_the_end_of_the_quiet_time_are_one_again(house: Ostiary, clock: ManualClock) -> None:
    await raised(house)
    clock.advance(hours=1)
    found = await asyncio.gather(*(raised(house) for _ in range(30)))
    assert found.count(True) == 1
    assert [alert.count for alert in await house.alerts.listed()] == [30, 1]


async def test_a_clock_that_was_ahead_for_a_moment_silences_nothing(house: Ostiary, clock: ManualClock) -> None:
    clock.advance(days=365)
    for number in range(11):
        await raised(house, subject=str(number))
    clock.advance(days=-365)
    await house.outbox.drain()
    before = len(letters(house))

    assert await raised(house, subject="0")
    assert await raised(house, subject="new")
    assert not await raised(house, subject="new")
    await house.outbox.drain()
    assert len(letters(house)) == before + 2


async def test_clocks_of_two_machines_may_differ(house: Ostiary, clock: ManualClock) -> None:
    clock.advance(minutes=1)
    assert await raised(house)
    clock.advance(seconds=-30)
    assert not await raised(house)


async def test_another_subject_or_account_or_kind_is_another_alert(house: Ostiary) -> None:
    assert await raised(house, subject="a")
    assert await raised(house, subject="b")
    assert await raised(house, account_id="a")
    assert await raised(house, "stuffing_seen", subject="a")
    assert not await raised(house, subject="b")


async def test_a_storm_of_subjects_is_listed_and_not_sent(open_house: OpenHouse, clock: ManualClock) -> None:
    """Somebody with a thousand addresses could otherwise bury the one alert that matters."""
    house = await open_house(work=False, alerts={"mail_to": [KEEPER_MAIL], "most_of_a_kind": 3})
    for number in range(30):
        await raised(house, "address_blocked", subject=f"198.51.100.{number}")
    await raised(house, "journal_broken")
    await house.outbox.drain()

    assert sorted(letters(house)) == ["Alert at Ostiary: address_blocked"] * 3 + ["Alert at Ostiary: journal_broken"]
    said = [letter.text for letter in house.post.letters if "address_blocked" in letter.subject]
    assert sum("only listed for a while" in text for text in said) == 1
    assert len(await house.alerts.listed()) == 31
    clock.advance(hours=1)
    assert await raised(house, "address_blocked", subject="203.0.113.1")
    await house.outbox.drain()
    assert len(letters(house)) == 5


async def test_what_is_open_is_shown_by_its_gravity_for_as_long_as_it_is_counted(
    house: Ostiary, clock: ManualClock
) -> None:
    """What strangers can raise by the hundred must not hide that somebody wrote to the journal."""
    await raised(house, "journal_broken")
    clock.advance(minutes=1)
    for number in range(60):
        await raised(house, "address_blocked", subject=str(number))
    await raised(house, "session_stolen")
    found = [alert.kind for alert in await house.alerts.open()]
    assert (found[:3], len(found)) == (["journal_broken", "session_stolen", "address_blocked"], 62)

    clock.advance(minutes=59)
    assert "journal_broken" not in [alert.kind for alert in await house.alerts.open()]
    clock.advance(minutes=1)
    assert await house.alerts.open() == []


async def test_what_is_rolled_back_raises_nothing(house: Ostiary) -> None:
    async def refuse() -> None:
        async with house.database.unit() as unit:
            await house.alerts.raise_(unit, "spraying_seen")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await refuse()
    assert await house.alerts.listed() == []
    assert await house.outbox.drain() == 0


async def test_a_kind_that_nobody_wrote_down_is_a_mistake(house: Ostiary) -> None:
    with pytest.raises(KeyError):
        await raised(house, "never_heard_of")


async def test_a_keeper_who_left_gets_no_letter_that_was_queued_before(open_house: OpenHouse) -> None:
    before = await open_house(work=False, alerts={"mail_to": [KEEPER_MAIL]})
    await raised(before)
    after = await open_house(work=False, alerts={"mail_to": ["other@example.org"]})
    await after.outbox.drain()
    assert letters(after) == []


async def test_a_stolen_session_is_an_alert_that_names_the_account_and_nobody(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    grant = await register(outside)
    caller = Caller(request_id="test", address="203.0.113.7", agent="curl/8")
    await house.sessions.refresh(caller, grant["refresh_token"])
    clock.advance(seconds=60)
    with pytest.raises(RefreshTokenReplayed):
        await house.sessions.refresh(caller, grant["refresh_token"])

    (alert,) = await house.alerts.listed()
    assert (alert.kind, alert.account_id) == ("session_stolen", grant["user"]["id"])
    letter = await letter_to(house, KEEPER_MAIL)
    assert grant["user"]["id"] in letter.text
    assert "mira" not in letter.text
    answer = await outside.get(f"{API}/me", headers={"authorization": f"Bearer {grant['access_token']}"})
    assert answer.status_code == 401


async def test_a_forged_end_of_the_journal_is_an_alert_in_the_transaction_that_met_it(house: Ostiary) -> None:
    await raised(house, "keys_rotated")
    await raw(house.database_url, "UPDATE journal_strands SET entries = entries + 5 WHERE strand >= 0")
    async with house.database.unit() as unit:
        unit.note("attempt.refused", reason="test")

    assert "journal.break_found" in await journalled(house)
    (alert,) = [alert for alert in await house.alerts.listed() if alert.kind == "journal_broken"]
    assert "parts" in (await letter_to(house, KEEPER_MAIL, "journal_broken")).text
    lines = await house.audit.listed(action="alert.raised")
    assert alert.id in [line.details["alert"] for line in lines]


async def test_a_refused_unit_that_meets_a_forged_end_raises_it_too(house: Ostiary) -> None:
    await raised(house, "keys_rotated")
    await raw(house.database_url, "UPDATE journal_strands SET entries = entries + 5 WHERE strand >= 0")

    async def refuse() -> None:
        async with house.database.unit() as unit:
            unit.note("attempt.refused", reason="test")
            unit.later("letter", kind="never sent")
            raise InvalidFields

    with pytest.raises(InvalidFields):
        await refuse()
    assert "journal_broken" in [alert.kind for alert in await house.alerts.listed()]
    await house.outbox.drain()
    assert len(letters(house)) == 2


async def test_old_alerts_go(house: Ostiary, clock: ManualClock) -> None:
    await raised(house)
    clock.advance(seconds=timedelta(days=399).total_seconds())
    assert await house.alerts.prune() == 0
    clock.advance(seconds=timedelta(days=2).total_seconds())
    assert await house.alerts.prune() == 1
