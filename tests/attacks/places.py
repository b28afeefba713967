"""Each place that takes a secret, and the one kind that it takes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import httpx
from fastapi.routing import iter_route_contexts
from tests.attacks import factors
from tests.attacks.factors import FactorPlace
from tests.attacks.holdings import Held
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, set_cookies
from tests.contract.doors import operations, resolved
from tests.house import API, NEW_PASSWORD, ORIGIN, PASSWORD
from tests.magiclinks.steps import COOKIE
from tests.sessions.device import REGISTER, RENEW, Device, Offer

from ostiary.login.tickets import LIFETIME as TICKET
from ostiary.passkeys.challenges import LIFETIME as CHALLENGE
from ostiary.passwords.service import REPLACE_WITHIN
from ostiary.server.app import routes
from ostiary.texts.service import LIFETIME as TEXT

Place = Callable[[httpx.AsyncClient, str, Held], Awaitable[bool]]


def cookies(**pairs: str) -> dict[str, str]:
    names = {"access": ACCESS, "refresh": REFRESH, "page": PAGE, "csrf": CSRF, "device": DEVICE}
    return {"cookie": "; ".join(f"{names[kind]}={value}" for kind, value in pairs.items())}


async def bearer_header(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get(f"{API}/me", headers={"authorization": f"Bearer {token}"})).status_code == 200


async def access_cookie(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get(f"{API}/me", headers=cookies(access=token))).status_code == 200


async def access_cookie_of_a_page(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get("/auth/sessions", headers=cookies(access=token))).status_code == 200


async def page_cookie(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get("/auth/account", headers=cookies(page=token))).status_code == 200


async def refresh_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.post(f"{API}/refresh", json={"refresh_token": token})).status_code == 200


async def refresh_cookie(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    guarded = cookies(refresh=token, page=held["page"], csrf=held["csrf"]) | {"x-csrf-token": held["csrf"]}
    return (await client.post(f"{API}/refresh", headers=guarded)).status_code == 200


async def csrf_pair(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    guarded = cookies(access=held["access"], page=held["page"], csrf=token) | {"x-csrf-token": token}
    return (await client.post(f"{API}/sessions/revoke-others", headers=guarded)).status_code == 200


async def csrf_pair_of_a_stranger(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    guarded = cookies(csrf=token) | {"x-csrf-token": token, "origin": ORIGIN}
    return (await client.post(f"{API}/logout", headers=guarded)).status_code == 200


async def device_cookie(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    credentials = {"login": "mira", "password": PASSWORD}
    answer = await client.post(f"{API}/login", json=credentials, headers=cookies(device=token))
    assert answer.status_code == 200
    return set_cookies(answer)[DEVICE].value == token  # a device that is not known gets a new name


async def bound_cookie(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    shown = f"{ACCESS}={held.bound.browser.cookies[ACCESS]}; {held.bound.bound}={token}"
    return (await client.get(f"{API}/me", headers={"cookie": shown})).status_code == 200


async def renewal(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    signed = held.bound.signed({"jti": token})
    shown = {"sec-secure-session-id": held.bound.session_id, "secure-session-response": signed}
    return (await client.post(RENEW, headers=shown)).status_code == 200


async def registration(client: httpx.AsyncClient, device: Device, offer: Offer) -> bool:
    claims = {"jti": offer.challenge, "authorization": offer.authorization}
    shown = {"secure-session-response": device.signed(claims, jwk=device.jwk())}
    return (await client.post(REGISTER, headers=shown)).status_code == 200


async def registration_challenge(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    device, offer = held.offered[0]
    return await registration(client, device, replace(offer, challenge=token))


async def registration_authorization(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    device, offer = held.offered[1]
    return await registration(client, device, replace(offer, authorization=token))


async def proof_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.post(f"{API}/email/verify", json={"token": token[:128]})).status_code == 200


async def proof_link(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    return (await client.get("/auth/confirm", params={"token": token})).status_code == 200


def link_to(page: str) -> Place:
    """Return the place that a letter leads to."""

    async def link(client: httpx.AsyncClient, token: str, _: Held) -> bool:
        return (await client.get(f"/auth/{page}", params={"token": token})).status_code == 200

    link.__name__ = f"link to {page}"
    return link


def button_of(page: str) -> Place:
    """Return the place that uses a letter's secret up."""

    async def button(client: httpx.AsyncClient, token: str, _: Held) -> bool:
        data = {"token": token[:128], "new_password": NEW_PASSWORD}
        return (await client.post(f"/auth/{page}", data=data)).status_code in (200, 303)

    button.__name__ = f"button of {page}"
    return button


