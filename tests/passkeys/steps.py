"""What people do with passkeys, in one step each."""

from __future__ import annotations

import json
from typing import Any

import httpx
from sqlalchemy import select
from tests.house import API, bearer, login, strengthened
from tests.recovery.steps import settled

from ostiary.core.db import Query
from ostiary.core.journal import Entry
from ostiary.core.tables import journal
from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary

COOKIE = "__Host-passkey"


async def owner(house: Ostiary, client: httpx.AsyncClient, name: str = "mira") -> dict[str, str]:
    """Be somebody with a proven address who has just signed in; return the header that says so."""
    await settled(house, client, name)
    return bearer(await login(client, name))


async def strong_owner(house: Ostiary, client: httpx.AsyncClient, name: str = "mira") -> dict[str, str]:
    """As `owner`, by a proof that is enough whatever the account gets."""
    await settled(house, client, name)
    return bearer(await strengthened(house, await login(client, name)))


async def begin(client: httpx.AsyncClient, bearing: dict[str, str]) -> dict[str, Any]:
    """Return creation options."""
    answer = await client.post(f"{API}/passkeys/register/begin", headers=bearing)
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()["publicKey"]
    return options


async def finish(
    client: httpx.AsyncClient, bearing: dict[str, str], credential: dict[str, Any], name: str = ""
) -> httpx.Response:
    """Send what an authenticator has made."""
    body = {"credential": credential, "name": name}
    return await client.post(f"{API}/passkeys/register/finish", json=body, headers=bearing)


async def add(
    client: httpx.AsyncClient, bearing: dict[str, str], authenticator: Authenticator | None = None, name: str = ""
) -> Authenticator:
    """Add a passkey and return the authenticator that holds it."""
    authenticator = authenticator or Authenticator()
    answer = await finish(client, bearing, authenticator.make(await begin(client, bearing)), name)
    assert answer.status_code == 201, answer.text
    return authenticator


async def ask(client: httpx.AsyncClient, held: str | None = None) -> tuple[dict[str, Any], str]:
    """Return request options, and the cookie that the answer has to come with."""
    headers = {"cookie": f"{COOKIE}={held}"} if held else {}
    answer = await client.post(f"{API}/passkeys/sign-in/begin", headers=headers)
    client.cookies.clear()
    assert answer.status_code == 200, answer.text
    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(COOKIE)]
    return answer.json()["publicKey"], cookie.partition(";")[0].partition("=")[2]


async def show(client: httpx.AsyncClient, credential: dict[str, Any], cookie: str | None) -> httpx.Response:
    """Send what an authenticator has answered."""
    headers = {"cookie": f"{COOKIE}={cookie}"} if cookie else {}
    answer = await client.post(f"{API}/passkeys/sign-in/finish", json={"credential": credential}, headers=headers)
    client.cookies.clear()
    return answer


async def sign_in(client: httpx.AsyncClient, authenticator: Authenticator, **changed: Any) -> httpx.Response:  # noqa: ANN401
    """Sign in, and return how it is answered."""
    options, cookie = await ask(client)
    return await show(client, authenticator.show(options, **changed), cookie)


async def newest(house: Ostiary, action: str) -> dict[str, Any]:
    """Return the details of the newest entry of a kind."""
    rows = await house.database.all(Query(select(journal), Entry))
    found = [row for row in rows if row.action == action]
    details: dict[str, Any] = json.loads(max(found, key=lambda row: (row.at, row.strand, row.position)).details)
    return details


async def why_refused(house: Ostiary) -> str:
    """Return the reason in the newest entry about a refused passkey."""
    return str((await newest(house, "passkey.refused"))["reason"])


async def stronger(
    client: httpx.AsyncClient,
    bearing: dict[str, str],
    authenticator: Authenticator,
    **changed: Any,  # noqa: ANN401
) -> dict[str, str]:
    """Step a session up by a passkey, and return the header that says so."""
    answer = await client.post(f"{API}/step-up/passkey/begin", headers=bearing)
    assert answer.status_code == 200, answer.text
    body = {"credential": authenticator.show(answer.json()["publicKey"], **changed)}
    answer = await client.post(f"{API}/step-up/passkey/finish", json=body, headers=bearing)
    assert answer.status_code == 200, answer.text
    return bearer(answer.json())
