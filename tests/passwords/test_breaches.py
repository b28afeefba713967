"""Breached passwords in a whole house: refused where one is chosen, whoever knows them, and never in anybody's way."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, register
from tests.passwords.lists import LOST, a_filter, sha1
from tests.passwords.range_service import BAD, Answering, RangeService, plain, range_service, slow

from ostiary.core.clock import ManualClock
from ostiary.core.errors import Misconfigured
from ostiary.wiring import Ostiary

ALSO_LOST = "eighteen purple walruses"
COMMON = "password1234"


@pytest.fixture
def lost(tmp_path: Path) -> Path:
    """A filter that knows `LOST`."""
    return a_filter(tmp_path / "lost.filter", LOST, "some other password")


@pytest.fixture
async def house(open_house: OpenHouse, lost: Path) -> Ostiary:
    """A house that uses it."""
    opened: Ostiary = await open_house(work=False, passwords={"breach_filter": str(lost)})
    return opened


@pytest.fixture
async def service() -> AsyncIterator[RangeService]:
    """A breach service that knows `LOST`."""
    async with range_service(LOST) as running:
        yield running


async def with_service(open_house: OpenHouse, service: RangeService, **more: Any) -> Ostiary:  # noqa: ANN401
    # Longer than a machine stands still: whoever is not heard in time is passed over.
    passwords = {"breaches": "range", "range_url": service.url, "range_timeout": timedelta(seconds=9)} | more
    opened: Ostiary = await open_house(work=False, passwords=passwords, outbound={"allowed_networks": ["127.0.0.0/8"]})
    return opened


def applied(password: str, username: str = "mira") -> dict[str, str]:
    return {"username": username, "email": f"{username}@example.org", "password": password}


def codes(answer: httpx.Response) -> list[str]:
    return [error["code"] for error in answer.json().get("errors", [])]


async def weighed(client: httpx.AsyncClient, password: str) -> dict[str, Any]:
    answer = await client.post(f"{API}/password/check", json={"password": password})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# Where a password is chosen


async def test_nobody_registers_with_a_breached_password(outside: httpx.AsyncClient) -> None:
    answer = await outside.post(f"{API}/register", json=applied(LOST))

    assert answer.status_code == 422
    assert codes(answer) == ["breached"]
    assert answer.json()["score"] == 0
    assert "data breach" in answer.json()["errors"][0]["message"]
    await register(outside)


async def test_a_form_with_other_faults_names_the_breach_as_well(outside: httpx.AsyncClient) -> None:
    answer = await outside.post(f"{API}/register", json=applied(LOST, "x"))

    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == {"username", "password"}
    assert "breached" in codes(answer)


async def test_nobody_changes_to_a_breached_password(outside: httpx.AsyncClient) -> None:
    mira = await register(outside)
    body = {"current_password": PASSWORD, "new_password": LOST}

    answer = await outside.post(f"{API}/password/change", json=body, headers=bearer(mira))

    assert answer.status_code == 422
    assert codes(answer) == ["breached"]
    assert answer.json()["errors"][0]["field"] == "new_password"


async def test_whoever_types_a_breached_password_is_told_so_at_once(outside: httpx.AsyncClient) -> None:
    found = await weighed(outside, LOST)

    assert not found["acceptable"]
    assert any("data breach" in reason for reason in found["reasons"])
    assert (await weighed(outside, PASSWORD))["acceptable"]


async def test_another_way_of_writing_a_breached_password_is_the_same_password(outside: httpx.AsyncClient) -> None:
    wide = LOST.replace("purple", "\uff50\uff55\uff52\uff50\uff4c\uff45")  # fullwidth letters, folded by NFKC

    assert not (await weighed(outside, wide))["acceptable"]


async def test_the_shipped_list_is_in_use_where_nothing_is_configured(open_house: OpenHouse) -> None:
    async with client_of(await open_house(work=False)) as outside:
        answer = await outside.post(f"{API}/register", json=applied(COMMON))

    assert {"common", "breached"} <= set(codes(answer))


async def test_switched_off_nothing_is_looked_up(open_house: OpenHouse, lost: Path) -> None:
    house = await open_house(work=False, passwords={"breaches": "off", "breach_filter": str(lost)})

    async with client_of(house) as outside:
        assert (await weighed(outside, LOST))["acceptable"]
    assert house.breaches.filter is None


# The file


@pytest.mark.parametrize("content", [None, b"", b"no filter at all" * 100, "folder"])
async def test_a_configured_file_that_is_no_filter_stops_the_start(
    open_house: OpenHouse, tmp_path: Path, content: bytes | str | None
) -> None:
    path = tmp_path / "wrong.filter"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()

    with pytest.raises(Misconfigured, match=r"(?s)^passwords\.breach_filter: .*wrong\.filter.*\n.*breach build"):
        await open_house(work=False, passwords={"breach_filter": str(path)})


async def test_a_relative_path_begins_at_the_data_folder(open_house: OpenHouse, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    a_filter(tmp_path / "data" / "mine.filter", LOST)

    house = await open_house(work=False, passwords={"breach_filter": "mine.filter"})

    assert house.breaches.holds(LOST)


async def test_a_replaced_file_is_taken_up_within_a_minute(
    house: Ostiary, lost: Path, clock: ManualClock, outside: httpx.AsyncClient
) -> None:
    assert (await weighed(outside, ALSO_LOST))["acceptable"]

    a_filter(lost, ALSO_LOST)
    clock.advance(seconds=59)

    assert not (await weighed(outside, ALSO_LOST))["acceptable"]
    assert not house.breaches.holds(LOST)


async def test_a_file_replaced_by_a_bad_one_leaves_the_good_one_in_use(
    house: Ostiary, lost: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    bad = lost.with_name("bad")
    bad.write_bytes(b"no filter")
    bad.replace(lost)

    for _ in range(3):
        clock.advance(minutes=1)
        assert house.breaches.holds(LOST)

    told = [record.message for record in caplog.records if record.name == "ostiary.passwords.breaches.service"]
    assert len(told) == 1
    assert "last good one" in told[0]
    a_filter(lost, ALSO_LOST)
    clock.advance(minutes=1)
    assert house.breaches.holds(ALSO_LOST)


async def test_a_file_that_goes_away_leaves_the_good_one_in_use(house: Ostiary, lost: Path, clock: ManualClock) -> None:
    lost.unlink()  # noqa: ASYNC240
    clock.advance(minutes=1)

    assert house.breaches.holds(LOST)


async def test_a_file_that_is_damaged_in_use_stops_nobody(
    open_house: OpenHouse, lost: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ostiary.passwords.breaches.filter.RESIDENT_BYTES", 0)
    house = await open_house(work=False, passwords={"breach_filter": str(lost)})
    assert await house.breaches.know(LOST)
    os.truncate(lost, 60)

    async with client_of(house) as outside:
        await register(outside)
        assert (await weighed(outside, LOST))["acceptable"]

    told = [record.message for record in caplog.records if record.name == "ostiary.passwords.breaches.service"]
    assert len(told) == 1
    assert "cannot be read any more" in told[0]


# The service


async def test_a_password_that_only_the_service_knows_is_refused(open_house: OpenHouse, service: RangeService) -> None:
    async with client_of(await with_service(open_house, service)) as outside:
        answer = await outside.post(f"{API}/register", json=applied(LOST))

    assert codes(answer) == ["breached"]
    assert service.asked == [f"/range/{sha1(LOST)[:5]}"]
    assert "Add-Padding: true" in service.heads[0]


async def test_padding_is_no_breach(open_house: OpenHouse, service: RangeService) -> None:
    service.known = set()
    async with client_of(await with_service(open_house, service)) as outside:

        async def padding(_: RangeService, __: str) -> bytes:
            return plain(f"{sha1(PASSWORD)[5:]}:0".encode())

        service.answer = padding

        await register(outside)

    assert len(service.asked) == 1


async def test_the_service_hears_of_no_password_that_is_being_typed_refused_or_signed_in_with(
    open_house: OpenHouse, service: RangeService
) -> None:
    async with client_of(await with_service(open_house, service)) as outside:
        await weighed(outside, LOST)
        await outside.post(f"{API}/register", json=applied("too short"))
        await outside.post(f"{API}/register", json=applied(COMMON))
        assert service.asked == []
        await register(outside)
        service.asked.clear()
        answer = await outside.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})

    assert answer.status_code == 200
    assert service.asked == []


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.__name__)
async def test_a_service_that_is_of_no_help_stops_nobody_and_nothing_of_the_password_is_logged(
    open_house: OpenHouse, service: RangeService, bad: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    service.answer = bad
    # Even the slow one has to be reached first.
    house = await with_service(open_house, service, range_timeout=timedelta(seconds=4 if bad is slow else 9))
    caplog.set_level(logging.INFO)

    async with client_of(house) as outside:
        begun = time.monotonic()
        answer = await outside.post(f"{API}/register", json=applied(LOST))

    assert answer.status_code == 201, answer.text
    assert time.monotonic() - begun < 10
    assert len(service.asked) == 1  # a redirect is not followed
    told = [record.getMessage() for record in caplog.records if record.name == "ostiary.passwords.breaches.service"]
    assert len(told) == 1
    assert "of no help" in told[0]
    for secret in (LOST, sha1(LOST)[:5], sha1(LOST)[:5].lower()):
        assert not [record for record in caplog.records if secret in record.getMessage()]


async def test_a_service_that_is_not_there_stops_nobody(open_house: OpenHouse, service: RangeService) -> None:
    away = RangeService(port=1)
    async with client_of(await with_service(open_house, away)) as outside:
        await register(outside, password=LOST)


async def test_a_service_in_a_network_where_the_house_does_not_go_is_not_asked(
    open_house: OpenHouse, service: RangeService
) -> None:
    house = await open_house(work=False, passwords={"breaches": "range", "range_url": service.url})
    async with client_of(house) as outside:
        await register(outside, password=LOST)

    assert service.asked == []


@pytest.mark.parametrize("url", ["", "file:///etc/passwd/", "https://example.org/range", "https://example.org/?a=/"])
async def test_an_address_that_cannot_be_a_range_service_stops_the_start(open_house: OpenHouse, url: str) -> None:
    with pytest.raises(Misconfigured, match=r"passwords\.range_url"):
        await open_house(work=False, passwords={"breaches": "range", "range_url": url})
