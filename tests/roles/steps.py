"""What the tests of roles do again and again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx
from tests.contract.browser import Browser
from tests.house import ORIGIN

from ostiary.core.caller import KEEPER, Caller
from ostiary.roles import Hand
from ostiary.testing import people
from ostiary.testing.people import SignedIn
from ostiary.web.rights import HOUSE_PERMISSIONS
from ostiary.wiring import Ostiary

ADMIN = "/api/v1/admin"
LEND, READ, WRITE = "books:lend", "roles:read", "roles:write"
EVERYTHING = tuple(HOUSE_PERMISSIONS)
OPERATOR = Hand(KEEPER, is_operator=True)


async def person(house: Ostiary, name: str, *permissions: str) -> SignedIn:
    """Be somebody who may do this, and has just signed in."""
    return await people.sign_in(house, name, permissions=permissions, acr="aal1", email=None, verified=True)


async def role(house: Ostiary, name: str, permissions: Iterable[str] = (), *holders: SignedIn) -> None:
    """Make a role as the operator does, and give it to some."""
    await house.roles.add(OPERATOR, name, "", permissions)
    for holder in holders:
        await house.roles.grant(OPERATOR, name, holder.id)


def hand_of(who: SignedIn, *, scopes: tuple[str, ...] | None = None) -> Hand:
    """Return the hand of a keeper, as doors make it."""
    return Hand(Caller("test", "203.0.113.7", "A browser", who.id, who.session_id), scopes)


async def may(house: Ostiary, who: SignedIn) -> tuple[str, ...]:
    """Return what somebody may do by the token that they hold, with the next request."""
    return (await house.guard.trusted(who.access_token)).permissions


def browser_of(client: httpx.AsyncClient, who: SignedIn) -> Browser:
    """Return the browser of somebody who has signed in."""
    return Browser(client, dict(who.cookies), origin=ORIGIN)


async def details(house: Ostiary, action: str) -> list[dict[str, Any]]:
    """Return what the journal says of each entry of a name, the oldest first, with whose it is."""
    lines = [line for line in await house.audit.listed(None) if line.action == action]
    return [{"account": line.account_id, **line.details} for line in sorted(lines, key=lambda line: line.at)]


def slug(answer: httpx.Response) -> str:
    """Return which problem an answer is."""
    return str(answer.json()["type"]).rpartition("/")[2]
