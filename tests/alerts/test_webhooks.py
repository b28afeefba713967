"""Signed webhooks, as their receivers verify them (Standard Webhooks)."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable

import pytest
import standardwebhooks
from pydantic import ValidationError
from standardwebhooks.webhooks import WebhookVerificationError
from tests.alerts.raised import KEEPER_MAIL, LOOPBACK, new_secret, raised, set_to_now
from tests.core.db.raw import raw
from tests.house import OpenHouse, lived
from tests.services.ports import free_port
from tests.services.web import OK, Heard, Site, open_site

from ostiary.alerts import AlertSettings
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock, iso
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary

SECRET = new_secret()
DOWN = b"HTTP/1.1 500 Down\r\nContent-Length: 0\r\n\r\n"
GONE = b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n"
AWAY = b"HTTP/1.1 302 Away\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture
def with_webhooks(open_house: OpenHouse) -> Callable[..., object]:
    """Open a house that tells these receivers: a site, or a table of settings."""

    async def opened(*receivers: Site | dict[str, object], **alerts: object) -> Ostiary:
        tables = [one if isinstance(one, dict) else {"url": one.url + "/hook", "secret": SECRET} for one in receivers]
        house: Ostiary = await open_house(work=False, outbound=LOOPBACK, alerts={"webhooks": tables, **alerts})
        return house

    return opened


def verified(heard: Heard, secret: str = SECRET) -> dict[str, object]:
    found: dict[str, object] = standardwebhooks.Webhook(secret).verify(heard.body, heard.headers)
    return found


async def test_a_receiver_verifies_what_it_is_sent(with_webhooks: Callable[..., object], clock: ManualClock) -> None:
    set_to_now(clock)
    async with open_site() as site:
        house = await with_webhooks(site)  # type: ignore[misc]
        await raised(house, account_id="AZ1", subject="10.0.0.9", private={"address": "planted"}, accounts=40)
        await house.outbox.drain()

    (heard,) = site.heard
    said = verified(heard)
    (alert,) = await house.alerts.listed()
    assert heard.line == "POST /hook HTTP/1.1"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["webhook-id"] == alert.id
    assert said.keys() == {"type", "timestamp", "data"}
    assert (said["type"], said["timestamp"]) == ("alert.spraying_seen", iso(alert.at))
    assert said["data"]["details"] == {"accounts": 40}  # type: ignore[index]
    assert said["data"]["account_id"] == "AZ1"  # type: ignore[index]
    assert "planted" not in heard.body.decode()


async def test_a_changed_body_or_another_secret_does_not_verify(
    with_webhooks: Callable[..., object], clock: ManualClock
) -> None:
    set_to_now(clock)
    async with open_site() as site:
        house = await with_webhooks(site)  # type: ignore[misc]
        await raised(house)
        await house.outbox.drain()
    (heard,) = site.heard
    with pytest.raises(WebhookVerificationError):
        verified(heard, new_secret())
    with pytest.raises(WebhookVerificationError):
        verified(Heard(heard.line, heard.headers, heard.body.replace(b"critical", b"notice")))
    with pytest.raises(WebhookVerificationError):
        verified(Heard(heard.line, heard.headers | {"webhook-id": "other"}, heard.body))


async def test_a_recorded_webhook_is_too_old_after_five_minutes(
    with_webhooks: Callable[..., object], clock: ManualClock
) -> None:
    set_to_now(clock)
    clock.advance(minutes=-6)
    async with open_site() as site:
        house = await with_webhooks(site)  # type: ignore[misc]
        await raised(house)
        await house.outbox.drain()
    with pytest.raises(WebhookVerificationError, match="too old"):
        verified(site.heard[0])


async def test_while_a_secret_is_changed_over_both_verify(
    with_webhooks: Callable[..., object], clock: ManualClock
) -> None:
    set_to_now(clock)
    old, new = new_secret(24), new_secret(64)
    async with open_site() as site:
        house = await with_webhooks({"url": site.url, "secret": new, "former_secrets": [old]})  # type: ignore[misc]
        await raised(house)
        await house.outbox.drain()
    assert verified(site.heard[0], old) == verified(site.heard[0], new)


async def test_a_retry_has_the_same_id_and_body_and_a_time_of_its_own(
    with_webhooks: Callable[..., object], clock: ManualClock
) -> None:
    set_to_now(clock)
    clock.advance(seconds=-60)
    async with open_site(Site(answers=[DOWN, AWAY, OK])) as site:
        house = await with_webhooks(site)  # type: ignore[misc]
        await raised(house)
        for _ in range(20):
            await house.outbox.drain()
            clock.advance(seconds=2)

    first, second, third = site.heard
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
    assert first.body == second.body == third.body
    times = [int(heard.headers["webhook-timestamp"]) for heard in site.heard]
    assert times == sorted(set(times))
    assert all(verified(heard) for heard in site.heard)


async def test_a_dead_receiver_holds_up_neither_the_other_nor_the_letters(
    with_webhooks: Callable[..., object], clock: ManualClock
) -> None:
    dead = {"url": f"http://127.0.0.1:{free_port()}/", "secret": SECRET}
    async with open_site() as site:
        house = await with_webhooks(dead, site, mail_to=[KEEPER_MAIL])  # type: ignore[misc]
        for number in range(5):
            await raised(house, subject=str(number))
        await house.outbox.drain()
        assert len(site.heard) == 5
        assert isinstance(house.post, Mailbox)
        assert len(house.post.letters) == 5
        waiting = await raw(house.database_url, "SELECT DISTINCT attempts, last_error FROM outbox")
        assert waiting == [(1, "OutboundFailed")]
        for _ in range(40):
            clock.advance(hours=2)
            await house.outbox.drain()
    assert await raw(house.database_url, "SELECT DISTINCT attempts FROM outbox WHERE failed_at IS NOT NULL") == [(36,)]
    assert len(site.heard) == 5


async def test_a_receiver_that_hangs_does_not_hold_up_the_other(open_house: OpenHouse, clock: ManualClock) -> None:
    async def hang(_: Heard, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    arrived = asyncio.Event()

    async def take(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        arrived.set()

    async with open_site(Site(instead=hang)) as slow, open_site(Site(instead=take)) as site:
        house = await open_house(
            work=False, outbound={**LOOPBACK, "timeout": 1},
            alerts={"webhooks": [{"url": one.url, "secret": SECRET} for one in (slow, site)]},
        )  # fmt: skip
        await raised(house)
        async with asyncio.timeout(5):
            draining = asyncio.create_task(house.outbox.drain())
            await arrived.wait()
            assert not draining.done()
            await draining
        for number in range(5):
            await raised(house, subject=str(number))
        with lived() as seconds:
            await house.outbox.drain()
            assert seconds() < 1  # it is not waited for again so soon
        assert len(slow.heard) == 1
        assert len(site.heard) == 6
        clock.advance(seconds=30)
        await house.outbox.drain()
        assert len(slow.heard) > 1


async def test_a_receiver_that_hangs_rests_for_longer_each_time_until_it_answers(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    hangs = True

    async def hang(_: Heard, writer: asyncio.StreamWriter) -> None:
        if hangs:
            await asyncio.sleep(30)
        writer.write(OK)

    async with open_site(Site(instead=hang)) as site:
        house = await open_house(
            work=False, outbound={**LOOPBACK, "timeout": 2},
            alerts={"webhooks": [{"url": site.url, "secret": SECRET}], "most_of_a_kind": 100},
        )  # fmt: skip

        async def is_asked(*subjects: str) -> bool:
            before = len(site.heard)
            for subject in subjects:
                await raised(house, subject=subject)
            await house.outbox.drain()
            return len(site.heard) > before

        assert await is_asked(*"abcde")  # five that hang side by side are one reason to rest
        clock.advance(seconds=29)
        assert not await is_asked("f")
        clock.advance(seconds=1)
        assert await is_asked("g")
        clock.advance(seconds=59)
        assert not await is_asked("h")
        clock.advance(seconds=1)
        hangs = False
        assert await is_asked("i")
        hangs = True
        assert await is_asked("j")
        clock.advance(seconds=30)
        assert await is_asked("k")


async def test_a_receiver_that_is_gone_is_left_in_peace_until_a_restart(
    with_webhooks: Callable[..., object], open_house: OpenHouse, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_site(Site(answers=[GONE, OK])) as site, open_site() as other:
        house = await with_webhooks(site, other)  # type: ignore[misc]
        await raised(house, subject="1")
        await raised(house, subject="2")
        with caplog.at_level(logging.ERROR):
            await house.outbox.drain()
        assert "is gone (410)" in caplog.text
        heard = len(site.heard)
        assert heard in (1, 2)  # the second may have been under way
        await raised(house, subject="3")
        await house.outbox.drain()
        assert len(site.heard) == heard
        assert len(other.heard) == 3

        restarted = await with_webhooks(site, other)  # type: ignore[misc]
        await raised(restarted, subject="4")
        await restarted.outbox.drain()
        assert len(site.heard) == heard + 1


async def test_no_more_wait_for_a_receiver_than_the_bound(
    with_webhooks: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_site(Site(answers=[DOWN])) as site, open_site() as other:
        house = await with_webhooks(site, other, backlog=3, most_of_a_kind=100)  # type: ignore[misc]
        for number in range(10):
            await raised(house, subject=str(number))
            await house.outbox.drain()
    assert len(other.heard) == 10
    assert await raw(house.database_url, "SELECT count(*) FROM outbox") == [(3,)]
    assert "too many alerts wait" in caplog.text
    assert len(await house.alerts.listed()) == 10


async def test_a_receiver_hears_only_of_kinds_that_it_wants(with_webhooks: Callable[..., object]) -> None:
    async with open_site() as site:
        house = await with_webhooks({"url": site.url, "secret": SECRET, "kinds": ["journal_broken"]})  # type: ignore[misc]
        await raised(house)
        await raised(house, "journal_broken")
        await house.outbox.drain()
    assert [json.loads(heard.body)["type"] for heard in site.heard] == ["alert.journal_broken"]


async def test_neither_secrets_nor_the_path_of_a_url_are_told_anywhere(
    with_webhooks: Callable[..., object], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with open_site(Site(answers=[DOWN, GONE])) as site:
        table = {"url": f"{site.url}/planted-path?planted=1", "secret": SECRET}
        house = await with_webhooks(table)  # type: ignore[misc]
        await raised(house, subject="1")
        await house.outbox.drain()
        told = await house.alerts.test(KEEPER)
    assert site.heard
    rows = str(await raw(house.database_url, "SELECT * FROM journal")) + str(
        await raw(house.database_url, "SELECT * FROM outbox")
    )
    ours = "".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpcore"))
    for text in (ours, rows, str(told), repr(house.settings)):
        assert SECRET not in text
        assert "planted" not in text


async def test_a_test_goes_to_every_sink_and_says_what_happened(
    with_webhooks: Callable[..., object], clock: ManualClock
) -> None:
    set_to_now(clock)
    dead = {"url": f"http://127.0.0.1:{free_port()}/", "secret": SECRET}
    inside = {"url": "https://10.0.0.1/", "secret": SECRET}
    async with open_site() as site, open_site(Site(answers=[DOWN])) as down:
        house = await with_webhooks(site, down, dead, inside, mail_to=[KEEPER_MAIL])  # type: ignore[misc]
        told = await house.alerts.test(KEEPER)

    assert [one.is_well for one in told] == [True, True, True, False, False, False]
    assert [one.words for one in told][2:5] == ["answered 200", "answered 500", "ConnectError"]
    assert "private network" in told[5].words
    assert verified(site.heard[0])["type"] == "alert.test"


@pytest.mark.parametrize(
    "table",
    [
        {"url": "ftp://example.org/", "secret": SECRET},
        {"url": "https://user:word@example.org/", "secret": SECRET},
        {"url": "https:///path", "secret": SECRET},
        {"url": "https://example.org/", "secret": "whsec_c2hvcnQ="},
        {"url": "https://example.org/", "secret": "planted-without-prefix-but-long-enough"},
        {"url": "https://example.org/", "secret": "whsec_***"},
        {"url": "https://example.org/", "secret": SECRET, "former_secrets": ["whsec_c2hvcnQ="]},
        {"url": "https://example.org/", "secret": SECRET, "kinds": ["no_such_kind"]},
        {"url": "https://example.org/"},
        {"url": "https://example.org/", "secret": SECRET, "colour": "red"},
    ],
)  # fmt: skip
def test_a_receiver_that_could_not_work_stops_the_start(table: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        AlertSettings.model_validate({"webhooks": [table]})


def test_two_receivers_with_one_url_and_addresses_that_are_none_stop_the_start() -> None:
    one = {"url": "https://example.org/", "secret": SECRET}
    with pytest.raises(ValidationError, match="one url"):
        AlertSettings.model_validate({"webhooks": [one, one]})
    for address in ("keeper", "a@b.org, c@d.org", "Keeper <a@b.org>", "a@b.org\nBcc: x@y.org"):
        with pytest.raises(ValidationError):
            AlertSettings.model_validate({"mail_to": [address]})
