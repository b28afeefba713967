"""The life of keys: made, published, used, retired, destroyed."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from ostiary.client.keys import Algorithm, KnownKeys, SigningKey, VerifyingKey
from ostiary.core.clock import Millis, millis
from ostiary.core.crypto import Unsealable
from ostiary.core.errors import Misconfigured, Problem
from ostiary.core.keyring import PURPOSES, Key, KeyMissing, KeyRing, Purpose
from ostiary.keys import queries

if TYPE_CHECKING:
    from ostiary.core.caller import Caller
    from ostiary.core.crypto import Wrapper
    from ostiary.core.db import Database, Unit
    from ostiary.core.signals import Signals
    from ostiary.keys.queries import StoredKey
    from ostiary.keys.root import RootSecret
    from ostiary.keys.settings import KeySettings

log = logging.getLogger(__name__)

KEPT_AFTER_RETIREMENT: dict[Purpose, timedelta | None] = {
    "signing": timedelta(hours=1),  # an access token lives 15 minutes
    "mac": timedelta(days=31),  # the longest that an idle cookie or refresh token lives
    "index": timedelta(days=31),
    "data": None,  # opens what it sealed until that is sealed anew
    "journal": None,  # proves the past for as long as there is one
    "checkpoint": None,  # its public half verifies old checkpoints for ever
    "pepper": None,  # hashes made with it wait for their owners' next sign-in
    "apikey": None,  # a program may show its key once a year
}


TRIES = 3
"""How often root secret and stored keys are read together, for both may be replaced in between."""


class NoSuchKey(Problem):
    """No living key has that id."""

    slug = "no-such-key"
    title = "There is no living key with that id."
    status = 404


class KeyStillNeeded(Problem):
    """Killing a key that seals data would destroy the data, or the proof of the journal, with it."""

    slug = "key-still-needed"
    title = "What this key sealed or proved is still needed. Rotate it instead: then it only reads."
    status = 409


class Keys:
    """Keeps the stored keys and the ring in memory in step.

    Every process holds all living keys; which one is current follows from the
    clock and each key's published timeline, so a rotation needs no meeting.
    """

    def __init__(
        self, database: Database, ring: KeyRing, signals: Signals, root: RootSecret, settings: KeySettings
    ) -> None:
        self._database = database
        self._ring = ring
        self._signals = signals
        self.root = root
        self._wrapper = root.wrapper
        self._settings = settings
        self._purposes = tuple(purpose for purpose in PURPOSES if purpose != "pepper" or settings.pepper)
        self._signers: dict[str, SigningKey] = {}
        self._listeners: list[Callable[[], None]] = []
        self._heard = self._loaded = 0
        self._look_again_at: Millis = 0
        signals.on("keys", self._hear)
        ring.refill = self.reload

    @property
    def is_stale(self) -> bool:
        """Whether the keys have changed since they were read."""
        return self._heard != self._loaded

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever the living keys have changed."""
        self._listeners.append(listener)

    async def open(self, caller: Caller) -> None:
        """Load the keys; at the very first start, make one for each purpose.

        Raises:
            Misconfigured: The root secret is not the one that sealed them.
        """
        for is_last in (False, True):
            await self.settle()
            try:
                async with self._database.unit(caller) as unit:
                    await unit.lock("keys")  # two first starts at once: the second finds the keys of the first
                    await self._load(await unit.all(queries.ALL))
                    await self._complete(unit)
            except Misconfigured:  # the root secret was replaced while we waited for the lock
                if is_last:
                    raise
            else:
                return

    async def reload(self) -> None:
        """Read the keys anew, as after a signal; they stay stale for everybody until that has succeeded."""
        heard = self._heard
        stored = await self._database.all(queries.ALL)
        if not _opens(self._wrapper, stored):
            stored = await self._look_for_root()
        await self._load(stored)
        self._loaded = heard

    async def settle(self, *, move: bool = True) -> list[StoredKey]:
        """Find the root secret that opens the stored keys, which may have been replaced; return those keys.

        Args:
            move: Finish a replacement that was interrupted after its commit.

        Raises:
            Misconfigured: None opens them.
        """
        for _ in range(TRIES):
            stored = await self._database.all(queries.ALL)
            for wrapper, is_waiting in await asyncio.to_thread(self.root.candidates):
                if _opens(wrapper, stored):
                    if is_waiting and move:
                        await asyncio.to_thread(self.root.settle)
                    self._wrapper = wrapper
                    return stored
        raise Misconfigured(
            "keys.root_secret does not open the stored keys: start with the root secret of this database"
        )

    async def replace(self, unit: Unit, under: Wrapper) -> list[Key]:
        """Replace every key as part of a unit, and seal all that stay under another root secret.

        What signs and proves (`signing`, `mac`, `index`) dies at once and is
        new at once. What sealed data or proved the journal goes on reading; its
        successor is published first, as in a rotation. Call `adopt` after the commit.

        Raises:
            Unsealable: The root secret was replaced in between: nothing is changed.
        """
        await unit.lock("keys")
        made = []
        for purpose in self._purposes:
            if KEPT_AFTER_RETIREMENT[purpose] is None:
                made.append(await self._succeed(unit, purpose))
                continue
            for key in await unit.all(queries.ALL):
                if key.purpose == purpose and await unit.run(queries.KILL, key_id=key.id, now=unit.now):
                    unit.note("key.killed", key=key.id)
            made.append(self._made(purpose, unit.now, unit.now))
            await self._store(unit, made[-1])
        for key in await unit.all(queries.ALL):
            if key.sealed:
                context = f"keys {key.id} {key.purpose}"
                sealed = under.seal(self._wrapper.open(key.sealed, context), context)
                await unit.run(queries.REWRAP, key_id=key.id, sealed_anew=sealed)
        return made

    async def adopt(self, under: Wrapper) -> None:
        """Go on under another root secret, once the keys sealed under it are committed."""
        self._wrapper = under
        await self.reload()

    async def ensure_fresh(self) -> None:
        """See that the ring holds what is stored now.

        Raises:
            DatabaseUnavailable: Nobody can say (D14).
        """
        if not self._signals.is_fresh():
            await self._signals.refresh()
        if self.is_stale:
            await self.reload()

    async def rotate(self, caller: Caller, purposes: tuple[Purpose, ...] = ()) -> list[Key]:
        """Publish a successor for each purpose, by default all; it takes over once every client can know it.

        Nobody is signed out: what the predecessor made stays good for as long as it would have lived.
        """
        async with self._database.unit(caller) as unit:
            await unit.lock("keys")
            made = [await self._succeed(unit, purpose) for purpose in purposes or self._purposes]
        await self.reload()
        return made

    async def kill(self, caller: Caller, key_id: str) -> None:
        """Destroy a compromised key at once; what it made proves nothing any more.

        If no other of its purpose is active, a new one is at once.

        Raises:
            NoSuchKey: No living key has that id.
            KeyStillNeeded: It seals data or proves the journal: rotate it instead.
        """
        try:
            async with self._database.unit(caller) as unit:
                await unit.lock("keys")
                doomed = next((key for key in await unit.all(queries.ALL) if key.id == key_id), None)
                if doomed is not None and KEPT_AFTER_RETIREMENT[doomed.purpose] is None:  # type: ignore[index]
                    raise KeyStillNeeded
                if not await unit.run(queries.KILL, key_id=key_id, now=unit.now):
                    raise NoSuchKey
                unit.note("key.killed", key=key_id)
                unit.signal("keys", key_id)
                await self._load(await unit.all(queries.ALL))
                await self._complete(unit)
        finally:
            await self.reload()  # after a failed commit, too: the ring must hold what is stored

    async def tend(self, caller: Caller) -> None:
        """Do what the schedule asks: replace keys of age, wipe the dead; safe in every process at once."""
        await self.ensure_fresh()
        now = self._database.clock.now()
        for purpose in self._purposes:
            youngest = max((key.activates_at for key in self._ring.living(purpose, now)), default=0)
            if now - youngest > millis(self._settings.rotate_every):
                await self._rotate_if_still_due(caller, purpose, youngest)
        await self._database.run(queries.WIPE, now=now)

    def signer(self) -> SigningKey:
        """Return the key that signs access tokens now."""
        return self._signing(self._ring.current("signing", self._database.clock.now()))

    def find(self, key_id: str) -> VerifyingKey | None:
        """Return the key that verifies what this id signed, if it lives."""
        key = self._ring.find("signing", key_id, self._database.clock.now())
        return self._signing(key).verifying if key else None

    def jwks(self) -> dict[str, object]:
        """Return the public keys as a JWK Set (RFC 7517), those to come included."""
        living = self._ring.living("signing", self._database.clock.now())
        return {"keys": [self._signing(key).verifying.to_jwk() for key in living]}

    def checkpoint_signer(self) -> SigningKey:
        """Return the key that signs the journal's checkpoints and exports now; never in the JWKS."""
        return self._signing(self._ring.current("checkpoint", self._database.clock.now()))

    def checkpoint_keys(self) -> KnownKeys:
        """Return the keys that verify checkpoints, those of long ago included."""
        return KnownKeys(*self._checkpoint_keys())

    def checkpoint_jwks(self) -> dict[str, object]:
        """Return the public keys of checkpoints as a JWK Set, for who verifies without this house."""
        return {"keys": [key.to_jwk() for key in self._checkpoint_keys()]}

    async def listed(self) -> list[StoredKey]:
        """Return every key as stored, destroyed ones included, oldest first."""
        return await self._database.all(queries.ALL)

    async def _rotate_if_still_due(self, caller: Caller, purpose: Purpose, youngest: Millis) -> None:
        async with self._database.unit(caller) as unit:
            await unit.lock("keys")
            stored = [key for key in await unit.all(queries.ALL) if key.purpose == purpose and key.sealed]
            if max((key.activates_at for key in stored), default=0) != youngest:
                return  # another process was quicker
            await self._succeed(unit, purpose)
        await self.reload()

    async def _complete(self, unit: Unit) -> None:
        """See that each purpose has an active key, and one whose end is not set."""
        for purpose in self._purposes:
            living = self._ring.living(purpose, unit.now)
            active = [key for key in living if key.state(unit.now) == "active"]
            if active and any(key.retires_at is None for key in living):
                continue
            # Published before use where time allows; a successor that was killed leaves its predecessor's end set.
            ends = max((key.retires_at or unit.now for key in active), default=unit.now)
            key = self._made(purpose, unit.now, min(ends, unit.now + millis(self._settings.publish_ahead)))
            self._ring.replace([*self._held(unit.now), key])
            await self._store(unit, key)

    async def _succeed(self, unit: Unit, purpose: Purpose) -> Key:
        takes_over_at = unit.now + millis(self._settings.publish_ahead)
        key = self._made(purpose, unit.now, takes_over_at)
        await self._store(unit, key)
        await self._retire_others(unit, key, takes_over_at)
        return key

    async def _look_for_root(self) -> list[StoredKey]:
        """Look for a replaced root secret where this one came from; once a second, for that may start a program."""
        now = self._database.clock.now()
        if now < self._look_again_at:
            raise KeyMissing
        self._look_again_at = now + 1000
        try:
            stored = await self.settle(move=False)
        except Misconfigured:
            log.error("the keys are sealed under another root secret: put it where this one came from")  # noqa: TRY400
            raise KeyMissing from None  # until it is there, or this process is started with it (D14)
        log.warning("the root secret was replaced, and is taken up")
        return stored

    def _hear(self, _: str) -> None:
        self._heard += 1

    async def _load(self, stored: list[StoredKey]) -> None:
        now = self._database.clock.now()
        alive = [key for key in stored if key.sealed and not (key.expires_at is not None and key.expires_at <= now)]
        try:
            keys = [
                Key(
                    key.id, key.purpose, key.algorithm, self._wrapper.open(key.sealed, f"keys {key.id} {key.purpose}"),
                    key.published_at, key.activates_at, key.retires_at, key.expires_at,
                )
                for key in alive
            ]  # fmt: skip
        except Unsealable:
            raise Misconfigured(
                "keys.root_secret does not open the stored keys: start with the root secret of this database"
            ) from None
        self._ring.replace(keys)
        self._signers = {key.id: self._signers[key.id] for key in keys if key.id in self._signers}
        for listener in self._listeners:
            listener()

    def _held(self, now: Millis) -> list[Key]:
        return [key for purpose in PURPOSES for key in self._ring.living(purpose, now)]

    def _made(self, purpose: Purpose, published_at: Millis, activates_at: Millis) -> Key:
        if purpose == "signing":
            signing = _typeable(self._settings.algorithm)
            algorithm: str = signing.algorithm
            key_id, material = signing.key_id, signing.to_bytes()
        elif purpose == "checkpoint":
            signing = _typeable("EdDSA")  # small, and no random number that could go wrong
            algorithm, key_id, material = signing.algorithm, signing.key_id, signing.to_bytes()
        else:
            algorithm, key_id, material = "HKDF-SHA256", f"{purpose[0]}{secrets.token_hex(5)}", secrets.token_bytes(32)
        return Key(key_id, purpose, str(algorithm), material, published_at, activates_at, None, None)

    async def _store(self, unit: Unit, key: Key) -> None:
        await unit.run(
            queries.ADD, id=key.id, purpose=key.purpose, algorithm=key.algorithm,
            sealed=self._wrapper.seal(key.material, f"keys {key.id} {key.purpose}"), published_at=key.published_at,
            activates_at=key.activates_at, retires_at=None, expires_at=None,
        )  # fmt: skip
        unit.note("key.published", key=key.id, purpose=key.purpose, activates_at=key.activates_at)
        unit.signal("keys", key.id)

    async def _retire_others(self, unit: Unit, successor: Key, at: Millis) -> None:
        purpose: Purpose = successor.purpose  # type: ignore[assignment]
        kept = KEPT_AFTER_RETIREMENT[purpose]
        await unit.run(
            queries.RETIRE_OTHERS, of_purpose=purpose, successor=successor.id, retire_at=at,
            expire_at=None if kept is None else at + millis(kept),
        )  # fmt: skip

    def _checkpoint_keys(self) -> list[VerifyingKey]:
        living = self._ring.living("checkpoint", self._database.clock.now())
        return [self._signing(key).verifying for key in living]

    def _signing(self, key: Key) -> SigningKey:
        found = self._signers.get(key.id)
        if found is None:
            found = SigningKey.from_bytes(key.id, key.algorithm, key.material)  # type: ignore[arg-type]
            self._signers[key.id] = found
        return found


def _opens(wrapper: Wrapper, stored: list[StoredKey]) -> bool:
    """Return whether the stored keys are sealed under this root secret; they are all sealed under one."""
    for key in stored:
        if key.sealed:
            try:
                wrapper.open(key.sealed, f"keys {key.id} {key.purpose}")
            except Unsealable:
                return False
            return True
    return True


def _typeable(algorithm: Algorithm) -> SigningKey:
    """Return a new key whose id can be typed: a dash in front is an option, and `key kill -h…` would print its help."""
    while (made := SigningKey.generate(algorithm)).key_id.startswith("-"):
        pass
    return made
