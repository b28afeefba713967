"""Connecting and disconnecting: after a sign-in just now, told by letter, and never the last way in."""

from __future__ import annotations

import asyncio

import pytest
from tests.contract.browser import Browser
from tests.federation.scripted import Person, Scripted
from tests.federation.steps import address_in, come_back, connect, inside, settled_in, sign_in
from tests.house import API, NEW_PASSWORD, bearer, journalled, letter_to, login, register, strengthened, token_in
from tests.passkeys.steps import add, newest
from tests.privacy.steps import export
from tests.recovery.steps import reset_token

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

OTHER = Person("2002", "somebody@example.net", username="mira-at-acme")
"""An identity whose address is not the account's: only `iss` and `sub` count."""


async def connection_of(visitor: Browser) -> str:
    """Return the id of the one connection."""
    (one,) = (await visitor.get(f"{API}/connections")).json()["connections"]
    return str(one["id"])


class TestConnecting:
    async def test_lets_the_identity_in_from_then_on_and_tells_the_owner(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await settled_in(house, visitor)
        provider.person = OTHER

        back = await connect(visitor, provider)

        assert back.headers["location"] == "/auth/connections"
        letter = await letter_to(house, "mira@example.org", "was connected")
        assert "mira-at-acme" in letter.text
        elsewhere = Browser(visitor.client)
        await sign_in(elsewhere, provider)
        assert await inside(elsewhere) == "mira"
        shown = (await elsewhere.get("/auth/connections")).text
        assert "mira-at-acme" in shown
        assert "Last used" in shown

    async def test_by_a_program(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        await settled_in(house, visitor)
        told = await visitor.post(f"{API}/federation/acme/link", json={"next": "/auth/account"})
        assert told.status_code == 200, told.text

        back = await come_back(visitor, provider.authorize(told.json()["authorization_url"]))

        assert back.headers["location"] == "/auth/account"
        assert await connection_of(visitor)

    async def test_wants_a_sign_in_just_now(
        self, house: Ostiary, visitor: Browser, provider: Scripted, clock: ManualClock
    ) -> None:
        await settled_in(house, visitor)
        clock.advance(minutes=11)
        answer = await visitor.post(f"{API}/federation/acme/link", json={})
        assert answer.json()["type"].endswith("/sign-in-too-old")
        page = await visitor.submit("/auth/connections/add", at="/auth/connections", provider="acme")
        assert page.headers["location"].startswith("/auth/step-up")

    async def test_wants_a_proven_address(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        """Trojan identifier: whoever only claims an address prepares nothing for its owner."""
        await register(visitor.client, "mira")
        await visitor.sign_in()
        provider.person = OTHER
        told = await visitor.post(f"{API}/federation/acme/link", json={})

        answer = await come_back(visitor, provider.authorize(told.json()["authorization_url"]))

        assert answer.status_code == 403
        assert (await newest(house, "identity.refused"))["reason"] == "address"
        assert (await visitor.get(f"{API}/connections")).json() == {"connections": []}

    async def test_is_over_with_the_session_that_began_it(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await settled_in(house, visitor)
        told = await visitor.post(f"{API}/federation/acme/link", json={})
        path = provider.authorize(told.json()["authorization_url"])
        kept = visitor.cookies["__Host-federation"]
        await visitor.post(f"{API}/logout")
        visitor.cookies["__Host-federation"] = kept

        assert (await come_back(visitor, path)).status_code == 403
        assert (await newest(house, "identity.refused"))["reason"] == "session"
        assert "identity.linked" not in await journalled(house)

    async def test_is_not_done_for_whoever_sits_at_the_browser_next(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await settled_in(house, visitor)
        other = Browser(visitor.client)
        await settled_in(house, other, "jonas")
        told = await visitor.post(f"{API}/federation/acme/link", json={})
        path = provider.authorize(told.json()["authorization_url"])
        other.cookies["__Host-federation"] = visitor.cookies["__Host-federation"]

        assert (await come_back(other, path)).status_code == 403
        assert "identity.linked" not in await journalled(house)

    async def test_an_identity_opens_one_account(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        await settled_in(house, visitor)
        provider.person = OTHER
        await connect(visitor, provider)
        other = Browser(visitor.client)
        await settled_in(house, other, "jonas")

        answer = await connect(other, provider)

        assert answer.status_code == 409
        assert "another account here" in answer.text
        provider.person = Person("3003", "third@example.net")
        answer = await connect(visitor, provider)
        assert answer.status_code == 409
        assert "Another user of the same service" in answer.text

    async def test_twice_changes_nothing(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        await settled_in(house, visitor)
        await connect(visitor, provider)
        first = await connection_of(visitor)
        told = await visitor.post(f"{API}/federation/acme/link", json={})
        await come_back(visitor, provider.authorize(told.json()["authorization_url"]))
        assert await connection_of(visitor) == first
        assert (await journalled(house)).count("identity.linked") == 1

    async def test_needs_a_form_of_our_own(self, house: Ostiary, visitor: Browser) -> None:
        await settled_in(house, visitor)
        answer = await visitor.post("/auth/connections/add", csrf=False, data={"provider": "acme"})
        assert answer.status_code == 403
        answer = await visitor.get("/auth/connections")
        assert "Connect Acme" in answer.text


class TestDisconnecting:
    async def test_lets_the_identity_in_no_more_and_tells_the_owner(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await settled_in(house, visitor)
        provider.person = OTHER
        await connect(visitor, provider)

        gone = await visitor.submit(
            "/auth/connections/remove", at="/auth/connections", connection_id=await connection_of(visitor)
        )

        assert gone.headers["location"] == "/auth/connections?said=disconnected"
        assert "disconnected" in (await letter_to(house, "mira@example.org", "disconnected")).subject
        elsewhere = Browser(visitor.client)
        await sign_in(elsewhere, provider)
        assert await inside(elsewhere) != "mira"

    async def test_never_takes_the_last_way_in(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        await sign_in(visitor, provider)
        one = await connection_of(visitor)
        answer = await visitor.request("DELETE", f"{API}/connections/{one}")
        assert answer.status_code == 409
        assert answer.json()["type"].endswith("/last-connection")
        page = await visitor.submit("/auth/connections/remove", at="/auth/connections", connection_id=one)
        assert "only way into the account" in page.text

        token = await reset_token(house, visitor.client)
        await visitor.client.post(f"{API}/password-reset/confirm", json={"token": token, "new_password": NEW_PASSWORD})
        visitor.client.cookies.clear()
        visitor.cookies.clear()
        await visitor.sign_in("mira", NEW_PASSWORD)
        assert (await visitor.request("DELETE", f"{API}/connections/{one}")).status_code == 200

    async def test_and_removing_the_passkey_at_the_same_moment_leave_one_of_them(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await sign_in(visitor, provider)
        signed_in = {"authorization": f"Bearer {visitor.cookies['__Host-access_token']}"}
        await add(visitor.client, signed_in)
        (passkey,) = (await visitor.client.get(f"{API}/passkeys", headers=signed_in)).json()["passkeys"]
        one = await connection_of(visitor)
        signed_in = bearer(await strengthened(house, {"access_token": visitor.cookies["__Host-access_token"]}))

        answers = await asyncio.gather(
            visitor.client.delete(f"{API}/passkeys/{passkey['id']}", headers=signed_in),
            visitor.client.delete(f"{API}/connections/{one}", headers=signed_in),
        )

        assert sorted(answer.status_code for answer in answers) == [200, 409]

    async def test_wants_a_sign_in_just_now_and_ones_own(
        self, house: Ostiary, visitor: Browser, provider: Scripted, clock: ManualClock
    ) -> None:
        await settled_in(house, visitor)
        await connect(visitor, provider)
        one = await connection_of(visitor)
        other = Browser(visitor.client)
        await settled_in(house, other, "jonas")
        assert (await other.request("DELETE", f"{API}/connections/{one}")).status_code == 404
        clock.advance(minutes=11)
        answer = await visitor.request("DELETE", f"{API}/connections/{one}")
        assert answer.json()["type"].endswith("/sign-in-too-old")


class TestWhatEndsEverything:
    async def test_this_was_not_me_disconnects_everything(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        """A thief's own identity is no way back in."""
        await settled_in(house, visitor)
        provider.person = OTHER
        await connect(visitor, provider)
        token = token_in(await letter_to(house, "mira@example.org", "was connected"))
        owner = Browser(visitor.client)
        await owner.submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)

        elsewhere = Browser(visitor.client)
        await sign_in(elsewhere, provider)

        assert await inside(elsewhere) != "mira"
        assert "identity.all_unlinked" in await journalled(house)

    async def test_an_answer_on_its_way_is_worth_nothing_after_it(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        account_id = await settled_in(house, visitor)
        provider.person = OTHER
        led = await visitor.submit("/auth/connections/add", at="/auth/connections", provider="acme")
        path = provider.authorize(address_in(led))
        async with house.database.unit() as unit:
            await house.accounts.raise_epoch(unit, account_id)

        assert (await come_back(visitor, path)).status_code == 403
        assert "identity.linked" not in await journalled(house)

    async def test_the_owner_gets_it_in_the_export(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        await settled_in(house, visitor)
        await connect(visitor, provider)
        document = (await export(visitor.client, await login(visitor.client))).json()
        (one,) = document["connections"]
        assert (one["provider"], one["subject"], one["email"]) == ("acme", "1001", "mira@example.org")


@pytest.mark.parametrize("path", ["connections", "federation/acme/link"])
async def test_strangers_see_and_connect_nothing(visitor: Browser, path: str) -> None:
    method = "GET" if path == "connections" else "POST"
    answer = await visitor.client.request(method, f"{API}/{path}", json={} if method == "POST" else None)
    assert answer.status_code in (401, 403)
