"""A chat over WebSockets in FastAPI, with people from Ostiary: a socket is open for as long as its session.

Run it with `granian --interface asgi --port 8080 examples.websocket_chat:app` (or `uvicorn examples.websocket_chat:app
--port 8080`) and open http://localhost:8080 in two browsers. Letters lie in `data/mail`.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from html import escape
from typing import Any

from fastapi import FastAPI, Response, WebSocket
from fastapi.responses import HTMLResponse

from ostiary.integrations.fastapi import CurrentAccount, mount
from ostiary.wiring import Ostiary

app = FastAPI(title="Chat")
mount(app, Ostiary.at(os.environ.get("OSTIARY_DATA", "data")), redirect_to_sign_in=True)

LONGEST, KEPT, WAITING = 500, 50, 100


class Room:
    """Everybody who is here, and what was said last; as long as this process runs."""

    def __init__(self) -> None:
        self.said: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self.members: dict[asyncio.Queue[dict[str, Any]], str] = {}

    def enter(self, name: str) -> asyncio.Queue[dict[str, Any]]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WAITING)
        for line in self.said:
            queue.put_nowait(line)
        self.members[queue] = name
        self.tell({"here": sorted(set(self.members.values()))})
        return queue

    def leave(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        del self.members[queue]
        self.tell({"here": sorted(set(self.members.values()))})

    def say(self, name: str, text: str) -> None:
        line = {"from": name, "text": text[:LONGEST]}
        self.said.append(line)
        self.tell(line)

    def tell(self, line: dict[str, Any]) -> None:
        for queue in self.members:
            if not queue.full():  # who reads too slowly misses something, and holds up nobody
                queue.put_nowait(line)


room = Room()


@app.websocket("/chat")
async def chat(socket: WebSocket, account: CurrentAccount) -> None:
    """Let somebody in; when their session ends, `receive` says that they are gone."""
    await socket.accept()
    queue = room.enter(account.username)
    writing = asyncio.create_task(write(socket, queue))
    try:
        while (message := await socket.receive())["type"] != "websocket.disconnect":
            text = (message.get("text") or "").strip()
            if text:
                room.say(account.username, text)
    finally:
        room.leave(queue)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def write(socket: WebSocket, queue: asyncio.Queue[dict[str, Any]]) -> None:
    while True:
        await socket.send_json(await queue.get())


# The page. Scripts and styles are files of their own, so that the policy allows nothing that stands in the page;
# what people write is put there as text, never as markup.

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Chat</title>
<link rel="stylesheet" href="/chat.css">
<script src="/chat.js" defer></script>
<header><h1>Chat</h1><p>You are {username}. <a href="/auth/account">Your account</a></p></header>
<p id="here"></p>
<ol id="lines" role="log" aria-label="What was said"></ol>
<form id="say">
  <label for="words">Your words</label>
  <input id="words" maxlength="500" autocomplete="off" required>
  <button>Say</button>
</form>
<p id="state" role="status">Connecting.</p>
</html>"""

SCRIPT = """"use strict";
const [here, lines, say, words, state] = ["here", "lines", "say", "words", "state"].map((id) =>
  document.getElementById(id));
let socket;

function show(line) {
  if (line.here) {
    here.textContent = `Here: ${line.here.join(", ")}.`;
    return;
  }
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = line.from;
  item.append(name, ` ${line.text}`);
  lines.append(item);
  item.scrollIntoView();
}

function closed(event) {
  say.inert = true;
  if (event.code === 4001) {
    const way = document.createElement("a");
    way.href = "/auth/sign-in?next=/";
    way.textContent = "Sign in again";
    state.replaceChildren("You are signed out. ", way);
  } else if (event.code === 4003) {
    state.textContent = "This page may not connect.";
  } else {
    state.textContent = "The connection was lost. Trying again.";
    setTimeout(connect, 1000 + 3000 * Math.random());
  }
}

function connect() {
  socket = new WebSocket(location.origin.replace(/^http/, "ws") + "/chat");
  socket.onopen = () => {
    lines.replaceChildren();
    say.inert = false;
    state.textContent = "";
  };
  socket.onmessage = (event) => show(JSON.parse(event.data));
  socket.onclose = closed;
}

say.addEventListener("submit", (event) => {
  event.preventDefault();
  socket.send(words.value);
  words.value = "";
});
connect();
"""

STYLE = """body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 0 auto; padding: 1rem; }
header { display: flex; justify-content: space-between; align-items: baseline; flex-wrap: wrap; }
ol { list-style: none; padding: 0; min-height: 12rem; max-height: 60vh; overflow-y: auto; }
li { overflow-wrap: anywhere; }
form { display: flex; gap: .5rem; align-items: center; flex-wrap: wrap; }
input { flex: 1; padding: .4rem; font: inherit; }
"""


@app.get("/", include_in_schema=False)
async def page(account: CurrentAccount) -> HTMLResponse:
    return HTMLResponse(PAGE.format(username=escape(account.username)), headers=HEADERS)


@app.get("/chat.js", include_in_schema=False)
async def script() -> Response:
    return Response(SCRIPT, media_type="text/javascript", headers=HEADERS)


@app.get("/chat.css", include_in_schema=False)
async def style() -> Response:
    return Response(STYLE, media_type="text/css", headers=HEADERS)
