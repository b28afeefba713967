"""The code beside a link: for who cannot follow it in the browser that asked."""

from __future__ import annotations

import secrets

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
"""Without what is mistaken for another: 0 and O, 1 and I."""

LETTERS = 8
"""40 bits, as SP 800-63B-4 4.1.2 wants of a code that is sent; ASVS 6.5.4 wants 20."""


def new_code() -> str:
    """Return a new code, as it is stored."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))


def spelled(code: str) -> str:
    """Return a code as people read it: `K7QM-2XHD`."""
    return f"{code[: LETTERS // 2]}-{code[LETTERS // 2 :]}"


def folded(typed: str) -> str:
    """Return what somebody typed as it would be stored; whatever it is, it is short."""
    return "".join(c for c in typed[:64].upper() if c not in "- \t\u2010\u2011\u2013").strip()
