"""The one-time passwords themselves (RFC 6238 over RFC 4226): SHA-1, six digits, thirty seconds, and nothing else.

Other numbers are allowed by the standard, and ignored by many apps: who offers them locks people out.
No database, no clock: the time is passed in.
"""

from __future__ import annotations

import base64
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyotp

    from ostiary.core.clock import Millis

SECRET_BYTES = 20  # RFC 4226 section 4, R6: 160 bits are recommended
DIGITS = 6
STEP_SECONDS = 30
STEPS_BACK = 1  # RFC 6238 section 5.2: for the time that typing and sending take
LONGEST_ANSWER = 64


def new_secret() -> bytes:
    """Return 160 random bits."""
    return secrets.token_bytes(SECRET_BYTES)


def spelled(secret: bytes) -> str:
    """Return a secret in base32, as people type it into apps (RFC 4648 section 6)."""
    return base64.b32encode(secret).decode("ascii")


def uri_of(secret: bytes, username: str, issuer: str) -> str:
    """Return what an authenticator app reads: a URI of the form `otpauth://totp/issuer:name?secret=…`."""
    # A colon parts issuer and name, and apps cut at the first one, escaped or not.
    return _otp(secret).provisioning_uri(name=username, issuer_name=issuer.replace(":", " "))


def step_at(now: Millis) -> int:
    """Return the number of the thirty seconds that a moment lies in."""
    return now // (STEP_SECONDS * 1000)


def code_at(secret: bytes, step: int) -> str:
    """Return the six digits of a step."""
    return _otp(secret).generate_otp(step)


def typed(answer: str) -> str | None:
    """Return the six digits of an answer, spaces left out as apps show some; None if it is no code."""
    if len(answer) > LONGEST_ANSWER:
        return None
    code = "".join(answer.split())
    return code if len(code) == DIGITS and code.isascii() and code.isdigit() else None


def matching_step(secret: bytes, code: str, now: Millis) -> int | None:
    """Return the step that a code belongs to, the current or the previous one; None if to neither.

    The youngest counts where two have the same digits, so that the code dies with it. Both are always compared.
    """
    current = step_at(now)
    steps = range(max(current - STEPS_BACK, 0), current + 1)
    matching = [step for step in steps if secrets.compare_digest(code_at(secret, step), code)]
    return max(matching, default=None)


def _otp(secret: bytes) -> pyotp.TOTP:
    import pyotp  # noqa: PLC0415 - loaded with the first authenticator

    return pyotp.TOTP(spelled(secret), digits=DIGITS, interval=STEP_SECONDS)
