"""From what a person typed to the bytes that are hashed."""

from __future__ import annotations

import unicodedata


def normalise(password: str) -> str:
    """Return the password in Unicode's NFKC form, otherwise exactly as typed.

    One keyboard sends an accented letter as one code point, another as two;
    both people typed the same password (SP 800-63B-4 section 3.1.1.2). Nothing
    is trimmed, folded to lower case or cut.
    """
    return unicodedata.normalize("NFKC", password)


def is_stable(password: str) -> bool:
    """Say whether every code point is assigned in this Python's Unicode version.

    Only then is the normal form the same in each later version (UAX #15,
    section 12.1): a rule for new passwords, not for checking old ones.
    """
    return all(unicodedata.category(character) != "Cn" for character in password)


def encode(password: str) -> bytes:
    """Return UTF-8; a lone surrogate, which JSON can carry, keeps its own three bytes."""
    return password.encode("utf-8", "surrogatepass")


def spellings(password: str) -> tuple[bytes, ...]:
    """Return the byte strings to try on a hash of unknown origin, ours first.

    Other systems hashed what was typed; so does an import that looks like ours.
    """
    normal = normalise(password)
    return (encode(normal),) if normal == password else (encode(normal), encode(password))
