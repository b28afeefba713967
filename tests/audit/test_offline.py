"""Whoever changes an export is found out by its reader, who has nothing but public keys."""

from __future__ import annotations

import asyncio
import io
import json
import random
import subprocess
import sys

import pytest
from tests.audit.written import entries, exported, found, kinds, saved, verified, write
from tests.core.db.raw import blob, raw
from tests.house import OpenHouse

from ostiary.audit import Order, verify_export
from ostiary.client import KnownKeys, SigningKey
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.journal import Entry, link
from ostiary.wiring import Ostiary


async def two_strands(house: Ostiary) -> None:
    """Write into as many strands as the database has at hand: two on PostgreSQL, one on SQLite."""
    async with house.database.unit() as holds_a_connection:
        holds_a_connection.note("test.written", number=100)
        if house.database.driver.dialect == "postgresql":
            await holds_a_connection.transaction.strand()
            await write(house, 3)
    await write(house, 3)


def split(export: bytes) -> list[bytes]:
    return export.splitlines(keepends=True)


@pytest.mark.parametrize("storage", ["sqlite"])  # the reader does not know where an export comes from
@pytest.mark.parametrize("is_sealed", [False, True])
async def test_every_byte_that_is_changed_is_found(house: Ostiary, is_sealed: bool) -> None:
    """Each byte of a small export, one bit of each after the other; nothing in it is free."""
    export = await exported(house, Order(is_sealed=is_sealed))
    assert verified(house, export).ok
    for place in range(len(export)):
        changed = bytearray(export)
        changed[place] ^= 1 << (place % 7)
        assert not verified(house, bytes(changed)).ok, (place, export[max(0, place - 20) : place + 20])


@pytest.mark.parametrize("storage", ["sqlite"])  # the reader does not know where an export comes from
async def test_every_byte_that_is_taken_away_or_added_is_found(house: Ostiary) -> None:
    export = await exported(house)
    for place in range(random.randrange(3), len(export), 3):  # a third of them, another one each time
        assert not verified(house, export[:place] + export[place + 1 :]).ok, place
        more = b" " if place % 2 else b"\n"
        assert not verified(house, export[:place] + more + export[place:]).ok, place
    assert not verified(house, export + b"\n").ok
    assert not verified(house, export + b" ").ok


async def test_every_cut_is_found_and_said(house: Ostiary) -> None:
    await two_strands(house)
    export = await exported(house)
    for place in range(0, len(export), 29):
        assert not verified(house, export[:place]).ok, place
    lines = split(export)
    verdict = verified(house, b"".join(lines[:-1]))
    assert "cut" in kinds(verdict)
    assert "was cut off" in verdict.findings[-1].words


async def test_every_line_that_is_taken_away_doubled_or_moved_is_found_and_named(house: Ostiary) -> None:
    await two_strands(house)
    lines = split(await exported(house))
    for number in range(len(lines)):
        without = verified(house, b"".join(lines[:number] + lines[number + 1 :]))
        doubled = verified(house, b"".join([*lines[: number + 1], *lines[number:]]))
        assert not without.ok, number
        assert not doubled.ok, number
        if 0 < number < len(lines) - 1:
            told = json.loads(lines[number])
            place = (told["strand"], told["position"])
            assert {(f.strand, f.position) for f in without.findings if f.kind in {"missing", "truncated"}} == {place}
            assert {(f.strand, f.position) for f in doubled.findings if f.kind == "extra"} == {place}
    for number in range(len(lines) - 1):
        swapped = [*lines]
        swapped[number], swapped[number + 1] = swapped[number + 1], swapped[number]
        assert not verified(house, b"".join(swapped)).ok, number


FIELDS = ["strand", "position", "at", "action", "account_id", "session_id", "request_id", "details", "sealed", "chain"]


@pytest.mark.parametrize("field", [*FIELDS, "private"])
async def test_an_edited_field_is_found(house: Ostiary, field: str) -> None:
    await write(house, 5)
    lines = split(await exported(house))
    told = json.loads(lines[-3])
    told[field] = {"private": {}, "chain": "00" * 32, "sealed": "AAAA"}.get(
        field, told[field] + 50 if isinstance(told[field], int) else '{"x":1}'
    )
    lines[-3] = json.dumps(told, separators=(",", ":")).encode() + b"\n"

    verdict = verified(house, b"".join(lines))

    assert "altered" in kinds(verdict)  # the house's word for the whole file
    if field in {"at", "action", "account_id", "session_id", "request_id", "details", "sealed", "chain"}:
        assert ("edited", told["position"]) in found(verdict)  # and the chain names the place
    elif field == "private":
        assert kinds(verdict) == {"altered"}  # not covered by the chain: the export's signature alone shows it


async def test_a_strand_that_is_left_out_is_named(house: Ostiary) -> None:
    await two_strands(house)
    lines = split(await exported(house))
    for strand in {json.loads(line)["strand"] for line in lines[1:-1]}:
        rest = [line for line in lines[1:-1] if json.loads(line)["strand"] != strand]
        verdict = verified(house, b"".join([lines[0], *rest, lines[-1]]))
        assert ("strand-missing", strand) in {(finding.kind, finding.strand) for finding in verdict.findings}


