"""What people and programs do with API keys, in one step each."""

from __future__ import annotations

from typing import Any

import httpx
from tests.house import API, bearer, login
from tests.recovery.steps import settled

from ostiary.apikeys import KeyName, read
from ostiary.apikeys.form import CHECKSUM_LENGTH, checksum
from ostiary.wiring import Ostiary

Headers = dict[str, str]


async def owner(house: Ostiary, client: httpx.AsyncClient, name: str = "mira") -> Headers:
    """Be somebody with a proven address who has just signed in; return the header that says so."""
    await settled(house, client, name)
    return bearer(await login(client, name))


async def make(client: httpx.AsyncClient, bearing: Headers, **wanted: object) -> httpx.Response:
    """Ask for a key."""
    return await client.post(f"{API}/api-key", json={"name": "Backup"} | wanted, headers=bearing)


async def made(client: httpx.AsyncClient, bearing: Headers, **wanted: object) -> str:
    """Return the text of a new key."""
    answer = await make(client, bearing, **wanted)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["api_key"]
    return text


async def rotate(client: httpx.AsyncClient, bearing: Headers, text: str, **wanted: object) -> httpx.Response:
    """Ask for a new secret of a key."""
    return await client.post(f"{API}/api-key/{name_of(text).id}/rotate", json=wanted, headers=bearing)


async def revoke(client: httpx.AsyncClient, bearing: Headers, text: str) -> httpx.Response:
    """Revoke a key."""
    return await client.delete(f"{API}/api-key/{name_of(text).id}", headers=bearing)


async def listed(client: httpx.AsyncClient, bearing: Headers) -> list[dict[str, Any]]:
    """Return the keys as their owner sees them."""
    answer = await client.get(f"{API}/api-key", headers=bearing)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["api_keys"]
    return found


def showing(text: str) -> Headers:
    """Return the header that shows a key."""
    return {"authorization": f"Bearer {text}"}


async def ask(client: httpx.AsyncClient, text: str, path: str = f"{API}/me") -> httpx.Response:
    """Ask who-am-I by a key."""
    return await client.get(path, headers=showing(text))


async def status(client: httpx.AsyncClient, text: str) -> int:
    """Return how who-am-I by a key is answered."""
    return (await ask(client, text)).status_code


def name_of(text: str) -> KeyName:
    """Return which key it is."""
    name = read(text)
    assert name is not None
    return name


def with_checksum(body: str) -> str:
    """Return a text with the checksum that belongs to it, as whoever makes one up would."""
    return body + checksum(body)


def body_of(text: str) -> str:
    """Return a key without its checksum."""
    return text[:-CHECKSUM_LENGTH]


CHALLENGED = {
    "api-key-refused": "invalid_token", "api-key-not-accepted": "insufficient_scope",
    "scope-missing": "insufficient_scope", "not-permitted": "insufficient_scope",
}  # fmt: skip
"""What a program is told beside the refusal (RFC 6750 section 3.1)."""


def refuses(answer: httpx.Response, status: int, slug: str) -> bool:
    """Return whether an answer is that problem document, with its challenge; says what it was if not."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].rpartition("/")[2] == slug, answer.text
    if slug in CHALLENGED:
        (challenge,) = answer.headers.get_list("www-authenticate")
        assert challenge.startswith(f'Bearer realm="ostiary", error="{CHALLENGED[slug]}"'), challenge
    return True
