"""What is stored of a key: a keyed digest, or a slow hash over one where rules demand that."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.apikeys.settings import ApiKeySettings
    from ostiary.core.hashing import Hasher
    from ostiary.core.secrets import Macs

PURPOSE = "api key"


class Digests:
    """Makes and compares what is stored: `<id of our key>.<digest>`, or `<id of our key>.<hash of the digest>`.

    The digest is HMAC-SHA-256 over the whole text of the key, so a secret is
    good for its own id alone. 256 random bits are beyond guessing: a slow hash
    adds nothing, and costs a hash thread at the first use in each process. It
    is computed over the 43 characters of the digest, within bcrypt's 72 bytes.
    """

    def __init__(self, macs: Macs, hasher: Hasher, settings: ApiKeySettings) -> None:
        self._macs = macs
        self._hasher = hasher
        self._settings = settings

    async def make(self, text: str) -> str:
        """Return what to store of a key.

        Raises:
            TooBusy: The hashing pool is full, where one is needed.
        """
        stamp = self._macs.stamp(PURPOSE, text)
        assert stamp is not None  # the current key is there, or it has raised
        key_id, digest = stamp
        if self._settings.hash == "argon2id":
            return f"{key_id}.{await self._hasher.hash(digest)}"
        if self._settings.hash == "bcrypt":
            return f"{key_id}.{await self._hasher.hash_bcrypt(digest, self._settings.bcrypt_rounds)}"
        return f"{key_id}.{digest}"

    async def fits(self, text: str, stored: str) -> bool:
        """Return whether this is stored of that key; what was stored under another setting is read as well.

        Raises:
            TooBusy: The hashing pool is full, where one is needed.
        """
        key_id, _, rest = stored.partition(".")
        stamp = self._macs.stamp(PURPOSE, text, key_id)
        if stamp is None:
            return False
        if rest.startswith("$"):
            return await self._hasher.matches(rest, stamp[1])
        return secrets.compare_digest(rest.encode(), stamp[1].encode())

    def is_outdated(self, stored: str) -> bool:
        """Return whether it would be stored otherwise today: under a younger key of ours, or in another form."""
        key_id, _, rest = stored.partition(".")
        current = self._macs.stamp(PURPOSE, "")
        if current is None or current[0] != key_id:
            return True
        if self._settings.hash == "argon2id":
            return self._hasher.is_outdated(rest)
        if self._settings.hash == "bcrypt":
            return not rest.startswith(f"$2b${self._settings.bcrypt_rounds:02}$")
        return rest.startswith("$")
