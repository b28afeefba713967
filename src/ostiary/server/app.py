"""The breadth of the API and the pages, on FastAPI."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Response
from fastapi.routing import iter_route_contexts

import ostiary.accounts.api
import ostiary.apikeys.api
import ostiary.apikeys.pages
import ostiary.codes.api
import ostiary.codes.pages
import ostiary.csp_reports.api
import ostiary.federation.api
import ostiary.federation.pages
import ostiary.forward.pages
import ostiary.login.api
import ostiary.login.arrivals.pages
import ostiary.login.links.api
import ostiary.login.links.pages
import ostiary.login.pages
import ostiary.magiclinks.api
import ostiary.magiclinks.pages
import ostiary.mfa.api
import ostiary.mfa.pages
import ostiary.passkeys.api
import ostiary.passkeys.pages
import ostiary.passwords.api
import ostiary.passwords.pages
import ostiary.privacy.api
import ostiary.privacy.pages
import ostiary.recovery.api
import ostiary.recovery.pages
import ostiary.registration.api
import ostiary.registration.pages
import ostiary.revocation.api
import ostiary.roles.api
import ostiary.roles.pages
import ostiary.sessions.api
import ostiary.sessions.pages
import ostiary.texts.api
import ostiary.texts.pages
import ostiary.totp.api
import ostiary.totp.pages
from ostiary.login.answers import Credentials, PasswordChangeAnswer, SecondFactorAnswer
from ostiary.mail import Mailbox
from ostiary.server.lanes import lanes_behind, lanes_of
from ostiary.sessions.answers import DeviceSessionAnswer, SignedInAnswer, UserAnswer
from ostiary.texts import ConsoleCarrier
from ostiary.web.answers import BEARER, SECURITY, ProblemAnswer
from ostiary.web.assets import router as assets
from ostiary.web.doors import PAGE_PREFIX, Edge, House, credential_at, service
from ostiary.web.handlers import add_problem_handlers
from ostiary.web.lane import Lane, answer
from ostiary.web.render import Renderer
from ostiary.web.visit import visit_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.dependencies.models import Dependant

    from ostiary.web.visit import App, Receive, Scope, Send
    from ostiary.wiring import Ostiary

ROUTERS = (
    ostiary.registration.api.router,
    ostiary.login.api.router,
    ostiary.accounts.api.router,
    ostiary.passwords.api.router,
    ostiary.passkeys.api.router,
    ostiary.mfa.api.router,
    ostiary.totp.api.router,
    ostiary.codes.api.router,
    ostiary.magiclinks.api.router,
    ostiary.login.links.api.router,
    ostiary.texts.api.router,
    ostiary.apikeys.api.router,
    ostiary.federation.api.router,
    ostiary.federation.api.keeping,
    ostiary.recovery.api.router,
    ostiary.sessions.api.router,
    ostiary.privacy.api.router,
    ostiary.revocation.api.router,
    ostiary.roles.api.router,
    ostiary.csp_reports.api.reporting,
    ostiary.csp_reports.api.router,
    ostiary.registration.pages.router,
    ostiary.login.pages.router,
    ostiary.mfa.pages.router,
    ostiary.passwords.pages.router,
    ostiary.passkeys.pages.router,
    ostiary.totp.pages.router,
    ostiary.codes.pages.router,
    ostiary.magiclinks.pages.router,
    ostiary.login.links.pages.router,
    ostiary.texts.pages.router,
    ostiary.apikeys.pages.router,
    ostiary.federation.pages.router,
    ostiary.federation.pages.leaving,
    ostiary.login.arrivals.pages.router,
    ostiary.login.arrivals.pages.posting,
    ostiary.recovery.pages.router,
    ostiary.sessions.pages.router,
    ostiary.privacy.pages.router,
    ostiary.forward.pages.router,
    ostiary.roles.pages.router,
    assets,
)
OPENAPI_PATH = "/api/v1/openapi.json"
ANSWERS_OF_LANES = (
    ProblemAnswer, SignedInAnswer, UserAnswer, DeviceSessionAnswer, SecondFactorAnswer, PasswordChangeAnswer,
)  # fmt: skip


def build(house: Ostiary, app: FastAPI | None = None) -> App:
    """Return the breadth of the API and the pages, to stand behind the gate and the fast lane.

    Args:
        house: Whose services the routes find.
        app: The routes, where they are not the usual ones.
    """
    mailbox = house.post if isinstance(house.post, Mailbox) else None
    console = house.texts.carrier if isinstance(house.texts.carrier, ConsoleCarrier) else None
    app = app or routes(with_mailbox=mailbox is not None, with_texts=console is not None)
    parts = (
        house.accounts, house.login, house.passwords, house.recovery, house.registration, house.sessions,
        house.handover, house.csp_reports, house.places, house.privacy, house.passkeys, house.api_keys,
        house.magic_links, house.texts, house.totp, house.codes, house.mfa, house.by_link, house.second_step,
        house.step_up, house.letters, house.socket_tickets, house.feed, house.readers, house.return_places,
        house.status_lists, house.federation, house.identities, house.arrivals, house.roles,
        Document(house, app),
        *filter(None, [mailbox, console]),
    )  # fmt: skip
    shortest = house.settings.passwords.floor(second_factor=False)
    switches = {"links": house.settings.magiclinks.offered, "texts": house.texts.are_offered}
    offered = frozenset(name for name, is_on in switches.items() if is_on)
    renderer = Renderer(house.settings.web.product_name, PAGE_PREFIX, shortest, offered)
    edge = Edge(
        house.guard, house.cookies, house.csrf, house.settings.web, renderer, house.clock, house.factors,
        lambda: house.providers.choices,
    )  # fmt: skip
    inside = House(edge, {type(part): part for part in parts})

    lanes = {lane.path: lane for lane in lanes_behind(house)}

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        lane = lanes.get(scope["path"])
        if lane is not None:
            visit = visit_of(scope)
            if scope["method"] == lane.method:
                await answer(lane, visit, receive, send)
                return
            visit.lane_methods = {lane.method}
        inside.enter(scope)
        await app(scope, receive, send)

    return serve


@cache
def routes(*, with_mailbox: bool, with_texts: bool = False) -> FastAPI:
    """Return the application that every house of this process shares: building it costs a tenth of a second."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in ROUTERS:
        app.include_router(router)
    add_problem_handlers(app)
    if with_mailbox:
        from ostiary.server.mailbox import router as mailbox  # noqa: PLC0415 - development only, never in `serve`

        app.include_router(mailbox)
    if with_texts:
        from ostiary.server.mailbox import texts_router as texts  # noqa: PLC0415 - as above

        app.include_router(texts)

    @app.get(OPENAPI_PATH, include_in_schema=False)
    async def openapi(document: Annotated[Document, service(Document)]) -> Response:
        return Response(
            document.encoded(), media_type="application/json", headers={"cache-control": "public, max-age=300"}
        )

    @app.get("/", include_in_schema=False)
    async def front_door() -> Response:
        return Response(status_code=303, headers={"location": f"{PAGE_PREFIX}/account"})

    # W3C "A Well-Known URL for Changing Passwords": password managers look here.
    @app.get("/.well-known/change-password", include_in_schema=False)
    async def change_password() -> Response:
        return Response(status_code=303, headers={"location": f"{PAGE_PREFIX}/password"})

    return app


