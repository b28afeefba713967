"""Hashing and checking passwords, bounded in time and memory, never on the event loop."""

from __future__ import annotations

import base64
import hmac
import os
import re
import secrets
import sys
import time
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, Protocol, Self, TypeVar

from argon2.low_level import Type
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ostiary.core.errors import Misconfigured, Unavailable
from ostiary.core.hash_formats import MOST_MEMORY_KIB, MOST_WEIGHT, PasswordHash, argon2, bcrypt, find
from ostiary.core.hash_formats.argon2 import DEFAULT_MEMORY_KIB, DEFAULT_PASSES, Argon2Hash, weight_of
from ostiary.core.hash_formats.pool import HashPool, PoolBounds
from ostiary.core.hash_formats.text import encode, is_stable, normalise, spellings
from ostiary.core.hash_formats.work_area import VERSION, Cost, derive

__all__ = ["Hasher", "HashingSettings", "Peppers", "Verdict", "hash_raw_calibration", "is_stable", "normalise"]

T = TypeVar("T")

_SALT_BYTES = 16
_TAG_BYTES = 32
_PEPPERED = re.compile(r"\$pepper\$(?P<key_id>[A-Za-z0-9_-]{1,64})(?P<phc>\$argon2id\$.+)")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class HashingSettings(BaseModel):
    """How passwords are hashed, and how much of that is taken on at a time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    memory_kib: int = Field(
        default=DEFAULT_MEMORY_KIB, ge=8, le=MOST_MEMORY_KIB,
        description="Argon2id memory in KiB; the defaults are those of the OWASP Password Storage Cheat Sheet.",
    )  # fmt: skip
    passes: int = Field(default=DEFAULT_PASSES, ge=1, le=1000, description="Argon2id passes.")
    lanes: int = Field(
        default=1, ge=1, le=64, description="Argon2id lanes, computed one after the other: the pool has the cores."
    )
    threads: int | None = Field(
        default=None, ge=1, le=256,
        description="Hash threads of this process; default one for each core. Several processes share the cores out.",
    )  # fmt: skip
    niceness: int = Field(
        default=19, ge=0, le=19, description="Added to the threads' priority value (Linux): requests go first."
    )
    longest_wait: timedelta = Field(
        default=timedelta(seconds=0.9), gt=timedelta(0), le=timedelta(seconds=30),
        description="How long admitted work may queue; with `hold` it bounds a sign-in under a flood.",
    )  # fmt: skip
    hold: timedelta = Field(
        default=timedelta(seconds=1), ge=timedelta(0), le=timedelta(seconds=30),
        description="How long a caller waits for room, at most, before it is refused.",
    )  # fmt: skip
    most_held: int = Field(default=1000, ge=0, le=100_000, description="Callers that may wait for room at one time.")

    @model_validator(mode="after")
    def _is_computable(self) -> Self:
        if self.memory_kib < 8 * self.lanes:
            raise ValueError("Argon2 needs 8 KiB of memory for each lane.")
        if weight_of(self.memory_kib, self.passes) > MOST_WEIGHT:
            raise ValueError(
                f"A hash may cost at most {MOST_WEIGHT:.0f} times the default: lower memory_kib or passes."
            )
        return self

    @property
    def cost(self) -> Cost:
        """The Argon2id parameters."""
        return Cost(Type.ID, VERSION, self.memory_kib, self.passes, self.lanes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one check.

    Attributes:
        matches: Whether the password is the right one.
        renewed_hash: The same password under today's cost and pepper, where it
            matched a stored form that is outdated; to be stored in its place.
    """

    matches: bool
    renewed_hash: str | None = field(default=None, repr=False)


