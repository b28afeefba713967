"""How strong a sign-in was, in the words of `acr`, and which word asks for more (RFC 9470)."""

from __future__ import annotations

from typing import Final, Literal, get_args

Strength = Literal["aal1", "aal2", "phr"]
"""From the weakest: any one proof; two of different kinds (NIST SP 800-63B); a proof that no false page can take
away, verified by the authenticator (`phr`: OpenID Connect EAP ACR Values 1.0)."""

STRENGTHS: Final[tuple[Strength, ...]] = get_args(Strength)


def reaches(held: str, wanted: Strength) -> bool:
    """Return whether a sign-in of one strength is enough where another is asked for.

    Args:
        held: `acr` of the token; a word that is not known is worth no more than any sign-in.
        wanted: What is asked for.

    Raises:
        ValueError: What is asked for is no strength: nobody could say who reaches it.
    """
    return (STRENGTHS.index(held) if held in STRENGTHS else 0) >= STRENGTHS.index(wanted)
