"""From what an authenticator answered to evidence that somebody can act on."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ostiary.core.secrets import b64
from ostiary.passkeys.ceremony import GET, Assertion, Shown, Site, Unconvincing, challenge_in, verify_assertion
from ostiary.passkeys.challenges import SECOND_FACTOR

if TYPE_CHECKING:
    from ostiary.passkeys.challenges import Challenges, Issued
    from ostiary.passkeys.queries import Passkey


@dataclass(frozen=True, slots=True)
class Proof:
    """Evidence that a passkey opened an account, to be confirmed in the unit that acts on it (D13).

    Attributes:
        epoch: The account's, when its key was read: whatever ended everything since ends this, too.
        sign_count: What the authenticator has shown.
        methods: RFC 8176: whether the key can leave its hardware, that somebody was there, and that both the device
            and what it asks for were shown.
    """

    account_id: str
    passkey_id: str
    epoch: int
    sign_count: int
    is_backed_up: bool
    methods: tuple[str, ...]
    challenge: Issued


@dataclass(frozen=True, slots=True)
class Asked:
    """What a browser was asked for.

    Attributes:
        purpose: Of its challenge.
        bound_to: Who alone can answer it.
        account_id: Whose passkey it has to be; None where it names its owner itself.
    """

    purpose: str
    bound_to: str
    account_id: str | None = None


def second_factor(account_id: str, attempt_id: str) -> Asked:
    """Return what is asked for where another proof has named an account, in one sign-in."""
    both = hashlib.sha256(f"{account_id} {attempt_id}".encode()).digest()
    return Asked(SECOND_FACTOR, b64(both), account_id)


def issued(challenges: Challenges, site: Site, client_data: bytes, kind: str, asked: Asked) -> Issued:
    """Return the challenge of ours that was answered.

    Raises:
        Unconvincing: It is none, or of another purpose, place or time.
    """
    found = challenges.read(asked.purpose, challenge_in(client_data, kind, site), asked.bound_to)
    if found is None:
        raise Unconvincing("challenge")
    return found


async def weigh(
    challenges: Challenges, site: Site, answer: Assertion, asked: Asked, stored: Passkey | None, handle: bytes
) -> tuple[Issued, Shown]:
    """Return the challenge that was answered, and what the answer says; the signature is verified off the loop.

    Args:
        challenges: Ours.
        site: Where.
        answer: What the authenticator said.
        asked: What it was asked for.
        stored: The passkey that bears the answer's id.
        handle: The name by which authenticators know its owner.

    Raises:
        Unconvincing: A step fails.
    """
    challenge = issued(challenges, site, answer.client_data, GET, asked)
    if stored is None:
        raise Unconvincing("unknown")
    if asked.account_id is not None and stored.account_id != asked.account_id:
        raise Unconvincing("account")
    # Section 7.2, step 6: whoever was named before need not be named again, but must not be named otherwise.
    must_name = asked.account_id is None or bool(answer.user_handle)
    if must_name and not (handle and secrets.compare_digest(handle, answer.user_handle)):
        raise Unconvincing("user-handle")
    shown = await asyncio.to_thread(verify_assertion, answer, stored.public_key, site)
    if shown.is_backup_eligible != bool(stored.backup_eligible):
        raise Unconvincing("backup-eligibility")
    return challenge, shown
