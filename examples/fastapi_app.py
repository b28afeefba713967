"""A guest book: a page and an API in FastAPI, with people from Ostiary.

Run it with `granian --interface asgi --port 8080 examples.fastapi_app:app` (or `uvicorn examples.fastapi_app:app
--port 8080`) and open http://localhost:8080. Letters lie in `data/mail`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from html import escape
from typing import Annotated

from fastapi import FastAPI, Form, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from ostiary.integrations.fastapi import (
    CsrfToken,
    CurrentAccount,
    Identity,
    OptionalAccount,
    VerifiedAccount,
    mount,
    require,
)
from ostiary.wiring import Ostiary

app = FastAPI(title="Guest book")
mount(app, Ostiary.at(os.environ.get("OSTIARY_DATA", "data")), redirect_to_sign_in=True)

entries: list[dict[str, str]] = []
RecentSignIn = Annotated[Identity, require(fresh=timedelta(minutes=10))]


class Entry(BaseModel):
    text: str = Field(min_length=1, max_length=500)


# The API: by bearer token from anywhere, by cookie from a page of this application.


@app.get("/api/hello")
async def hello(account: CurrentAccount) -> dict[str, str]:
    return {"hello": account.username}


@app.get("/api/entries")
async def list_entries(visitor: OptionalAccount) -> dict[str, object]:
    return {"entries": entries, "signed_in": visitor is not None}


@app.post("/api/entries", status_code=201)
async def write_entry(entry: Entry, account: CurrentAccount) -> dict[str, str]:
    entries.append({"author": account.username, "author_id": account.id, "text": entry.text})
    return entries[-1]


@app.get("/api/invitation")
async def invitation(account: VerifiedAccount) -> dict[str, str]:
    return {"invited": account.email}


@app.delete("/api/entries/mine", status_code=204)
async def take_back(account: RecentSignIn) -> Response:
    entries[:] = [entry for entry in entries if entry["author_id"] != account.id]
    return Response(status_code=204)


@app.delete("/api/entries", status_code=204, dependencies=[require(permission="guestbook:clear")])
async def clear() -> Response:
    entries.clear()
    return Response(status_code=204)


# The pages: a browser that is not signed in is sent to the sign-in page, and back.

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Guest book</title>
<h1>Guest book</h1>
<p>You are {username}. <a href="/auth/account">Your account</a></p>
<form method="post" action="/book">
  <input type="hidden" name="csrf_token" value="{csrf_token}">
  <label>Your words <input name="text" required maxlength="500"></label>
  <button>Write</button>
</form>
<ul>{entries}</ul>
</html>"""


@app.get("/", include_in_schema=False)
async def front_page() -> RedirectResponse:
    return RedirectResponse("/book", 303)


@app.get("/book", include_in_schema=False)
async def book(account: CurrentAccount, csrf_token: CsrfToken) -> HTMLResponse:
    lines = "".join(f"<li>{escape(entry['text'])} ({escape(entry['author'])})</li>" for entry in entries)
    return HTMLResponse(PAGE.format(username=escape(account.username), csrf_token=csrf_token, entries=lines))


@app.post("/book", include_in_schema=False)
async def write_in_book(account: CurrentAccount, text: Annotated[str, Form(max_length=500)]) -> RedirectResponse:
    entries.append({"author": account.username, "author_id": account.id, "text": text})
    return RedirectResponse("/book", 303)
