"""Sessions that are bound to a device (DBSC): by a scripted browser, whatever the real one can do here."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser, set_cookies
from tests.contract.test_access_token import parts
from tests.contract.test_register_and_login import assert_problem
from tests.house import API, ORIGIN, OpenHouse, client_of, journalled, login, register
from tests.sessions.device import REGISTER, RENEW, Device, Offer, b64, bound_device, challenge_in

from ostiary.client import SigningKey
from ostiary.core.caller import HOUSE
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

only_sqlite = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
"""For what never gets as far as the database, or asks it nothing that the two could answer differently."""

LIFE = {"minutes": 10, "seconds": 31}
"""After which a bound cookie counts for nobody: its ten minutes, and what it may have been on its way."""


def with_all(device: Device) -> Browser:
    """Return a browser elsewhere that holds a copy of every cookie, and no key."""
    return Browser(device.browser.client, dict(device.browser.cookies))


async def every_way(thief: Browser) -> list[int]:
    """Return how the house answers each way in which a session's tokens can be shown."""
    held, bare = dict(thief.cookies), thief.client
    refresh_token = held[REFRESH]
    shown = [
        await thief.get(f"{API}/me"),
        await bare.get(f"{API}/me", headers={"authorization": f"Bearer {held[ACCESS]}"}),
        await Browser(bare, {PAGE: held[PAGE]}).get("/auth/account"),
        await Browser(bare, {REFRESH: refresh_token, CSRF: held[CSRF]}).post(f"{API}/refresh"),
        await bare.post(f"{API}/refresh", json={"refresh_token": refresh_token}),
    ]
    return [answer.status_code for answer in shown]


SHUT = [401, 401, 303, 401, 401]


def bent(text: str) -> str:
    """Return a text with another last character: one of sixteen is an A already."""
    return text[:-1] + ("A" if text[-1:] != "A" else "E")


class TestAnOffer:
    @only_sqlite
    async def test_comes_with_each_answer_that_starts_a_session_and_with_no_other(
        self, outside: httpx.AsyncClient
    ) -> None:
        body = {"username": "mira", "email": "mira@example.org", "password": "correct horse battery"}
        started = await outside.post(f"{API}/register", json=body)
        outside.cookies.clear()
        browser = Browser(outside)
        signed_in = await browser.sign_in()

        assert Offer.of(started).path == Offer.of(signed_in).path == REGISTER
        assert Offer.of(started).challenge != Offer.of(signed_in).challenge
        for answer in (await browser.post(f"{API}/refresh"), await browser.get("/auth/account")):
            assert answer.status_code == 200
            assert "secure-session-registration" not in answer.headers
        paged = Browser(outside)
        answer = await paged.submit("/auth/sign-in", login="mira", password="correct horse battery")
        assert Offer.of(answer).path == REGISTER

    @only_sqlite
    @pytest.mark.parametrize(
        ("settings", "why"),
        [
            ({"sessions": {"device_bound": "off"}}, "it is switched off"),
            (
                {"web": {"public_url": "https://login.example.org", "cookies": {"domain": "example.org"}}},
                "a browser would renew for this host alone",
            ),
        ],
    )
    async def test_is_not_made_where(self, open_house: OpenHouse, settings: dict[str, Any], why: str) -> None:
        house = await open_house(work=False, **settings)
        async with client_of(house) as client:
            body = {"username": "mira", "email": "mira@example.org", "password": "correct horse battery"}
            answer = await client.post(f"{API}/register", json=body)

        assert answer.status_code == 201
        assert "secure-session-registration" not in answer.headers, why


