"""Checkpoints are signed, stored, brought to anchors, and compared with what is there."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.audit.written import entries, found, kinds, put_back, saved, write
from tests.core.db.raw import raw
from tests.house import OpenHouse, journalled, letter_to

from ostiary.audit import AnchorFailed, JournalSettings
from ostiary.audit.anchors import _append
from ostiary.audit.checkpoints import JOB
from ostiary.audit.statement import CHECKPOINT_TYP, StatementRefused
from ostiary.client import TokenRefused
from ostiary.client.jws import read
from ostiary.core.caller import HOUSE, KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.journal import JournalBroken
from ostiary.wiring import Ostiary

LOOPBACK = {"allowed_networks": ["127.0.0.1/32"]}


async def test_a_checkpoint_says_how_far_every_strand_has_come(house: Ostiary, clock: ManualClock) -> None:
    await write(house, 3)
    stored = await house.checkpoints.write(KEEPER)
    statement = house.checkpoints.opened(stored.jws)
    there = await entries(house)
    assert (statement.sequence, statement.at, statement.previous) == (0, clock.now(), "")
    assert statement.entries == len(there)
    for end in statement.strands:
        last = [entry for entry in there if entry.strand == end.strand][-1]
        assert (end.entries, end.head_chain, end.base) == (last.position + 1, last.chain, 0)


async def test_nothing_new_makes_no_checkpoint_and_something_new_follows_the_last(house: Ostiary) -> None:
    first = await house.checkpoints.write(KEEPER)
    assert await house.checkpoints.write(KEEPER) == first
    await write(house, 1)
    second = house.checkpoints.opened((await house.checkpoints.write(KEEPER)).jws)
    assert second.sequence == 1
    assert second.previous


async def test_the_schedule_waits_for_its_time_and_for_something_new(house: Ostiary, clock: ManualClock) -> None:
    await house.checkpoints.tend(HOUSE)
    await write(house, 1)
    clock.advance(minutes=59)
    await house.checkpoints.tend(HOUSE)
    assert (await house.checkpoints.newest()).sequence == 0  # type: ignore[union-attr]
    clock.advance(minutes=1)
    await house.checkpoints.tend(HOUSE)
    clock.advance(hours=2)
    await house.checkpoints.tend(HOUSE)
    assert (await house.checkpoints.newest()).sequence == 1  # type: ignore[union-attr]


async def test_a_checkpoint_of_a_time_to_come_does_not_silence_the_schedule(house: Ostiary, clock: ManualClock) -> None:
    """The clock was wrong for a moment, a year ahead."""
    clock.advance(days=365)
    await house.checkpoints.tend(HOUSE)
    clock.advance(days=-365)
    await write(house, 1)
    await house.checkpoints.tend(HOUSE)
    newest = await house.checkpoints.newest()
    assert newest is not None
    assert (newest.sequence, newest.at) == (1, clock.now())
    assert (await house.audit.verify()).ok


@pytest.mark.parametrize("at", ["9000000000000", "'soon'"])
async def test_somebody_who_writes_the_database_does_not_silence_the_schedule(
    house: Ostiary, storage: str, at: str
) -> None:
    if storage != "sqlite" and not at.isdecimal():
        return  # PostgreSQL's columns take no other kinds
    await house.checkpoints.tend(HOUSE)
    await raw(house.database_url, f"UPDATE journal_checkpoints SET at = {at}")
    await write(house, 1)
    await house.checkpoints.tend(HOUSE)
    assert (await house.checkpoints.newest()).sequence == 1  # type: ignore[union-attr]
    assert "journal.break_found" in await journalled(house)


async def test_a_number_that_leaves_no_room_for_a_successor_is_refused_in_words(house: Ostiary) -> None:
    await house.checkpoints.write(KEEPER)
    await raw(house.database_url, f"UPDATE journal_checkpoints SET sequence = {2**63 - 1}")
    with pytest.raises(JournalBroken, match="stored a checkpoint"):
        await house.checkpoints.write(KEEPER)


async def test_of_checkpoints_at_once_each_has_a_number_of_its_own(open_house: OpenHouse) -> None:
    houses = [await open_house(work=False), await open_house(work=False)]
    await write(houses[0], 1)

    async def act(house: Ostiary, number: int) -> None:
        await write(house, 1, first=number)
        await house.checkpoints.write(KEEPER)

    await asyncio.gather(*[act(houses[number % 2], number) for number in range(10)])
    verdict = await houses[0].audit.verify()
    assert verdict.ok, verdict.findings


async def test_a_checkpoint_is_no_access_token_and_its_key_is_not_in_the_jwks(house: Ostiary) -> None:
    stored = await house.checkpoints.write(KEEPER)
    with pytest.raises(TokenRefused):
        house.tokens.read(stored.jws, house.clock.now() / 1000)
    published = {key["kid"] for key in house.keys.jwks()["keys"]}  # type: ignore[attr-defined]
    own = {key["kid"] for key in house.keys.checkpoint_jwks()["keys"]}  # type: ignore[attr-defined]
    assert own
    assert not own & published
    assert "d" not in house.keys.checkpoint_jwks()["keys"][0]  # type: ignore[index]
    # Nor is an access token a checkpoint, even under keys that would verify it.
    with pytest.raises(TokenRefused):
        read(stored.jws, house.keys.checkpoint_keys(), "at+jwt")


async def test_what_nobody_vouches_for_is_not_signed(house: Ostiary) -> None:
    await write(house, 3)
    await saved(house.database_url)
    for tampering in (
        "UPDATE journal_strands SET entries = entries - 1 WHERE strand = 0",
        "UPDATE journal_strands SET entries = entries + 1 WHERE strand = -1",
        "DELETE FROM journal_strands WHERE strand = -1",
        "DELETE FROM journal_strands WHERE strand = 0",
        "INSERT INTO journal_bases SELECT 0, 1, head, key_id, mac FROM journal_strands WHERE strand = 0",
    ):
        await raw(house.database_url, tampering)
        with pytest.raises(JournalBroken):
            await house.checkpoints.write(KEEPER)
        await put_back(house.database_url)
    await house.checkpoints.write(KEEPER)


async def test_an_end_that_was_put_back_is_found_and_stays_in_the_journal(house: Ostiary) -> None:
    """Both states of a strand are genuine; the checkpoint knows which was later."""
    await write(house, 3)
    url = house.database_url
    await saved(url)
    await write(house, 3)
    await house.checkpoints.write(KEEPER)
    await put_back(url, "journal", "journal_strands")

    assert kinds(await house.audit.verify()) == {"set-back"}
    await house.checkpoints.write(KEEPER)
    assert "journal.break_found" in await journalled(house)
    assert [alert.kind for alert in await house.alerts.open()] == ["journal_broken"]
    await write(house, 9)
    await house.checkpoints.write(KEEPER)
    assert "set-back" in kinds(await house.audit.verify())
    assert (await journalled(house)).count("journal.break_found") == 1


async def test_a_journal_that_the_schedule_will_not_vouch_for_is_an_alert(
    open_house: OpenHouse, clock: ManualClock
) -> None:
    """No entry meets what was done here; without an alert, silence at the anchor would be all that tells."""
    house: Ostiary = await open_house(work=False, journal={"keep": "P30D"}, alerts={"mail_to": ["keeper@example.org"]})
    await write(house, 3)
    await house.checkpoints.tend(HOUSE)
    await raw(house.database_url, "UPDATE journal_strands SET entries = entries + 1 WHERE strand = -1")
    await write(house, 1)
    assert await house.alerts.open() == []
    clock.advance(hours=1)

    for _ in range(3):  # the schedule tries again, and tells once
        with pytest.raises(JournalBroken):
            await house.checkpoints.tend(HOUSE)
    assert [alert.kind for alert in await house.alerts.open()] == ["journal_broken"]
    await letter_to(house, "keeper@example.org", "journal_broken")

    clock.advance(days=2)
    with pytest.raises(JournalBroken):
        await house.retention.tend(HOUSE)
    assert [alert.kind for alert in await house.alerts.open()] == ["journal_broken"]


async def test_a_whole_database_put_back_is_shown_by_an_anchored_checkpoint_alone(house: Ostiary) -> None:
    await write(house, 3)
    await house.checkpoints.write(KEEPER)
    await saved(house.database_url)
    await write(house, 3)
    anchored = (await house.checkpoints.write(KEEPER)).jws
    await put_back(house.database_url)

    assert (await house.audit.verify()).ok
    assert kinds(await house.audit.verify(anchored=[anchored])) == {"set-back"}
    await write(house, 9)
    assert kinds(await house.audit.verify(anchored=[anchored])) == {"set-back"}
    assert kinds(await house.audit.verify(anchored=[anchored[:-5] + "AAAAA"])) == {"checkpoint-forged"}


@pytest.mark.parametrize(
    ("tampering", "kind", "place"),
    [
        ("DELETE FROM journal_checkpoints WHERE sequence = 1", "checkpoint-missing", 0),
        ("UPDATE journal_checkpoints SET at = at + 1 WHERE sequence = 1", "checkpoint-forged", 1),
        ("UPDATE journal_checkpoints SET jws = 'x' WHERE sequence = 2", "checkpoint-forged", 2),
        ("UPDATE journal_checkpoints SET sequence = 7 WHERE sequence = 3", "checkpoint-forged", 7),
    ],
)
async def test_a_tampered_checkpoint_is_found(house: Ostiary, tampering: str, kind: str, place: int) -> None:
    for number in range(4):
        await write(house, 1, first=number)
        await house.checkpoints.write(KEEPER)
    assert (await house.audit.verify()).ok
    await raw(house.database_url, tampering)
    assert (kind, place) in found(await house.audit.verify())


async def test_a_long_list_of_strands_fits(house: Ostiary) -> None:
    from ostiary.audit.statement import Statement, end, opened, signed  # noqa: PLC0415
    from ostiary.core.clock import Millis  # noqa: PLC0415

    at: Millis = house.clock.now()
    strands = tuple(end(number, 10**9, bytes([255]) * 32, 10**8, bytes([254]) * 32) for number in range(300))
    statement = Statement(10**6, at, "A" * 43, 300, strands)
    jws = signed(statement, house.keys.checkpoint_signer())
    assert opened(jws, house.keys.checkpoint_keys()) == statement
    with pytest.raises(TokenRefused):  # elsewhere, the bound of a header line stands
        read(jws, house.keys.checkpoint_keys(), CHECKPOINT_TYP)


async def test_a_statement_of_another_form_is_refused(house: Ostiary) -> None:
    from ostiary.client.jws import sign  # noqa: PLC0415

    good = json.loads(_payload((await house.checkpoints.write(KEEPER)).jws))
    (line, *_) = good["strands"]
    changes: tuple[dict[str, object], ...] = (
        {"more": 1}, {"register": 9}, {"strands": []}, {"strands": [[1, *line[1:]]]}, {"sequence": "0"},
        {"strands": [[*line[:2], "AA", *line[3:]]]}, {"strands": [[*line[:3], line[1] + 1, line[4]]]},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(StatementRefused):
            house.checkpoints.opened(sign(good | change, house.keys.checkpoint_signer(), CHECKPOINT_TYP))


def _payload(jws: str) -> bytes:
    import base64  # noqa: PLC0415

    body = jws.split(".")[1]
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))


# Anchors


class Listener:
    """What a receiver heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.status = 200
        self.port = 0

    async def next(self) -> bytes:
        return await asyncio.wait_for(self.heard.get(), 10)


