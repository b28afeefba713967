"""API keys as a page, without scripts: made, shown once, rotated, revoked."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Request, Response

from ostiary.accounts import Accounts
from ostiary.apikeys.errors import NoSuchApiKey
from ostiary.apikeys.service import ApiKeys, Issued
from ostiary.apikeys.wanted import NewKey
from ostiary.core.clock import millis, moment
from ostiary.core.errors import FieldError, InvalidFields, Problem
from ostiary.web.doors import (
    PAGE_PREFIX,
    PageCaller,
    StrongPageCaller,
    edge_in,
    page,
    page_router,
    see_other,
    service,
)
from ostiary.web.forms import fields, refused
from ostiary.web.render import Form

if TYPE_CHECKING:
    from ostiary.apikeys.queries import ApiKey
    from ostiary.core.clock import Millis

router = page_router()

TheKeys = Annotated[ApiKeys, service(ApiKeys)]
TheAccounts = Annotated[Accounts, service(Accounts)]
HERE = f"{PAGE_PREFIX}/api-keys"
LIFETIMES = {"P30D": timedelta(days=30), "P90D": timedelta(days=90), "P1Y": timedelta(days=365), "": None}
OVERLAPS = {
    "PT0S": timedelta(0), "PT1H": timedelta(hours=1), "P1D": timedelta(days=1), "P7D": timedelta(days=7),
}  # fmt: skip
"""What the forms offer, where the settings allow it; their words stand in the template."""


async def _page(
    request: Request, keys: ApiKeys, accounts: Accounts, account_id: str, *, issued: Issued | None = None,
    refusal: Problem | None = None, filled: dict[str, str] | None = None,
) -> Response:  # fmt: skip
    """Return the page. The text of a new key stands in this one answer, which nobody stores, and in no address."""
    now, longest = edge_in(request).clock.now(), keys.longest_lifetime
    held = await keys.listed(account_id)
    return page(
        request, "api_keys.html", refusal=refusal,
        form=refused(refusal, filled or {}) if refusal else Form(values={"lifetime": "P90D"}),
        account=await accounts.remembered(account_id), issued=issued, keys=[_shown(key, now) for key in held],
        lifetimes=[word for word, time in LIFETIMES.items() if longest is None or time is None or time <= longest],
        may_last=longest is None,
        overlaps=[word for word, time in OVERLAPS.items() if time <= keys.longest_overlap],
    )  # fmt: skip


def _shown(key: ApiKey, now: Millis) -> dict[str, Any]:
    overlaps = key.previous_ends_at is not None and key.previous_ends_at > now
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": key.scopes.split(),
        "networks": key.networks.split(),
        "is_over": key.is_over(now),
        "created_at": moment(key.created_at),
        "expires_at": moment(key.expires_at) if key.expires_at is not None else None,
        "last_used_at": moment(key.last_used_at) if key.last_used_at is not None else None,
        "previous_ends_at": moment(key.previous_ends_at or 0) if overlaps else None,
    }


@router.get("/api-keys")
async def keys_page(request: Request, keys: TheKeys, accounts: TheAccounts, caller: PageCaller) -> Response:
    """List the keys, with a form for a new one."""
    return await _page(request, keys, accounts, caller.account_id or "")


@router.post("/api-keys")
async def make_key(request: Request, keys: TheKeys, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Make a key and show it, this once."""
    account_id = caller.account_id or ""
    filled = await fields(request, "name", "scopes", "networks", "lifetime")
    try:
        lifetime = _chosen(LIFETIMES, filled["lifetime"], "lifetime")
        expires_at = edge_in(request).clock.now() + millis(lifetime) if lifetime is not None else None
        wanted = NewKey.of(filled["name"], _words(filled["scopes"]), _words(filled["networks"]), expires_at)
        issued = await keys.issue(caller, account_id, wanted)
    except Problem as problem:
        return await _page(request, keys, accounts, account_id, refusal=problem, filled=filled)
    return await _page(request, keys, accounts, account_id, issued=issued)


@router.post("/api-keys/rotate")
async def rotate_key(request: Request, keys: TheKeys, accounts: TheAccounts, caller: StrongPageCaller) -> Response:
    """Give a key a new secret and show it, this once."""
    account_id = caller.account_id or ""
    filled = await fields(request, "key_id", "overlap")
    try:
        overlap = _chosen(OVERLAPS, filled["overlap"], "")
        issued = await keys.rotate(caller, account_id, filled["key_id"], overlap or timedelta(0))
    except Problem as problem:
        return await _page(request, keys, accounts, account_id, refusal=problem)
    return await _page(request, keys, accounts, account_id, issued=issued)


@router.post("/api-keys/revoke")
async def revoke_key(request: Request, keys: TheKeys, caller: StrongPageCaller) -> Response:
    """Revoke a key."""
    filled = await fields(request, "key_id")
    with suppress(NoSuchApiKey):  # it is gone, which is what was asked for
        await keys.revoke(caller, caller.account_id or "", filled["key_id"])
    return see_other(HERE)


def _chosen(offered: dict[str, Any], word: str, field: str) -> timedelta | None:
    if word not in offered:
        raise InvalidFields(errors=(FieldError(field, "Choose one of the list.", "choice"),))
    time: timedelta | None = offered[word]
    return time


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()
