"""Refusals that concern API keys."""

from __future__ import annotations

from ostiary.core.errors import Problem


class ApiKeyRefused(Problem):
    """One answer for every key that opens nothing; why, the journal knows."""

    slug = "api-key-refused"
    title = "This API key does not open anything here."
    status = 401
    challenge = 'Bearer realm="ostiary", error="invalid_token"'  # RFC 6750 section 3.1


class NoSuchApiKey(Problem):
    """Not a living key of the caller's own account."""

    slug = "no-such-api-key"
    title = "There is no such API key."
    status = 404


class TooManyApiKeys(Problem):
    """A bound for what one account can leave lying about."""

    slug = "too-many-api-keys"
    title = "The account has as many API keys as it can. Revoke one that you do not need."
    status = 409


class ApiKeyRotated(Problem):
    """Of two rotations at the same moment one wins; the other's secret would be nobody's."""

    slug = "api-key-rotated"
    title = "This API key was rotated by somebody else just now."
    status = 409
