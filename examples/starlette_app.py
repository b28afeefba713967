"""Notes of one's own in Starlette, with people from Ostiary.

Run it with `granian --interface asgi --port 8080 examples.starlette_app:app` (or `uvicorn examples.starlette_app:app
--port 8080`). Register at http://localhost:8080/auth/register. Letters lie in `data/mail`.
"""

from __future__ import annotations

import os
from datetime import timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ostiary.integrations.starlette import current_account, mount, optional_account, require
from ostiary.wiring import Ostiary

notes: dict[str, list[str]] = {}
fresh_account = require(fresh=timedelta(minutes=10))


async def front_page(request: Request) -> Response:
    visitor = await optional_account(request)
    return PlainTextResponse(f"Hello, {visitor.username}." if visitor else "Hello, stranger: /auth/sign-in")


async def list_notes(request: Request) -> Response:
    account = await current_account(request)
    return JSONResponse({"notes": notes.get(account.id, [])})


async def write_note(request: Request) -> Response:
    account = await current_account(request)
    notes.setdefault(account.id, []).append((await request.body())[:500].decode("utf-8", "replace"))
    return Response(status_code=201)


async def burn_notes(request: Request) -> Response:
    account = await fresh_account(request)
    notes.pop(account.id, None)
    return Response(status_code=204)


app = Starlette(
    routes=[
        Route("/", front_page),
        Route("/notes", list_notes, methods=["GET"]),
        Route("/notes", write_note, methods=["POST"]),
        Route("/notes", burn_notes, methods=["DELETE"]),
    ]
)
mount(app, Ostiary.at(os.environ.get("OSTIARY_DATA", "data")))
