"""Doors for routes: who asks, which service answers, and JSON that is read strictly."""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from ostiary.core.caller import Caller
from ostiary.core.clock import Clock
from ostiary.core.errors import Problem
from ostiary.web.cookies import Cookies
from ostiary.web.csrf import Csrf
from ostiary.web.guard import Factors, Guard, SignedIn
from ostiary.web.headers import page_policy
from ostiary.web.problems import MediaTypeUnsupported
from ostiary.web.render import Renderer
from ostiary.web.rights import HOUSE_PERMISSIONS
from ostiary.web.settings import WebSettings
from ostiary.web.standing import ApiKeyNotAccepted, require_permission, require_strong
from ostiary.web.strict_json import loads
from ostiary.web.visit import Scope, Visit

RECENT_SECONDS = 600
"""How long ago the sign-in may be for something grave."""

_NEEDS_CREDENTIAL: set[object] = set()
"""Dependencies that refuse whoever shows no credential."""

T = TypeVar("T")
API_PREFIX = "/api/v1/auth"
PAGE_PREFIX = "/auth"
ELSEWHERE_PREFIX = "/accounts"
"""Where people leave for a provider and come back from it (spec section 2)."""
KEEPER_PREFIX = "/api/v1/admin"


@dataclass(frozen=True, slots=True)
class Edge:
    """What routes need of the web's own parts.

    Attributes:
        elsewhere: Says which providers pages offer to sign in at.
    """

    guard: Guard
    cookies: Cookies
    csrf: Csrf
    settings: WebSettings
    renderer: Renderer
    clock: Clock
    factors: Factors
    elsewhere: Callable[[], Sequence[object]] = tuple


@dataclass(frozen=True, slots=True)
class House:
    """What routes find of the house that serves a request: they are the same for every house of a process.

    Attributes:
        edge: The web's own parts.
        services: Each service by its class.
    """

    edge: Edge
    services: Mapping[type, object]

    def enter(self, scope: Scope) -> None:
        """Lead a request into this house."""
        scope[_HOUSE] = self


_HOUSE = "ostiary.house"


class Strict(BaseModel):
    """A body: unknown fields are refused, types are not bent."""

    model_config = ConfigDict(extra="forbid", strict=True)


def visit_in(request: Request) -> Visit:
    """Return what the gate knows of this request."""
    visit: Visit = request.scope["ostiary"]
    return visit


def edge_in(request: Request) -> Edge:
    """Return the edge of the house that serves this request."""
    return house_in(request).edge


def house_in(request: Request) -> House:
    """Return what routes find of the house that serves this request."""
    house: House = request.scope[_HOUSE]
    return house


def service(kind: type[T]) -> Any:  # noqa: ANN401 - stands in an Annotated
    """Return a dependency that yields the house's one service of a kind."""

    async def find(request: Request) -> T:  # async, as every door: what is not, the framework runs in a thread
        found = house_in(request).services[kind]
        assert isinstance(found, kind)
        return found

    return Depends(find)


async def any_caller(request: Request) -> Caller:
    """Return who asks, without asking for proof."""
    visit = visit_in(request)
    visit.device_id = edge_in(request).guard.device_of(visit)
    return visit.caller()


async def entering_caller(request: Request) -> Caller:
    """Return who asks to be let in: what their browser was signed in as ends with it (ASVS 7.2.4)."""
    caller = await any_caller(request)
    return replace(caller, replaces=edge_in(request).guard.named_session(visit_in(request)))


async def signed_in_caller(request: Request) -> Caller:
    """Return who asks, from a verified credential.

    Raises:
        Problem: There is none.
    """
    await edge_in(request).guard.admit(visit_in(request))
    return await _known_caller(request)


async def _known_caller(request: Request) -> Caller:
    visit = visit_in(request)
    visit.device_id = edge_in(request).guard.device_of(visit)
    identity = _identity(request)
    return visit.caller(identity.account_id, identity.session_id)


def _identity(request: Request) -> SignedIn:
    found: SignedIn | None = visit_in(request).identity
    assert found is not None
    return found


async def perhaps_signed_in_caller(request: Request) -> Caller:
    """Return who shows a ticket: it may be about the session that they are in, or about one to come."""
    return await _perhaps(request, signed_in_caller)