@asynccontextmanager
async def http_server() -> AsyncIterator[Listener]:
    listener = Listener()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        length = int(fields[b"content-length"])
        listener.heard.put_nowait(head + await reader.readexactly(length))
        writer.write(f"HTTP/1.1 {listener.status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


@asynccontextmanager
async def tcp_syslog() -> AsyncIterator[Listener]:
    listener = Listener()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int((await reader.readuntil(b" ")).strip())  # octet counting, RFC 6587
        listener.heard.put_nowait(await reader.readexactly(length))
        assert await reader.read() == b""
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    listener.port = server.sockets[0].getsockname()[1]
    async with server:
        yield listener


@asynccontextmanager
async def udp_syslog() -> AsyncIterator[Listener]:
    listener = Listener()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            del addr
            listener.heard.put_nowait(data)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Receiver, local_addr=("127.0.0.1", 0))
    listener.port = transport.get_extra_info("sockname")[1]
    yield listener
    transport.close()


async def anchored_house(open_house: OpenHouse, *anchors: str, **more: str) -> Ostiary:
    house: Ostiary = await open_house(work=False, journal={"anchors": anchors, **more}, outbound=LOOPBACK)
    return house


async def test_a_file_gets_each_checkpoint_as_a_line(open_house: OpenHouse, tmp_path: Path) -> None:
    file = tmp_path / "anchor.jws"
    house = await anchored_house(open_house, f"file:{file}")
    made = []
    for number in range(2):
        await write(house, 1, first=number)
        made.append((await house.checkpoints.write(KEEPER)).jws)
        await house.outbox.drain()
    assert file.read_text().splitlines() == made
    assert file.stat().st_mode & 0o077 == 0
    assert (await house.audit.verify(anchored=file.read_text().splitlines())).ok


