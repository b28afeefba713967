"""Reading notes in Flask, with people from an Ostiary elsewhere.

Run `ostiary dev --data data --port 8080`, and beside it `granian --interface wsgi --port 8000 examples.flask_app:app`
(or `flask --app examples.flask_app run --port 8000`). Register at http://localhost:8080/auth/register, then open
http://localhost:8000/notes.
"""

from __future__ import annotations

import os
from datetime import timedelta
from html import escape

from flask import Flask, Response, g, request

from ostiary.integrations.flask import Ostiary, current_account, require

app = Flask(__name__)
app.config["OSTIARY_ISSUER"] = os.environ.get("OSTIARY_ISSUER", "http://localhost:8080")
app.config["OSTIARY_REDIRECT_TO_SIGN_IN"] = True
Ostiary(app)

notes: dict[str, list[str]] = {}


@app.get("/")
def front_page() -> str:
    return f"Hello, {g.ostiary.username if g.ostiary else 'stranger'}."


@app.get("/api/hello")
@require()
def hello() -> dict[str, str]:
    return {"hello": current_account().username}


@app.get("/api/desk")
@require(permission="books:lend")
def desk() -> dict[str, int]:
    return {"readers": len(notes)}


@app.delete("/api/notes")
@require(fresh=timedelta(minutes=10))
def burn_notes() -> Response:
    notes.pop(current_account().id, None)
    return Response(status=204)


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Your notes</title>
<h1>Your notes</h1>
<p>You are {username}.</p>
<form method="post"><label>Your words <input name="text" required maxlength="500"></label><button>Write</button></form>
<ul>{notes}</ul>
</html>"""


@app.get("/notes")
@require()
def show_notes() -> str:
    account = current_account()
    lines = "".join(f"<li>{escape(note)}</li>" for note in notes.get(account.id, []))
    return PAGE.format(username=escape(account.username), notes=lines)


@app.post("/notes")
@require()
def write_note() -> Response:
    notes.setdefault(current_account().id, []).append(request.form["text"][:500])
    return Response(status=303, headers={"Location": "/notes"})
