"""What people do who sign in elsewhere, in one step each."""

from __future__ import annotations

from typing import Any

import httpx
from tests.contract.browser import PAGE, Browser
from tests.federation.scripted import CLIENT, SECRET, Scripted
from tests.house import PASSWORD
from tests.recovery.steps import settled

from ostiary.federation.identities import ProvenIdentity
from ostiary.federation.proof import Proof
from ostiary.federation.provider import ProviderSettings, resolve
from ostiary.federation.transactions import Intent, Transaction
from ostiary.federation.who import Tokens, Who
from ostiary.wiring import Ostiary

COOKIE = "__Host-federation"


def settings_for(provider: Scripted, **changed: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return settings that know a provider: as `acme` by OpenID Connect, as `github` by its REST API."""
    known = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "addresses": "verified"}
    return {
        "federation": {"providers": {"acme": known, "github": known}, **changed},
        "outbound": {"allowed_networks": ("127.0.0.0/8",)},
    }


async def leave(visitor: Browser, slug: str = "acme", place: str = "") -> str:
    """Press a button on the sign-in page; return the address at the provider."""
    answer = await visitor.get(f"/accounts/{slug}/login/" + (f"?next={place}" if place else ""))
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def come_back(visitor: Browser, path: str) -> httpx.Response:
    """Be sent back by the provider: a navigation that another site has caused."""
    return await visitor.get(path, headers={"sec-fetch-site": "cross-site"})


async def sign_in(visitor: Browser, provider: Scripted, slug: str = "acme", place: str = "") -> httpx.Response:
    """Go to a provider and come back."""
    return await come_back(visitor, provider.authorize(await leave(visitor, slug, place)))


async def inside(visitor: Browser) -> str | None:
    """Return the username that the browser is signed in as, or None."""
    if PAGE not in visitor.cookies:
        return None
    answer = await visitor.get("/api/v1/auth/me")
    return str(answer.json()["username"]) if answer.status_code == 200 else None


async def settled_in(house: Ostiary, visitor: Browser, name: str = "mira") -> str:
    """Be somebody with a password and a proven address, signed in just now; return the account's id."""
    account_id = (await settled(house, visitor.client, name))["user"]["id"]
    visitor.cookies.clear()
    await visitor.sign_in(name, PASSWORD)
    return str(account_id)


async def connect(visitor: Browser, provider: Scripted, slug: str = "acme") -> httpx.Response:
    """Connect an identity from the page of connected accounts; return how the way back ends."""
    led = await visitor.submit("/auth/connections/add", at="/auth/connections", provider=slug)
    assert led.status_code == 200, led.text
    return await come_back(visitor, provider.authorize(address_in(led)))


def address_in(led: httpx.Response) -> str:
    """Return where a page leads that leads on by itself."""
    return led.text.partition("0; url=")[2].partition('"')[0].replace("&amp;", "&")


async def attach(house: Ostiary, account_id: str) -> None:
    """Connect an identity with an account as if somebody had come back from a provider, without one."""
    known = ProviderSettings(issuer="https://login.example.org", client_id="a", client_secret="b", keep_tokens=True)
    transaction = Transaction("a", "acme", Intent("link", ""), "nonce", "verifier")
    who = Who("https://login.example.org", "1001", "mira@example.net", True, "mira", "Mira")
    proof = Proof(
        transaction, resolve("acme", known), who, False, Tokens("planted-access", "planted-refresh", 60, ("repo",))
    )
    async with house.database.unit() as unit:
        connection = await house.identities.attach(unit, await house.accounts.get(unit, account_id), proof)
        await house.identities.confirm(unit, ProvenIdentity(proof, connection, 1))