class Peppers(Protocol):
    """Keys that are mixed into each hash and never stored beside it."""

    def current(self) -> tuple[str, bytes] | None:
        """Return id and key for new hashes, or None to hash without."""

    def find(self, key_id: str) -> bytes | None:
        """Return the key with this id, as long as hashes may carry it."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """A stored string, understood; `form` is None where nothing can match it."""

    form: PasswordHash | None
    pepper: bytes | None = field(repr=False)
    is_outdated: bool


@dataclass(frozen=True, slots=True)
class _Recipe:
    """All that a hash thread needs to make a new hash: nothing is looked up there."""

    cost: Cost
    key_id: str | None
    pepper: bytes | None = field(repr=False)

    def make(self, password: str) -> str:
        octets = encode(normalise(password))
        secret = octets if self.pepper is None else _peppered(self.pepper, octets)
        phc = str(argon2.create(secret, secrets.token_bytes(_SALT_BYTES), self.cost, _TAG_BYTES))
        return phc if self.key_id is None else f"$pepper${self.key_id}{phc}"


_promised: ContextVar[tuple[HashPool | None, Any]] = ContextVar("promised", default=(None, None))


class Hasher:
    """Makes and checks password hashes, in threads of its own.

    Every check costs about as much time as one of a current hash, whatever is
    stored: what is unknown, malformed or cheap is made up for (R7).
    """

    def __init__(self, settings: HashingSettings, peppers: Peppers | None = None) -> None:
        self._settings = settings
        self._peppers = peppers
        self._weight = weight_of(settings.memory_kib, settings.passes)
        self._nobody = Argon2Hash(settings.cost, secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_TAG_BYTES))
        self._pool = HashPool(
            PoolBounds(
                threads=settings.threads or _cores(),
                niceness=settings.niceness,
                longest_wait=settings.longest_wait.total_seconds(),
                hold=settings.hold.total_seconds(),
                most_held=settings.most_held,
                area_kib=settings.memory_kib,
            )
        )
        weakref.finalize(self, self._pool.end)

    @property
    def decoy(self) -> str:
        """A hash at today's cost and pepper that no password opens: its tag is 256 random bits."""
        recipe = self._recipe()
        return str(self._nobody) if recipe.key_id is None else f"$pepper${recipe.key_id}{self._nobody}"

    @property
    def capacity(self) -> int:
        """Hash threads of this process."""
        return self._pool.bounds.threads

    @property
    def waiting(self) -> int:
        """Jobs that are admitted and not begun."""
        return self._pool.waiting

    @property
    def running(self) -> int:
        """Jobs that are being computed."""
        return self._pool.running

    @property
    def held(self) -> int:
        """Callers that wait for room."""
        return self._pool.held

    @property
    def refused(self) -> int:
        """Callers refused since the start."""
        return self._pool.refused

    @property
    def load(self) -> float:
        """Work admitted and not finished, in default hashes."""
        return self._pool.load

    @property
    def expected_wait(self) -> float:
        """Seconds until work that is admitted now would begin."""
        return self._pool.expected_wait

    @property
    def seconds_per_hash(self) -> float:
        """Moving average of the time that one of today's hashes takes a thread, in seconds."""
        return self._pool.unit_seconds * self._weight

    async def calibrate(self) -> float:
        """Measure one of today's hashes for the estimate of waiting times; return its seconds.

        Worth calling at start: until the first measurement the estimate is an assumption.

        Raises:
            TooBusy: The pool is full.
        """
        seconds = await self._compute(partial(hash_raw_calibration, self._settings), 3 * self._weight)
        self._pool.measured(seconds / self._weight)
        return seconds

    async def hash(self, password: str) -> str:
        """Return the string to store for a new password.

        Raises:
            TooBusy: The pool is full; says when to come back.
            Unavailable: There is no memory for it, or the hasher is closed.
        """
        return await self._compute(partial(self._recipe().make, password), self._weight)

    async def verify(self, stored: str, password: str) -> Verdict:
        """Say whether the password opens the stored hash, and renew that if it is outdated.

        A string that is unknown, malformed, out of bounds or under an unknown
        pepper never matches, and never raises.

        Raises:
            TooBusy: The pool is full; says when to come back.
            Unavailable: There is no memory for it, or the hasher is closed.
        """
        recipe = self._recipe()
        reading = self._read(stored, recipe)
        tried = spellings(password) if reading.pepper is None else spellings(password)[:1]
        weight = self._weight
        if reading.form is not None:
            weight = max(weight, reading.form.weight * len(tried) + (self._weight if reading.is_outdated else 0))
        return await self._compute(partial(_check, reading, tried, password, recipe), weight)

    async def hash_bcrypt(self, secret: str, rounds: int) -> str:
        """Return the bcrypt string of a secret of our own making, where rules demand that form.

        Raises:
            TooBusy: The pool is full; says when to come back.
            Unavailable: The hasher is closed.
        """
        return await self._compute(partial(bcrypt.create, secret.encode("ascii"), rounds), bcrypt.weight_of(rounds))

    async def matches(self, stored: str, secret: str) -> bool:
        """Say whether a secret of our own making opens a stored hash; unlike `verify`, make up for no time.

        Raises:
            TooBusy: The pool is full; says when to come back.
            Unavailable: There is no memory for it, or the hasher is closed.
        """
        reading = self._read(stored, self._recipe())
        if reading.form is None:
            return False
        octets = encode(secret) if reading.pepper is None else _peppered(reading.pepper, encode(secret))
        return await self._compute(partial(reading.form.matches, octets), reading.form.weight)

    def is_outdated(self, stored: str) -> bool:
        """Say whether a stored hash is of another form, cost or pepper than a new one would be."""
        return self._read(stored, self._recipe()).is_outdated

    def open(self) -> None:
        """Take work again after `close`, as when a program opens its house twice."""
        self._pool.begin_again()

    async def close(self) -> None:
        """Refuse what has not begun, and wait for what has."""
        self._pool.end()
        await self._pool.left()

    @asynccontextmanager
    async def admitted(self, *, first: bool = False) -> AsyncIterator[None]:
        """Promise whoever is inside room for one hash, before anything is done for them (D7).

        A flood is turned away here, where it costs next to nothing; the first
        hash computed inside uses the promise, and what is not used goes back.

        Args:
            first: Goes before those who wait for room, as a browser does that was signed in before.

        Raises:
            TooBusy: The pool is full; says when to come back.
            Unavailable: The hasher is closed.
        """
        promise = await self._pool.reserve(self._weight, first=first)
        token = _promised.set((self._pool, promise))
        try:
            yield
        finally:
            _promised.reset(token)
            self._pool.give_back(promise)

    async def _compute(self, job: Callable[[], T], weight: float) -> T:
        pool, promise = _promised.get()
        try:
            return await self._pool.run(job, weight, promise if pool is self._pool else None)
        except MemoryError:
            raise Unavailable(retry_after=1) from None

    def _recipe(self) -> _Recipe:
        current = self._peppers.current() if self._peppers else None
        if current is None:
            return _Recipe(self._settings.cost, None, None)
        if not _KEY_ID.fullmatch(current[0]):
            raise Misconfigured("The id of a pepper may hold 1 to 64 letters, digits, - and _ only.")
        return _Recipe(self._settings.cost, *current)

    def _read(self, stored: str, recipe: _Recipe) -> _Reading:
        key_id: str | None = None
        pepper: bytes | None = None
        peppered = _PEPPERED.fullmatch(stored)
        if peppered is None:
            form = find(stored)
        else:
            key_id = peppered["key_id"]
            pepper = self._peppers.find(key_id) if self._peppers else None
            form = find(peppered["phc"]) if pepper is not None else None
        is_ours = (
            isinstance(form, Argon2Hash)
            and form.cost == recipe.cost
            and len(form.salt) == _SALT_BYTES
            and len(form.tag) == _TAG_BYTES
            and not stored.startswith("argon2$")  # Django's spelling of the same
        )
        return _Reading(form, pepper, is_outdated=not is_ours or key_id != recipe.key_id)


