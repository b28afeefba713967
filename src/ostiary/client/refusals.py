"""The one way in which a token is turned down, and the words for why."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "form",  # not three canonical segments of bounded length
    "header",  # not the three members we know, spelled as we spell them
    "type",  # made for another purpose
    "unknown-key",  # no key of that id; asking the issuer again may help
    "algorithm",  # not the one that our record of the key names
    "signature",
    "payload",  # signed, but not one unambiguous JSON object
    "claims",  # a claim is missing or of the wrong kind
    "issuer",
    "audience",
    "expired",
    "not-yet-valid",
    "revoked",
    "keys-outdated",  # the issuer could not be asked for too long
    "revocations-outdated",  # nor heard: it may have been revoked
]


class TokenRefused(Exception):  # noqa: N818 - says what happened
    """The token proves nothing.

    Neither the message nor a chained exception holds any text of the token.

    Attributes:
        reason: A short fixed word for logs and metrics. Do not tell it to the
            caller: RFC 6750 section 3.1 has `invalid_token` for all of them.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
