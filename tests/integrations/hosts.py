"""Applications that hold a house, started as a server would, and a browser in front of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Annotated, Any

import httpx
from fastapi import FastAPI
from starlette.applications import Starlette
from tests.house import API, ORIGIN, PASSWORD

from ostiary.integrations.fastapi import (
    CurrentAccount,
    Identity,
    OptionalAccount,
    VerifiedAccount,
    mount,
    require,
)
from ostiary.wiring import Ostiary

ADDRESS = ("203.0.113.7", 50000)
RecentSignIn = Annotated[Identity, require(fresh=timedelta(minutes=10))]


def host_of(house: Ostiary, *, redirect_to_sign_in: bool = False) -> FastAPI:
    """Return an application with a route of each kind, not yet started."""
    app = FastAPI()
    mount(app, house, redirect_to_sign_in=redirect_to_sign_in)

    @app.get("/hello")
    async def hello(account: CurrentAccount) -> dict[str, object]:
        return {"hello": account.username, "id": account.id, "session": account.session_id}

    @app.post("/things")
    async def make(account: CurrentAccount) -> dict[str, str]:
        return {"made_by": account.username}

    @app.get("/visit")
    async def visit(visitor: OptionalAccount) -> dict[str, str | None]:
        return {"visitor": visitor.username if visitor else None}

    @app.post("/wave")
    async def wave(visitor: OptionalAccount) -> dict[str, str | None]:
        return {"visitor": visitor.username if visitor else None}

    @app.get("/verified")
    async def verified(account: VerifiedAccount) -> dict[str, str]:
        return {"email": account.email}

    @app.get("/fresh")
    async def recent(account: RecentSignIn) -> dict[str, str]:
        return {"hello": account.username}

    @app.get("/vault", dependencies=[require(fresh=timedelta(minutes=60), acr="aal2")])
    async def vault(account: CurrentAccount) -> dict[str, object]:
        return {"acr": account.acr, "by_passkey": account.reaches("phr")}

    @app.get("/lend", dependencies=[require(permission="books:lend")])
    async def lend() -> dict[str, str]:
        return {"lent": "yes"}

    @app.get("/public")
    async def public() -> dict[str, str]:
        return {"public": "yes"}

    return app


@asynccontextmanager
async def started(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    """Run an application's lifespan around a client that calls it in process."""
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, client=ADDRESS)
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
            yield client


class Browser:
    """Keeps cookies and sends them as browsers do: on localhost without TLS, too, which httpx does not."""

    def __init__(self, client: httpx.AsyncClient, origin: str = ORIGIN) -> None:
        self.client = client
        self.origin = origin
        self.cookies: dict[str, str] = {}

    async def send(self, method: str, path: str, *, csrf: bool = False, **more: Any) -> httpx.Response:  # noqa: ANN401 - httpx's own
        """Send a request as a script of the page at `origin` would; with `csrf` it repeats its token."""
        headers = dict(more.pop("headers", {}))
        if self.cookies:
            headers["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if method not in ("GET", "HEAD"):
            headers.setdefault("origin", self.origin)
        if csrf:
            headers["x-csrf-token"] = self.cookies["__Host-csrftoken"]
        answer = await self.client.request(method, path, headers=headers, **more)
        self.client.cookies.clear()
        self.keep(answer)
        return answer

    def keep(self, answer: httpx.Response) -> None:
        """Take over the cookies that an answer sets."""
        for line in answer.headers.get_list("set-cookie"):
            pair, _, attributes = line.partition(";")
            name, _, value = pair.partition("=")
            if "max-age=0" in attributes.lower():
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value

    async def sign_up(self, username: str = "mira") -> dict[str, Any]:
        """Register, which signs in, and return the answer."""
        await self.send("GET", f"{API}/csrf")
        body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
        answer = await self.send("POST", f"{API}/register", json=body, csrf=True)
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def sign_out(self) -> None:
        """End the session."""
        answer = await self.send("POST", f"{API}/logout", csrf=True)
        assert answer.status_code == 200, answer.text


def is_problem(answer: httpx.Response, status: int, slug: str) -> bool:
    """Return whether an answer is that problem document; says what it was if not."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].rpartition("/")[2] == slug, answer.text
    return True
