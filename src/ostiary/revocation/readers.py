"""Who may read the feed: programs with a secret of their own, and accounts with a permission."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ostiary.core.secrets import new_secret, plain_digest
from ostiary.web.standing import NotPermitted

if TYPE_CHECKING:
    from ostiary.revocation.settings import RevocationSettings
    from ostiary.sessions import SessionGuard
    from ostiary.web.visit import Visit

PERMISSION: Final = "revocations:read"
PREFIX: Final = "ostiary-reader-"
"""How a secret begins, so that a scanner of leaked secrets knows it, and nobody takes it for a token."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Admits readers; asked again with every beat, from memory."""

    guard: SessionGuard
    settings: RevocationSettings

    async def admit(self, visit: Visit) -> None:
        """Let a reader pass.

        Raises:
            NotSignedIn: It shows nothing that proves anything.
            NotPermitted: It is somebody who may not.
        """
        shown = visit.bearer
        if shown is not None and shown.startswith(PREFIX) and self._is_known(shown):
            return
        visit.identity = None  # what was proven a while ago may have ended
        known = await self.guard.admit(visit)
        if PERMISSION not in known.permissions:
            raise NotPermitted

    def _is_known(self, secret: str) -> bool:
        # 256 random bits need no slow hash, and nobody can choose the digest that is compared.
        return secret.isascii() and plain_digest(secret).hex() in self.settings.readers


def new_reader() -> tuple[str, str]:
    """Return a new reader's secret, to be shown once, and the digest by which the settings know it."""
    secret = PREFIX + new_secret()
    return secret, plain_digest(secret).hex()