async def perhaps_page_caller(request: Request) -> Caller:
    """As `perhaps_signed_in_caller`, for hosted pages."""
    return await _perhaps(request, page_caller)


async def _perhaps(request: Request, door: Callable[[Request], Awaitable[Caller]]) -> Caller:
    """Return whom a credential proves, if it does; cookies of a session that is over are no hindrance to a new one."""
    stranger = await entering_caller(request)
    if not edge_in(request).guard.shows_credential(visit_in(request)):
        return stranger
    try:
        return replace(await door(request), replaces=stranger.replaces)
    except Problem as refusal:
        if refusal.status != HTTPStatus.UNAUTHORIZED:
            raise
        return stranger


async def page_caller(request: Request) -> Caller:
    """Return who looks at a hosted page.

    Raises:
        Problem: They are not signed in; the page's answer is the way to sign in.
    """
    await edge_in(request).guard.admit_page(visit_in(request))
    return await _known_caller(request)


def keeper(permission: str) -> Any:  # noqa: ANN401 - stands in an Annotated
    """Return a dependency that yields a keeper of the house, to stand in an `Annotated[Caller, …]`.

    They need the permission, now, and a sign-in that is not long ago and as strong as the account's can be: a browser
    left open, a copied token or a stolen password is not enough to keep a house with. An API key must have been made
    for that permission, and for some networks only.
    """
    assert permission in HOUSE_PERMISSIONS, permission

    async def find(request: Request) -> Caller:
        visit, edge = visit_in(request), edge_in(request)
        identity = await edge.guard.admit(visit, keys=True)
        require_permission(identity, permission)
        if identity.key_id is not None:
            if not identity.is_confined:
                raise ApiKeyNotAccepted("A key for this has to have a list of networks.")
            return visit.caller(identity.account_id, None, identity.key_id)
        await _require_strong(request, int(edge.settings.keeper_max_age.total_seconds()))
        return await _known_caller(request)

    _NEEDS_CREDENTIAL.add(find)
    return Depends(find)


def page_keeper(permission: str) -> Any:  # noqa: ANN401 - stands in an Annotated
    """As `keeper`, on a hosted page, where no API key is taken; too old or too weak a proof leads to a new one."""
    assert permission in HOUSE_PERMISSIONS, permission

    async def find(request: Request) -> Caller:
        edge = edge_in(request)
        require_permission(await edge.guard.admit_page(visit_in(request)), permission)
        await _require_strong(request, int(edge.settings.keeper_max_age.total_seconds()))
        return await _known_caller(request)

    return Depends(find)


async def strong_caller(request: Request) -> Caller:
    """Return who asks for something grave, as what changes who gets in (R20, R21, RFC 9470).

    Their proof has to be of the last minutes, and as strong as the account's can be.

    Raises:
        Problem: There is no credential, or what was shown is too long ago or too weak.
    """
    caller = await signed_in_caller(request)
    await _require_strong(request, RECENT_SECONDS)
    return caller


async def strong_page_caller(request: Request) -> Caller:
    """As `strong_caller`, on a hosted page, which leads to the page that asks for such a proof.

    Raises:
        Problem: They are not signed in, too long ago or too weakly; the page's answer is the way to prove it.
    """
    caller = await page_caller(request)
    await _require_strong(request, RECENT_SECONDS)
    return caller


async def _require_strong(request: Request, seconds: int) -> None:
    identity, edge = _identity(request), edge_in(request)
    require_strong(identity, seconds, await edge.factors.highest(identity.account_id), edge.clock.now())


_NEEDS_CREDENTIAL.update({signed_in_caller, strong_caller})


def credential_at(doors: Iterable[object]) -> Literal["needed", "looked at", "ignored"]:
    """Return what becomes of a credential at a route with these dependencies; for the OpenAPI document."""
    asked = set(doors)
    if asked & _NEEDS_CREDENTIAL:
        return "needed"
    return "looked at" if perhaps_signed_in_caller in asked else "ignored"


PageCaller = Annotated[Caller, Depends(page_caller)]
AnyCaller = Annotated[Caller, Depends(any_caller)]
SignedInCaller = Annotated[Caller, Depends(signed_in_caller)]
StrongCaller = Annotated[Caller, Depends(strong_caller)]
StrongPageCaller = Annotated[Caller, Depends(strong_page_caller)]
EnteringCaller = Annotated[Caller, Depends(entering_caller)]
PerhapsSignedInCaller = Annotated[Caller, Depends(perhaps_signed_in_caller)]
PerhapsPageCaller = Annotated[Caller, Depends(perhaps_page_caller)]


