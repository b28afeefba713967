"""The exchange of a refresh token, which the client sends by itself."""

from __future__ import annotations

from ostiary.client.api.call import Call
from ostiary.client.api.shapes.common import SignedIn


def renewal_call(refresh_token: str) -> Call[SignedIn]:
    """Return the call that exchanges a refresh token for the next pair."""
    return Call(
        "refresh", "POST", "/api/v1/auth/refresh", (SignedIn,), credential="ignored",
        body={"refresh_token": refresh_token},
    )  # fmt: skip