async def test_entries_linked_anew_do_not_meet_the_checkpoint(house: Ostiary) -> None:
    await write(house, 4)
    lines = split(await exported(house, Order(is_sealed=True)))
    chain = (await entries(house))[-4].chain
    for number in (-3, -2):  # the last but one is edited, and all that follow are linked anew
        told = json.loads(lines[number]) | ({"action": "test.forged"} if number == -3 else {})
        told.pop("private", None)
        sealed = told["sealed"]
        import base64  # noqa: PLC0415

        raw_sealed = None if sealed is None else base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        chain_before = chain if number == -2 else (await entries(house))[-3].chain
        forged = Entry(**(told | {"sealed": raw_sealed, "chain": b""}))
        chain = link(chain_before, forged)
        lines[number] = json.dumps(told | {"chain": chain.hex()}, separators=(",", ":")).encode() + b"\n"
    verdict = verified(house, b"".join(lines))
    assert "edited" in kinds(verdict)


async def test_two_exports_cannot_be_spliced(house: Ostiary) -> None:
    await write(house, 3)
    first = split(await exported(house))
    await write(house, 3)
    second = split(await exported(house))
    assert not verified(house, b"".join([*first[:-1], second[-1]])).ok
    assert not verified(house, b"".join([*second[:-1], first[-1]])).ok
    assert not verified(house, b"".join([first[0], *second[1:]])).ok


async def test_a_foreign_key_proves_nothing(house: Ostiary) -> None:
    export = await exported(house)
    stranger = KnownKeys(SigningKey.generate("EdDSA").verifying)
    verdict = verify_export(io.BytesIO(export), stranger)
    assert kinds(verdict) == {"checkpoint-forged"}
    # Nor does the key of access tokens, which many programs hold.
    signing = house.keys.signer()
    assert not verify_export(io.BytesIO(export), KnownKeys(signing.verifying)).ok


async def test_a_checkpoint_passes_for_no_export_and_an_export_for_no_checkpoint(house: Ostiary) -> None:
    lines = split(await exported(house))
    footer = json.loads(lines[-1])
    for name, other in (("signature", "checkpoint"), ("checkpoint", "signature")):
        changed = json.dumps(footer | {name: footer[other]}, separators=(",", ":")).encode() + b"\n"
        assert "checkpoint-forged" in kinds(verified(house, b"".join([*lines[:-1], changed])))


async def test_an_anchored_checkpoint_shows_a_past_that_was_put_back_or_exchanged(house: Ostiary) -> None:
    await write(house, 3)
    url = house.database_url
    await saved(url)
    await write(house, 4, first=100)
    anchored = (await house.checkpoints.write(KEEPER)).jws
    assert verified(house, await exported(house), anchored).ok

    from tests.audit.written import put_back  # noqa: PLC0415

    await put_back(url)
    shorter = verified(house, await exported(house), anchored)
    assert kinds(shorter) == {"set-back"}
    await write(house, 9, first=200)
    other = verified(house, await exported(house), anchored)
    assert kinds(other) == {"set-back"}
    assert "the past was exchanged" in other.findings[0].words


async def test_an_anchored_checkpoint_that_is_none_is_said(house: Ostiary) -> None:
    export = await exported(house)
    jws = (await house.checkpoints.write(KEEPER)).jws
    for wrong in ("x", jws[:-4] + "AAAA", jws + "x", ""):
        assert kinds(verified(house, export, wrong)) == {"checkpoint-forged"}


async def test_an_export_of_a_tampered_database_is_not_whole(house: Ostiary) -> None:
    await write(house, 5)
    last = (await entries(house))[-2]
    where = f"strand = {last.strand} AND position = {last.position}"
    await raw(house.database_url, f"UPDATE journal SET details = '{{}}' WHERE {where}")
    assert ("edited", last.position) in found(verified(house, await exported(house)))
    sealed = blob(house.database_url, b"x" * 40)
    await raw(house.database_url, f"UPDATE journal SET sealed = {sealed} WHERE {where}")
    assert ("edited", last.position) in found(verified(house, await exported(house)))
    await raw(house.database_url, f"DELETE FROM journal WHERE {where}")
    assert ("missing", last.position) in found(verified(house, await exported(house)))


async def test_an_export_outlives_the_rotation_of_the_key(open_house: OpenHouse, clock: ManualClock) -> None:
    house = await open_house(work=False)
    before = await exported(house)
    await house.keys.rotate(KEEPER, ("checkpoint",))
    clock.advance(days=1000)
    await house.keys.tend(KEEPER)
    after = await exported(house)
    assert verified(house, before).ok
    assert verified(house, after).ok
    kids = {json.loads(line)["kid"] for line in map(_head, (before, after))}
    assert len(kids) == 2


def _head(export: bytes) -> bytes:
    import base64  # noqa: PLC0415

    head = json.loads(split(export)[-1])["checkpoint"].partition(".")[0]
    return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))


def test_the_verifier_takes_neither_database_nor_settings_nor_server() -> None:
    """Its modules, and what those import by themselves; the package's front door is left out."""
    code = (
        "import sys, types; package = types.ModuleType('ostiary.audit'); import ostiary, os;"
        "package.__path__ = [os.path.join(ostiary.__path__[0], 'audit')]; sys.modules['ostiary.audit'] = package;"
        "import ostiary.audit.offline;"
        "print(sorted(n for n in sys.modules if n.partition('.')[0] in ('sqlalchemy', 'pydantic', 'fastapi', 'sqlite3')"
        " or n.startswith(('ostiary.core.db', 'ostiary.web', 'ostiary.settings', 'ostiary.wiring'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


async def test_nothing_that_is_no_export_passes(house: Ostiary) -> None:
    for text in (b"", b"\n", b"{}\n", b"[]\n" * 3, b"\xff\xfe", b"null\n", b"x" * 100, b"{" * 100_000):
        verdict = await asyncio.to_thread(verified, house, text)
        assert not verdict.ok
