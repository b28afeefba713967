"""How recovery codes are written, and read again from paper."""

from __future__ import annotations

import re
import secrets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""32 signs without I, L, O and U, so that none is taken for another, and no code is a word."""

LENGTH = 24
"""120 bits: from 112 on, a plain digest is enough (ASVS 6.5.2, SP 800-63B-4 section 3.1.2)."""

GROUP = 4
LONGEST_ANSWER = 128

_BETWEEN = re.compile(r"[\s\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d_.-]+")
"""What people, telephones and word processors put between groups: spaces, and whatever looks like a dash."""

_MISREAD = str.maketrans("ILO", "110")


def new_code() -> str:
    """Return a code of 120 random bits, in its canonical spelling."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def grouped(code: str) -> str:
    """Return a code as people read it: `7K3M-…`."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


def canonical(answer: str) -> str | None:
    """Return the one spelling of a code, whatever its case and dashes; None if it is no code."""
    if len(answer) > LONGEST_ANSWER:
        return None
    code = _BETWEEN.sub("", answer)
    if len(code) != LENGTH or not code.isascii():  # before the case: capitals of other scripts become ours
        return None
    code = code.upper().translate(_MISREAD)
    return code if set(code) <= set(ALPHABET) else None
