"""What the tests of lockout and limits do again and again."""

from __future__ import annotations

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
    return answer.status_code, body, sorted(answer.headers)


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
