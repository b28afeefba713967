"""R5: what a breached password costs to look for. Measured in this process: there is no server in it."""

from __future__ import annotations

import os
import time
from array import array
from binascii import hexlify
from pathlib import Path
from statistics import median

from bench.plan import Plan
from bench.report import Figure, Row, Show
from ostiary.passwords.breaches.build import build
from ostiary.passwords.breaches.build import measure as mistakes
from ostiary.passwords.breaches.filter import Bits, Filter, key_of
from ostiary.passwords.breaches.service import SHIPPED

ENTRIES = 1_000_000
ASKED = 20_000
ROUNDS = 7
PASSWORD = "correct horse battery"


def measure(folder: Path, plan: Plan, show: Show) -> None:
    """Build filters from a list of random hashes, and ask them."""
    source = _list(folder / "list", ENTRIES)
    sizes: tuple[Bits, ...] = (16, 8)
    for bits in sizes:
        show(_row(source, folder / f"{bits}.filter", bits))
    shipped = Filter(SHIPPED)
    figures = (
        Figure("CPU us for a password, its SHA-1 included", median(_password_costs(shipped)), shown="{:.1f}"),
        Figure("KB of the file, held in memory by each process", shipped.facts.size / 1e3, shown="{:.0f}"),
    )
    show(Row("R5", f"the shipped filter: {shipped.facts.entries:,} passwords", figures))


def _list(path: Path, count: int) -> Path:
    """Write a list of so many hashes in order, as public ones are."""
    hashes = sorted(hexlify(os.urandom(20)).upper() for _ in range(count))
    path.write_bytes(b"".join(b"%s:%d\n" % (digest, 1 + number % 50) for number, digest in enumerate(hashes)))
    return path


def _row(source: Path, out: Path, bits: Bits) -> Row:
    begun = time.process_time()
    facts = build([source], out, bits=bits)
    built = time.process_time() - begun
    fresh = array("Q", os.urandom(8 * ASKED))
    first, again = [], []
    for _ in range(ROUNDS):
        opened = Filter(out)
        first.append(_cost(opened, fresh))
        again.append(_cost(opened, fresh[:1] * ASKED))
    mistaken, trials = mistakes(Filter(out))
    figures = (
        Figure("CPU us for a look-up, each of another key", median(first), shown="{:.1f}"),
        Figure("CPU us for a look-up, again of the same", median(again), shown="{:.1f}"),
        Figure("random keys taken for breached, of a million", 1e6 * mistaken / trials, shown="{:.0f}"),
        Figure("bytes for each entry", facts.size / facts.entries),
        Figure("entries built in a CPU second", facts.entries / built, shown="{:,.0f}"),
    )
    note = f"{1e6 / 2**bits:.0f} of a million are to be expected; {facts.shards} shards, read from the page cache"
    return Row("R5", f"filter of {ENTRIES:,} breached passwords, {bits} bits", figures, notes=(note,))


def _cost(opened: Filter, keys: array[int]) -> float:
    begun = time.process_time()
    for key in keys:
        key in opened  # noqa: B015 - the asking is what is measured
    return 1e6 * (time.process_time() - begun) / len(keys)


def _password_costs(opened: Filter) -> list[float]:
    costs = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _asked in range(ASKED):
            key_of(PASSWORD) in opened  # noqa: B015
        costs.append(1e6 * (time.process_time() - begun) / ASKED)
    return costs
