"""What people do with authenticator apps, in one step each."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import httpx
from tests.house import API

from ostiary.core.caller import Caller
from ostiary.totp import TotpProof
from ostiary.totp.algorithm import code_at, step_at
from ostiary.wiring import Ostiary

CALLER = Caller(request_id="test", address="203.0.113.7", agent="Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")


@dataclass
class App:
    """An authenticator app that holds one secret, on a telephone whose clock may be wrong."""

    secret: bytes
    house: Ostiary
    skew_seconds: int = 0

    def code(self, steps_ago: int = 0) -> str:
        """Return what it shows, or showed some steps ago."""
        return code_at(self.secret, self.step(steps_ago))

    def step(self, steps_ago: int = 0) -> int:
        return step_at(self.house.clock.now() + self.skew_seconds * 1000) - steps_ago

    def wrong(self) -> str:
        """Return a code that is neither of now nor of a minute around it."""
        near = {self.code(steps) for steps in range(-2, 4)}
        return next(code for number in range(10) if (code := f"{number:06}") not in near)


async def begin(client: httpx.AsyncClient, bearing: dict[str, str]) -> dict[str, Any]:
    """Return what an app needs."""
    answer = await client.post(f"{API}/mfa/totp/begin", headers=bearing)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def scan(house: Ostiary, client: httpx.AsyncClient, bearing: dict[str, str]) -> App:
    """Begin, and let an app take the secret."""
    return App(base64.b32decode((await begin(client, bearing))["secret"]), house)


async def confirm(client: httpx.AsyncClient, bearing: dict[str, str], code: object) -> httpx.Response:
    """Send the code that an app shows."""
    return await client.post(f"{API}/mfa/totp/confirm", json={"code": code}, headers=bearing)


async def set_up(house: Ostiary, client: httpx.AsyncClient, bearing: dict[str, str]) -> tuple[App, list[str]]:
    """Set an app up; return it, and the recovery codes that came with it."""
    app = await scan(house, client, bearing)
    answer = await confirm(client, bearing, app.code())
    assert answer.status_code == 200, answer.text
    codes: list[str] = answer.json()["recovery_codes"]
    return app, codes


async def prove(house: Ostiary, account_id: str, code: str) -> TotpProof | None:
    """Look at a code as the front desk does."""
    return await house.totp.prove(CALLER, account_id, code, "an attempt")


async def use(house: Ostiary, account_id: str, code: str) -> bool:
    """Look at a code and use it up, as the front desk does."""
    proof = await prove(house, account_id, code)
    if proof is None:
        return False
    async with house.database.unit(CALLER) as unit:
        return await house.totp.confirm(unit, proof)


async def only_account(house: Ostiary) -> str:
    (account,) = await house.accounts.listed()
    return account.id


async def named(house: Ostiary, *names: str) -> list[str]:
    """Return the ids of accounts by their names."""
    ids = {account.username: account.id for account in await house.accounts.listed()}
    return [ids[name] for name in names]


async def is_set_up(house: Ostiary) -> bool:
    """Return whether anybody has an app."""
    async with house.database.unit() as unit:
        return any([await house.totp.is_set_up(unit, account.id) for account in await house.accounts.listed()])


def said(answer: httpx.Response) -> tuple[int, str]:
    """Return a refusal's status and slug."""
    return answer.status_code, answer.json()["type"].rpartition("/")[2]
