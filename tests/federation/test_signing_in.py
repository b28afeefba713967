"""Signing in at a provider: the way there and back, accounts for who is unknown, and what opens nothing."""

from __future__ import annotations

import httpx
import pytest
from tests.contract.browser import PAGE, Browser
from tests.federation.scripted import Person, Scripted
from tests.federation.steps import COOKIE, come_back, connect, inside, leave, settings_for, settled_in, sign_in
from tests.house import API, OpenHouse, client_of, journalled, letter_to, register
from tests.login.steps import CODE, ONE, give_codes
from tests.login.test_pages import hidden
from tests.passkeys.steps import newest

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


class TestSomebodyNew:
    async def test_gets_an_account_with_the_address_that_the_provider_vouches_for(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        provider.person = Person("1001", "mira@example.org", username="Mira.N", name="Mira Novak")

        answer = await sign_in(visitor, provider)

        assert (answer.status_code, answer.headers["location"]) == (303, "/auth/account")
        assert answer.headers["referrer-policy"] == "no-referrer"
        me = (await visitor.get(f"{API}/me")).json()
        assert (me["username"], me["email"], me["email_verified"], me["full_name"]) == (
            "mira-n", "mira@example.org", True, "Mira Novak",
        )  # fmt: skip
        assert {"account.opened", "address.proven", "identity.linked", "login.succeeded"} <= set(
            await journalled(house)
        )
        assert (await newest(house, "session.started"))["methods"] == ["fed"]

    async def test_is_the_same_the_next_time_whatever_the_address_is_then(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await sign_in(visitor, provider)
        provider.person = Person("1001", "moved@example.net", email_verified=False, username="other")
        elsewhere = Browser(visitor.client)

        await sign_in(elsewhere, provider)

        me = (await elsewhere.get(f"{API}/me")).json()
        assert (me["username"], me["email"]) == ("mira", "mira@example.org")
        assert await newest(house, "identity.address_changed")
        listed = (await elsewhere.get(f"{API}/connections")).json()["connections"]
        assert [(one["email"], one["email_verified"]) for one in listed] == [("moved@example.net", False)]

    async def test_gets_another_name_where_theirs_is_taken_and_never_one_made_of_the_address(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await register(visitor.client, "mira")
        await sign_in(visitor, provider)
        name = await inside(visitor)
        assert name is not None
        assert name.startswith("mira-")

        provider.person = Person("1002", "jonas.secret@example.org")
        other = Browser(visitor.client)
        await sign_in(other, provider)
        assert (await inside(other) or "").startswith("acme-")

    async def test_gets_no_account_on_an_address_that_nobody_vouches_for(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        for person in (Person("1", "a@example.org", email_verified=False), Person("2", None)):
            provider.person = person
            answer = await sign_in(visitor, provider)
            assert answer.status_code == 409
            assert "Create an account" in answer.text
        assert await inside(visitor) is None
        assert (await newest(house, "identity.refused"))["reason"] == "not-vouched"
        assert "account.opened" not in await journalled(house)

    async def test_comes_in_by_github_with_the_primary_address(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        provider.names_itself = False
        provider.person = Person("583231", "octo@example.org", username="octocat", name="The Octocat")

        await sign_in(visitor, provider, "github")

        me = (await visitor.get(f"{API}/me")).json()
        assert (me["username"], me["email"], me["email_verified"]) == ("octocat", "octo@example.org", True)
        assert provider.asked[-1]["code_verifier"]


class TestSomebodyKnown:
    async def test_is_not_let_in_by_the_address_and_shown_the_way(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await settled_in(house, visitor)
        stranger = Browser(visitor.client)

        answer = await sign_in(stranger, provider)

        assert answer.status_code == 409
        assert "/auth/sign-in?next=/auth/connections" in answer.text
        assert await inside(stranger) is None
        assert (await newest(house, "identity.refused"))["reason"] == "address-known"
        assert "identity.linked" not in await journalled(house)

    async def test_is_let_in_by_the_address_where_the_keeper_wants_that_and_both_have_verified_it(
        self, open_house: OpenHouse, provider: Scripted
    ) -> None:
        house = await open_house(work=False, **settings_for(provider, join_by_address=True))
        async with client_of(house) as client:
            await settled_in(house, Browser(client))
            visitor = Browser(client)
            provider.person.email_verified = False
            assert (await sign_in(visitor, provider)).status_code == 409

            provider.person.email_verified = True
            await sign_in(visitor, provider)

            assert await inside(visitor) == "mira"
            assert "was connected" in (await letter_to(house, "mira@example.org", "connected")).subject

    async def test_is_refused_once_the_account_is_closed(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        await sign_in(visitor, provider)
        account_id = (await visitor.get(f"{API}/me")).json()["id"]
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.set_status(unit, account_id, "active", "deactivated")

        answer = await sign_in(Browser(visitor.client), provider)

        assert answer.status_code == 403
        assert (await newest(house, "login.refused"))["reason"] == "deactivated"


class TestTheWayThere:
    async def test_begins_at_a_link_of_our_own_and_nobody_elses(self, visitor: Browser, provider: Scripted) -> None:
        shown = (await visitor.get("/auth/sign-in?next=/auth/sessions")).text
        assert 'href="/accounts/acme/login/?next=/auth/sessions"' in shown
        assert "Continue with Acme" in (await visitor.get("/auth/register")).text
        for site in ("cross-site", "none", "made-up"):
            answer = await visitor.get("/accounts/acme/login/", headers={"sec-fetch-site": site})
            assert answer.status_code == 200
            assert "Is this what you want" in answer.text
        visitor.fetch_site = None  # an old browser: it says where it comes from, or it is asked
        assert (await visitor.get("/accounts/acme/login/")).status_code == 200
        from_evil = {"referer": "http://localhost:8080.evil.example/"}
        assert (await visitor.get("/accounts/acme/login/", headers=from_evil)).status_code == 200
        from_us = {"referer": "http://localhost:8080/auth/sign-in"}
        assert (await visitor.get("/accounts/acme/login/", headers=from_us)).status_code == 303
        assert provider.asked == []

    async def test_whoever_is_asked_first_goes_on_by_a_form(self, visitor: Browser, provider: Scripted) -> None:
        visitor.fetch_site = "same-origin"
        answer = await visitor.client.post("/accounts/acme/login/", headers={"sec-fetch-site": "cross-site"})
        assert answer.status_code == 403
        led = await visitor.submit("/accounts/acme/login", at="/auth/sign-in", next="/auth/sessions")
        assert led.status_code == 200
        assert f"{provider.issuer}/authorize" in led.text

    async def test_carries_a_challenge_a_state_and_a_nonce_of_its_own(self, visitor: Browser) -> None:
        first, second = [httpx.URL(await leave(visitor)).params for _ in range(2)]
        for name in ("state", "nonce", "code_challenge"):
            assert len(first[name]) == 43
            assert first[name] != second[name]
        assert first["redirect_uri"] == "http://localhost:8080/accounts/acme/login/callback/"

    @pytest.mark.parametrize(
        "place",
        [
            "https://evil.example", "//evil.example", "/\\evil.example", "/%5Cevil.example", "https:/evil.example",
            "/auth/../evil", "javascript:alert(1)", "/auth/account?x=//evil", "https://app.example.org/welcome/",
            "https://app.example.org@evil.example/welcome", "/auth/account%0d%0aSet-Cookie:a=b", "http:evil", "\t/x",
        ],
    )  # fmt: skip
    async def test_leads_to_allowed_places_only(self, open_house: OpenHouse, provider: Scripted, place: str) -> None:
        allowed = "https://app.example.org/welcome"
        house = await open_house(work=False, **settings_for(provider, return_to=(allowed,)))
        async with client_of(house) as client:
            visitor = Browser(client)
            for answer in (
                await visitor.get("/accounts/acme/login/", params={"next": place}),
                await visitor.submit("/accounts/acme/login", at="/auth/sign-in", next=place),
            ):
                assert (answer.status_code, "location" in answer.headers) == (422, False)
                assert "no place that a sign-in may lead to" in answer.text
                assert (await newest(house, "identity.refused"))["reason"] == "place"
            assert COOKIE not in visitor.cookies

            answer = await visitor.get("/accounts/acme/login/", params={"next": allowed})
            back = await come_back(visitor, provider.authorize(answer.headers["location"]))
            assert back.headers["location"] == allowed

    async def test_is_told_to_programs(self, visitor: Browser, provider: Scripted) -> None:
        listed = (await visitor.get(f"{API}/federation/providers")).json()
        assert listed == {
            "providers": [{"provider": "acme", "label": "Acme"}, {"provider": "github", "label": "GitHub"}]
        }
        await visitor.get(f"{API}/csrf")
        refused = await visitor.post(f"{API}/federation/acme/sign-in", json={"next": "https://evil.example"})
        assert refused.json()["errors"][0]["field"] == "next"
        told = await visitor.post(f"{API}/federation/acme/sign-in", json={"next": "/auth/sessions"})
        assert COOKIE in visitor.cookies

        back = await come_back(visitor, provider.authorize(told.json()["authorization_url"]))

        assert back.headers["location"] == "/auth/sessions"
        assert await inside(visitor) == "mira"

    async def test_to_nobody_is_a_plain_page(self, house: Ostiary, visitor: Browser) -> None:
        for path in ("/accounts/nobody/login/", "/accounts/nobody/login/callback/?state=a&code=b"):
            answer = await visitor.get(path)
            assert answer.status_code == 404
            assert "not offered here" in answer.text
        assert (await newest(house, "identity.refused"))["reason"] == "no-such-provider"
        await visitor.get(f"{API}/csrf")
        answer = await visitor.post(f"{API}/federation/nobody/sign-in", json={})
        assert answer.json()["type"].endswith("/no-such-provider")

    async def test_is_limited_by_address(self, open_house: OpenHouse, provider: Scripted) -> None:
        house = await open_house(work=False, protection={"sign_ins_elsewhere_per_minute": 2}, **settings_for(provider))
        async with client_of(house) as client:
            visitor = Browser(client)
            answers = [(await visitor.get("/accounts/acme/login/")).status_code for _ in range(3)]
            assert answers == [303, 303, 429]


class TestAnAnswer:
    async def test_by_a_form_from_elsewhere_is_turned_into_a_get(self, visitor: Browser, provider: Scripted) -> None:
        path = provider.authorize(await leave(visitor))
        query = dict(httpx.QueryParams(path.partition("?")[2]))
        # As Apple's page sends it: none of our Lax cookies come along.
        sent = await visitor.client.post(
            path.partition("?")[0], data=query, headers={"origin": "https://appleid.apple.com"}
        )
        assert sent.status_code == 303
        assert sent.headers["location"].startswith("http://localhost:8080/accounts/acme/login/callback/?")

        back = await come_back(visitor, sent.headers["location"].removeprefix("http://localhost:8080"))

        assert back.status_code == 303
        assert await inside(visitor) == "mira"

    async def test_of_another_browser_opens_nothing(self, house: Ostiary, visitor: Browser, provider: Scripted) -> None:
        """Signing a victim in as the attacker: the attacker's own answer, shown by the victim's visitor."""
        path = provider.authorize(await leave(visitor))
        victim = Browser(visitor.client)
        await leave(victim)

        for shown_by in (victim, Browser(visitor.client)):
            answer = await come_back(shown_by, path)
            assert answer.status_code == 403
            assert PAGE not in shown_by.cookies
            assert (await newest(house, "identity.refused"))["reason"] == "other-browser"
        assert provider.asked == []
        assert (await come_back(visitor, path)).status_code == 303  # and the attacker's way is not used up by it

    async def test_shown_twice_opens_nothing_the_second_time(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        path = provider.authorize(await leave(visitor))
        await come_back(visitor, path)

        again = await come_back(visitor, path)

        assert again.status_code == 403
        assert (await newest(house, "identity.refused"))["reason"] == "spent"
        assert len(provider.asked) == 1

    async def test_too_late_opens_nothing(
        self, house: Ostiary, visitor: Browser, provider: Scripted, clock: ManualClock
    ) -> None:
        path = provider.authorize(await leave(visitor))
        clock.advance(minutes=15)

        assert (await come_back(visitor, path)).status_code == 403
        assert (await newest(house, "identity.refused"))["reason"] == "expired"

    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"state": "forged" * 7}, "unknown-state"),
            ({"state": "-"}, "unknown-state"),
            ({"state": "\x00" * 43}, "unknown-state"),
            ({"state": "a" * 5000}, "unknown-state"),
            ({"code": "-"}, "no-code"),
            ({"code": "c" * 5000}, "no-code"),
            ({"code": "another-code"}, "invalid_grant"),
            ({"iss": "https://evil.example"}, "iss-parameter"),
            ({"iss": "-"}, "iss-parameter"),
            ({"error": "access_denied"}, "cancelled"),
            ({"error": "<script>alert(1)</script>"}, "cancelled"),
            ({"error": "access_denied", "iss": "https://evil.example"}, "iss-parameter"),
        ],
    )
    async def test_that_is_not_as_it_should_be_opens_nothing(
        self, house: Ostiary, visitor: Browser, provider: Scripted, changed: dict[str, str], reason: str
    ) -> None:
        answer = await come_back(visitor, provider.authorize(await leave(visitor), **changed))

        assert answer.status_code == 403
        assert "<script>alert" not in answer.text
        assert (await newest(house, "identity.refused"))["reason"] == reason
        assert await inside(visitor) is None
        assert "account.opened" not in await journalled(house)

    async def test_with_a_doubled_parameter_opens_nothing(self, visitor: Browser, provider: Scripted) -> None:
        path = provider.authorize(await leave(visitor))
        assert (await come_back(visitor, f"{path}&code=other")).status_code == 403

    async def test_at_another_providers_address_opens_nothing(
        self, house: Ostiary, visitor: Browser, provider: Scripted
    ) -> None:
        """Mix-up (RFC 9700 section 4.4): one provider's answer, led to another's place."""
        path = provider.authorize(await leave(visitor))

        answer = await come_back(visitor, path.replace("/acme/", "/github/"))

        assert answer.status_code == 403
        assert (await newest(house, "identity.refused"))["reason"] == "other-provider"
        assert provider.asked == []


async def test_whoever_has_a_second_factor_shows_it_after_the_provider_too(
    house: Ostiary, visitor: Browser, provider: Scripted
) -> None:
    """A provider's word is one proof: whoever holds the account there must not get past the factor here (R20)."""
    account_id = await settled_in(house, visitor)
    await connect(visitor, provider)
    await give_codes(house, account_id, ONE)
    elsewhere = Browser(visitor.client)

    asked = await sign_in(elsewhere, provider)

    assert asked.status_code == 200
    assert "One more step" in asked.text
    assert asked.headers["referrer-policy"] == "no-referrer"
    assert await inside(elsewhere) is None
    names = ("csrf_token", "ticket", "next", "login")
    filled = {name: hidden(asked, name) for name in names} | {"method": CODE, "code": ONE}
    done = await elsewhere.post("/auth/second-factor", csrf=False, data=filled)
    assert (done.status_code, done.headers["location"]) == (303, "/auth/account")
    assert await inside(elsewhere) == "mira"
    assert (await newest(house, "session.started"))["methods"] == ["fed", "rc", "mfa"]