async def test_a_line_that_a_full_disk_cut_short_does_not_spoil_the_next(open_house: OpenHouse, tmp_path: Path) -> None:
    file = tmp_path / "anchor.jws"
    house = await anchored_house(open_house, f"file:{file}")
    await write(house, 1)
    first = (await house.checkpoints.write(KEEPER)).jws
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def append_with_little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        try:
            _append(str(file), first)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with pytest.raises(AnchorFailed):
        await asyncio.to_thread(append_with_little_room)
    assert file.read_text() == first[:100]

    await house.outbox.drain()

    assert file.read_text().splitlines() == [first[:100], first]


async def test_an_object_store_gets_each_checkpoint_by_put(open_house: OpenHouse) -> None:
    async with http_server() as server:
        house = await anchored_house(open_house, f"http://127.0.0.1:{server.port}/journal/", anchor_token="t0ken")
        stored = await house.checkpoints.write(KEEPER)
        await house.outbox.drain()
        head, _, body = (await server.next()).partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /journal/20260921T141320.000Z.jws HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer t0ken\r\n" in head
    assert body.decode() == stored.jws


@pytest.mark.parametrize(("scheme", "receiver"), [("syslog", udp_syslog), ("syslog+tcp", tcp_syslog)])
async def test_a_log_server_gets_each_checkpoint(open_house: OpenHouse, scheme: str, receiver: object) -> None:
    async with receiver() as server:  # type: ignore[operator]
        house = await anchored_house(open_house, f"{scheme}://127.0.0.1:{server.port}")
        stored = await house.checkpoints.write(KEEPER)
        await house.outbox.drain()
        message = (await server.next()).decode()
    assert message == f"<109>1 2026-09-21T14:13:20.000Z localhost ostiary - checkpoint - {stored.jws}"


