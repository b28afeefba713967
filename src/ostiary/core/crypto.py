"""Envelope encryption: the root secret wraps keys, keys seal data, each account has a data key of its own."""

from __future__ import annotations

import hmac
import os
from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import bindparam, insert, select

from ostiary.core.db import Query
from ostiary.core.keyring import KeyRing
from ostiary.core.secrets import derived
from ostiary.core.tables import account_keys

if TYPE_CHECKING:
    from ostiary.core.clock import Clock
    from ostiary.core.db import Unit

NONCE_BYTES = 12
KEPT_ACCOUNT_KEYS = 10_000


class Unsealable(Exception):  # noqa: N818 - reads as what it says
    """A sealed value was changed, moved to another place, or its key is gone."""


class Wrapper:
    """Seals under one key: AES-256-GCM, a random nonce for each value (ASVS 11.3).

    The context (table, row, column) is authenticated with the value, so a
    sealed value copied to another place does not open there.
    """

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Return nonce and ciphertext."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plaintext, context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed.

        Raises:
            Unsealable: Not sealed by this key for this context.
        """
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as wrong:
            raise Unsealable(context.partition(" ")[0]) from wrong


class Sealer:
    """Seals under the current data key; the key's id stands before the value (crypto agility, ASVS 11.2.2)."""

    def __init__(self, ring: KeyRing, clock: Clock) -> None:
        self._ring = ring
        self._clock = clock
        self._wrappers: dict[str, Wrapper] = {}

    def seal(self, plaintext: bytes, context: str) -> bytes:
        """Return `id length | id | nonce | ciphertext`."""
        key = self._ring.current("data", self._clock.now())
        name = key.id.encode()
        return bytes([len(name)]) + name + self._wrapper(key.id, key.material).seal(plaintext, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed.

        Raises:
            Unsealable: Changed, moved, or its key is gone.
        """
        length = sealed[0] if sealed else 0
        key = self._ring.find("data", sealed[1 : 1 + length].decode("ascii", "replace"), self._clock.now())
        if key is None:
            raise Unsealable("no such data key")
        return self._wrapper(key.id, key.material).open(sealed[1 + length :], context)

    def is_current(self, sealed: bytes) -> bool:
        """Return whether a value lies under the current data key; if not, seal it anew, so that an older one can go."""
        name = self._ring.current("data", self._clock.now()).id.encode()
        return sealed[: 1 + len(name)] == bytes([len(name)]) + name

    def marks(self, purpose: str, text: str) -> list[bytes]:
        """Return keyed digests of a text, that of the current key first, then those of all others.

        For what must be known again for longer than an index key lives: data keys do not die of age.
        """
        now = self._clock.now()
        current = self._ring.current("data", now)  # not the youngest: other processes may not have that one yet
        keys = [current, *(key for key in self._ring.living("data", now) if key.id != current.id)]
        message = text.encode("utf-8", "surrogatepass")
        return [hmac.digest(derived(key.material, f"mark {purpose}"), message, "sha256") for key in keys]

    def _wrapper(self, key_id: str, material: bytes) -> Wrapper:
        found = self._wrappers.get(key_id)
        if found is None:
            found = self._wrappers[key_id] = Wrapper(derived(material, "data"))
        return found


class StoredKey(msgspec.Struct, frozen=True):
    """An account's data key, sealed."""

    sealed: bytes


ADD_KEY = Query(insert(account_keys).values(account_id=bindparam("account_id"), sealed=bindparam("sealed")))
FIND_KEY = Query(
    select(account_keys.c.sealed).where(account_keys.c.account_id == bindparam("account_id")),
    StoredKey,
)


class AccountKeys:
    """A data key for each account; destroying it erases what it sealed (D12)."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._kept: OrderedDict[str, Wrapper] = OrderedDict()
        self._forgotten = 0

    async def create(self, unit: Unit, account_id: str) -> None:
        """Make the key of a new account; goes with the account's row by cascade."""
        material = os.urandom(32)
        await unit.run(ADD_KEY, account_id=account_id, sealed=self._sealer.seal(material, f"account_keys {account_id}"))
        self._keep(account_id, Wrapper(material))

    async def find(self, unit: Unit, account_id: str) -> Wrapper | None:
        """Return what seals for this account, or None if the account is erased or unknown."""
        kept = self._kept.get(account_id)
        if kept is not None:
            self._kept.move_to_end(account_id)
            return kept
        before = self._forgotten
        stored = await unit.find(FIND_KEY, account_id=account_id)
        if stored is None:
            return None
        wrapper = Wrapper(self._sealer.open(stored.sealed, f"account_keys {account_id}"))
        # An account erased while we read must not stay in memory.
        return self._keep(account_id, wrapper) if before == self._forgotten else wrapper

    def forget(self, account_id: str) -> None:
        """Drop the copy in memory."""
        self._forgotten += 1
        self._kept.pop(account_id, None)

    def _keep(self, account_id: str, wrapper: Wrapper) -> Wrapper:
        self._kept[account_id] = wrapper
        while len(self._kept) > KEPT_ACCOUNT_KEYS:
            self._kept.popitem(last=False)
        return wrapper
