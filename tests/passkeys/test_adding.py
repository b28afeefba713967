"""Adding a passkey: who may, and every answer that is not stored (WebAuthn Level 3 section 7.1)."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from fido2 import cbor
from tests.house import API, OpenHouse, bearer, client_of, journalled, letter_to, login, register
from tests.passkeys.steps import add, ask, begin, finish, owner, sign_in, strong_owner, stronger
from tests.recovery.steps import CALLER, disown_token, move

from ostiary.core.caller import Caller
from ostiary.core.clock import ManualClock
from ostiary.core.secrets import unb64
from ostiary.passkeys.answers import NewCredentialBody
from ostiary.sessions import NotSignedIn
from ostiary.testing.authenticator import AT, BE, BS, ED, UP, UV, Authenticator, cose_of
from ostiary.wiring import Ostiary


async def stored(house: Ostiary) -> int:
    return sum([len(await house.passkeys.listed(account.id)) for account in await house.accounts.listed()])


async def refused(
    house: Ostiary,
    client: httpx.AsyncClient,
    bearing: dict[str, str],
    authenticator: Authenticator,
    **changed: Any,  # noqa: ANN401
) -> None:
    answer = await finish(client, bearing, authenticator.make(await begin(client, bearing), **changed))
    assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "passkey-not-accepted"), answer.text
    assert await stored(house) == 0


async def test_the_owner_adds_one_and_is_told(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)

    await add(outside, bearing, name="Blue <b>key</b>")

    (passkey,) = (await outside.get(f"{API}/passkeys", headers=bearing)).json()["passkeys"]
    assert (passkey["name"], passkey["last_used_at"], passkey["backed_up"]) == ("Blue key", None, False)
    letter = await letter_to(house, "mira@example.org", "passkey was added")
    assert "Blue key" in letter.text
    assert "/auth/not-me?token=" in letter.text
    assert "passkey.added" in await journalled(house)


async def test_options_ask_for_what_is_checked_and_say_nothing_personal(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    bearing = await owner(house, outside)

    options = await begin(outside, bearing)

    assert len(unb64(options["user"]["id"])) == 64
    assert options["user"]["id"] == (await begin(outside, bearing))["user"]["id"]
    assert len(unb64(options["challenge"])) > 32
    assert options["challenge"] != (await begin(outside, bearing))["challenge"]
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["attestation"] == "none"
    assert [wanted["alg"] for wanted in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert "mira" not in str(unb64(options["user"]["id"]))


async def test_what_is_held_already_is_left_out(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)
    authenticator = await add(outside, bearing)
    bearing = await stronger(outside, bearing, authenticator)

    (excluded,) = (await begin(outside, bearing))["excludeCredentials"]

    assert unb64(excluded["id"]) == authenticator.credential_id
    assert excluded["transports"] == ["internal"]  # and none that the standard does not know


class TestWhoMayNot:
    async def test_a_stranger(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        assert (await outside.post(f"{API}/passkeys/register/begin")).status_code == 401

    async def test_somebody_whose_sign_in_is_long_ago(self, open_house: OpenHouse, clock: ManualClock) -> None:
        house = await open_house(work=False, sessions={"access_lifetime": "PT15M"})
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            clock.advance(minutes=11)

            answer = await outside.post(f"{API}/passkeys/register/begin", headers=bearing)

            assert (answer.status_code, answer.json()["max_age"]) == (401, 600)

    async def test_somebody_whose_address_is_not_proven(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        """Or a stranger opens an account in somebody's name, and keeps a key to it."""
        bearing = bearer(await register(outside))

        answer = await outside.post(f"{API}/passkeys/register/begin", headers=bearing)

        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "address-not-proven")

    async def test_somebody_who_has_enough(self, open_house: OpenHouse) -> None:
        house = await open_house(work=False, passkeys={"most": 2})
        async with client_of(house) as outside:
            bearing = await owner(house, outside)
            last = await begin(outside, bearing)
            bearing = await stronger(outside, bearing, await add(outside, bearing))
            await add(outside, bearing)

            assert (await outside.post(f"{API}/passkeys/register/begin", headers=bearing)).status_code == 409
            assert (await finish(outside, bearing, Authenticator().make(last))).status_code == 409