async def test_a_datagram_that_cannot_leave_this_machine_is_not_taken_for_sent(house: Ostiary) -> None:
    async with udp_syslog() as server:
        with pytest.raises(OSError, match="long"):
            await house.checkpoints.anchors.deliver(f"syslog://127.0.0.1:{server.port}", "x" * 70_000, 0)
        assert server.heard.empty()


async def test_an_anchor_out_of_reach_holds_up_nothing_and_gets_it_later(
    open_house: OpenHouse, clock: ManualClock, tmp_path: Path
) -> None:
    file = tmp_path / "anchor.jws"
    async with http_server() as server:
        server.status = 503
        house = await anchored_house(open_house, f"http://127.0.0.1:{server.port}/x", f"file:{file}")
        stored = await house.checkpoints.write(KEEPER)
        await house.outbox.drain()
        assert stored.jws.encode() in await server.next()
        assert file.read_text().strip() == stored.jws
        await write(house, 1)
        await house.checkpoints.write(KEEPER)  # goes on
        server.status = 200
        clock.advance(minutes=1)
        await house.outbox.drain()
        heard = [(await server.next()).partition(b"\r\n\r\n")[2] for _ in range(2)]
    assert stored.jws.encode() in heard


async def test_an_anchor_that_the_settings_name_no_more_gets_nothing(open_house: OpenHouse, tmp_path: Path) -> None:
    house = await anchored_house(open_house)
    stored = await house.checkpoints.write(KEEPER)
    file = tmp_path / "anchor.jws"
    async with house.database.unit() as unit:
        unit.later(JOB, anchor=f"file:{file}", sequence=stored.sequence)
    await house.outbox.drain()
    assert not file.exists()


@pytest.mark.parametrize(
    "anchor",
    ["", "/var/x", "file:x", "file://host/x", "https://", "https://u:p@example.org/", "https://example.org/?q=1",
     "syslog://host", "syslog://host:99999", "syslog://host:514/x", "ftp://example.org/", "syslog+tls://host:6514"],
)  # fmt: skip
def test_an_anchor_that_cannot_be_is_refused(anchor: str) -> None:
    with pytest.raises(ValueError, match="anchor"):
        JournalSettings(anchors=(anchor,))


@pytest.mark.parametrize("anchors", [(), ("file:/x",), ("https://a.example/", "https://b.example/")])
def test_a_token_is_told_to_one_place_only(anchors: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        JournalSettings(anchors=anchors, anchor_token="t0ken")