def hash_raw_calibration(settings: HashingSettings | None = None, rounds: int = 3) -> float:
    """Return the seconds that one hash takes the calling thread: the best of some.

    The best, because whatever else the machine does can only add to it. Blocks.
    """
    cost = (settings or HashingSettings()).cost
    salt = secrets.token_bytes(_SALT_BYTES)
    best = float("inf")
    for _ in range(rounds):
        begun = time.perf_counter()
        derive(b"calibration", salt, cost, _TAG_BYTES)
        best = min(best, time.perf_counter() - begun)
    return best


def _check(reading: _Reading, tried: tuple[bytes, ...], password: str, recipe: _Recipe) -> Verdict:
    """Compute one verdict; runs in a hash thread."""
    form = reading.form
    if form is None:
        _make_up(recipe.cost, 0)
        return Verdict(matches=False)
    for attempt, octets in enumerate(tried):
        if form.matches(octets if reading.pepper is None else _peppered(reading.pepper, octets)):
            # Matched as typed only: the new hash is over the normal form.
            renew = reading.is_outdated or attempt > 0
            return Verdict(matches=True, renewed_hash=recipe.make(password) if renew else None)
    _make_up(recipe.cost, form.weight * len(tried))
    return Verdict(matches=False)


def _make_up(cost: Cost, spent: float) -> None:
    """Spend what is missing to a current hash, by less memory: no account is told by its old, quick one."""
    missing = 1 - spent / weight_of(cost.memory_kib, cost.passes)
    memory_kib = int(cost.memory_kib * missing)
    if memory_kib >= 8 * cost.lanes:
        rest = Cost(cost.kind, cost.version, memory_kib, cost.passes, cost.lanes)
        derive(b"made up", bytes(_SALT_BYTES), rest, _TAG_BYTES)


def _peppered(pepper: bytes, octets: bytes) -> bytes:
    return base64.b64encode(hmac.digest(pepper, octets, "sha256"))


def _cores() -> int:
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))  # what a container or taskset leaves us
    else:
        cores = os.cpu_count() or 1
    return cores
