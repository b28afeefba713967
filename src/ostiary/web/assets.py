"""Styles, scripts and pictures of the hosted pages, held in memory; nothing else is ever served from a file."""

from __future__ import annotations

from functools import cache

from fastapi import APIRouter, Response

from ostiary.web.doors import PAGE_PREFIX
from ostiary.web.problems import NotFound
from ostiary.web.render import STATIC

router = APIRouter(prefix=PAGE_PREFIX, include_in_schema=False)

TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"  # addresses carry a digest of the content


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    found = (path for path in STATIC.iterdir() if path.suffix in TYPES)
    return {path.name: (path.read_bytes(), TYPES[path.suffix]) for path in found}


@router.get("/static/{name}")
async def static_file(name: str) -> Response:
    """Return one file by its exact name."""
    file = _files().get(name)
    if file is None:
        raise NotFound
    return Response(file[0], media_type=file[1], headers={"cache-control": FOREVER})
