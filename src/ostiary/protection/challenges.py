"""Proof of work: what a stranger may do instead of being refused (R12), in the form of ALTCHA."""

from __future__ import annotations

import secrets
from base64 import b64decode
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from ostiary.core.clock import millis
from ostiary.core.limits import Count, Limit, Spend
from ostiary.core.secrets import is_proof

if TYPE_CHECKING:
    from ostiary.core.clock import Clock
    from ostiary.core.limits import Limiter
    from ostiary.core.secrets import Macs
    from ostiary.protection.settings import ChallengeSettings

ALGORITHM = "PBKDF2/SHA-256"
ROUNDS = 500
"""Of PBKDF2 in each try: enough that a browser's own call costs little beside them, few enough to issue cheaply."""
LONGEST_SOLUTION = 2048
STEPS = (10, 40, 160)
"""Solutions in ten minutes from which on the work doubles, each time."""
CLOCKS_APART = timedelta(minutes=1)

_Hex32 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
_Hex64 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,128}\Z")]
    tries: int


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """What is signed, in the order in which it is signed: sorted by name."""

    algorithm: Literal["PBKDF2/SHA-256"]
    cost: int
    data: _Data
    expires_at: int
    key_length: int
    key_prefix: _Hex32
    key_signature: _Hex64
    nonce: _Hex32
    salt: _Hex32


class _Challenge(msgspec.Struct, frozen=True):
    parameters: _Parameters
    signature: _Hex64


class _Solution(msgspec.Struct, frozen=True, rename="camel"):
    derived_key: _Hex64


class _Payload(msgspec.Struct, frozen=True):
    challenge: _Challenge
    solution: _Solution


_reader = msgspec.json.Decoder(_Payload)
_writer = msgspec.json.Encoder()


def limits_of(settings: ChallengeSettings) -> tuple[Limit, Limit]:
    """Return the limits on uses of one solution, and on what is solved in all."""
    # A process whose clock is late takes a challenge for so much longer: it must still be known as used.
    once = Limit("challenge.once", 1, settings.lifetime + CLOCKS_APART, per="challenge")
    return once, Limit("challenge.solved", STEPS[0], timedelta(minutes=10), per="everybody")


class Challenges:
    """Issues work, and spends what was done of it, once.

    Nothing is stored for a challenge: its signature proves that this house
    issued it, when it ends, and for whom. The subject is not in it but in the
    key that signs, so work done for one name is worth nothing for another.
    """

    def __init__(self, limiter: Limiter, macs: Macs, clock: Clock, settings: ChallengeSettings) -> None:
        self._limiter = limiter
        self._macs = macs
        self._clock = clock
        self._settings = settings
        self._once, self._solved = limits_of(settings)
        self._last_known = Count(0, 0)

    @property
    def are_offered(self) -> bool:
        """Whether the keeper wants challenges at all."""
        return self._settings.when != "off"

    @property
    def hardness(self) -> int:
        """How many times the ordinary work is asked for now: 1, 2, 4 or 8.

        It grows with the work that was done, not with the refusals: whoever
        wants to make it dear for the owner of a name has to pay for that.
        """
        known = self._last_known
        spent = known.spent if known.closes_at > self._clock.now() else 0
        return int(2 ** sum(spent >= step for step in STEPS))

    def issue(self, subject: str) -> dict[str, Any]:
        """Return a new challenge as JSON that ALTCHA clients understand (proof-of-work version 2).

        Args:
            subject: What the work shall be good for, such as `login` and the folded name.
        """
        from altcha import create_challenge  # noqa: PLC0415 - brings urllib along, which most processes never need

        key_id, secret = self._macs.secret("challenge", subject)
        _, solution_secret = self._macs.secret("challenge solution", subject)
        tries = 2 * self._settings.difficulty * self.hardness
        challenge = create_challenge(
            ALGORITHM,
            ROUNDS,
            counter=secrets.randbelow(tries),
            expires_at=(self._clock.now() + millis(self._settings.lifetime)) // 1000,
            data={"key": key_id, "tries": tries},
            hmac_secret=secret,
            hmac_key_secret=solution_secret,
        )
        return challenge.to_dict()

    async def spend(self, solution: str, subject: str) -> bool:
        """Return whether this is the first use of a right solution of a living challenge for this subject.

        Of any number of uses at the same moment, on any number of processes,
        one is the first: the limiter's one atomic write decides (D10).
        """
        if not self.are_offered or len(solution) > LONGEST_SOLUTION:
            return False
        try:
            shown = _reader.decode(b64decode(solution, validate=True))
        except (ValueError, RecursionError, msgspec.MsgspecError):
            return False
        if not self._is_solved(shown, subject):
            return False
        (used,) = await self._limiter.spend(Spend(self._once, self._digest(shown.challenge.signature)))
        if used.spent > 1:
            return False
        (self._last_known,) = await self._limiter.spend(Spend(self._solved, self._digest("all")))
        return True

    def _is_solved(self, shown: _Payload, subject: str) -> bool:
        """Check signature, end and solution, without the library: that reads the machine's clock, not the house's."""
        asked = shown.challenge.parameters
        if asked.expires_at * 1000 <= self._clock.now():
            return False
        secret = self._macs.find_secret("challenge", subject, asked.data.key)
        solution_secret = self._macs.find_secret("challenge solution", subject, asked.data.key)
        if secret is None or solution_secret is None:
            return False
        if not is_proof(shown.challenge.signature, secret, _writer.encode(asked)):
            return False
        # Half of the derived key is public, the rest is 128 bits that only the work yields.
        return is_proof(asked.key_signature, solution_secret, bytes.fromhex(shown.solution.derived_key))

    def _digest(self, text: str) -> bytes:
        return self._macs.digest("challenge", text)