async def link_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    body = {"token": token[:128], "elsewhere": True}
    return (await client.post(f"{API}/magic-link/confirm", json=body)).status_code == 200


async def link_button(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    body = {"token": token[:128], "elsewhere": "yes"}
    return (await client.post("/auth/magic-link", data=body)).status_code == 303


async def link_code(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    cookie = {"cookie": f"{COOKIE}={held['link cookie']}"}
    answer = await client.post(f"{API}/magic-link/confirm", json={"code": token[:64]}, headers=cookie)
    return answer.status_code == 200


async def link_code_page(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    cookie = {"cookie": f"{COOKIE}={held['link cookie']}"}
    return (await client.post("/auth/link/code", data={"code": token[:64]}, headers=cookie)).status_code == 303


async def link_cookie(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    body = {"code": held["link code"]}
    answer = await client.post(f"{API}/magic-link/confirm", json=body, headers={"cookie": f"{COOKIE}={token}"})
    return answer.status_code == 200


async def reset_body(client: httpx.AsyncClient, token: str, _: Held) -> bool:
    body = {"token": token[:128], "new_password": NEW_PASSWORD}
    return (await client.post(f"{API}/password-reset/confirm", json=body)).status_code == 200


async def signing_out_by(client: httpx.AsyncClient, kind: str, token: str, held: Held) -> bool:
    guarded = cookies(**{kind: token, "csrf": held["csrf"]}) | {"x-csrf-token": held["csrf"]}
    return (await client.post(f"{API}/logout", headers=guarded)).status_code == 200


async def sign_out_by_page(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    return await signing_out_by(client, "page", token, held)


async def sign_out_by_access(client: httpx.AsyncClient, token: str, held: Held) -> bool:
    return await signing_out_by(client, "access", token, held)


def of_guarded(place: FactorPlace) -> Place:
    """Return a place of the one who has second factors."""

    async def its(client: httpx.AsyncClient, token: str, held: Held) -> bool:
        return await place(client, token, held.guarded)

    its.__name__ = place.__name__
    return its


TICKET_INSIDE = of_guarded(factors.ticket_inside)

PLACES: dict[Place, str] = {
    bearer_header: "access",
    access_cookie: "access",
    access_cookie_of_a_page: "access",
    page_cookie: "page",
    refresh_body: "refresh",
    refresh_cookie: "refresh",
    bound_cookie: "bound cookie",
    renewal: "device challenge",
    registration_challenge: "device offer",
    registration_authorization: "device authorization",
    csrf_pair: "csrf",
    csrf_pair_of_a_stranger: "csrf of nobody",
    device_cookie: "device",
    link_to("magic-link"): "link",
    link_body: "link",
    link_button: "link",
    link_code: "link code",
    link_cookie: "link cookie",
    link_to("reset"): "reset",
    link_to("unlock"): "unlock",
    link_to("not-me"): "disown",
    proof_link: "proof",
    proof_body: "proof",
    sign_out_by_access: "access",
    sign_out_by_page: "page",
    button_of("unlock"): "unlock",
    reset_body: "reset",  # which ends what is older, but for the letters that say "this wasn't me"
    button_of("not-me"): "disown",
    of_guarded(factors.remembered_cookie): "remembered browser",
    of_guarded(factors.ticket_to_begin): "mfa ticket",
    of_guarded(factors.ticket_field): "mfa ticket",
    TICKET_INSIDE: "step-up ticket",
    of_guarded(factors.recovery_field): "recovery code",
    of_guarded(factors.totp_field): "totp code",
    of_guarded(factors.sms_field): "sms code",
    of_guarded(factors.second_factor_challenge): "second-factor challenge",
    of_guarded(factors.step_up_challenge): "step-up challenge",
    of_guarded(factors.registration_challenge): "registration challenge",
    of_guarded(factors.sign_in_challenge): "sign-in challenge",
    of_guarded(factors.phone_field): "phone code",
    of_guarded(factors.enrolment_field): "enrolment code",
    link_to("keep"): "keep",
    of_guarded(factors.keep_body): "keep",
    of_guarded(factors.replacement): "replacement ticket",
}
"""Each place that takes a token, and the one kind that it takes; those that use it up come last."""

AGAIN: dict[Place, str] = {
    of_guarded(factors.ticket_to_send): "mfa ticket",
    of_guarded(factors.ticket_of_a_page): "mfa ticket",
    of_guarded(factors.passkey_cookie): "passkey cookie",
    of_guarded(factors.field_of_a_page("/auth/phone/confirm", 303)): "phone code",
    of_guarded(factors.field_of_a_page("/auth/totp/confirm", 200, "recovery code")): "enrolment code",
    button_of("keep"): "keep",
    of_guarded(factors.replacement_by_page): "replacement ticket",
    link_code_page: "link code",
    button_of("confirm"): "proof",  # of another address, which ends what went to the former one
    button_of("reset"): "reset",
}
"""More places of the same kinds: pages, for the most part. They need another set to use up."""

ALSO: dict[Place, set[str]] = {
    device_cookie: {"remembered browser"},  # it is one, of somebody else
    TICKET_INSIDE: {"mfa ticket"},  # starts its own session, inside another as well; raises none
}
"""What a place takes besides, and rightly."""

OF_ONE_ACCOUNT: dict[FactorPlace, str] = {
    factors.ticket_field: "mfa ticket",
    factors.ticket_inside: "step-up ticket",
    factors.recovery_field: "recovery code",
    factors.totp_field: "totp code",
    factors.sms_field: "sms code",
    factors.second_factor_challenge: "second-factor challenge",
    factors.step_up_challenge: "step-up challenge",
    factors.registration_challenge: "registration challenge",
    factors.sign_in_challenge: "sign-in challenge",
    factors.passkey_cookie: "passkey cookie",
    factors.phone_field: "phone code",
    factors.enrolment_field: "enrolment code",
    factors.remembered_cookie: "remembered browser",
}
"""Places where something else says already whose it has to be."""

LASTS: dict[FactorPlace, tuple[str, timedelta]] = {
    factors.sms_field: ("sms code", TEXT),
    factors.second_factor_challenge: ("second-factor challenge", CHALLENGE),
    factors.step_up_challenge: ("step-up challenge", CHALLENGE),
    factors.registration_challenge: ("registration challenge", CHALLENGE),
    factors.sign_in_challenge: ("sign-in challenge", CHALLENGE),
    factors.phone_field: ("phone code", TEXT),
    factors.ticket_field: ("mfa ticket", TICKET),
    factors.ticket_inside: ("step-up ticket", TICKET),
    factors.replacement: ("replacement ticket", REPLACE_WITHIN),
}
"""How long what somebody with second factors holds is good; of older kinds their slices show it."""


def doors_for_secrets() -> Iterator[tuple[str, str]]:
    """Yield every method and path with a field for a secret, as the document and the pages' own code say it."""
    names = {"token", "ticket", "code", "credential", "refresh_token"}
    for operation in operations():
        content = operation.document.get("requestBody", {}).get("content", {}).get("application/json", {})
        if names & resolved(content.get("schema", {})).get("properties", {}).keys():
            yield operation.method, operation.path
    for route in iter_route_contexts(routes(with_mailbox=False).routes):
        asked = re.search(r"fields\(request, ([^)]*)\)", inspect.getsource(route.endpoint)) if route.endpoint else None
        if asked and names & set(re.findall(r"\w+", asked[1])):
            yield from ((method, str(route.path)) for method in route.methods or ())
