"""All that the house hands out to people: every secret and every id that leaves it, by kind."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from tests.attacks.factors import Guarded, guarded
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser
from tests.house import API, PASSWORD, client_of, letter_to, token_in
from tests.magiclinks.steps import COOKIE, asked, code_in
from tests.sessions.device import Device, Offer, bound_device

from ostiary.accounts import tell_of_lock
from ostiary.wiring import Ostiary


@dataclass
class Held:
    """All that the house has handed out, by kind; and the keys of what it was handed to.

    Attributes:
        guarded: Somebody else, who has every second factor. What that one holds is among the tokens.
        bound: A browser that has bound its session.
        offered: Two that may; the challenge of one offer and the authorization of the other are among the tokens.
    """

    tokens: dict[str, str]
    bound: Device
    offered: tuple[tuple[Device, Offer], tuple[Device, Offer]]
    guarded: Guarded

    def __getitem__(self, kind: str) -> str:
        return self.tokens[kind]


async def handed_out(house: Ostiary, name: str = "mira") -> Held:
    """Register somebody and collect every secret and every id that leaves the house."""
    async with client_of(house) as client:
        browser = Browser(client)
        await browser.get(f"{API}/csrf")
        anonymous = browser.cookies[CSRF]
        body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
        answer = await browser.post(f"{API}/register", json=body)
        assert answer.status_code == 201
        (session,) = (await browser.get(f"{API}/sessions")).json()["sessions"]
        kinds = {"access": ACCESS, "refresh": REFRESH, "page": PAGE, "csrf": CSRF, "device": DEVICE}
        found = {kind: browser.cookies[cookie] for kind, cookie in kinds.items()}
        found |= {
            "csrf of nobody": anonymous,
            "jti": answer.json()["jti"],
            "session id": session["id"],
            "account id": answer.json()["user"]["id"],
        }
        bound = await bound_device(client, name)
        assert (await bound.browser.post(f"{API}/refresh")).status_code == 200  # whose access token says so
        devices = [Device(Browser(client)) for _ in range(2)]
        first, second = [(device, Offer.of(await device.browser.sign_in(name))) for device in devices]
        found |= {
            "bound cookie": bound.browser.cookies[bound.bound],
            "device challenge": bound.challenge or "",
            "device offer": first[1].challenge,
            "device authorization": second[1].authorization,
        }
        found |= await by_letter(house, browser, name, found["account id"])
        other = await guarded(house, client, f"{name}-guarded")
    return Held(found | other.tokens, bound, (first, second), other)


async def another_link(house: Ostiary, client: httpx.AsyncClient) -> dict[str, str]:
    """Return what a newer letter with a sign-in link brings."""
    letter = await asked(house, client)
    return {"link": letter.token, "link code": letter.code, "link cookie": letter.cookie}


async def by_letter(house: Ostiary, browser: Browser, name: str, account_id: str) -> dict[str, str]:
    """Have one letter of each kind sent, and return the secret in each."""
    address, new_address = f"{name}@example.org", f"{name}@example.net"
    proof = {"token": token_in(await letter_to(house, address))}
    assert (await browser.post(f"{API}/email/verify", json=proof)).status_code == 200
    change = {"email": new_address, "current_password": PASSWORD}
    assert (await browser.post(f"{API}/email/change", json=change)).status_code == 200
    assert (await browser.post(f"{API}/password-reset/request", json={"email": address})).status_code == 200
    assert (await browser.post(f"{API}/magic-link/request", json={"email": address})).status_code == 200
    async with house.database.unit() as unit:
        tell_of_lock(unit, account_id)
        unit.later("letter", kind="new_sign_in", account_id=account_id, when=unit.now, agent="", address="192.0.2.1")
    return {
        "proof": token_in(await letter_to(house, new_address)),
        "reset": token_in(await letter_to(house, address, "Choose a new password")),
        "unlock": token_in(await letter_to(house, address, "Wrong passwords")),
        "disown": token_in(await letter_to(house, address, "New sign-in")),
        "link": token_in(await letter_to(house, address, "Sign in to")),
        "link code": code_in(await letter_to(house, address, "Sign in to")),
        "link cookie": browser.cookies[COOKIE],
    }
