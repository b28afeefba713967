"""Names of people who are erased: for a while nobody else gets them, and nobody can read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.accounts import queries

if TYPE_CHECKING:
    from ostiary.core.clock import Millis
    from ostiary.core.crypto import Sealer
    from ostiary.core.db import Database, Unit

KEY, SKELETON = "resting name", "resting skeleton"


class RestingNames:
    """Keeps names from being given to somebody who would pose as their former owner.

    Only keyed digests are stored: without the root secret not even a guess can be tried.
    """

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    async def rest(self, unit: Unit, key: str, skeleton: str, until: Millis) -> None:
        """Let a name, and all that look like it, belong to nobody until a moment."""
        for purpose, form in ((KEY, key), (SKELETON, skeleton)):
            digest = self._sealer.marks(purpose, form)[0]
            await unit.run(queries.REST, digest=digest, rests_until=until)

    async def holds(self, unit: Unit, key: str, skeleton: str) -> bool:
        """Return whether a name, or one that looks like it, still rests."""
        pairs = zip(self._sealer.marks(KEY, key), self._sealer.marks(SKELETON, skeleton), strict=True)
        for one, other in pairs:
            if await unit.find(queries.RESTS, key=one, skeleton=other, now=unit.now) is not None:
                return True
        return False

    async def wake(self, database: Database) -> int:
        """Forget the names whose rest is over."""
        return await database.run(queries.WAKE_NAMES, now=database.clock.now())
