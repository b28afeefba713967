"""The way to a provider, and connected accounts, as pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from ostiary.accounts import Accounts
from ostiary.core.clock import moment
from ostiary.core.errors import Problem
from ostiary.federation.browser import browser_of, labels_of
from ostiary.federation.errors import NoSuchConnection
from ostiary.federation.identities import Identities
from ostiary.federation.service import Federation
from ostiary.federation.transactions import Intent
from ostiary.web.csrf import own_origins
from ostiary.web.doors import (
    ELSEWHERE_PREFIX,
    PAGE_PREFIX,
    AnyCaller,
    Edge,
    PageCaller,
    StrongPageCaller,
    TheEdge,
    TheVisit,
    page,
    page_router,
    refuse_foreign_forms,
    see_other,
    service,
)
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form
from ostiary.web.settings import origin_of
from ostiary.web.visit import Visit

leaving = APIRouter(prefix=ELSEWHERE_PREFIX, include_in_schema=False, dependencies=[Depends(refuse_foreign_forms)])
router = page_router()

TheFederation = Annotated[Federation, service(Federation)]
TheIdentities = Annotated[Identities, service(Identities)]
TheAccounts = Annotated[Accounts, service(Accounts)]
HERE = f"{PAGE_PREFIX}/connections"
FLASHES = {"connected": "Connected. You can sign in with it from now on.", "disconnected": "Disconnected."}


@leaving.get("/{provider}/login")
async def leave_by_link(
    provider: str, request: Request, federation: TheFederation, caller: AnyCaller, visit: TheVisit, edge: TheEdge
) -> Response:
    """Lead to the provider from a link of our own site; whoever comes from elsewhere is asked first (R30)."""
    place = await federation.place(caller, provider, request.query_params.get("next"))
    if not _is_our_own_link(visit, edge):
        offered = await federation.providers.get(provider)
        return page(request, "elsewhere_start.html", label=offered.label, provider=provider, next=place)
    browser = browser_of(federation.transactions, visit, edge.cookies)
    return see_other(await federation.begin(caller, provider, browser, Intent("sign-in", place)))


@leaving.post("/{provider}/login")
async def leave_by_form(
    provider: str, request: Request, federation: TheFederation, caller: AnyCaller, visit: TheVisit, edge: TheEdge
) -> Response:
    """Lead to the provider from a form of our own."""
    place = await federation.place(caller, provider, (await fields(request, "next"))["next"])
    browser = browser_of(federation.transactions, visit, edge.cookies)
    url = await federation.begin(caller, provider, browser, Intent("sign-in", place))
    return await _led(request, federation, provider, url)


@router.get("/connections")
async def connections_page(
    request: Request, federation: TheFederation, identities: TheIdentities, accounts: TheAccounts, caller: PageCaller
) -> Response:
    """Show what is connected, and what could be."""
    return await _page(request, federation, identities, accounts, caller.account_id or "")


@router.post("/connections/add")
async def connect(
    request: Request,
    federation: TheFederation,
    identities: TheIdentities,
    accounts: TheAccounts,
    caller: StrongPageCaller,
    visit: TheVisit,
    edge: TheEdge,
) -> Response:
    """Lead to the provider, to connect what somebody is there."""
    provider = (await fields(request, "provider"))["provider"]
    intent = Intent("link", HERE, caller.account_id, caller.session_id)
    try:
        url = await federation.begin(caller, provider, browser_of(federation.transactions, visit, edge.cookies), intent)
        return await _led(request, federation, provider, url)
    except Problem as problem:
        return await _page(request, federation, identities, accounts, caller.account_id or "", problem)


@router.post("/connections/remove")
async def disconnect(
    request: Request,
    federation: TheFederation,
    identities: TheIdentities,
    accounts: TheAccounts,
    caller: StrongPageCaller,
) -> Response:
    """Disconnect one."""
    filled = await fields(request, "connection_id")
    try:
        await identities.unlink(caller, filled["connection_id"], labels_of(federation.providers))
    except NoSuchConnection:  # it is gone, which is what was asked for
        pass
    except Problem as problem:
        return await _page(request, federation, identities, accounts, caller.account_id or "", problem)
    return see_other(f"{HERE}?said=disconnected")


async def _led(request: Request, federation: Federation, provider: str, url: str) -> Response:
    """Lead on by a page: a redirect after a form would need its address in `form-action` (CSP Level 3)."""
    offered = await federation.providers.get(provider)
    response = page(request, "elsewhere_leaving.html", has_form=False, label=offered.label, url=url)
    response.headers["referrer-policy"] = "no-referrer"
    return response


def _is_our_own_link(visit: Visit, edge: Edge) -> bool:
    """Return whether a GET comes of a link on our own site, by what the browser says; what says nothing is foreign.

    Nobody else's page may sign its visitors in, or send them on errands to a provider.
    """
    site = visit.header(b"sec-fetch-site")
    if b"sec-fetch-site" in visit.doubled or b"referer" in visit.doubled:
        return False
    if site is not None:
        return site in ("same-origin", "same-site") and visit.header(b"sec-fetch-dest") in (None, "document")
    referrer = visit.header(b"referer") or ""
    try:
        return origin_of(referrer) in own_origins(edge.settings.public_url)
    except ValueError:
        return False


async def _page(
    request: Request, federation: Federation, identities: Identities, accounts: Accounts, account_id: str,
    refusal: Problem | None = None,
) -> Response:  # fmt: skip
    labels = labels_of(federation.providers)
    held = await identities.listed(account_id)
    access = await identities.access(account_id)
    shown = [
        {
            "id": one.id,
            "label": labels.get(one.provider, one.provider),
            "name": one.name,
            "email": one.email,
            "email_verified": one.email_verified,
            "scopes": access[one.id].scopes.split() if one.id in access else [],
            "is_ended": one.id in access and access[one.id].ended_at is not None,
            "linked_at": moment(one.linked_at),
            "last_used_at": moment(one.last_used_at) if one.last_used_at is not None else None,
        }
        for one in held
    ]
    taken = {one.provider for one in held}
    return page(
        request, "connections.html", refusal=refusal, form=refused(refusal, {}) if refusal else Form(),
        account=await accounts.remembered(account_id), connections=shown,
        offered=[choice for choice in federation.providers.choices if choice.slug not in taken],
        flash=FLASHES.get(request.query_params.get("said", "")),
    )  # fmt: skip
