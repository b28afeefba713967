"""The public keys, for everybody who verifies a token."""

from __future__ import annotations

import msgspec

from ostiary.keys.service import Keys
from ostiary.keys.settings import KeySettings
from ostiary.web.answers import refusals
from ostiary.web.lane import Lane
from ostiary.web.visit import Receive, Visit

PATH = "/.well-known/jwks.json"


def jwks_lane(keys: Keys, settings: KeySettings) -> Lane:
    """Return the path that answers with the JWK Set; caches may keep it a while (RFC 7517)."""

    async def jwks(_: Visit, __: Receive) -> bytes:
        await keys.ensure_fresh()
        return msgspec.json.encode(keys.jwks())

    seconds = int(settings.jwks_max_age.total_seconds())
    schema = {"type": "object", "properties": {"keys": {"type": "array", "items": {"type": "object"}}}}
    operation = {
        "operationId": "jwks",
        "summary": "Return the public keys that verify access tokens.",
        "tags": ["keys"],
        "responses": {
            "200": {"description": "A JWK Set.", "content": {"application/json": {"schema": schema}}},
            **{str(status): answer for status, answer in refusals().items()},
        },
    }
    cache = f"public, max-age={seconds}".encode()
    return Lane("GET", PATH, jwks, operation, cache)
