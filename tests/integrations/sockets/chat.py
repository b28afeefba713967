"""An application with WebSockets that holds a house, as a program: `python chat.py serve --data X --port N`."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response, WebSocket, WebSocketDisconnect

from ostiary.integrations.fastapi import CurrentAccount, current_account, mount, reauthenticated, require
from ostiary.wiring import Ostiary


def app_of(house: Ostiary) -> FastAPI:
    """Return the application, with one socket of each kind."""
    app = FastAPI()
    mount(app, house)
    heard: list[str] = []
    left: list[str | int] = []

    @app.get("/readyz")
    async def readyz(response: Response) -> None:
        response.status_code = 200 if await house.is_ready() else 503

    @app.get("/heard")
    async def what_was_heard() -> dict[str, Any]:
        return {"heard": heard, "left": left}

    @app.websocket("/echo")
    async def echo(socket: WebSocket, account: CurrentAccount) -> None:
        await socket.accept()
        await socket.send_text(account.username)
        try:
            async for text in socket.iter_text():
                heard.append(text)
                if text == "who":
                    now = await current_account(socket, None, None)
                    await socket.send_text(json.dumps([now.username, sorted(now.permissions), now.session_id]))
                elif text.startswith("again "):
                    await socket.send_text(await _again(socket, house, text.removeprefix("again ")))
                else:
                    await socket.send_text(f"{account.username}: {text}")
        except WebSocketDisconnect as gone:
            left.append(gone.code)
            return
        left.append("end")

    @app.websocket("/lenders", dependencies=[require(permission="books:lend")])
    async def lenders(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("lender")

    @app.websocket("/spoken")
    async def spoken(socket: WebSocket, account: CurrentAccount) -> None:
        await socket.accept(subprotocol="chat.v1")
        await socket.send_text(json.dumps([account.username, socket.scope["subprotocols"], str(socket.headers)]))

    @app.websocket("/deaf")
    async def deaf(socket: WebSocket, account: CurrentAccount) -> None:
        await socket.accept()
        try:
            while True:  # never reads: the end must reach it all the same
                await socket.send_text("tick")
                await asyncio.sleep(0.05)
        except WebSocketDisconnect:
            left.append("deaf")

    @app.websocket("/anybody")
    async def anybody(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(json.dumps(socket.scope["subprotocols"]))

    return app


async def _again(socket: WebSocket, house: Ostiary, shown: str) -> str:
    try:
        return (await reauthenticated(socket, shown)).session_id
    except house.reception.refusals:
        return "refused"


def main() -> None:
    """Serve until told to end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--server", default="uvicorn")
    given = parser.parse_args()
    app = app_of(Ostiary.at(given.data))
    if given.server == "uvicorn":
        import uvicorn  # noqa: PLC0415

        uvicorn.run(app, port=given.port, log_level="warning", proxy_headers=False, timeout_graceful_shutdown=2)
        return
    from granian.constants import Interfaces  # noqa: PLC0415
    from granian.server.embed import Server  # noqa: PLC0415

    asyncio.run(Server(app, port=given.port, interface=Interfaces.ASGI, log_enabled=False).serve())


if __name__ == "__main__":
    main()
