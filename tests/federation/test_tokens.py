"""Tokens of providers: sealed, handed out by one call, renewed once however many ask, taken back (R33)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from tests.attacks.raw import contents
from tests.contract.browser import Browser
from tests.federation.scripted import Scripted
from tests.federation.steps import come_back, connect, settings_for, settled_in, sign_in
from tests.house import API, OpenHouse, client_of, journalled, letter_to, token_in
from tests.passkeys.steps import newest

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.crypto import Unsealable
from ostiary.core.db import Query
from ostiary.federation.errors import AccessEnded, NoSuchConnection, ProviderUnavailable, ScopesMissing
from ostiary.wiring import Ostiary

BOTH = pytest.mark.parametrize("storage", ["sqlite", "postgresql"], indirect=True)


def keeping(provider: Scripted) -> dict[str, Any]:
    """Return settings under which tokens are kept."""
    settings = settings_for(provider)
    for known in settings["federation"]["providers"].values():
        known["keep_tokens"] = True
    return settings


@pytest.fixture
def federation(provider: Scripted) -> dict[str, Any]:
    return keeping(provider)


@pytest.fixture
async def account_id(house: Ostiary, visitor: Browser, provider: Scripted) -> str:
    """Somebody with a password who has connected an identity, whose tokens are kept."""
    found = await settled_in(house, visitor)
    await connect(visitor, provider)
    return found


def refreshes(provider: Scripted) -> int:
    return sum(form["grant_type"] == "refresh_token" for form in provider.asked)


async def run_sql(house: Ostiary, statement: str) -> None:
    await house.database.run(Query(text(statement)))


class TestHandedOut:
    async def test_is_what_the_provider_gave_and_nothing_of_it_is_stored_in_clear(
        self, house: Ostiary, account_id: str, provider: Scripted
    ) -> None:
        token = await house.federation.token(account_id, "acme", scopes=["email"])

        assert token.value.removeprefix("access-") in provider.refreshes
        assert token.scopes == ("openid", "email", "profile")
        assert token.value not in repr(token)
        stored = str(await contents(house))
        assert token.value not in stored
        assert "refresh-" not in stored
        account = await house.accounts.remembered(account_id)
        assert account is not None
        assert (await house.federation.token(account, "acme")).value == token.value

    async def test_is_nothing_where_nothing_is_connected_or_kept(
        self, open_house: OpenHouse, provider: Scripted, account_id: str, house: Ostiary
    ) -> None:
        with pytest.raises(NoSuchConnection):
            await house.federation.token(account_id, "github")
        with pytest.raises(NoSuchConnection):
            await house.federation.token("nobody", "acme")
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.set_status(unit, account_id, "active", "deactivated")
        with pytest.raises(NoSuchConnection):
            await house.federation.token(account_id, "acme")

    async def test_may_do_more_once_its_owner_has_allowed_it(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted
    ) -> None:
        with pytest.raises(ScopesMissing) as refused:
            await house.federation.token(account_id, "acme", scopes=["repo", "email"])
        assert refused.value.document()["scopes"] == ["repo"]
        told = await visitor.post(f"{API}/federation/acme/link", json={"scopes": ["repo"]})
        await come_back(visitor, provider.authorize(told.json()["authorization_url"]))

        token = await house.federation.token(account_id, "acme", scopes=["repo"])

        assert "repo" in token.scopes
        await sign_in(Browser(visitor.client), provider)  # asks for less, and takes nothing away
        assert (await house.federation.token(account_id, "acme", scopes=["repo"])).value == token.value
        shown = (await visitor.get("/auth/connections")).text
        assert "lets us act for you there: openid, email, profile, repo" in shown
        wrong = await visitor.post(f"{API}/federation/acme/link", json={"scopes": ["two words"]})
        assert wrong.json()["errors"][0]["field"] == "scopes"


class TestRenewed:
    async def test_ahead_of_time_and_not_before(
        self, house: Ostiary, account_id: str, provider: Scripted, clock: ManualClock
    ) -> None:
        first = await house.federation.token(account_id, "acme")
        clock.advance(minutes=57)
        assert (await house.federation.token(account_id, "acme")).value == first.value
        clock.advance(minutes=1)

        second = await house.federation.token(account_id, "acme")

        assert second.value != first.value
        assert refreshes(provider) == 1
        clock.advance(minutes=58)  # and the refresh token that came with it is the one that counts
        assert (await house.federation.token(account_id, "acme")).value not in (first.value, second.value)

    @BOTH
    async def test_once_however_many_ask_in_however_many_processes(
        self, open_house: OpenHouse, provider: Scripted, clock: ManualClock
    ) -> None:
        houses = [await open_house(work=False, **keeping(provider)) for _ in range(2)]
        async with client_of(houses[0]) as client:
            visitor = Browser(client)
            account_id = await settled_in(houses[0], visitor)
            await connect(visitor, provider)
        clock.advance(hours=2)  # it has run out: nobody can be given the old one meanwhile
        provider.slow = 0.2

        tokens = await asyncio.gather(
            *(houses[number % 2].federation.token(account_id, "acme") for number in range(20))
        )

        assert len({token.value for token in tokens}) == 1
        assert refreshes(provider) == 1

    async def test_by_the_first_refresh_token_where_later_sign_ins_bring_none(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted, clock: ManualClock
    ) -> None:
        """As Google gives them."""
        provider.gives_refresh = False
        await sign_in(Browser(visitor.client), provider)
        clock.advance(hours=2)
        assert await house.federation.token(account_id, "acme")
        assert refreshes(provider) == 1

    async def test_when_an_application_was_refused_with_it(
        self, house: Ostiary, account_id: str, provider: Scripted
    ) -> None:
        first = await house.federation.token(account_id, "acme")
        second = await house.federation.token(account_id, "acme", renew=True)
        assert second.value != first.value
        assert (await house.federation.token(account_id, "acme")).value == second.value

    async def test_by_nobody_once_the_provider_has_taken_it_back(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted, clock: ManualClock
    ) -> None:
        provider.refreshes.clear()  # its user has revoked it there
        clock.advance(hours=2)
        for _ in range(2):
            with pytest.raises(AccessEnded):
                await house.federation.token(account_id, "acme")
        assert refreshes(provider) == 1
        assert (await newest(house, "identity.access_ended"))["reason"] == "revoked"
        elsewhere = Browser(visitor.client)
        await sign_in(elsewhere, provider)  # and whoever signs in again has given it anew
        assert await house.federation.token(account_id, "acme")

    async def test_later_where_the_provider_is_away(
        self, house: Ostiary, account_id: str, provider: Scripted, clock: ManualClock
    ) -> None:
        first = await house.federation.token(account_id, "acme")
        away = b"HTTP/1.1 503 Away\r\nContent-Length: 2\r\n\r\n{}"
        provider.answers["/token"] = away
        clock.advance(minutes=59)
        assert (await house.federation.token(account_id, "acme")).value == first.value  # good for a minute yet
        clock.advance(minutes=2)
        with pytest.raises(ProviderUnavailable):
            await house.federation.token(account_id, "acme")

        del provider.answers["/token"]

        assert (await house.federation.token(account_id, "acme")).value != first.value

    async def test_by_another_process_where_one_has_died_at_it(
        self, house: Ostiary, account_id: str, provider: Scripted, clock: ManualClock
    ) -> None:
        clock.advance(hours=2)
        await run_sql(house, f"UPDATE upstream_tokens SET claimed_until = {clock.now() + 30_000}")
        waiting = asyncio.create_task(house.federation.token(account_id, "acme"))
        await asyncio.sleep(0.3)
        assert refreshes(provider) == 0
        clock.advance(seconds=31)
        assert await waiting
        assert refreshes(provider) == 1

    async def test_without_a_refresh_token_it_ends_when_it_runs_out(
        self, house: Ostiary, account_id: str, clock: ManualClock
    ) -> None:
        await run_sql(house, "UPDATE upstream_tokens SET refresh = NULL")
        clock.advance(minutes=59)
        assert await house.federation.token(account_id, "acme")
        clock.advance(minutes=2)
        with pytest.raises(AccessEnded):
            await house.federation.token(account_id, "acme")


class TestSealed:
    @pytest.mark.parametrize(
        "change",
        [
            "SET access = refresh",
            "SET access = (SELECT o.access FROM upstream_tokens o "  # noqa: ISC004 - one statement
            "WHERE o.connection_id <> upstream_tokens.connection_id)",
            "SET access = CAST(substr(access, 1, length(access) - 1) || "  # noqa: ISC004 - as above
            "CASE substr(access, -1) WHEN x'00' THEN x'01' ELSE x'00' END AS BLOB)",
        ],
    )
    async def test_a_value_in_another_place_opens_nothing(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted, change: str
    ) -> None:
        provider.person.sub = "2002"
        other = Browser(visitor.client)
        await settled_in(house, other, "jonas")
        await connect(other, provider)
        await run_sql(house, f"UPDATE upstream_tokens {change}")
        with pytest.raises(Unsealable):
            await house.federation.token(account_id, "acme")

    async def test_under_a_new_key_by_use_and_by_command(
        self, house: Ostiary, account_id: str, clock: ManualClock
    ) -> None:
        before = str((await contents(house))["upstream_tokens"])
        token = await house.federation.token(account_id, "acme")
        await self.rotate(house, clock)
        assert await house.upstream_tokens.reseal() == 1
        assert await house.upstream_tokens.reseal() == 0
        by_command = str((await contents(house))["upstream_tokens"])
        await self.rotate(house, clock)

        assert (await house.federation.token(account_id, "acme")).value == token.value

        assert await house.upstream_tokens.reseal() == 0
        assert len({before, by_command, str((await contents(house))["upstream_tokens"])}) == 3

    async def rotate(self, house: Ostiary, clock: ManualClock) -> None:
        (made,) = await house.keys.rotate(KEEPER, ("data",))
        clock.advance(milliseconds=made.activates_at - clock.now() + 1)
        await house.keys.reload()


class TestTakenBack:
    async def kept(self, house: Ostiary) -> list[Any]:
        return (await contents(house))["upstream_tokens"]

    async def test_when_its_owner_disconnects(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted
    ) -> None:
        token = await house.federation.token(account_id, "acme")
        (one,) = (await visitor.get(f"{API}/connections")).json()["connections"]
        await visitor.request("DELETE", f"{API}/connections/{one['id']}")
        await house.outbox.drain()

        number = token.value.removeprefix("access-")
        assert sorted(provider.revoked) == [f"access-{number}", f"refresh-{number}"]
        assert await self.kept(house) == []
        with pytest.raises(NoSuchConnection):
            await house.federation.token(account_id, "acme")

    async def test_when_somebody_says_this_was_not_me(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted
    ) -> None:
        token = token_in(await letter_to(house, "mira@example.org", "was connected"))
        await visitor.submit("/auth/not-me", at=f"/auth/not-me?token={token}", token=token)
        await house.outbox.drain()
        assert len(provider.revoked) == 2

    async def test_when_the_account_is_erased(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted
    ) -> None:
        await house.privacy.erase_for(KEEPER, account_id, now=True)
        await house.outbox.drain()
        assert len(provider.revoked) == 2
        assert await self.kept(house) == []

    async def test_at_github_as_a_whole(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        provider.names_itself = False
        account_id = await settled_in(house, visitor)
        await connect(visitor, provider, "github")
        token = await house.federation.token(account_id, "github")
        (one,) = (await visitor.get(f"{API}/connections")).json()["connections"]
        await visitor.request("DELETE", f"{API}/connections/{one['id']}")
        await house.outbox.drain()
        assert provider.revoked == [token.value]

    async def test_later_where_the_provider_is_away(
        self, house: Ostiary, account_id: str, visitor: Browser, provider: Scripted, clock: ManualClock
    ) -> None:
        provider.answers["/revoke"] = b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n"
        (one,) = (await visitor.get(f"{API}/connections")).json()["connections"]
        await visitor.request("DELETE", f"{API}/connections/{one['id']}")
        await house.outbox.drain()
        del provider.answers["/revoke"]
        clock.advance(minutes=5)
        await house.outbox.drain()
        assert len(provider.revoked) == 2


async def test_without_the_keepers_wish_nothing_is_kept(open_house: OpenHouse, provider: Scripted) -> None:
    house = await open_house(work=False, **settings_for(provider))
    async with client_of(house) as client:
        visitor = Browser(client)
        await sign_in(visitor, provider)
        assert (await contents(house))["upstream_tokens"] == []
        assert "identity.access_kept" not in await journalled(house)
        account_id = (await visitor.get(f"{API}/me")).json()["id"]
        with pytest.raises(NoSuchConnection):
            await house.federation.token(account_id, "acme")
