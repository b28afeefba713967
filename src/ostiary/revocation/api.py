"""The feed of revocations, for programs that verify tokens by themselves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Path, Response
from fastapi.responses import StreamingResponse

from ostiary.revocation.feed import Feed
from ostiary.revocation.lists import CACHED_SECONDS, TYP, StatusLists
from ostiary.revocation.readers import Readers
from ostiary.web.answers import SECURITY, refusals
from ostiary.web.doors import TheVisit, api_router, service

router = api_router("revocation")

STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get(
    "/revocations", operation_id="readRevocations", response_class=StreamingResponse,
    responses=STREAM | refusals(401, 422), openapi_extra={"security": SECURITY["needed"]},
)  # fmt: skip
async def read_revocations(
    visit: TheVisit, readers: Annotated[Readers, service(Readers)], feed: Annotated[Feed, service(Feed)],
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> StreamingResponse:  # fmt: skip
    """Tell of ended sessions, changed accounts and changed keys, for as long as the reader listens."""
    await readers.admit(visit)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(
        feed.read(last_event_id, lambda: readers.admit(visit)), media_type="text/event-stream", headers=headers
    )


LIST: dict[int | str, dict[str, Any]] = {
    200: {"description": "A status list, signed.", "content": {f"application/{TYP}": {"schema": {"type": "string"}}}}
}


@router.get(
    "/status-lists/{which}", operation_id="readStatusList", response_class=Response, responses=LIST | refusals(404, 422)
)
async def read_status_list(
    which: Annotated[int, Path(ge=0, le=2**40)], lists: Annotated[StatusLists, service(StatusLists)]
) -> Response:
    """Return which tokens of a list are revoked: one bit each, in the form of the Token Status List."""
    headers = {"cache-control": f"public, max-age={CACHED_SECONDS}"}
    return Response(await lists.get(which), media_type=f"application/{TYP}", headers=headers)
