"""What the tests of lockout and limits do again and again."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import pbkdf2_hmac
from typing import Any, Self

import httpx
import pytest
from tests.house import API, PASSWORD

from ostiary.core.hashing import Hasher, Verdict

WRONG = "not the right battery"


async def attempt(client: httpx.AsyncClient, name: str, password: str = WRONG, **headers: str) -> httpx.Response:
    """Try to sign in, without keeping cookies."""
    answer = await client.post(f"{API}/login", json={"login": name, "password": password}, headers=headers)
    client.cookies.clear()
    return answer


async def statuses(client: httpx.AsyncClient, name: str, *passwords: str) -> list[int]:
    """Return how each attempt was answered."""
    return [(await attempt(client, name, password)).status_code for password in passwords]


def looks(answer: httpx.Response) -> tuple[int, dict[str, Any], list[str]]:
    """Return everything a stranger sees of an answer, but its own id and the time."""
    body = answer.json()
    assert body.pop("request_id") == answer.headers["x-request-id"]
    if "challenge" in body:
        body["challenge"] = shape(body["challenge"])
    return answer.status_code, body, sorted(answer.headers)


def shape(value: object) -> object:
    """Return JSON with each text as its length and each number as one: what two challenges have in common."""
    if isinstance(value, dict):
        return {name: shape(member) for name, member in value.items()}
    return len(value) if isinstance(value, str) else type(value).__name__


def solved(challenge: dict[str, Any]) -> str:
    """Return the solution of a challenge, as ALTCHA clients send it; nothing of our own code."""
    asked = challenge["parameters"]
    assert asked["algorithm"] == "PBKDF2/SHA-256"
    nonce, salt = bytes.fromhex(asked["nonce"]), bytes.fromhex(asked["salt"])
    for counter in range(asked["data"]["tries"]):
        key = pbkdf2_hmac("sha256", nonce + counter.to_bytes(4, "big"), salt, asked["cost"], asked["keyLength"])
        if key.hex().startswith(asked["keyPrefix"]):
            return packed(challenge, {"counter": counter, "derivedKey": key.hex(), "time": 812})
    raise AssertionError("there is no solution")


def packed(challenge: dict[str, Any], solution: dict[str, Any]) -> str:
    """Return challenge and solution in one text."""
    return b64encode(json.dumps({"challenge": challenge, "solution": solution}).encode()).decode()


def unpacked(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return challenge and solution of such a text, to be bent."""
    found = json.loads(b64decode(text))
    return found["challenge"], found["solution"]


async def device_cookie(client: httpx.AsyncClient, name: str) -> str:
    """Sign in and return the device cookie as a browser would send it."""
    answer = await attempt(client, name, PASSWORD)
    assert answer.status_code == 200, answer.text
    (cookie,) = (text for text in answer.headers.get_list("set-cookie") if "device=" in text)
    return cookie.partition(";")[0]


class Checks:
    """Watches which stored hashes passwords are checked against."""

    def __init__(self, hasher: Hasher) -> None:
        self._decoy = hasher.decoy
        self.stored: list[str] = []

    @property
    def real(self) -> int:
        """How many were checked against an account's own hash."""
        return sum(stored != self._decoy for stored in self.stored)

    @classmethod
    def watch(cls, hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> Self:
        """Watch from now on."""
        checks, verify = cls(hasher), hasher.verify

        async def watched(stored: str, password: str) -> Verdict:
            checks.stored.append(stored)
            return await verify(stored, password)

        monkeypatch.setattr(hasher, "verify", watched)
        return checks
