"""What people do at the front desk, in one step each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
from tests.house import API, PASSWORD, bearer, journalled, login
from tests.passkeys.steps import add
from tests.recovery.steps import settled

from ostiary.codes import queries as code_queries
from ostiary.core.caller import KEEPER
from ostiary.core.secrets import new_id, unb64
from ostiary.testing.authenticator import Authenticator
from ostiary.totp import queries as totp_queries
from ostiary.totp.algorithm import new_secret
from ostiary.wiring import Ostiary

WRONG = "not the battery at all"
CODE = "recovery_code"
ONE, TWO, THREE = "111111" * 4, "222222" * 4, "333333" * 4
"""Recovery codes."""


@dataclass
class Owner:
    """Somebody with a proven address and a second factor.

    Attributes:
        held: A sign-in of before there was one.
    """

    id: str
    name: str
    held: dict[str, Any]

    @property
    def bearing(self) -> dict[str, str]:
        """The header that shows that sign-in."""
        return bearer(self.held)


async def with_codes(house: Ostiary, client: httpx.AsyncClient, *codes: str, name: str = "mira") -> Owner:
    """Be somebody who has an authenticator app, and these recovery codes."""
    await settled(house, client, name)
    held = await login(client, name)
    owner = Owner(held["user"]["id"], name, held)
    await give_codes(house, owner.id, *codes)
    return owner


async def with_both(
    house: Ostiary, client: httpx.AsyncClient, *codes: str, authenticator: Authenticator | None = None
) -> tuple[Owner, Authenticator]:
    """Be somebody who has a passkey, an authenticator app, and these recovery codes."""
    owner, key = await with_passkey(house, client, authenticator=authenticator)
    await give_codes(house, owner.id, *codes)
    return owner, key


async def give_codes(house: Ostiary, account_id: str, *codes: str) -> bytes:
    """Let an account have an authenticator app, and recovery codes that a test can name; return the app's secret.

    The rows that setting up leaves: what shows the codes to their owner is in the tests of their own slices.
    """
    secret = new_secret()
    async with house.database.unit(KEEPER) as unit:
        app = new_id(unit.now)
        sealed = house.sealer.seal(secret, f"totp_authenticators {account_id} {app} sealed")
        await unit.run(
            totp_queries.PUT, account_id=account_id, id=app, sealed=sealed, last_step=0, added_at=unit.now,
            last_used_at=None,
        )  # fmt: skip
        for code in codes:
            digest = house.sealer.marks("recovery code", f"{account_id} {code}")[0]
            await unit.run(code_queries.ADD, account_id=account_id, digest=digest, now=unit.now)
    return secret


async def unused(house: Ostiary, account_id: str) -> int:
    """Return how many recovery codes an account has left."""
    return (await house.codes.standing(account_id)).left


async def looked_at(house: Ostiary) -> int:
    """Return how many recovery codes were looked at, and not believed."""
    return (await journalled(house)).count("code.refused")


async def with_passkey(
    house: Ostiary, client: httpx.AsyncClient, name: str = "mira", authenticator: Authenticator | None = None
) -> tuple[Owner, Authenticator]:
    """Be somebody who has a passkey."""
    await settled(house, client, name)
    held = await login(client, name)
    return Owner(held["user"]["id"], name, held), await add(client, bearer(held), authenticator)


async def ask_in(
    client: httpx.AsyncClient, name: str = "mira", password: str = PASSWORD, cookie: str = ""
) -> httpx.Response:
    """Send name and password; cookies are dropped, but for the one that is given."""
    headers = {"cookie": cookie} if cookie else {}
    answer = await client.post(f"{API}/login", json={"login": name, "password": password}, headers=headers)
    client.cookies.clear()
    return answer


async def owed(client: httpx.AsyncClient, name: str = "mira", password: str = PASSWORD, cookie: str = "") -> str:
    """Send name and password, be asked for more, and return the ticket."""
    answer = await ask_in(client, name, password, cookie)
    assert answer.status_code == 200, answer.text
    assert answer.json()["mfa_required"] is True
    assert "set-cookie" not in answer.headers
    return str(answer.json()["ticket"])


async def type_in(
    client: httpx.AsyncClient, ticket: str, code: str, method: str = CODE, *, headers: dict[str, str] | None = None,
    **more: Any,  # noqa: ANN401
) -> httpx.Response:  # fmt: skip
    """Show a code for a ticket; cookies are dropped."""
    body = {"ticket": ticket, "method": method, "code": code, **more}
    answer = await client.post(f"{API}/mfa/verify", json=body, headers=headers)
    client.cookies.clear()
    return answer


async def touch(
    client: httpx.AsyncClient, ticket: str, authenticator: Authenticator, *, headers: dict[str, str] | None = None,
    remember: bool = False, **changed: Any,  # noqa: ANN401
) -> httpx.Response:  # fmt: skip
    """Show a passkey for a ticket; cookies are dropped."""
    asked = await client.post(f"{API}/mfa/passkey/begin", json={"ticket": ticket}, headers=headers)
    if asked.status_code != 200:
        return asked
    body = {
        "ticket": ticket, "remember": remember,
        "credential": authenticator.show(asked.json()["publicKey"], **changed),
    }  # fmt: skip
    answer = await client.post(f"{API}/mfa/passkey/finish", json=body, headers=headers)
    client.cookies.clear()
    return answer


async def remembering(client: httpx.AsyncClient, authenticator: Authenticator, name: str = "mira") -> dict[str, Any]:
    """Sign in by password and passkey, and have this browser remembered; return the answer."""
    answer = await touch(client, await owed(client, name), authenticator, remember=True)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def device_in(answer: httpx.Response) -> str:
    """Return the device cookie that an answer sets, as a browser sends it."""
    return next(text for text in answer.headers.get_list("set-cookie") if "-device=" in text).partition(";")[0]


def claims(signed_in: dict[str, Any]) -> dict[str, Any]:
    """Return what an access token says."""
    found: dict[str, Any] = json.loads(unb64(signed_in["access_token"].split(".")[1]))
    return found


def slug(answer: httpx.Response) -> str:
    """Return the last part of a problem's type."""
    return str(answer.json()["type"]).rpartition("/")[2]


def is_refused(answer: httpx.Response, status: int, reason: str) -> bool:
    """Return whether a problem came, and nothing that could be kept with it."""
    return (answer.status_code, slug(answer)) == (status, reason) and "set-cookie" not in answer.headers
