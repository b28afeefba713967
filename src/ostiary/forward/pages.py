"""The way back to an application, for whoever is signed in; the house's cookies are renewed on it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from fastapi.responses import Response

from ostiary.forward.places import ReturnPlaces
from ostiary.web.doors import PageCaller, page_router, see_other, service

router = page_router()


@router.get("/return/{written:path}")
async def return_to_application(
    written: Annotated[str, Path(max_length=512)], _: PageCaller,
    places: Annotated[ReturnPlaces, service(ReturnPlaces)],
) -> Response:  # fmt: skip
    """Send somebody back to where they were going, if that is one of the addresses that may be."""
    return see_other(places.read(written) or "/auth/account")
