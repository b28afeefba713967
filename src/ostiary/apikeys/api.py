"""API keys as JSON: made, listed, rotated, revoked; by people, and never by a key."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import Path
from pydantic import Field

from ostiary.apikeys.answers import ApiKeyAnswer, ApiKeyList, NewApiKeyAnswer
from ostiary.apikeys.service import ApiKeys
from ostiary.apikeys.wanted import NewKey, read_instant
from ostiary.web.answers import Done, refusals
from ostiary.web.doors import SignedInCaller, Strict, StrongCaller, api_router, service

router = api_router("api keys")

TheKeys = Annotated[ApiKeys, service(ApiKeys)]
KeyIdPath = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{22}$")]
Word = Annotated[str, Field(max_length=64)]
YEAR_SECONDS = 31_536_000


class NewApiKey(Strict):
    """What the key shall be: what it is called, what it is for, until when, and from where it is shown."""

    name: str = Field(max_length=300)
    scopes: list[Word] = Field(default_factory=list, max_length=50)
    expires_at: Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})] | None = None
    networks: list[Word] = Field(default_factory=list, max_length=50)


class Rotation(Strict):
    """For how long the old secret stays good."""

    overlap_seconds: int = Field(default=0, ge=0, le=YEAR_SECONDS)


@router.post("/api-key", operation_id="makeApiKey", responses=refusals(401, 403, 409, body=True))
async def make_key(body: NewApiKey, keys: TheKeys, caller: StrongCaller) -> NewApiKeyAnswer:
    """Make an API key, shown in this answer only; needs a strong proof of the last minutes and a proven address."""
    expires_at = read_instant(body.expires_at) if body.expires_at is not None else None
    wanted = NewKey.of(body.name, body.scopes, body.networks, expires_at)
    return NewApiKeyAnswer.made(await keys.issue(caller, caller.account_id or "", wanted))


@router.get("/api-key", operation_id="listApiKeys", responses=refusals(401))
async def list_keys(keys: TheKeys, caller: SignedInCaller) -> ApiKeyList:
    """List the caller's API keys."""
    return ApiKeyList(api_keys=[ApiKeyAnswer.of(key) for key in await keys.listed(caller.account_id or "")])


@router.post(
    "/api-key/{key_id}/rotate", operation_id="rotateApiKey", responses=refusals(401, 404, 409, body=True)
)  # fmt: skip
async def rotate_key(key_id: KeyIdPath, body: Rotation, keys: TheKeys, caller: StrongCaller) -> NewApiKeyAnswer:
    """Give an API key a new secret, shown in this answer only; needs a strong proof of the last minutes."""
    overlap = timedelta(seconds=body.overlap_seconds)
    return NewApiKeyAnswer.made(await keys.rotate(caller, caller.account_id or "", key_id, overlap))


@router.delete("/api-key/{key_id}", operation_id="revokeApiKey", responses=refusals(401, 404, 422))
async def revoke_key(key_id: KeyIdPath, keys: TheKeys, caller: StrongCaller) -> Done:
    """Revoke one of the caller's API keys, at once and everywhere; needs a strong proof of the last minutes."""
    await keys.revoke(caller, caller.account_id or "", key_id)
    return Done(detail="The API key is revoked.")