class Document:
    """The OpenAPI document of one house, written when it is first asked for."""

    def __init__(self, house: Ostiary, app: FastAPI) -> None:
        self._house = house
        self._app = app
        self._encoded = b""

    def encoded(self) -> bytes:
        """Return the document as JSON."""
        self._encoded = self._encoded or _openapi(
            self._app, [*lanes_of(self._house), *lanes_behind(self._house)], self._house
        )
        return self._encoded


def _openapi(app: FastAPI, lanes: list[Lane], house: Ostiary) -> bytes:
    import msgspec  # noqa: PLC0415
    from fastapi.encoders import jsonable_encoder  # noqa: PLC0415
    from fastapi.openapi.utils import get_openapi  # noqa: PLC0415
    from pydantic.json_schema import models_json_schema  # noqa: PLC0415

    document = get_openapi(title=f"{house.settings.web.product_name} authentication", version="1", routes=app.routes)
    shapes = [(Credentials, "validation"), *((shape, "serialization") for shape in ANSWERS_OF_LANES)]
    _, schemas = models_json_schema(shapes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name, schema in jsonable_encoder(schemas["$defs"], exclude_none=True).items():  # as the framework's own
        components.setdefault(name, schema)
    _say_who_is_asked(app, document)
    for lane in lanes:
        document["paths"].setdefault(lane.path, {})[lane.method.lower()] = lane.operation
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].get("422", {}).get("content", {}).pop("application/json", None)
    return msgspec.json.encode(document)


def _say_who_is_asked(app: FastAPI, document: dict[str, Any]) -> None:
    """Write down at which routes a credential is needed, looked at, or ignored."""
    scheme = {"type": "http", "scheme": "bearer", "description": "An access token (a JWT), or an API key."}
    document["components"]["securitySchemes"] = {BEARER: scheme}
    for route in iter_route_contexts(app.routes):
        for method in route.methods or ():
            operation = document["paths"].get(route.path, {}).get(method.lower())
            if operation is not None:
                operation.setdefault("security", SECURITY[credential_at(_asked(route.dependant))])


def _asked(dependant: Dependant) -> Iterator[object]:
    """Yield every dependency of a route, those of dependencies too."""
    for inner in dependant.dependencies:
        yield inner.call
        yield from _asked(inner)
