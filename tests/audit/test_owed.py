"""A checkpoint that does not reach its anchor: log and doctor say which anchor, and no secret of its address."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from tests.audit.written import write
from tests.cli.test_commands import data, run
from tests.house import OpenHouse
from tests.services.ports import free_port

from ostiary.audit.checkpoints import JOB
from ostiary.cli.common import run_with_house
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

__all__ = ["data"]


@pytest.mark.parametrize("scheme", ["http", "syslog+tcp"])
async def test_an_anchor_that_fails_is_named_without_its_path(
    open_house: OpenHouse, clock: ManualClock, caplog: pytest.LogCaptureFixture, scheme: str
) -> None:
    there = f"{scheme}://127.0.0.1:{free_port()}"
    anchor = f"{there}/t0ken-in-the-path" if scheme == "http" else there
    outbound = {"allowed_networks": ["127.0.0.1/32"]}
    house = await open_house(work=False, journal={"anchors": (anchor,)}, outbound=outbound)
    stored = await house.checkpoints.write(KEEPER)

    with caplog.at_level(logging.WARNING):
        for _ in range(12):
            await house.outbox.drain()
            clock.advance(hours=2)

    assert caplog.text.count(f"checkpoint {stored.sequence} did not reach the anchor {there} (") == 12
    assert f"job {JOB} is given up after 12 attempts" in caplog.text
    assert "t0ken" not in caplog.text
    newest, owed = await house.checkpoints.owed(house.outbox)
    assert newest == stored
    assert owed[anchor].failed_at is not None


def test_the_doctor_says_what_has_not_reached_an_anchor(data: Path) -> None:
    first, second = data / "first.jws", data / "later" / "second.jws"
    with (data / "ostiary.toml").open("a") as settings:
        settings.write(f'[journal]\nanchors = ["file:{first}", "file:{second}"]\n')

    def look() -> list[tuple[str, str]]:
        findings = map(json.loads, run(data, "doctor", "--json").output.splitlines())
        return [(found["state"], found["words"]) for found in findings if found["about"] == "anchors"]

    async def make(house: Ostiary) -> None:
        async with house.database.unit() as unit:
            unit.later("of something else", number=1)
        await write(house, 1)
        await house.checkpoints.write(KEEPER)

    async def bring(house: Ostiary) -> None:
        house.outbox.on(JOB, house.checkpoints.bring, attempts=1)
        await house.outbox.drain()

    assert [(state, "no checkpoint yet" in words) for state, words in look()] == [("look", True)] * 2
    run_with_house(data, make)
    assert [state for state, _ in look()] == ["look", "look"]
    run_with_house(data, bring)
    good, bad = look()
    assert good[0] == "good"
    assert (bad[0], "given up" in bad[1], str(second) in bad[1]) == ("bad", True, True)
    assert "1 attempts, FileNotFoundError" in bad[1]
    # The next one says all that this one said.
    second.parent.mkdir()
    run_with_house(data, make)
    run_with_house(data, bring)
    assert [state for state, _ in look()] == ["good", "good"]
