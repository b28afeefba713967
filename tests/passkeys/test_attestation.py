"""Whose authenticators are welcome, where a setting asks (WebAuthn Level 3 sections 7.1 and 8.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fido2 import cbor
from tests.house import OpenHouse, client_of
from tests.passkeys.makers import Maker, key_usage, model_in_certificate, sign
from tests.passkeys.steps import add, begin, finish, newest, owner, sign_in, why_refused

from ostiary.core.clock import ManualClock
from ostiary.core.errors import Misconfigured
from ostiary.testing.authenticator import AT, Authenticator, signed
from ostiary.wiring import Ostiary

pytestmark = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)  # what is judged is bytes

MODEL = UUID("cb69481e-8ff7-4039-93ec-0a2729a154a8")
OTHER = UUID("ee882879-721c-4913-9775-3dfcce97072a")
OpenStrict = Callable[..., Any]


@pytest.fixture
def maker() -> Maker:
    return Maker()


@pytest.fixture
def open_strict(open_house: OpenHouse, tmp_path: Path, maker: Maker) -> OpenStrict:
    """Open a house that trusts one maker."""
    roots = tmp_path / "makers.pem"
    roots.write_bytes(maker.pem)

    async def open_one(*allowed: UUID) -> Ostiary:
        asked = {"attestation": "direct", "attestation_roots": roots, "allowed_aaguids": allowed}
        house: Ostiary = await open_house(work=False, passkeys=asked)
        return house

    return open_one


async def refused(house: Ostiary, authenticator: Authenticator, **changed: Any) -> str:  # noqa: ANN401
    """Show that an authenticator is not welcome, and return why."""
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        answer = await finish(outside, bearing, authenticator.make(await begin(outside, bearing), **changed))
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (422, "authenticator-not-allowed")
        (account,) = await house.accounts.listed()
        assert await house.passkeys.listed(account.id) == []
        return await why_refused(house)


@pytest.mark.parametrize("levels", [0, 1, 3])
async def test_an_authenticator_of_a_trusted_maker_is_welcome(
    open_strict: OpenStrict, maker: Maker, levels: int
) -> None:
    house = await open_strict()
    for level in range(levels):
        usage = key_usage(signs_certificates=True)
        maker.between.append(sign(f"Acme CA {level}", maker.nearest, usage, authority=True))
    maker.leaf = sign("Acme Key 5", maker.nearest, model_in_certificate(MODEL.bytes), authority=False)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        options = await begin(outside, bearing)
        assert (options["attestation"], options["attestationFormats"]) == ("direct", ["packed"])

        authenticator = await add(outside, bearing, Authenticator(maker=maker, aaguid=MODEL.bytes))

        (account,) = await house.accounts.listed()
        (stored,) = await house.passkeys.listed(account.id)
        assert (stored.attestation, stored.aaguid) == ("packed", str(MODEL))
        assert (await newest(house, "passkey.added"))["attestation"] == "packed"
        assert (await sign_in(outside, authenticator)).status_code == 200


def _self_signed(authenticator: Authenticator, data: bytes, client_data: bytes) -> bytes:
    statement = {"alg": -7, "sig": signed(authenticator.key, data + hashlib.sha256(client_data).digest())}
    return cbor.encode({"fmt": "packed", "attStmt": statement, "authData": data})


async def test_whoever_vouches_for_itself_is_not_welcome(open_strict: OpenStrict) -> None:
    house = await open_strict()

    class Itself:
        def attest(self, data: bytes, client_data: bytes) -> bytes:
            return _self_signed(authenticator, data, client_data)

    authenticator = Authenticator(maker=Itself())

    assert await refused(house, authenticator) == "attestation"


async def test_no_word_of_a_maker_is_not_enough(open_strict: OpenStrict) -> None:
    assert await refused(await open_strict(), Authenticator(aaguid=MODEL.bytes)) == "attestation"


async def test_a_word_of_a_maker_whom_nobody_trusts_is_not_enough(open_strict: OpenStrict) -> None:
    """Of the same name, too: names are free."""
    assert await refused(await open_strict(), Authenticator(maker=Maker())) == "attestation"


def _ends_soon(maker: Maker) -> None:
    maker.leaf = sign("Acme Key 5", maker.root, authority=False, lifetime=timedelta(days=30))


def _issued_by_a_key(maker: Maker) -> None:
    """As if somebody had taken the key of one authenticator, to make many."""
    sold = sign("Acme Key 5", maker.root, authority=False)
    maker.between, maker.leaf = [sold], sign("Acme Key 5", sold, authority=False)


def _issued_by_who_may_not(maker: Maker) -> None:
    idle = sign("Acme CA", maker.root, key_usage(signs_certificates=False), authority=True)
    maker.between, maker.leaf = [idle], sign("Acme Key 5", idle, authority=False)


def _an_authority_itself(maker: Maker) -> None:
    maker.leaf = sign("Acme Key 5", maker.root, authority=True)


def _of_another_kind(maker: Maker) -> None:
    maker.leaf = sign("Acme Key 5", maker.root, authority=False, unit="Web Servers")


def _of_another_model(maker: Maker) -> None:
    maker.leaf = sign("Acme Key 5", maker.root, model_in_certificate(OTHER.bytes), authority=False)


def _with(**statement: Any) -> Callable[[Maker], None]:  # noqa: ANN401
    return lambda maker: maker.statement.update(statement)


@pytest.mark.parametrize(
    "spoil",
    [
        _ends_soon, _issued_by_a_key, _issued_by_who_may_not, _an_authority_itself, _of_another_kind,
        _of_another_model, _with(sig=b""), _with(sig=bytes(70)), _with(sig="text"), _with(sig=None), _with(alg=None),
        _with(alg=-65535), _with(alg=-8), _with(alg="ES256"), _with(x5c=[]), _with(x5c=b""), _with(x5c=[b""]),
        _with(x5c=[7]), _with(x5c=[b"\x30\x03\x02\x01\x01"]), _with(x5c=[bytes(100)] * 5), _with(ecdaaKeyId=b"x"),
    ],
    ids=range(21),
)  # fmt: skip
async def test_a_word_that_proves_nothing_is_not_enough(
    open_strict: OpenStrict, maker: Maker, spoil: Callable[[Maker], None]
) -> None:
    house = await open_strict()
    spoil(maker)

    assert await refused(house, Authenticator(maker=maker, aaguid=MODEL.bytes)) == "attestation"


async def test_a_word_about_another_credential_is_not_enough(open_strict: OpenStrict, maker: Maker) -> None:
    house = await open_strict()
    genuine = Authenticator(maker=maker)
    thief = Authenticator(credential_id=genuine.credential_id)
    data = genuine.authenticator_data(genuine.attested(), AT)
    object_of = cbor.decode(maker.attest(data, b"another challenge"))
    object_of["authData"] = thief.authenticator_data(thief.attested(), AT)  # type: ignore[index]

    assert await refused(house, thief, attestation=cbor.encode(object_of)) == "attestation"


async def test_a_recorded_word_does_not_do_for_another_challenge(open_strict: OpenStrict, maker: Maker) -> None:
    house = await open_strict()
    authenticator = Authenticator(maker=maker)
    data = authenticator.authenticator_data(authenticator.attested(), AT)
    recorded = maker.attest(data, authenticator.client_data("webauthn.create", "AAAA"))

    assert await refused(house, authenticator, attestation=recorded) == "attestation"


async def test_a_root_whose_time_is_over_vouches_for_nobody(
    open_strict: OpenStrict, maker: Maker, clock: ManualClock
) -> None:
    house = await open_strict()
    clock.advance(days=365 * 15)

    assert await refused(house, Authenticator(maker=maker)) == "attestation"


async def test_of_trusted_makers_only_the_models_on_the_list(open_strict: OpenStrict, maker: Maker) -> None:
    house = await open_strict(MODEL)

    assert await refused(house, Authenticator(maker=maker, aaguid=OTHER.bytes)) == "make"
    async with client_of(house) as outside:
        await add(outside, await owner(house, outside, "nils"), Authenticator(maker=maker, aaguid=MODEL.bytes))


async def test_what_was_added_before_goes_on(open_house: OpenHouse, open_strict: OpenStrict) -> None:
    before = await open_house(work=False)
    async with client_of(before) as outside:
        authenticator = await add(outside, await owner(before, outside))
    strict = await open_strict()
    async with client_of(strict) as outside:
        assert (await sign_in(outside, authenticator)).status_code == 200


async def test_a_word_that_nobody_asked_for_is_not_recorded(open_house: OpenHouse, maker: Maker) -> None:
    house = await open_house(work=False)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        assert (await begin(outside, bearing))["attestation"] == "none"
        await add(outside, bearing, Authenticator(maker=maker))

    (account,) = await house.accounts.listed()
    (stored,) = await house.passkeys.listed(account.id)
    assert stored.attestation == "none"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"attestation": "direct"}, "needs attestation_roots"),
        ({"allowed_aaguids": [str(MODEL)]}, "need attestation"),
        ({"attestation_roots": "makers.pem"}, "need attestation"),
        ({"attestation": "direct", "attestation_roots": "m.pem", "allowed_aaguids": [str(UUID(int=0))]}, "zeros"),
        ({"attestation": "direct", "attestation_roots": "missing.pem"}, "cannot be read"),
        ({"attestation": "direct", "attestation_roots": "empty.pem"}, "no certificate"),
        ({"attestation": "indirect"}, "passkeys.attestation"),
    ],
    ids=range(7),
)
def test_a_wish_that_proves_nothing_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str, asked: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty.pem").write_text("nothing\n")

    with pytest.raises(Misconfigured, match=words):
        Ostiary.at(tmp_path / "data", passkeys=asked)
