"""Puts the doors together: the gate, the fast lane, and behind them FastAPI for the breadth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Response

import ostiary.accounts.api
import ostiary.login.api
import ostiary.login.pages
import ostiary.passwords.api
import ostiary.passwords.pages
import ostiary.registration.api
import ostiary.registration.pages
import ostiary.sessions.api
import ostiary.sessions.pages
from ostiary.accounts import Accounts
from ostiary.core.errors import Unavailable
from ostiary.keys.lane import jwks_lane
from ostiary.login import Login
from ostiary.mail import Mailbox
from ostiary.passwords import Passwords
from ostiary.registration import Registration
from ostiary.sessions import CookieHandover, Sessions
from ostiary.sessions.answers import SignedInAnswer, UserAnswer
from ostiary.sessions.lane import SessionLane
from ostiary.web.answers import ProblemAnswer, refusals
from ostiary.web.assets import router as assets
from ostiary.web.doors import PAGE_PREFIX, Edge
from ostiary.web.gate import Gate
from ostiary.web.lane import Lane, answering
from ostiary.web.problems import add_problem_handlers
from ostiary.web.render import Renderer

if TYPE_CHECKING:
    from ostiary.web.visit import App, Receive, Visit
    from ostiary.wiring import Ostiary

ROUTERS = (
    ostiary.registration.api.router,
    ostiary.login.api.router,
    ostiary.accounts.api.router,
    ostiary.passwords.api.router,
    ostiary.sessions.api.router,
    ostiary.registration.pages.router,
    ostiary.login.pages.router,
    ostiary.passwords.pages.router,
    ostiary.sessions.pages.router,
    assets,
)
OPENAPI_PATH = "/api/v1/openapi.json"


def build(house: Ostiary) -> App:
    """Return the ASGI application of a house."""
    app = FastAPI(
        title=f"{house.settings.web.product_name} authentication", version="1", openapi_url=None, docs_url=None,
        redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    renderer = Renderer(house.settings.web.product_name, PAGE_PREFIX)
    app.state.edge = Edge(house.guard, house.cookies, house.csrf, house.settings.web, renderer)
    app.state.services = {
        type(part): part
        for part in (
            house.accounts, house.login, house.passwords, house.registration, house.sessions, house.handover,
        )
    }  # fmt: skip
    assert app.state.services.keys() == {Accounts, Login, Passwords, Registration, Sessions, CookieHandover}
    for router in ROUTERS:
        app.include_router(router)
    add_problem_handlers(app)
    if isinstance(house.post, Mailbox):
        from ostiary.server.mailbox import add_mailbox  # noqa: PLC0415 - development only, never in `serve`

        add_mailbox(app, house.post)

    lanes = _lanes(house)
    document = _openapi(app, lanes)

    @app.get(OPENAPI_PATH, include_in_schema=False)
    async def openapi() -> Response:
        return Response(document, media_type="application/json", headers={"cache-control": "public, max-age=300"})

    @app.get("/", include_in_schema=False)
    async def front_door() -> Response:
        return Response(status_code=303, headers={"location": f"{PAGE_PREFIX}/account"})

    # W3C "A Well-Known URL for Changing Passwords": password managers look here.
    @app.get("/.well-known/change-password", include_in_schema=False)
    async def change_password() -> Response:
        return Response(status_code=303, headers={"location": f"{PAGE_PREFIX}/password"})

    return Gate(app, {(lane.method, lane.path): lane.handle for lane in lanes}, house.settings.web)


def _lanes(house: Ostiary) -> list[Lane]:
    room = SessionLane(
        house.sessions, house.guard, house.cookies, house.csrf, house.handover, house.settings.web.largest_body
    )
    return [*room.lanes(), jwks_lane(house.keys, house.settings.keys), *_health(house)]


def _health(house: Ostiary) -> list[Lane]:
    async def healthz(_: Visit, __: Receive) -> bytes:
        return b'{"status":"alive"}'

    async def readyz(_: Visit, __: Receive) -> bytes:
        if not await house.is_ready():
            raise Unavailable
        return b'{"status":"ready"}'

    def operation(name: str, summary: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}
        answers = {"200": {"description": "Yes.", "content": {"application/json": {"schema": schema}}}}
        refused = {str(status): answer for status, answer in refusals().items()}
        return {"operationId": name, "summary": summary, "tags": ["health"], "responses": answers | refused}

    return [
        Lane("GET", "/healthz", answering(healthz), operation("healthz", "Is the process alive?")),
        Lane("GET", "/readyz", answering(readyz), operation("readyz", "Can it answer safely now?")),
    ]


def _openapi(app: FastAPI, lanes: list[Lane]) -> bytes:
    import msgspec  # noqa: PLC0415
    from pydantic.json_schema import models_json_schema  # noqa: PLC0415

    document = app.openapi()
    shapes = [(ProblemAnswer, "serialization"), (SignedInAnswer, "serialization"), (UserAnswer, "serialization")]
    _, schemas = models_json_schema(shapes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in schemas["$defs"].items():
        components.setdefault(name, schema)
    for lane in lanes:
        document["paths"].setdefault(lane.path, {})[lane.method.lower()] = lane.operation
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].get("422", {}).get("content", {}).pop("application/json", None)
    return msgspec.json.encode(document)
