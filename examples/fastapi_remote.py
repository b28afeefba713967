"""Reading notes in FastAPI, with people from an Ostiary elsewhere.

Run `ostiary dev --data data --port 8080`, and beside it `granian --interface asgi --port 8000
examples.fastapi_remote:app` (or `uvicorn examples.fastapi_remote:app --port 8000`). Register at
http://localhost:8080/auth/register, then open http://localhost:8000/notes.
"""

from __future__ import annotations

import os
from datetime import timedelta
from html import escape
from typing import Annotated

from fastapi import FastAPI, Form, Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from ostiary.integrations.fastapi import (
    CurrentAccount,
    Identity,
    OptionalAccount,
    ResourceServer,
    RevocationFeed,
    connect,
    require,
)

ISSUER = os.environ.get("OSTIARY_ISSUER", "http://localhost:8080")
READER = os.environ.get("OSTIARY_READER")  # from `ostiary revocation reader`; without it a token counts to its end

app = FastAPI(title="Reading notes")
feed = RevocationFeed(issuer=ISSUER, credential=READER) if READER else None
connect(app, ResourceServer(issuer=ISSUER, revocations=feed), redirect_to_sign_in=True)

notes: dict[str, list[str]] = {}
RecentSignIn = Annotated[Identity, require(fresh=timedelta(minutes=10))]


@app.get("/", include_in_schema=False)
async def front_page(visitor: OptionalAccount) -> PlainTextResponse:
    return PlainTextResponse(f"Hello, {visitor.username if visitor else 'stranger'}.")


@app.get("/api/hello")
async def hello(account: CurrentAccount) -> dict[str, str]:
    return {"hello": account.username}


@app.get("/api/desk", dependencies=[require(permission="books:lend")])
async def desk() -> dict[str, int]:
    return {"readers": len(notes)}


@app.delete("/api/notes", status_code=204)
async def burn_notes(account: RecentSignIn) -> Response:
    notes.pop(account.id, None)
    return Response(status_code=204)


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Your notes</title>
<h1>Your notes</h1>
<p>You are {username}.</p>
<form method="post"><label>Your words <input name="text" required maxlength="500"></label><button>Write</button></form>
<ul>{notes}</ul>
</html>"""


@app.get("/notes", include_in_schema=False)
async def show_notes(account: CurrentAccount) -> HTMLResponse:
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes.get(account.id, []))
    return HTMLResponse(PAGE.format(username=escape(account.username), notes=lines))


@app.post("/notes", include_in_schema=False)
async def write_note(account: CurrentAccount, text: Annotated[str, Form(max_length=500)]) -> RedirectResponse:
    notes.setdefault(account.id, []).append(text)
    return RedirectResponse("/notes", 303)
