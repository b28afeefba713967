"""Signing in by passkey: who is let in, and every answer that is not believed (WebAuthn Level 3 section 7.2)."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from tests.house import API, OpenHouse, bearer, client_of, journalled, letter_to, login
from tests.passkeys.steps import COOKIE, add, ask, owner, show, sign_in, stronger, why_refused
from tests.recovery.steps import CALLER, disown_token, try_in

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.core.db import Query
from ostiary.core.secrets import unb64
from ostiary.passkeys.models import passkey_challenges
from ostiary.passkeys.queries import Number
from ostiary.testing.authenticator import BE, BS, UP, UV, Authenticator
from ostiary.wiring import Ostiary

REFUSED = "passkey-refused"


def claims(signed_in: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(unb64(signed_in["access_token"].split(".")[1]))
    return found


def slug(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).rpartition("/")[2]


async def refused(client: httpx.AsyncClient, authenticator: Authenticator, **changed: Any) -> None:  # noqa: ANN401
    answer = await sign_in(client, authenticator, **changed)
    assert (answer.status_code, slug(answer)) == (401, REFUSED), answer.text
    assert "set-cookie" not in answer.headers


class TestSomebodyWithAPasskey:
    @pytest.mark.parametrize("algorithm", [-7, -8, -257])
    async def test_is_let_in_without_a_name(self, house: Ostiary, outside: httpx.AsyncClient, algorithm: int) -> None:
        await owner(house, outside)
        authenticator = await add(outside, bearer(await login(outside)), Authenticator(algorithm))

        answer = await sign_in(outside, authenticator)

        assert answer.status_code == 200, answer.text
        assert answer.json()["user"]["username"] == "mira"
        me = await outside.get(f"{API}/me", headers=bearer(answer.json()))
        assert me.status_code == 200

    async def test_has_shown_two_factors(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        bound = await add(outside, bearing, Authenticator())
        bearing = await stronger(outside, bearing, bound)
        synced = await add(outside, bearing, Authenticator(flags=UP | UV | BE | BS))

        assert claims((await sign_in(outside, bound)).json())["amr"] == ["hwk", "user", "mfa"]
        assert claims((await sign_in(outside, synced)).json())["amr"] == ["swk", "user", "mfa"]

    async def test_is_let_in_though_strangers_have_locked_the_name(
        self, open_house: OpenHouse, clock: ManualClock
    ) -> None:
        roomy = {"login_failures_per_minute": 1000, "login_failures_per_hour": 1000}
        house = await open_house(work=False, protection=roomy)
        async with client_of(house) as outside:
            authenticator = await add(outside, await owner(house, outside))
            async with client_of(house, "198.51.100.9") as stranger:
                assert [await try_in(stranger, "wrong battery") for _ in range(7)][-2:] == [429, 423]
            assert await try_in(outside, "correct horse battery") == 423

            assert (await sign_in(outside, authenticator)).status_code == 200

    async def test_is_told_of_nothing_when_its_counter_stays_zero(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        authenticator = await add(outside, await owner(house, outside), Authenticator(counts=False))

        assert [(await sign_in(outside, authenticator)).status_code for _ in range(3)] == [200, 200, 200]

    async def test_sees_that_it_is_synchronised_by_now(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        authenticator = await add(outside, bearing, Authenticator(flags=UP | UV | BE))
        seen = []
        for flags in (UP | UV | BE | BS, UP | UV | BE):
            authenticator.flags = flags
            assert (await sign_in(outside, authenticator)).status_code == 200
            (passkey,) = (await outside.get(f"{API}/passkeys", headers=bearing)).json()["passkeys"]
            seen.append(passkey["backed_up"])

        assert seen == [True, False]

    async def test_keeps_it_past_a_change_of_the_password(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        authenticator = await add(outside, bearing)
        bearing = await stronger(outside, bearing, authenticator)
        change = {"current_password": "correct horse battery", "new_password": "another battery staple"}
        assert (await outside.post(f"{API}/password/change", json=change, headers=bearing)).status_code == 200

        assert (await sign_in(outside, authenticator)).status_code == 200

    async def test_may_have_several_tabs_open(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        first, cookie = await ask(outside)
        _, cookie = await ask(outside, cookie)

        assert (await show(outside, authenticator.show(first), cookie)).status_code == 200


async def test_signing_out_takes_what_a_passkey_was_asked_with(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)

    answer = await outside.post(f"{API}/logout", headers=bearing)

    assert any(line.startswith(f"{COOKIE}=; Max-Age=0; Path=/") for line in answer.headers.get_list("set-cookie"))


class TestAnAnswerIsNotBelieved:
    @pytest.mark.parametrize(
        ("changed", "reason"),
        [
            ({"origin": "https://evil.example"}, "origin"),
            ({"origin": "http://localhost:8081"}, "origin"),
            ({"origin": "http://127.0.0.1:8080"}, "origin"),
            ({"type": "webauthn.create"}, "type"),
            ({"crossOrigin": True}, "cross-origin"),
            ({"topOrigin": "http://localhost:8080"}, "cross-origin"),
            ({"challenge": "AAAA"}, "challenge"),
            ({"challenge": "not canonical!"}, "client-data"),
            ({"challenge": 7}, "client-data"),
            ({"origin": None}, "client-data"),
        ],
    )
    async def test_that_was_given_to_another_page(
        self, house: Ostiary, outside: httpx.AsyncClient, changed: dict[str, Any], reason: str
    ) -> None:
        authenticator = await add(outside, await owner(house, outside))

        await refused(outside, authenticator, **changed)

        assert await why_refused(house) == reason

    @pytest.mark.parametrize(
        ("flags", "reason"),
        [(UP, "verification"), (UV, "presence"), (UP | UV | BS, "backup-flags"), (UP | UV | BE, "backup-eligibility")],
    )
    async def test_whose_flags_are_not_right(
        self, house: Ostiary, outside: httpx.AsyncClient, flags: int, reason: str
    ) -> None:
        authenticator = await add(outside, await owner(house, outside))
        authenticator.flags = flags

        await refused(outside, authenticator)

        assert await why_refused(house) == reason

    async def test_of_another_relying_party(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        authenticator.rp_id = "evil.example"

        await refused(outside, authenticator)

        assert await why_refused(house) == "rp-id"

    async def test_signed_by_another_key(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        authenticator.key = Authenticator().key

        await refused(outside, authenticator)

        assert await why_refused(house) == "signature"

    @pytest.mark.parametrize("signature", [b"", b"\x00", bytes(64), bytes(1024)])
    async def test_with_a_signature_that_is_none(
        self, house: Ostiary, outside: httpx.AsyncClient, signature: bytes
    ) -> None:
        authenticator = await add(outside, await owner(house, outside))

        await refused(outside, authenticator, signature=signature)

    @pytest.mark.parametrize("cut", [0, 1, 31, 36])
    async def test_that_is_cut_short(self, house: Ostiary, outside: httpx.AsyncClient, cut: int) -> None:
        authenticator = await add(outside, await owner(house, outside))

        await refused(outside, authenticator, data=authenticator.authenticator_data()[:cut])

        assert await why_refused(house) == "malformed"

    @pytest.mark.parametrize("more", [b"\x00", b"\xa0", b"\xff" * 100])
    async def test_with_something_behind_it(self, house: Ostiary, outside: httpx.AsyncClient, more: bytes) -> None:
        authenticator = await add(outside, await owner(house, outside))

        await refused(outside, authenticator, data=authenticator.authenticator_data(more))

    async def test_with_the_handle_of_another_account(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        other = await add(outside, await owner(house, outside, "nils"))
        authenticator.handle = other.handle

        await refused(outside, authenticator)

        assert await why_refused(house) == "user-handle"

    async def test_by_a_credential_that_nobody_has(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        stranger = Authenticator(handle=bytes(64))

        answer = await sign_in(outside, stranger)

        assert (answer.status_code, slug(answer)) == (401, REFUSED)
        assert answer.json()["unknown_credential"] is True  # so that its browser may forget it

    async def test_that_came_before(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside), Authenticator(counts=False))
        options, cookie = await ask(outside)
        credential = authenticator.show(options)
        assert (await show(outside, credential, cookie)).status_code == 200

        assert (await show(outside, credential, cookie)).status_code == 401
        assert await why_refused(house) == "spent"

    async def test_of_which_two_come_at_once(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside), Authenticator(counts=False))
        options, cookie = await ask(outside)
        credential = authenticator.show(options)

        answers = await asyncio.gather(*(show(outside, copy.deepcopy(credential), cookie) for _ in range(8)))

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7

    @pytest.mark.parametrize("whose", ["none", "another's"])
    async def test_in_a_browser_that_did_not_ask(self, house: Ostiary, outside: httpx.AsyncClient, whose: str) -> None:
        authenticator = await add(outside, await owner(house, outside))
        options, _ = await ask(outside)
        cookie = None if whose == "none" else (await ask(outside))[1]

        assert (await show(outside, authenticator.show(options), cookie)).status_code == 401
        assert await why_refused(house) == "challenge"

    async def test_that_comes_too_late(self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
        authenticator = await add(outside, await owner(house, outside))
        options, cookie = await ask(outside)
        clock.advance(minutes=5)

        assert (await show(outside, authenticator.show(options), cookie)).status_code == 401

    async def test_that_is_too_large(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = Authenticator(credential_id=bytes(1024), handle=bytes(64))
        options, cookie = await ask(outside)

        assert (await show(outside, authenticator.show(options), cookie)).status_code == 422

    @pytest.mark.parametrize("count", [5, 4, 0])
    async def test_whose_count_does_not_go_up(self, house: Ostiary, outside: httpx.AsyncClient, count: int) -> None:
        """There are two of this authenticator: the owner and the keeper hear of it."""
        authenticator = await add(outside, await owner(house, outside))
        authenticator.count = 4
        assert (await sign_in(outside, authenticator)).status_code == 200  # shows 5
        authenticator.count = count - 1

        await refused(outside, authenticator)

        assert "passkey.copied" in await journalled(house)
        assert "two of one security key" in (await letter_to(house, "mira@example.org", "refused a passkey")).text
        assert [alert.kind for alert in await house.alerts.listed()] == ["passkey_copied"]


class TestAnAccountThatIsShut:
    async def test_is_not_opened_by_a_passkey(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        (account,) = await house.accounts.listed()
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.set_status(unit, account.id, "active", "deactivated")

        await refused(outside, authenticator)

    async def test_has_no_passkey_after_it_was_disowned(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        token = disown_token(await letter_to(house, "mira@example.org", "passkey was added"))
        await house.recovery.disown(CALLER, token)

        await refused(outside, authenticator)


class TestTooMany:
    async def test_refused_passkeys_shut_the_door_to_an_address_and_to_no_other(
        self, house: Ostiary, outside: httpx.AsyncClient
    ) -> None:
        authenticator = await add(outside, await owner(house, outside))
        async with client_of(house, "198.51.100.9") as stranger:
            for _ in range(10):
                await refused(stranger, Authenticator(handle=bytes(64)))
            answer = await sign_in(stranger, Authenticator(handle=bytes(64)))
            assert answer.status_code == 429

        assert (await sign_in(outside, authenticator)).status_code == 200

    async def test_a_blocked_address_is_refused(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        await house.blocks.add(KEEPER, "203.0.113.0/24", reason="a test", lifetime=None, bars="strangers")

        assert (await sign_in(outside, authenticator)).status_code == 403

    async def test_challenges_that_are_over_leave_nothing_behind(
        self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
    ) -> None:
        authenticator = await add(outside, await owner(house, outside))
        await sign_in(outside, authenticator)
        count = Query(select(func.count().label("number")).select_from(passkey_challenges), Number)
        assert (await house.database.all(count))[0].number == 2
        clock.advance(minutes=6)

        await house.passkeys.prune()

        assert (await house.database.all(count))[0].number == 0
