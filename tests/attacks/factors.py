"""All that somebody with second factors holds, and each place that takes one of these secrets."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from tests.contract.browser import ACCESS, CSRF, Browser
from tests.house import API, NEW_PASSWORD, PASSWORD, letter_to
from tests.login.steps import claims, device_in, give_codes, owed, type_in
from tests.passkeys import steps as passkeys
from tests.recovery.steps import _secret, settled
from tests.texts.steps import NUMBER, OTHER, code_in, texts

from ostiary.codes.writing import new_code
from ostiary.core.caller import KEEPER
from ostiary.core.secrets import b64, unb64
from ostiary.testing.authenticator import Authenticator
from ostiary.totp.algorithm import code_at, step_at
from ostiary.wiring import Ostiary


@dataclass
class Guarded:
    """Somebody with a passkey, an authenticator app, recovery codes and a telephone.

    Attributes:
        browser: A session that was stepped up by the passkey.
        spare: Recovery codes to be shown beside what is tried.
        tickets: By the name of what is shown for each.
    """

    name: str
    id: str
    browser: Browser
    key: Authenticator
    spare: list[str]
    tickets: dict[str, str]
    tokens: dict[str, str]

    @property
    def bearing(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.browser.cookies[ACCESS]}"}


async def guarded(house: Ostiary, client: httpx.AsyncClient, name: str) -> Guarded:
    """Be somebody who has every second factor, and hold every secret that is about one."""
    await settled(house, client, name)
    browser = Browser(client)
    account_id = (await browser.sign_in(name)).json()["user"]["id"]
    key = Authenticator(counts=False)
    asked = (await browser.post(f"{API}/passkeys/register/begin")).json()["publicKey"]
    assert (await browser.post(f"{API}/passkeys/register/finish", json={"credential": key.make(asked)})).is_success
    asked = (await browser.post(f"{API}/step-up/passkey/begin")).json()["publicKey"]
    assert (await browser.post(f"{API}/step-up/passkey/finish", json={"credential": key.show(asked)})).is_success
    await telephone(house, browser, NUMBER)
    code, *spare = (new_code() for _ in range(8))
    secret = await give_codes(house, account_id, code, *spare)
    client.cookies.clear()
    who = Guarded(name, account_id, browser, key, spare, {}, {})
    await hand_out(house, client, who)
    who.tokens |= {
        "recovery code": code,
        "totp code": code_at(secret, step_at(house.clock.now())),
        "keep": await kept(house, client, f"{name}-gone"),
    }
    return who


async def telephone(house: Ostiary, browser: Browser, number: str) -> None:
    """Add a number."""
    assert (await browser.post(f"{API}/mfa/phone/begin", json={"number": number})).is_success
    assert (await browser.post(f"{API}/mfa/phone/confirm", json={"code": code_in(texts(house)[0])})).is_success


async def hand_out(house: Ostiary, client: httpx.AsyncClient, who: Guarded) -> None:
    """Have the house hand out each secret of a sign-in, of a step-up, and of what is about to be set up."""
    answer = await type_in(client, await owed(client, who.name), who.spare.pop(), remember=True)
    assert answer.status_code == 200, answer.text
    for beside in ("recovery", "totp", "sms", "passkey"):
        who.tickets[beside] = await owed(client, who.name)
    asked = await client.post(f"{API}/mfa/send", json={"ticket": who.tickets["sms"], "method": "sms"})
    assert asked.status_code == 200, asked.text
    sms = code_in(texts(house)[0])
    options, cookie = await passkeys.ask(client)
    begun = {
        "sign-in challenge": options,
        "second-factor challenge": await begin(client, "mfa/passkey/begin", json={"ticket": who.tickets["passkey"]}),
        "step-up challenge": await begin(client, "step-up/passkey/begin", headers=who.bearing),
        "registration challenge": await begin(client, "passkeys/register/begin", headers=who.bearing),
    }
    stepping = await client.post(f"{API}/step-up", json={"password": PASSWORD}, headers=who.bearing)
    enrolling = await client.post(f"{API}/mfa/totp/begin", headers=who.bearing)
    new = base64.b32decode(enrolling.json()["secret"])
    assert (await client.post(f"{API}/mfa/phone/begin", json={"number": OTHER}, headers=who.bearing)).is_success
    async with house.database.unit(KEEPER) as unit:
        account = await house.accounts.get(unit, who.id)
        mark = await house.passwords.mark(unit, who.id)
        demanded = await house.passwords.demand_change(unit, account, mark, ("pwd", "otp", "mfa"))
    client.cookies.clear()
    who.tokens |= {kind: unb64(options["challenge"]).decode() for kind, options in begun.items()} | {
        "remembered browser": device_in(answer).partition("=")[2],
        "sms code": sms,
        "passkey cookie": cookie,
        "mfa ticket": await owed(client, who.name),
        "step-up ticket": stepping.json()["ticket"],
        "enrolment code": code_at(new, step_at(house.clock.now())),
        "phone code": code_in(texts(house)[0]),
        "replacement ticket": demanded.ticket,
    }


async def begin(client: httpx.AsyncClient, path: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = await client.post(f"{API}/{path}", **more)
    assert answer.status_code == 200, answer.text
    options: dict[str, Any] = answer.json()["publicKey"]
    return options


async def kept(house: Ostiary, client: httpx.AsyncClient, name: str) -> str:
    """Return the secret of the link that keeps an account which is to be erased."""
    await settled(house, client, name)
    browser = Browser(client)
    await browser.sign_in(name)
    assert (await browser.post(f"{API}/account/erase", json={"current_password": PASSWORD})).status_code == 200
    client.cookies.clear()
    return _secret(await letter_to(house, f"{name}@example.org", "will be erased"), "keep")


# --- Places


FactorPlace = Callable[[httpx.AsyncClient, str, Guarded], Awaitable[bool]]


async def verified(
    client: httpx.AsyncClient, ticket: str, method: str, code: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    body = {"ticket": ticket[:128], "method": method, "code": code[:128]}
    return await client.post(f"{API}/mfa/verify", json=body, headers=headers)


async def ticket_field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    return (await verified(client, token, "recovery_code", who.spare[0])).status_code == 200


async def ticket_to_begin(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    return (await client.post(f"{API}/mfa/passkey/begin", json={"ticket": token[:128]})).status_code == 200


async def ticket_to_send(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"ticket": token[:128], "method": "sms"}
    return (await client.post(f"{API}/mfa/send", json=body)).status_code == 200


async def ticket_of_a_page(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"ticket": token, "method": "recovery_code", "code": who.spare[0]}
    return (await client.post("/auth/second-factor", data=body)).status_code == 303


async def ticket_inside(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    answer = await verified(client, token, "recovery_code", who.spare[1], who.bearing)
    own = claims({"access_token": who.browser.cookies[ACCESS]})["sid"]
    return answer.status_code == 200 and claims(answer.json())["sid"] == own


async def recovery_field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    return (await verified(client, who.tickets["recovery"], "recovery_code", token)).status_code == 200


async def totp_field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    return (await verified(client, who.tickets["totp"], "totp", token)).status_code == 200


async def sms_field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    return (await verified(client, who.tickets["sms"], "sms", token)).status_code == 200


def shown(who: Guarded, challenge: str) -> dict[str, Any]:
    return who.key.show({"challenge": b64(challenge.encode())})


async def sign_in_challenge(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    answer = await passkeys.show(client, shown(who, token), who.tokens["passkey cookie"])
    return answer.status_code == 200


async def passkey_cookie(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    answer = await passkeys.show(client, shown(who, who.tokens["sign-in challenge"]), token)
    return answer.status_code == 200


async def second_factor_challenge(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"ticket": who.tickets["passkey"], "credential": shown(who, token)}
    return (await client.post(f"{API}/mfa/passkey/finish", json=body)).status_code == 200


async def step_up_challenge(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"credential": shown(who, token)}
    return (await client.post(f"{API}/step-up/passkey/finish", json=body, headers=who.bearing)).status_code == 200


async def registration_challenge(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    options = {"challenge": b64(token.encode()), "user": {"id": b64(who.key.handle)}}
    body = {"credential": Authenticator(counts=False).make(options)}
    answer = await client.post(f"{API}/passkeys/register/finish", json=body, headers=who.bearing)
    return answer.status_code == 201


async def phone_field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    answer = await client.post(f"{API}/mfa/phone/confirm", json={"code": token[:32]}, headers=who.bearing)
    return answer.status_code == 200


async def enrolment_field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    answer = await client.post(f"{API}/mfa/totp/confirm", json={"code": token[:64]}, headers=who.bearing)
    return answer.status_code == 200


def field_of_a_page(path: str, done: int, words: str = "") -> FactorPlace:
    """Return the place of a code on a page of whoever is signed in."""

    async def field(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
        data = {"csrf_token": who.browser.cookies[CSRF], "code": token}
        answer = await Browser(client, dict(who.browser.cookies)).request("POST", path, csrf=False, data=data)
        return answer.status_code == done and words in answer.text

    field.__name__ = f"field of {path}"
    return field


async def remembered_cookie(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"login": who.name, "password": PASSWORD}
    answer = await client.post(f"{API}/login", json=body, headers={"cookie": f"__Host-device={token}"})
    assert answer.status_code == 200, answer.text
    return "mfa_required" not in answer.json()


async def keep_body(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    return (await client.post(f"{API}/account/keep", json={"token": token[:128]})).status_code == 200


async def replacement(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"ticket": token[:128], "new_password": NEW_PASSWORD}
    return (await client.post(f"{API}/password/replace", json=body)).status_code == 200


async def replacement_by_page(client: httpx.AsyncClient, token: str, who: Guarded) -> bool:
    body = {"ticket": token, "new_password": NEW_PASSWORD, "username": who.name}
    return (await client.post("/auth/new-password", data=body)).status_code == 303
