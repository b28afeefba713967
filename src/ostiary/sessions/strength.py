"""How strong what somebody has shown is: words of `amr` in, one word of `acr` out. No database, no clock."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from ostiary.client import Strength
from ostiary.core.clock import Millis

FIRST = frozenset({"pwd", "mail"})
"""What begins a sign-in: something known, or a mailbox. One beside the other adds nothing: whoever reads the mailbox
can choose the password."""

SECOND = frozenset({"otp", "sms", "rc", "hwk", "swk"})
"""What is held. Two of them are one kind, and so are not two factors."""

MULTIPLE = "mfa"


class HeldFactor(msgspec.Struct, frozen=True):
    """Something that an account can show besides its password, as it is set up now.

    Attributes:
        method: The API's word for it.
        mark: Names this very one, and nothing else about it: when it is replaced, so is the mark.
        since: When it was set up; 0 where that is not known, which is long ago.
    """

    method: str
    mark: str
    since: Millis


def acr_of(methods: Iterable[str]) -> Strength:
    """Return how strong proofs are together.

    Args:
        methods: RFC 8176's words, and `mail` (a mailbox) and `rc` (a recovery code). Words that are not known count
            for nothing, and `mfa` is believed of nobody: what was shown is looked at.
    """
    shown = frozenset(methods)
    if shown & {"hwk", "swk"} and "user" in shown:
        return "phr"  # a passkey, which has verified its owner; it signs for this site alone
    return "aal2" if shown & FIRST and shown & SECOND else "aal1"


def together(methods: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Return the words of proofs shown one after the other; with `mfa` where they are two factors (RFC 8176)."""
    words = tuple(dict.fromkeys((*methods, *more)))
    return words if MULTIPLE in words or acr_of(words) == "aal1" else (*words, MULTIPLE)
