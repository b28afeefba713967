"""The journal: append-only, hash-chained in strands, written in the transaction of what it tells."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, func, insert, select

from ostiary.core.chain import BREAK, GENESIS, Entry, link
from ostiary.core.db import Duplicate, Insert, Query
from ostiary.core.db.unit import Note
from ostiary.core.errors import Unavailable
from ostiary.core.secrets import derived
from ostiary.core.tables import journal, journal_strands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ostiary.core.clock import Clock
    from ostiary.core.crypto import AccountKeys, Sealer
    from ostiary.core.db import Unit
    from ostiary.core.keyring import KeyRing

__all__ = [
    "BREAK", "FIND_HEAD", "GENESIS", "REGISTER", "Base", "Entry", "Head", "Journal", "JournalBlocked", "JournalBroken",
    "link",
]  # fmt: skip

REGISTER = -1
"""The pseudo-strand whose row says how many strands there are, so that none can vanish whole."""


HEAD, BASE = "journal head", "journal base"
"""What a MAC is for: an old end of a strand must not pass for a place where it begins."""

Mark = tuple[int, int, bytes]
"""Strand, number, chain value."""


class JournalBlocked(Unavailable):
    """An entry that this house did not write stands where the next one belongs (D14: closed)."""

    slug = "journal-blocked"
    title = "The service cannot keep its journal right now. Please try again later."


class JournalBroken(Unavailable):
    """What must be vouched for was not written by this house, so nothing is signed or deleted (D14: closed)."""

    slug = "journal-broken"
    title = "The journal is not as this house wrote it, so nothing was done with it."


class Head(msgspec.Struct, frozen=True):
    """The end of a strand: how many entries, and the chain value of the last."""

    strand: int
    entries: int
    head: bytes
    key_id: str
    mac: bytes


class Base(msgspec.Struct, frozen=True):
    """Where a strand begins since old entries were deleted: the first kept position, and the chain before it."""

    strand: int
    position: int
    chain: bytes
    key_id: str
    mac: bytes


ADD_ENTRY = Query(insert(journal).values({column.name: bindparam(column.name) for column in journal.columns}))
FIND_HEAD = Query(select(journal_strands).where(journal_strands.c.strand == bindparam("strand")), Head)


class Last(msgspec.Struct, frozen=True):
    """The highest number in use, or None."""

    number: int | None


LAST_POSITION = Query(
    select(func.max(journal.c.position).label("number")).where(journal.c.strand == bindparam("strand")), Last
)
LAST_STRAND = Query(select(func.max(journal_strands.c.strand).label("number")), Last)


def _put_head(insert: Insert) -> Any:  # noqa: ANN401 - a Core statement
    values: dict[str, Any] = {column.name: bindparam(column.name) for column in journal_strands.columns}
    statement = insert(journal_strands).values(values)
    changed = {name: statement.excluded[name] for name in ("entries", "head", "key_id", "mac")}
    return statement.on_conflict_do_update(index_elements=["strand"], set_=changed)


PUT_HEAD = Query(_put_head)


class Journal:
    """Fills the journal from the notes of each unit.

    A strand belongs to one transaction at a time (SQLite has one writer and one
    strand; on PostgreSQL each connection claims its own), so nobody waits for
    another's chain. The end of each strand carries a MAC: cutting entries off
    the end shows, too.
    """

    def __init__(self, ring: KeyRing, clock: Clock, sealer: Sealer, account_keys: AccountKeys) -> None:
        self._ring = ring
        self._clock = clock
        self._sealer = sealer
        self._account_keys = account_keys
        self._derived: dict[tuple[str, str], bytes] = {}
        self.on_break: Callable[[Unit, list[str]], Awaitable[None]] | None = None
        """Told, in the unit that goes on, which parts were found not to be this house's own; may add notes."""

    async def flush(self, unit: Unit) -> None:
        """Append the unit's notes; the last thing before its commit."""
        if not unit.notes:
            return
        told = [(note, await self._sealed(unit, note)) for note in unit.notes]
        strand: int = await unit.transaction.strand()
        position, chain, broken = await self._end(unit, strand)
        if broken and self.on_break is not None:
            known = len(unit.notes)
            await self.on_break(unit, broken)
            told += [(note, await self._sealed(unit, note)) for note in unit.notes[known:]]
        told[:0] = [(Note(BREAK, None, None, {"what": what}, {}), None) for what in broken]
        for note, private in told:
            details = note.details if unit.caller.key_id is None else note.details | {"by_key": unit.caller.key_id}
            entry = Entry(
                strand, position, unit.now, note.action, note.account_id, note.session_id or unit.caller.session_id,
                unit.caller.request_id, msgspec.json.encode(details, order="sorted").decode(), private, b"",
            )  # fmt: skip
            chain = link(chain, entry)
            try:
                await unit.run(ADD_ENTRY, **msgspec.structs.asdict(entry) | {"chain": chain})
            except Duplicate:
                raise JournalBlocked from None
            position += 1
        await self._put_head(unit, strand, position, chain)

    async def is_genuine(self, head: Head) -> bool:
        """Return whether this house wrote the end of that strand."""
        return await self._proves(HEAD, head.key_id, (head.strand, head.entries, head.head), head.mac)

    async def is_genuine_base(self, base: Base) -> bool:
        """Return whether this house said that the strand begins there."""
        return await self._proves(BASE, base.key_id, (base.strand, base.position, base.chain), base.mac)

    def base(self, strand: int, position: int, chain: bytes) -> Base:
        """Return the statement that a strand begins there, with its MAC under the current key."""
        key = self._ring.current("journal", self._clock.now())
        mac = self._mac(BASE, key.id, key.material, (strand, position, chain))
        return Base(strand, position, chain, key.id, mac)

    async def unsealed(self, unit: Unit, entry: Entry) -> dict[str, str] | None:
        """Return what is personal in an entry, or None once the account is erased."""
        if entry.sealed is None:
            return {}
        context = f"journal {entry.request_id} {entry.action}"
        if entry.account_id is None:
            plain = self._sealer.open(entry.sealed, context)
        else:
            wrapper = await self._account_keys.find(unit, entry.account_id)
            if wrapper is None:
                return None
            plain = wrapper.open(entry.sealed, context)
        return msgspec.json.decode(plain, type=dict[str, str])

    async def _sealed(self, unit: Unit, note: Note) -> bytes | None:
        private = dict(note.private)
        if unit.caller.address:
            private["address"] = unit.caller.address
        if unit.caller.agent:
            private["agent"] = unit.caller.agent
        if not private:
            return None
        plain = msgspec.json.encode(private)
        context = f"journal {unit.caller.request_id} {note.action}"
        if note.account_id is None:
            return self._sealer.seal(plain, context)
        wrapper = await self._account_keys.find(unit, note.account_id)
        return wrapper.seal(plain, context) if wrapper else None

    async def _end(self, unit: Unit, strand: int) -> tuple[int, bytes, list[str]]:
        """Return where the next entry goes, the chain it continues, and what was found broken.

        A forged end is never made genuine by going on from it: the chain itself
        then says for good what was found.
        """
        broken: list[str] = []
        end = await unit.find(FIND_HEAD, strand=strand)
        if end is None:
            await unit.lock("journal register")  # before a strand's first entry, and never again
            broken = await self._register(unit, strand)
            end = await unit.get(FIND_HEAD, strand=strand)
        if not broken and await self.is_genuine(end):
            return end.entries, end.head, []
        last = (await unit.get(LAST_POSITION, strand=strand)).number
        return 0 if last is None else last + 1, end.head, broken or ["head"]

    async def _register(self, unit: Unit, strand: int) -> list[str]:
        """Enter a strand into the register; return what was found broken."""
        known = await unit.find(FIND_HEAD, strand=REGISTER)
        last = (await unit.get(LAST_STRAND)).number
        is_genuine = last is None or (known is not None and await self.is_genuine(known))
        counted = (known.entries if known else 0) if is_genuine else (last or 0) + 1
        is_lost = False
        # A lower strand whose first transaction has not committed, or never will, must not look like a lost one.
        for number in range(min(counted, strand), strand + 1):
            if await unit.find(FIND_HEAD, strand=number) is None:
                is_lost |= number < counted
                await self._put_head(unit, number, 0, GENESIS)
        await self._put_head(unit, REGISTER, max(strand + 1, counted), GENESIS)
        if not is_genuine:
            return ["register"]
        return ["strand"] if is_lost else []

    async def _put_head(self, unit: Unit, strand: int, entries: int, chain: bytes) -> None:
        key = self._ring.current("journal", self._clock.now())
        mac = self._mac(HEAD, key.id, key.material, (strand, entries, chain))
        await unit.run(PUT_HEAD, strand=strand, entries=entries, head=chain, key_id=key.id, mac=mac)

    async def _proves(self, use: str, key_id: str, place: Mark, mac: bytes) -> bool:
        key = self._ring.find("journal", key_id, self._clock.now())
        if key is None:  # made by another process a moment ago?
            await self._ring.refill()
            key = self._ring.find("journal", key_id, self._clock.now())
        return key is not None and hmac.compare_digest(self._mac(use, key.id, key.material, place), mac)

    def _mac(self, use: str, key_id: str, material: bytes, place: Mark) -> bytes:
        key = self._derived.get((use, key_id))
        if key is None:
            key = self._derived[use, key_id] = derived(material, use)
        return hmac.digest(key, f"{place[0]}|{place[1]}|".encode() + place[2], "sha256")