async def _visit(request: Request) -> Visit:
    return visit_in(request)


async def _edge(request: Request) -> Edge:
    return edge_in(request)


TheVisit = Annotated[Visit, Depends(_visit)]
TheEdge = Annotated[Edge, Depends(_edge)]


async def refuse_foreign_pages(request: Request) -> None:
    """Check an API request against forgery by another site's page (R19).

    The view is brought up to date first: what follows reads cookies that a key
    of another process may have made, and may sign with one that was just killed.
    """
    visit, edge = visit_in(request), edge_in(request)
    await edge.guard.ensure_fresh()
    edge.csrf.check(visit, edge.guard.named_session(visit))


async def refuse_foreign_forms(request: Request) -> None:
    """Check a page's form against forgery by another site's page (R19)."""
    visit, edge = visit_in(request), edge_in(request)
    await edge.guard.ensure_fresh()
    if request.method != "POST":
        return
    edge.csrf.check_origin(visit)
    form = await request.form(max_files=0, max_fields=20)
    submitted = form.get("csrf_token")
    edge.csrf.check(visit, edge.guard.named_session(visit), submitted if isinstance(submitted, str) else "")


class StrictRoute(APIRoute):
    """Reads JSON bodies strictly, before anything else looks at them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the framework's handler behind a strict reader."""
        handle = super().get_route_handler()
        reads_body = self.body_field is not None

        async def strictly(request: Request) -> Response:
            if reads_body:
                await read_json(request)
            return await handle(request)

        return strictly


async def read_json(request: Request) -> None:
    """Parse the body where the framework will look for it.

    Raises:
        MediaTypeUnsupported: It is not declared as JSON.
        MalformedJSON: It is not strict JSON.
    """
    raw = await request.body()
    if not raw:
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise MediaTypeUnsupported
    request._json = loads(raw)  # noqa: SLF001 - where Request.json() keeps its answer


def api_router(tag: str, prefix: str = API_PREFIX) -> APIRouter:
    """Return a router for JSON: strict bodies, and forgery refused on every unsafe method."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute, dependencies=[Depends(refuse_foreign_pages)])


def page_router() -> APIRouter:
    """Return a router for pages: forms only, and forgery refused."""
    return APIRouter(prefix=PAGE_PREFIX, include_in_schema=False, dependencies=[Depends(refuse_foreign_forms)])


def page(
    request: Request, template: str, *, status: int = 200, refusal: Problem | None = None, has_form: bool = True,
    **context: object,
) -> Response:  # fmt: skip
    """Render a template as an answer with its own policy, and see that the visitor holds a CSRF token.

    A page without a form hands none out: the answer to a stranger's form, which
    comes without our cookies, must not replace the token that the visitor's own
    open pages hold. A `refusal` gives the answer its status and its Retry-After.
    """
    visit, edge = visit_in(request), edge_in(request)
    status = refusal.status if refusal else status
    token, cookie = edge.csrf.token_for(visit, edge.guard.named_session(visit))
    shown = {
        "csrf_token": token, "account": None, "flash": None, "status": status, "elsewhere": edge.elsewhere(),
    } | context  # fmt: skip
    html = edge.renderer.page(template, nonce=visit.nonce, **shown)
    response = Response(html, status, media_type="text/html; charset=utf-8")
    response.raw_headers.append((b"content-security-policy", page_policy(visit.nonce, edge.settings)))
    response.raw_headers.append((b"content-language", b"en"))  # as the pages say themselves: lang="en"
    if refusal is not None and refusal.retry_after is not None:
        response.headers["retry-after"] = str(refusal.retry_after)
    if cookie is not None and has_form:
        visit.answers.append(cookie)
    return response


def as_file(parts: AsyncIterable[bytes], name: str) -> Response:
    """Return JSON that is written as it is read, to be saved under a name and kept by nobody on the way."""
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return StreamingResponse(parts, media_type="application/json", headers=headers)


def see_other(path: str) -> Response:
    """Redirect after a form: always 303, so that no credentials are sent twice (RFC 9700 section 4.12)."""
    return Response(status_code=303, headers={"location": path})
