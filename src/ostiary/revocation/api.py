"""The feed of revocations, for programs that verify tokens by themselves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import StreamingResponse

from ostiary.revocation.feed import Feed
from ostiary.revocation.readers import Readers
from ostiary.web.answers import refusals
from ostiary.web.doors import TheVisit, api_router, service

router = api_router("revocation")

STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Server-sent events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}


@router.get(
    "/revocations", operation_id="readRevocations", response_class=StreamingResponse,
    responses=STREAM | refusals(401, 422),
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
