"""An export goes by in parts, in order, and goes on as entries come."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import json
from collections.abc import Callable

import pytest
from tests.audit.written import CALLER, entries, exported, kinds, verified, write
from tests.house import OpenHouse, journalled

from ostiary.audit import ExportOverrun, Order, Wanted, network_of
from ostiary.audit import export as room
from ostiary.audit.queries import Shown
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


def lines(export: bytes) -> list[dict[str, object]]:
    return [json.loads(line) for line in export.splitlines()]


@pytest.mark.parametrize("is_sealed", [False, True])
async def test_a_whole_export_holds_every_entry_and_proves_it(house: Ostiary, is_sealed: bool) -> None:
    await write(house, 5)
    export = await exported(house, Order(is_sealed=is_sealed))
    header, *told, footer = lines(export)

    stored = await entries(house)
    assert [(line["strand"], line["position"]) for line in told] == [(e.strand, e.position) for e in stored]
    for line, entry in zip(told, stored, strict=True):
        assert (line["at"], line["action"], line["details"]) == (entry.at, entry.action, entry.details)
        assert line["chain"] == entry.chain.hex()
        sealed = line["sealed"]
        assert (entry.sealed is None) == (sealed is None)
        if isinstance(sealed, str):
            assert base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4)) == entry.sealed
        assert ("private" in line) is not is_sealed
    assert header["sealed"] is is_sealed
    assert footer["entries"] == len(stored)
    if not is_sealed:
        private = [line["private"] for line in told if line["action"] == "test.written"]
        assert private == [{"address": "203.0.113.7", "agent": "Mozilla/5.0"}] * 5
    verdict = verified(house, export)
    assert verdict.ok, verdict.findings
    assert verdict.entries == len(stored)


async def test_an_export_is_journalled_and_tells_no_filters_value(house: Ostiary) -> None:
    await exported(house, Order("csv", Wanted(action="login.*", network=network_of("203.0.113.7"))))
    (entry,) = [entry for entry in await entries(house) if entry.action == "journal.exported"]
    assert json.loads(entry.details)["filters"] == ["action", "address"]
    assert "203.0.113" not in entry.details


@pytest.mark.parametrize("style", ["csv", "cef", "jsonl"])
async def test_filters_hold_for_every_format(house: Ostiary, clock: ManualClock, style: str) -> None:
    await write(house, 3)
    clock.advance(seconds=5)
    since = clock.now()
    await write(house, 2, first=3)
    async with house.database.unit(CALLER) as unit:
        unit.note("test.else")
    wanted = Wanted(action="test.w*", since=since, network=network_of("203.0.113.0/24"))

    export = (await exported(house, Order(style, wanted))).decode()  # type: ignore[arg-type]

    assert export.count("test.written") == 2
    assert "test.else" not in export
    if style == "csv":
        rows = list(csv.DictReader(io.StringIO(export, newline="")))
        assert [json.loads(row["details"])["number"] for row in rows] == [3, 4]
    if style == "jsonl":
        assert kinds(verified(house, export.encode())) == {"partial"}


async def test_a_filtered_export_still_carries_the_houses_word(house: Ostiary) -> None:
    await write(house, 3)
    export = await exported(house, Order(wanted=Wanted(action="test.*")))
    assert kinds(verified(house, export)) == {"partial"}
    assert kinds(verified(house, export.replace(b'"number\\":1', b'"number\\":7'))) == {"partial", "altered"}


async def test_memory_is_bounded_by_parts(house: Ostiary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BATCH", 7)
    await write(house, 30)
    told: list[int] = []
    export = await exported(house, Order(progress=told.append))
    assert verified(house, export).ok
    assert max(later - earlier for earlier, later in zip([0, *told], told, strict=False)) <= 7


class Arriving(io.BytesIO):
    """A sink that says when it holds what somebody waits for."""

    async def until(self, text: bytes) -> None:
        async with asyncio.timeout(20):
            while text not in self.getvalue():  # noqa: ASYNC110 - a pipe would be no quicker
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("style", ["jsonl", "csv", "cef"])
async def test_an_export_follows_and_ends_whole(open_house: OpenHouse, style: str) -> None:
    """Entries of all strands come, each once; on PostgreSQL several writers have several strands."""
    house = await open_house(work=False)
    await write(house, 3)
    sink, stop = Arriving(), asyncio.Event()
    following = asyncio.create_task(house.export.write(KEEPER, sink, Order(style, stop=stop)))  # type: ignore[arg-type]
    await sink.until(b"journal.exported")
    await asyncio.gather(*[write(house, 2, first=100 + 10 * number) for number in range(4)])
    await sink.until(b"131")
    stop.set()
    count = await following

    assert count == len(await entries(house))
    assert sink.getvalue().count(b"test.written") >= 11
    if style == "jsonl":
        verdict = verified(house, sink.getvalue())
        assert verdict.ok, verdict.findings


async def test_entries_pruned_while_an_export_follows_do_not_make_it_false(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    house = await open_house(work=False)
    await write(house, 5)
    sink, stop = Arriving(), asyncio.Event()
    following = asyncio.create_task(house.export.write(KEEPER, sink, Order(stop=stop)))
    await sink.until(b"journal.exported")
    clock.advance(days=2)
    assert await house.retention.prune(KEEPER, clock.now())
    await sink.until(b"journal.pruned")
    stop.set()
    await following
    verdict = verified(house, sink.getvalue())
    assert verdict.ok, verdict.findings


@pytest.fixture
def pruned_behind(monkeypatch: pytest.MonkeyPatch) -> Callable[[Ostiary, int, int], None]:
    """Let entries from before one moment be deleted as soon as an export has read up to another."""

    def arrange(house: Ostiary, before: int, read_up_to: int) -> None:
        monkeypatch.setattr(room, "BATCH", 3)
        put = room.Export._put

        async def put_and_prune(self: room.Export, written: room.Written, order: Order, page: list[Shown]) -> None:
            await put(self, written, order, page)
            if page[-1].at >= read_up_to:
                monkeypatch.setattr(room.Export, "_put", put)
                assert await house.retention.prune(KEEPER, before)

        monkeypatch.setattr(room.Export, "_put", put_and_prune)

    return arrange


PARTIAL = [Order("csv"), Order("cef"), Order("jsonl", Wanted(action="test.*")), Order("csv", Wanted(action="test.*"))]


@pytest.mark.parametrize("order", PARTIAL, ids=lambda order: f"{order.style}-{len(order.wanted.filters)}")
async def test_what_is_deleted_before_it_was_written_ends_any_export(
    house: Ostiary, clock: ManualClock, order: Order, pruned_behind: Callable[[Ostiary, int, int], None]
) -> None:
    """A list of sign-ins with a gap looks like one without."""
    for number in range(12):
        clock.advance(seconds=1)
        await write(house, 1, first=number)
    pruned_behind(house, clock.now() - 2000, clock.now() - 9000)

    with pytest.raises(ExportOverrun):
        await exported(house, order)


@pytest.mark.parametrize("order", PARTIAL, ids=lambda order: f"{order.style}-{len(order.wanted.filters)}")
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_what_is_deleted_after_it_was_written_is_in_the_export(
    house: Ostiary, clock: ManualClock, order: Order, pruned_behind: Callable[[Ostiary, int, int], None]
) -> None:
    for number in range(12):
        clock.advance(seconds=1)
        await write(house, 1, first=number)
    pruned_behind(house, clock.now() - 5000, clock.now() - 5000)

    export = await exported(house, order)

    assert export.count(b"test.written") >= 12
    assert len([entry for entry in await entries(house) if entry.action == "test.written"]) == 6


async def test_only_the_journal_itself_says_who_exported(house: Ostiary) -> None:
    await exported(house)
    assert (await journalled(house)).count("journal.exported") == 1
