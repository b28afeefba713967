"""What a provider has said, once every step of it was checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.federation.provider import Provider
    from ostiary.federation.transactions import Transaction
    from ostiary.federation.who import Tokens, Who

METHODS = ("fed",)
"""`amr` of a sign-in elsewhere: that somebody else has looked, and no more. What the provider says of how is not taken
over, as the weakest is to be assumed (ASVS 6.8.4)."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that somebody in this browser, which began it here, is who a provider says (D13); made once.

    Attributes:
        who: With `who.issuer` and `who.subject` the only name that counts.
        vouched: Whether the provider's word on the address is taken for proof.
        tokens: What the provider has given with it.
    """

    transaction: Transaction
    provider: Provider
    who: Who
    vouched: bool
    tokens: Tokens

    def __repr__(self) -> str:
        return f"Proof({self.provider.slug})"
