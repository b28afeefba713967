"""The doctor's probe is answered to nobody else, and once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.attacks.raw import Answered, ask
from tests.house import OpenHouse

from ostiary.core.clock import ManualClock
from ostiary.web.probe import HEADER, PATH
from ostiary.wiring import Ostiary


async def probe(house: Ostiary, *values: str, **changed: Any) -> Answered:  # noqa: ANN401
    headers = [(HEADER, value.encode()) for value in values] + changed.pop("headers", [])
    return await ask(house.app, changed.pop("method", "GET"), PATH.encode(), headers, **changed)


async def test_a_genuine_one_is_told_what_arrived(open_house: OpenHouse) -> None:
    house = await open_house(work=False, web={"trusted_proxies": ["203.0.113.7/32"]})
    headers = [
        (b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", b"198.51.100.9"), (b"forwarded", b"for=192.0.2.1"),
        (b"x-forwarded-proto", b"https"),
    ]  # fmt: skip

    answer = await probe(house, house.probe.write(), headers=headers)

    assert answer.json == {
        "peer": "203.0.113.7", "port": 50000, "x_forwarded_for": ["192.0.2.1", "198.51.100.9"],
        "forwarded": ["for=192.0.2.1"], "address": "198.51.100.9", "is_https": True, "host": "localhost:8080",
        "path": PATH,
    }  # fmt: skip
    assert answer.headers["cache-control"] == "no-store"


async def test_everybody_else_gets_the_ordinary_404(house: Ostiary, clock: ManualClock) -> None:
    used, late, early = (house.probe.write() for _ in range(3))
    assert (await probe(house, used)).status == 200
    clock.advance(minutes=2)
    fresh = house.probe.write()
    clock.advance(minutes=-3)  # a clock that is behind by more than a minute
    ordinary = await ask(house.app, "GET", PATH.encode())
    assert ordinary.status == 404
    assert (await probe(house, fresh)).status == 404
    clock.advance(minutes=2, seconds=1)

    bent = early[:-1] + ("A" if early[-1] != "A" else "B")
    other_purpose = house.macs.write("csrf", str(clock.now()), "x")
    for shown in ("", "x", used, late, bent, other_purpose, "é", "." * 600):
        answer = await probe(house, shown)
        assert answer.status == 404, shown
        assert {name for name, _ in answer.pairs} == {name for name, _ in ordinary.pairs}
        assert answer.json | {"request_id": ""} == ordinary.json | {"request_id": ""}
    assert (await probe(house, fresh, fresh)).status == 404, "sent twice"


async def test_it_works_once_and_for_a_minute(house: Ostiary, clock: ManualClock) -> None:
    first, second = house.probe.write(), house.probe.write()
    assert [(await probe(house, first)).status for _ in range(2)] == [200, 404]
    clock.advance(seconds=60)
    assert (await probe(house, second)).status == 200
    clock.advance(seconds=1)
    assert (await probe(house, second)).status == 404
    assert len(house.probe._used) <= 2  # what is too old is forgotten


@pytest.mark.parametrize("method", ["POST", "HEAD", "DELETE"])
async def test_without_a_probe_the_path_is_nobodys_for_any_method(house: Ostiary, method: str) -> None:
    assert (await probe(house, method=method)).status == 404


async def test_the_redirect_to_https_does_not_hide_it(open_house: OpenHouse) -> None:
    house = await open_house(work=False, web={"public_url": "https://login.example.org", "https_redirect": True})

    assert (await probe(house, house.probe.write())).json["is_https"] is False