class TestRegistering:
    async def test_binds_the_session_and_says_how_it_goes_on(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await register(outside)
        device = Device(Browser(outside))
        answer = await device.register(Offer.of(await device.browser.sign_in()))

        assert answer.status_code == 200
        (listed,) = [one for one in (await device.browser.get(f"{API}/sessions")).json()["sessions"] if one["current"]]
        assert listed["bound"] is True
        (cookie,) = set_cookies(answer).values()
        assert cookie.name == f"__Host-bound-{listed['id']}"
        assert cookie.attributes["max-age"] == "600"
        assert answer.json() == {
            "session_identifier": listed["id"],
            "refresh_url": RENEW,
            "scope": {
                "include_site": False,
                "scope_specification": [{"type": "exclude", "path": "/auth/static/"}],
            },
            "credentials": [
                {"type": "cookie", "name": cookie.name, "attributes": "Path=/; Secure; HttpOnly; SameSite=Lax"}
            ],
            "allowed_refresh_initiators": ["*"],
        }
        assert answer.headers["cache-control"] == "no-store"
        assert challenge_in(answer)[1] == listed["id"]
        assert "session.key_registered" in await journalled(house)
        page = await device.browser.get("/auth/sessions")
        assert page.text.count("Bound to its device") == 1

    @only_sqlite
    async def test_is_for_browsers_that_do_it_and_others_notice_nothing(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        browser = Browser(outside)
        await browser.sign_in()
        clock.advance(hours=3)

        assert (await browser.post(f"{API}/refresh")).status_code == 200
        assert "dbsc" not in parts(browser.cookies[ACCESS])[1]
        clock.advance(minutes=14)
        assert (await browser.get(f"{API}/me")).status_code == 200
        assert not [name for name in browser.cookies if "bound" in name]

    async def test_an_offer_is_taken_up_once(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await register(outside)
        device = Device(Browser(outside))
        offer = Offer.of(await device.browser.sign_in())
        rivals = [Device(Browser(outside)) for _ in range(5)]

        answers = await asyncio.gather(*(rival.register(offer) for rival in rivals))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 4
        (winner,) = [rival for rival in rivals if rival.session_id]
        again = await winner.register(offer)
        assert_problem(again, 401, "device-proof-refused")
        assert not set_cookies(again)
        assert (await journalled(house)).count("session.proof_refused") == 5
        winner.browser.cookies |= device.browser.cookies
        assert (await winner.renew()).status_code == 200

    @only_sqlite
    async def test_has_to_come_within_five_minutes_and_while_the_session_lives(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        slow, gone = Device(Browser(outside)), Device(Browser(outside))
        late, ended = Offer.of(await slow.browser.sign_in()), Offer.of(await gone.browser.sign_in())
        await gone.browser.post(f"{API}/logout")
        assert_problem(await gone.register(ended), 401, "device-proof-refused")
        clock.advance(minutes=5)

        assert_problem(await slow.register(late), 401, "device-proof-refused")

    @only_sqlite
    async def test_believes_nothing_that_is_not_exactly_an_answer_to_the_offer(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        await register(outside)
        device, other = Device(Browser(outside)), Device(Browser(outside))
        offer, others = Offer.of(await device.browser.sign_in()), Offer.of(await other.browser.sign_in())
        claims = {"authorization": offer.authorization, "jti": offer.challenge}
        good = device.signed(claims, jwk=device.jwk())
        head, body, tail = good.split(".")
        edward, rivest = SigningKey.generate("EdDSA"), SigningKey.generate("RS256")
        private = device.jwk() | {"d": b64(device.key.private.private_numbers().private_value.to_bytes(32))}  # type: ignore[union-attr]
        wrong = {
            "nothing": "",
            "no token": "x",
            "alg none": f"{b64({'alg': 'none', 'typ': 'dbsc+jwt', 'jwk': device.jwk()})}.{body}.",
            "alg none, signed": device.signed(claims, alg="none", jwk=device.jwk()),
            "RS256": device.signed(claims, key=rivest, alg="RS256", jwk=rivest.verifying.to_jwk()),
            "RS256 that says ES256": device.signed(claims, key=rivest, jwk=rivest.verifying.to_jwk()),
            "EdDSA that says ES256": device.signed(claims, key=edward, jwk=edward.verifying.to_jwk()),
            "the symmetric trick": device.signed(claims, alg="HS256", jwk={"kty": "oct", "k": "AAAA"}),
            "a private key": device.signed(claims, jwk=private),
            "without a key": device.signed(claims),
            "a key that is text": device.signed(claims, jwk="x"),
            "a point off the curve": device.signed(claims, jwk=device.jwk() | {"x": "AAAA"}),
            "signed by another key": device.signed(claims, jwk=other.jwk()),
            "truncated": good[:-1],
            "without a signature": f"{head}.{body}.",
            "a changed payload": f"{head}.{b64(claims | {'jti': others.challenge})}.{tail}",
            "another type": f"{b64({'alg': 'ES256', 'typ': 'JWT', 'jwk': device.jwk()})}.{body}.{tail}",
            "a critical header": device.signed(claims, jwk=device.jwk(), crit=["b64"], b64=False),
            "a key elsewhere": device.signed(claims, jwk=device.jwk(), jku="https://example.org/keys"),
            "another's challenge": device.signed(claims | {"jti": others.challenge}, jwk=device.jwk()),
            "another's authorization": device.signed(
                claims | {"authorization": others.authorization}, jwk=device.jwk()
            ),
            "without authorization": device.signed({"jti": offer.challenge}, jwk=device.jwk()),
            "without a challenge": device.signed({"authorization": offer.authorization}, jwk=device.jwk()),
            "a challenge that is no text": device.signed(claims | {"jti": [offer.challenge]}, jwk=device.jwk()),
            "a made-up challenge": device.signed(claims | {"jti": bent(offer.challenge)}, jwk=device.jwk()),
            "the two swapped": device.signed(
                {"authorization": offer.challenge, "jti": offer.authorization}, jwk=device.jwk()
            ),
            "too long": device.signed(claims | {"more": "x" * 3000}, jwk=device.jwk()),
        }

        for what, answer in wrong.items():
            refused = await device.ask(REGISTER, {"secure-session-response": answer})
            assert refused.status_code == 401, what
            assert not set_cookies(refused), what
        assert_problem(await device.ask(REGISTER, {}), 401, "device-proof-refused")
        doubled = [("secure-session-response", good)] * 2
        assert_problem(await outside.post(REGISTER, headers=doubled), 401, "device-proof-refused")
        foreign = {"secure-session-response": good, "origin": "https://evil.example"}
        assert_problem(await device.ask(REGISTER, foreign), 403, "foreign-origin")
        # With cookies of another session: the browser has signed in anew since.
        assert_problem(await other.ask(REGISTER, {"secure-session-response": good}), 401, "device-proof-refused")

        assert "session.proof_refused" not in await journalled(house), "strangers fill no journal"
        assert (await device.ask(REGISTER, {"secure-session-response": f'"{good}"'})).status_code == 200, "quoted"


class TestAStolenCookie:
    async def test_dies_within_minutes_however_it_is_shown_while_its_owner_goes_on(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        clock.advance(minutes=2)
        assert (await device.browser.post(f"{API}/refresh")).status_code == 200
        assert parts(device.browser.cookies[ACCESS])[1]["dbsc"] is True
        thief = with_all(device)
        assert (await thief.get(f"{API}/me")).status_code == 200, "the bound cookie is among what was stolen"

        clock.advance(**LIFE)

        assert await every_way(thief) == SHUT
        device.forget_bound()
        assert (await device.renew()).status_code == 200
        assert (await device.browser.get(f"{API}/me")).status_code == 200
        assert (await device.browser.get("/auth/account")).status_code == 200
        assert (await device.browser.post(f"{API}/refresh")).status_code == 200
        told = await journalled(house)
        assert told.count("session.elsewhere_refused") == 3
        assert "session.theft_detected" not in told
        assert await every_way(thief) == SHUT

    async def test_that_was_stolen_before_the_session_was_bound_dies_with_what_was_on_its_way(
        self, open_house: OpenHouse, clock: ManualClock
    ) -> None:
        here, there = await open_house(work=False), await open_house(work=False)
        async with client_of(here) as client, client_of(there) as elsewhere:
            await register(client)
            device = Device(Browser(client))
            offer = Offer.of(await device.browser.sign_in())
            thief = Browser(elsewhere, dict(device.browser.cookies))
            assert (await device.register(offer)).status_code == 200
            assert "dbsc" not in parts(thief.cookies[ACCESS])[1]
            await there.signals.refresh()  # which happens twice a second; time stands still here
            clock.advance(seconds=60)
            assert (await thief.get(f"{API}/me")).status_code == 200, "a page that was loading meanwhile"

            clock.advance(seconds=1)

            assert await every_way(thief) == SHUT
            thief.client = client
            assert await every_way(thief) == SHUT
            assert (await device.browser.get(f"{API}/me")).status_code == 200

    @only_sqlite
    async def test_a_bound_cookie_is_good_for_its_own_session_alone(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        mine, other = await bound_device(outside), await bound_device(outside)
        clock.advance(minutes=2)
        assert (await mine.browser.post(f"{API}/refresh")).status_code == 200

        swapped = mine.forget_bound()
        mine.browser.cookies[mine.bound] = other.browser.cookies[other.bound]
        assert (await mine.browser.get(f"{API}/me")).status_code == 401
        mine.browser.cookies[mine.bound] = mine.browser.cookies[PAGE]
        assert (await mine.browser.get(f"{API}/me")).status_code == 401
        mine.browser.cookies[mine.bound] = swapped[:-1]
        assert (await mine.browser.get(f"{API}/me")).status_code == 401
        mine.browser.cookies[mine.bound] = swapped
        assert (await mine.browser.get(f"{API}/me")).status_code == 200

    @only_sqlite
    async def test_a_script_of_the_very_browser_may_show_its_token_itself(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        clock.advance(minutes=2)
        held = (await device.browser.post(f"{API}/refresh")).json()
        bearer = {"authorization": f"Bearer {held['access_token']}"}

        assert (await device.browser.get(f"{API}/me", headers=bearer)).status_code == 200
        assert (await outside.get(f"{API}/me", headers=bearer)).status_code == 401
        body = {"refresh_token": held["refresh_token"]}
        assert (await outside.post(f"{API}/refresh", json=body)).status_code == 401
        assert (await device.browser.post(f"{API}/refresh", json=body)).status_code == 200

    @only_sqlite
    async def test_an_old_refresh_token_without_the_device_does_not_end_the_owners_session(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        old = device.browser.cookies[REFRESH]
        clock.advance(minutes=5)
        assert (await device.browser.post(f"{API}/refresh")).status_code == 200
        # D2: the grace for racing tabs is bound to the device as well.
        assert (await outside.post(f"{API}/refresh", json={"refresh_token": old})).status_code == 401
        clock.advance(minutes=4)

        assert (await outside.post(f"{API}/refresh", json={"refresh_token": old})).status_code == 401
        assert (await device.browser.get(f"{API}/me")).status_code == 200


class TestRenewing:
    async def test_hands_out_a_cookie_and_the_next_challenge_each_time(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        seen = {device.challenge}
        for _ in range(6):
            clock.advance(minutes=10)
            device.forget_bound()
            answer = await device.renew()
            assert answer.status_code == 200
            assert answer.json() == device.instructions
            assert set_cookies(answer)[device.bound].attributes["max-age"] == "600"
            seen.add(device.challenge)
            assert (await device.browser.post(f"{API}/refresh")).status_code == 200
        assert len(seen) == 7

    async def test_leaves_the_cookie_before_good_until_its_own_time(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        clock.advance(minutes=2)
        await device.browser.post(f"{API}/refresh")
        tab = with_all(device)
        clock.advance(minutes=7)

        assert (await device.renew()).status_code == 200
        assert tab.cookies[device.bound] != device.browser.cookies[device.bound]
        assert (await tab.get(f"{API}/me")).status_code == 200
        clock.advance(minutes=2)
        assert (await tab.get(f"{API}/me")).status_code == 401
        assert (await device.browser.get(f"{API}/me")).status_code == 200

    async def test_without_an_answer_or_with_one_that_came_before_is_a_new_challenge(
        self, outside: httpx.AsyncClient
    ) -> None:
        """Time stands still here: the next challenge is younger all the same."""
        await register(outside)
        device = await bound_device(outside)
        answered = device.signed({"jti": device.challenge})
        shown = {"sec-secure-session-id": device.session_id, "secure-session-response": answered}
        assert (await device.ask(RENEW, shown)).status_code == 200

        again = await device.ask(RENEW, shown)

        assert_problem(again, 403, "device-proof-needed")
        assert not set_cookies(again)
        asked = await device.ask(RENEW, {"sec-secure-session-id": device.session_id})
        assert_problem(asked, 403, "device-proof-needed")
        device.challenge = challenge_in(again)[0]
        assert (await device.renew()).status_code == 200
        quoted = {"sec-secure-session-id": f'"{device.session_id}"'}
        quoted["secure-session-response"] = f'"{device.signed({"jti": device.challenge})}"'
        assert (await device.ask(RENEW, quoted)).status_code == 200

    async def test_of_renewals_at_one_moment_one_answer_counts_and_the_others_are_asked_again(
        self, outside: httpx.AsyncClient
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        shown = {
            "sec-secure-session-id": device.session_id,
            "secure-session-response": device.signed({"jti": device.challenge}),
        }

        answers = await asyncio.gather(*(device.ask(RENEW, shown) for _ in range(20)))

        assert sorted(answer.status_code for answer in answers) == [200] + [403] * 19
        device.challenge = challenge_in(next(answer for answer in answers if answer.status_code == 403))[0]
        assert (await device.renew()).status_code == 200

    @only_sqlite
    async def test_an_answer_that_a_browser_kept_too_long_is_asked_for_anew(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        device.forget_bound()
        kept = {
            "sec-secure-session-id": device.session_id,
            "secure-session-response": device.signed({"jti": device.challenge}),
        }
        clock.advance(minutes=15, milliseconds=1)

        assert_problem(await device.ask(RENEW, kept), 403, "device-proof-needed")
        clock.advance(days=2)
        assert (await device.renew()).status_code == 200
        assert (await device.browser.get("/auth/account")).status_code == 200

    @only_sqlite
    async def test_believes_the_sessions_own_key_and_no_other(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await register(outside)
        device, other = await bound_device(outside), await bound_device(outside)
        claims = {"jti": device.challenge}
        good = device.signed(claims)
        _, body, tail = good.split(".")
        rivest = SigningKey.generate("RS256")
        refused = {
            "another key": device.signed(claims, key=other.key),
            "a key that it brings": device.signed(claims, key=other.key, jwk=other.jwk()),
            "its own key, brought": device.signed(claims, jwk=device.jwk()),
            "alg none": f"{b64({'alg': 'none', 'typ': 'dbsc+jwt'})}.{body}.",
            "RS256": device.signed(claims, key=rivest, alg="RS256"),
            "truncated": good[:-2],
            "another type": f"{b64({'alg': 'ES256', 'typ': 'at+jwt'})}.{body}.{tail}",
            "no token": "x",
            "nothing": "",
        }
        asked_again = {
            "another session's challenge": device.signed({"jti": other.challenge}),
            "a made-up challenge": device.signed({"jti": bent(device.challenge or "")}),
            "a token of another purpose": device.signed({"jti": device.browser.cookies[PAGE]}),
            "no challenge": device.signed({}),
            "a number": device.signed({"jti": 7}),
        }

        for what, answer in (refused | asked_again).items():
            shown = {"sec-secure-session-id": device.session_id, "secure-session-response": answer}
            for with_cookies in (True, False):
                found = await device.ask(RENEW, shown, with_cookies=with_cookies)
                assert found.status_code == (401 if what in refused else 403), what
                assert not set_cookies(found), what
        noted = (await journalled(house)).count("session.proof_refused")
        assert noted == len(refused), "whoever shows the session's cookies leaves a trace, and a stranger none"
        assert (await device.renew()).status_code == 200

    @only_sqlite
    @pytest.mark.parametrize("session_id", ["", "x", "A" * 22, "A" * 23, "é" * 22, '"' * 24])
    async def test_of_a_session_that_is_not_there_tells_nothing(
        self, outside: httpx.AsyncClient, session_id: str
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        shown = {b"sec-secure-session-id": session_id.encode()}

        asked = await outside.post(RENEW, headers=shown)
        signed = {b"secure-session-response": device.signed({"jti": device.challenge}).encode()}
        answered = await outside.post(RENEW, headers=shown | signed)

        assert asked.status_code == (403 if session_id == "A" * 22 else 401), "as for one that is"
        assert_problem(answered, 401, "device-proof-refused")

    @only_sqlite
    async def test_goes_without_cookies_where_another_sites_link_led_here(self, outside: httpx.AsyncClient) -> None:
        await register(outside)
        device = await bound_device(outside)
        device.forget_bound()

        assert (await device.renew(with_cookies=False)).status_code == 200
        assert (await device.browser.get(f"{API}/me")).status_code == 200

    @only_sqlite
    async def test_is_no_page_of_another_sites_business(self, outside: httpx.AsyncClient) -> None:
        await register(outside)
        device = await bound_device(outside)
        shown = {"sec-secure-session-id": device.session_id}

        for telling in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert_problem(await device.ask(RENEW, shown | telling), 403, "foreign-origin")

    @only_sqlite
    async def test_an_earlier_session_of_a_browser_that_signed_in_anew_is_given_up(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        before = Device(device.browser, device.key, device.session_id, device.challenge, device.instructions)
        device.key = SigningKey.generate("ES256")
        assert (await device.register(Offer.of(await device.browser.sign_in()))).status_code == 200
        clock.advance(minutes=10)
        before.forget_bound()
        device.forget_bound()

        assert_problem(await before.renew(), 401, "device-proof-refused")
        assert (await device.renew()).status_code == 200
        assert (await device.browser.get("/auth/account")).status_code == 200


class TestWhenItEnds:
    async def test_a_session_that_was_signed_out_is_not_renewed(self, outside: httpx.AsyncClient) -> None:
        await register(outside)
        device = await bound_device(outside)
        copy = with_all(device)

        answer = await device.browser.post(f"{API}/logout")

        assert set_cookies(answer).keys() == {
            ACCESS,
            REFRESH,
            PAGE,
            CSRF,
            "__Host-passkey",
            "__Host-federation",
            device.bound,
        }
        assert device.browser.cookies.keys() == {DEVICE}
        device.browser.cookies = copy.cookies
        assert_problem(await device.renew(), 401, "device-proof-refused")
        assert (await device.browser.get(f"{API}/me")).status_code == 401

    async def test_a_renewal_that_races_the_sign_out_revives_nothing(self, outside: httpx.AsyncClient) -> None:
        await register(outside)
        for _ in range(8):
            device = await bound_device(outside)
            copy = with_all(device)
            renewed, left = await asyncio.gather(device.renew(), device.browser.post(f"{API}/logout"))
            assert left.status_code == 200
            assert renewed.status_code in (200, 401)
            copy.cookies |= {name: cookie.value for name, cookie in set_cookies(renewed).items()}
            assert await every_way(copy) == SHUT
            device.browser.cookies = copy.cookies
            assert (await device.renew()).status_code == 401

    @only_sqlite
    async def test_neither_its_longest_life_nor_its_idle_one_is_renewed_by_a_device(
        self, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        await register(outside)
        device = await bound_device(outside)
        for _ in range(13):  # a tab that stays open renews, and nobody is there
            clock.advance(hours=12)
            device.forget_bound()
            assert (await device.renew()).status_code == 200
        clock.advance(hours=12, seconds=1)

        assert_problem(await device.renew(), 401, "device-proof-refused")

    @only_sqlite
    async def test_an_account_that_is_closed_has_no_device(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        held = await register(outside)
        device, fresh = await bound_device(outside), Device(Browser(outside))
        offer = Offer.of(await fresh.browser.sign_in())
        async with house.database.unit(HOUSE) as unit:
            account = await house.accounts.get(unit, held["user"]["id"])
            assert await house.accounts.set_status(unit, account.id, account.status, "deactivated")

        assert (await device.renew(with_cookies=False)).status_code == 401
        assert (await fresh.register(offer)).status_code == 401

    async def test_switched_off_it_lets_every_session_go_on_unbound(
        self, open_house: OpenHouse, clock: ManualClock
    ) -> None:
        house = await open_house(work=False)
        async with client_of(house) as client:
            await register(client)
            device = await bound_device(client)
            clock.advance(minutes=2)
            await device.browser.post(f"{API}/refresh")
        off = await open_house(work=False, sessions={"device_bound": "off"})
        clock.advance(minutes=10)
        async with client_of(off) as client:
            device.browser.client = client
            device.forget_bound()
            assert (await device.renew()).status_code == 401
            assert (await device.browser.get(f"{API}/me")).status_code == 200
            assert (await device.browser.post(f"{API}/refresh")).status_code == 200
            assert "dbsc" not in parts(device.browser.cookies[ACCESS])[1]
            assert (await login(client))["token_type"] == "bearer"


@only_sqlite
async def test_no_noisy_neighbour_makes_a_browser_give_its_session_up(open_house: OpenHouse) -> None:
    """Browsers take 429 for the end of a bound session."""
    house = await open_house(work=False, protection={"anonymous_per_minute": 3})
    async with client_of(house) as client:
        await register(client)
        device = await bound_device(client)
        while (await client.get("/auth/sign-in")).status_code != 429:
            client.cookies.clear()

        assert (await device.renew(with_cookies=False)).status_code == 200


def test_the_paths_are_where_browsers_of_this_origin_look() -> None:
    assert httpx.URL(ORIGIN).join(REGISTER).path == "/api/v1/auth/dbsc/register"
