"""Status lists: which sessions' tokens are revoked, one bit each, for verifiers that ask now and then.

The form is that of the IETF's Token Status List (draft-ietf-oauth-status-list-17), as JWT.
"""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ostiary.client.jws import sign
from ostiary.client.strict import encode_base64url
from ostiary.revocation.errors import NoSuchList
from ostiary.sessions import LIST_SIZE

if TYPE_CHECKING:
    from ostiary.accounts import Accounts
    from ostiary.core.clock import Clock
    from ostiary.core.signals import Signals
    from ostiary.keys import Keys
    from ostiary.sessions import Minter, Moved, Sessions, Statuses

TYP: Final = "statuslist+jwt"
TTL_SECONDS: Final = 30
CACHED_SECONDS: Final = 10
"""How long caches on the way may keep a list; what a verifier has is older than the truth by this and its `ttl`."""

LIVES_SECONDS: Final = 300
LONGEST_KEPT: Final = 2.0
LONGEST_LIST: Final = 256 * 1024
"""Characters: a list in which every second bit is set does not compress."""


@dataclass(frozen=True, slots=True)
class Written:
    """A list as it was signed last."""

    token: bytes
    at: float


class StatusLists:
    """Writes a list when it is asked for, at most every two seconds."""

    def __init__(
        self, signals: Signals, statuses: Statuses, moved: Moved, sessions: Sessions, accounts: Accounts, keys: Keys,
        minter: Minter, clock: Clock,
    ) -> None:  # fmt: skip
        self._signals = signals
        self._statuses = statuses
        self._moved = moved
        self._sessions = sessions
        self._accounts = accounts
        self._keys = keys
        self._minter = minter
        self._clock = clock
        self._written: dict[int, Written] = {}
        self._left: dict[str, tuple[object, list[int]]] = {}

    async def get(self, which: int) -> bytes:
        """Return a list, signed.

        Raises:
            NoSuchList: No session has a place in it.
            DatabaseUnavailable: Nobody can say what was revoked (D14).
        """
        if not self._signals.is_fresh():
            await self._signals.refresh()
        if self._keys.is_stale:
            await self._keys.reload()
            self._written.clear()  # what a killed key has signed proves nothing
        found = self._written.get(which)
        if found is None or time.monotonic() - found.at > LONGEST_KEPT:
            last = await self._sessions.last_number()
            if not last > 0 or which > last // LIST_SIZE:
                raise NoSuchList
            found = self._written[which] = await self._write(which)
        return found.token

    async def _write(self, which: int) -> Written:
        at = time.monotonic()
        revoked = {number for number in self._statuses.numbers() if number // LIST_SIZE == which}
        revoked |= {number for number in await self._left_behind() if number // LIST_SIZE == which}
        now = self._clock.now() // 1000
        claims = {
            "iss": self._minter.issuer, "sub": self._minter.list_address(which), "iat": now, "exp": now + LIVES_SECONDS,
            "ttl": TTL_SECONDS, "status_list": {"bits": 1, "lst": compressed(revoked)},
        }  # fmt: skip
        return Written(sign(claims, self._keys.signer(), TYP, longest=LONGEST_LIST).encode(), at)

    async def _left_behind(self) -> set[int]:
        """Return the sessions whose account moved on without ending them; each account is read once for each change."""
        found: dict[str, tuple[object, list[int]]] = {}
        for account_id, heard in self._moved.accounts():
            known = self._left.get(account_id)
            if known is None or known[0] is not heard:
                account = await self._accounts.remembered(account_id)
                # The sessions of one that is gone have all been ended.
                epoch = account.epoch if account is not None and account.is_alive else -1
                known = heard, await self._sessions.left_behind(account_id, epoch)
            found[account_id] = known
        self._left = found
        return {number for _, numbers in found.values() for number in numbers}


def compressed(numbers: set[int]) -> str:
    """Return the statuses of one list as the standard writes them: one bit each, the least significant first."""
    bits = bytearray(LIST_SIZE // 8)
    for number in numbers:
        place = number % LIST_SIZE
        bits[place >> 3] |= 1 << (place & 7)
    return encode_base64url(zlib.compress(bytes(bits), 9))
