"""The access token, header and claims, as other programs read it (spec section 2, RFC 9068)."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import KeySet
from tests.house import API, ORIGIN, OpenHouse, client_of, letter_to, register, token_in

from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, unverified."""
    header, claims = (json.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    return header, claims


async def test_the_header_names_type_algorithm_and_key_and_no_more(outside: httpx.AsyncClient) -> None:
    header, _ = parts((await register(outside))["access_token"])

    (key,) = (await outside.get("/.well-known/jwks.json")).json()["keys"]
    assert header == {"typ": "at+jwt", "alg": "ES256", "kid": key["kid"]}


async def test_the_claims_are_those_of_the_contract(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    await register(outside)
    await outside.post(f"{API}/email/verify", json={"token": token_in(await letter_to(house, "mira@example.org"))})
    clock.advance(minutes=3)
    answer = await outside.post(f"{API}/login", json={"login": "mira", "password": "correct horse battery"})
    signed_in = answer.json()

    _, claims = parts(signed_in["access_token"])

    now = clock.now() // 1000
    (session,) = (
        entry["id"]
        for entry in (
            await outside.get(f"{API}/sessions", headers={"authorization": f"Bearer {signed_in['access_token']}"})
        ).json()["sessions"]
        if entry["current"]
    )
    assert claims == {
        "iss": ORIGIN,
        "sub": signed_in["user"]["id"],
        "aud": ORIGIN,
        "exp": now + 900,
        "iat": now,
        "jti": signed_in["jti"],
        "sid": session,
        "type": "access",
        "username": "mira",
        "email": "mira@example.org",
        "email_verified": True,
        "permissions": [],
        "amr": ["pwd"],
        "acr": "aal1",
        "auth_time": now,
        "client_id": "ostiary",  # RFC 9068 section 2.2
        "epoch": claims["epoch"],
    }
    assert isinstance(claims["epoch"], int)


async def test_refreshing_does_not_renew_the_time_of_the_sign_in(
    outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    signed_in = await register(outside)
    clock.advance(hours=2)
    heir = (await outside.post(f"{API}/refresh", json={"refresh_token": signed_in["refresh_token"]})).json()

    first, later = parts(signed_in["access_token"])[1], parts(heir["access_token"])[1]

    assert later["auth_time"] == first["auth_time"]
    assert later["iat"] == first["iat"] + 7200
    assert later["sid"] == first["sid"]
    assert later["jti"] != first["jti"]


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # RFC 9864 has a new name for it, RFC 8037 this one
@pytest.mark.parametrize(("algorithm", "kty"), [("ES256", "EC"), ("EdDSA", "OKP"), ("RS256", "RSA")])
async def test_any_library_verifies_the_token_with_the_published_keys(
    open_house: OpenHouse, algorithm: str, kty: str
) -> None:
    house = await open_house(work=False, keys={"algorithm": algorithm})
    async with client_of(house) as client:
        token = (await register(client))["access_token"]
        answer = await client.get("/.well-known/jwks.json")

    (key,) = answer.json()["keys"]
    assert key["kty"] == kty
    assert key["use"] == "sig"
    assert key["kid"] == parts(token)[0]["kid"]
    assert not key.keys() & {"d", "p", "q", "dp", "dq", "qi", "k"}  # public members only
    if kty == "RSA":
        assert len(urlsafe_b64decode(key["n"] + "==")) * 8 >= 3072
    algorithms = ["ES256", "EdDSA", "Ed25519", "RS256"]
    jws.deserialize_compact(token, KeySet.import_key_set(answer.json()), algorithms=algorithms)


async def test_aliases_for_older_consumers_are_a_setting(open_house: OpenHouse) -> None:
    house = await open_house(work=False, sessions={"legacy_claims": True, "audience": "https://api.example.org"})
    async with client_of(house) as client:
        signed_in = await register(client)

    _, claims = parts(signed_in["access_token"])

    assert claims["user_id"] == claims["sub"] == signed_in["user"]["id"]
    assert claims["token_type"] == "access"
    assert claims["aud"] == "https://api.example.org"