class TestAnAnswerIsNotStored:
    @pytest.mark.parametrize(
        "changed",
        [
            {"origin": "https://evil.example"}, {"type": "webauthn.get"}, {"crossOrigin": True},
            {"topOrigin": "https://evil.example"}, {"challenge": "AAAA"},
        ],
    )  # fmt: skip
    async def test_that_was_given_to_another_page(
        self, house: Ostiary, outside: httpx.AsyncClient, changed: dict[str, Any]
    ) -> None:
        await refused(house, outside, await owner(house, outside), Authenticator(), **changed)

    @pytest.mark.parametrize("flags", [0, UP, UV, UP | UV | BS])
    async def test_whose_flags_are_not_right(self, house: Ostiary, outside: httpx.AsyncClient, flags: int) -> None:
        await refused(house, outside, await owner(house, outside), Authenticator(flags=flags))

    async def test_of_another_relying_party(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        await refused(house, outside, await owner(house, outside), Authenticator(rp_id="evil.example"))

    @pytest.mark.parametrize("length", [0, 1024])
    async def test_whose_id_has_no_length_or_too_much(
        self, house: Ostiary, outside: httpx.AsyncClient, length: int
    ) -> None:
        bearing = await owner(house, outside)
        authenticator = Authenticator(credential_id=bytes(length))

        answer = await finish(outside, bearing, authenticator.make(await begin(outside, bearing)))

        assert answer.status_code == 422
        assert await stored(house) == 0

    async def test_whose_id_is_not_the_one_that_was_said(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        credential = Authenticator().make(await begin(outside, bearing))
        credential["rawId"] = credential["id"] = "AAAAAAAAAAAAAAAAAAAAAA"

        assert (await finish(outside, bearing, credential)).status_code == 422

    async def test_without_a_credential_in_it(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = Authenticator()
        await refused(
            house, outside, await owner(house, outside), authenticator, data=authenticator.authenticator_data()
        )

    async def test_that_is_cut_short_anywhere(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        authenticator = Authenticator()
        whole = authenticator.authenticator_data(authenticator.attested(), AT)
        full = cbor.encode({"fmt": "none", "attStmt": {}, "authData": whole})
        for length in range(0, len(full), 7):
            await refused(house, outside, bearing, authenticator, attestation=full[:length])

    @pytest.mark.parametrize(
        "attestation",
        [
            b"", b"\x00", b"\xff" * 40, b"\x81" * 8000, b"\xbb" + b"\xff" * 8, b"\x5b" + b"\xff" * 8, b"\xa0",
            cbor.encode({"fmt": "none", "attStmt": {}, "authData": 2**40}),  # not a terabyte of zeros
            cbor.encode({"fmt": "none", "attStmt": {}, "authData": "text"}),
            cbor.encode({"fmt": 1, "attStmt": {}, "authData": b""}),
            cbor.encode([1, 2, 3]), bytes(8193),
        ],
        ids=range(12),
    )  # fmt: skip
    async def test_that_is_no_attestation_object(
        self, house: Ostiary, outside: httpx.AsyncClient, attestation: bytes
    ) -> None:
        bearing = await owner(house, outside)
        answer = await finish(
            outside, bearing, Authenticator().make(await begin(outside, bearing), attestation=attestation)
        )
        assert answer.status_code == 422
        assert await stored(house) == 0

    @pytest.mark.parametrize(
        "changed",
        [
            {3: -65535}, {3: -37}, {3: None}, {1: 1}, {-1: 2}, {-2: b""}, {-2: 7}, {-2: bytes(31)}, {-3: bytes(32)},
            {3: -257}, {3: {}},
        ],
        ids=str,
    )  # fmt: skip
    async def test_whose_key_is_none_that_was_asked_for(
        self, house: Ostiary, outside: httpx.AsyncClient, changed: dict[int, Any]
    ) -> None:
        authenticator = Authenticator()
        cose = {name: value for name, value in (cose_of(authenticator.key) | changed).items() if value is not None}
        data = authenticator.authenticator_data(authenticator.attested(cose), AT)

        await refused(house, outside, await owner(house, outside), authenticator, data=data)

    @pytest.mark.parametrize("modulus", [b"\xff" * 128, b"\xff" * 1024])
    async def test_whose_rsa_key_is_weak_or_endless(
        self, house: Ostiary, outside: httpx.AsyncClient, modulus: bytes
    ) -> None:
        authenticator = Authenticator()
        cose = {1: 3, 3: -257, -1: modulus, -2: b"\x01\x00\x01"}
        data = authenticator.authenticator_data(authenticator.attested(cose), AT)

        await refused(house, outside, await owner(house, outside), authenticator, data=data)

    async def test_to_a_challenge_of_another_session(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        options = await begin(outside, bearer(await login(outside)))

        assert (await finish(outside, bearing, Authenticator().make(options))).status_code == 422

    async def test_to_a_challenge_for_signing_in(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        options = await begin(outside, bearing)
        options["challenge"] = (await ask(outside))[0]["challenge"]

        assert (await finish(outside, bearing, Authenticator().make(options))).status_code == 422

    async def test_that_comes_too_late(self, house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock) -> None:
        bearing = await owner(house, outside)
        options = await begin(outside, bearing)
        clock.advance(minutes=5)

        assert (await finish(outside, bearing, Authenticator().make(options))).status_code == 422

    async def test_a_second_time(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        options, first = await begin(outside, bearing), Authenticator()
        assert (await finish(outside, bearing, first.make(options))).status_code == 201
        bearing = await stronger(outside, bearing, first)

        assert (await finish(outside, bearing, Authenticator().make(options))).status_code == 422
        assert await stored(house) == 1

    async def test_of_several_at_once_but_for_one(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await owner(house, outside)
        options = await begin(outside, bearing)

        answers = await asyncio.gather(*(finish(outside, bearing, Authenticator().make(options)) for _ in range(6)))

        first, *others = sorted(answer.status_code for answer in answers)
        assert first == 201
        assert set(others) <= {401, 422}  # with a passkey, an account asks for more than a password
        assert await stored(house) == 1

    async def test_by_a_credential_of_another_account(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        authenticator = await add(outside, await owner(house, outside))
        thief = await owner(house, outside, "nils")

        answer = await finish(outside, thief, authenticator.make(await begin(outside, thief)))

        assert answer.status_code == 422
        assert await stored(house) == 1


class TestThisWasNotMe:
    """What a thief has asked for before must not be stored after it."""

    async def test_past_the_gate_already(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await strong_owner(house, outside)
        await add(outside, bearing)
        token = disown_token(await letter_to(house, "mira@example.org", "passkey was added"))
        answer = NewCredentialBody.model_validate(Authenticator().make(await begin(outside, bearing))).read()
        claims = json.loads(unb64(bearing["authorization"].split(".")[1]))
        thief = Caller(request_id="late", account_id=claims["sub"], session_id=claims["sid"])

        await house.recovery.disown(CALLER, token)

        with pytest.raises(NotSignedIn):
            await house.passkeys.finish_registration(thief, answer)
        with pytest.raises(NotSignedIn):
            await house.passkeys.begin_registration(thief)
        assert await stored(house) == 0

    async def test_at_the_same_moment(self, house: Ostiary, outside: httpx.AsyncClient) -> None:
        bearing = await strong_owner(house, outside)
        await add(outside, bearing)
        token = disown_token(await letter_to(house, "mira@example.org", "passkey was added"))
        made = [Authenticator().make(await begin(outside, bearing)) for _ in range(5)]

        disowning = asyncio.create_task(house.recovery.disown(CALLER, token))
        answers = await asyncio.gather(*(finish(outside, bearing, one) for one in made))
        await disowning

        assert {answer.status_code for answer in answers} <= {201, 401}
        assert await stored(house) == 0


@pytest.mark.parametrize("flags", [UP | UV, UP | UV | BE, UP | UV | BE | BS])
async def test_extensions_are_read_over(house: Ostiary, outside: httpx.AsyncClient, flags: int) -> None:
    bearing = await owner(house, outside)
    authenticator = Authenticator(flags=flags)
    more = authenticator.attested() + cbor.encode({"credProtect": 2})
    data = authenticator.authenticator_data(more, AT | ED)

    answer = await finish(outside, bearing, authenticator.make(await begin(outside, bearing), data=data))

    assert answer.status_code == 201, answer.text
    signed_in = await sign_in(
        outside, authenticator, data=authenticator.authenticator_data(cbor.encode({"appid": False}), ED)
    )
    assert signed_in.status_code == 200


async def test_an_attestation_of_some_make_is_not_asked_for_and_not_minded(
    house: Ostiary, outside: httpx.AsyncClient
) -> None:
    bearing = await owner(house, outside)
    authenticator = Authenticator()
    data = authenticator.authenticator_data(authenticator.attested(), AT)
    packed = cbor.encode({"fmt": "packed", "attStmt": {"alg": -7, "sig": b"none"}, "authData": data})

    answer = await finish(outside, bearing, authenticator.make(await begin(outside, bearing), attestation=packed))

    assert answer.status_code == 201


async def test_the_letter_goes_to_the_address_of_now(house: Ostiary, outside: httpx.AsyncClient) -> None:
    bearing = await owner(house, outside)
    await move(house, outside, bearing, "new@example.org")

    await add(outside, bearing)

    assert (await letter_to(house, "new@example.org", "passkey was added")).to == "new@example.org"
