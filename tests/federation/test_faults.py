"""Providers that go wrong, or were taken over: nothing is believed, nobody waits for long, no request goes astray."""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from tests.contract.browser import Browser
from tests.federation.scripted import CLIENT, SECRET, Person, Scripted, open_provider
from tests.federation.steps import come_back, inside, leave, settings_for, sign_in
from tests.house import API, OpenHouse, client_of, journalled
from tests.passkeys.steps import newest
from tests.services.web import open_site

from ostiary.client import SigningKey
from ostiary.client.jws import sign
from ostiary.core.clock import ManualClock
from ostiary.federation import upstream
from ostiary.wiring import Ostiary

OTHER = SigningKey.generate("ES256", "first")
"""Another key under the provider's key id."""

REDIRECT = b"HTTP/1.1 302 Away\r\nLocation: /.well-known/openid-configuration\r\nContent-Length: 0\r\n\r\n"


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token by nobody (`none`)."""
    head, body = (_part(part) for part in ({"alg": "none", "typ": "JWT", "kid": "first"}, claims))
    return f"{head}.{body}."


def by_its_public_key(claims: dict[str, Any]) -> str:
    """Return a token whose header takes a MAC for a signature (CVE-2015-9235)."""
    return f"{_part({'alg': 'HS256', 'typ': 'JWT', 'kid': 'first'})}.{_part(claims)}.{'A' * 43}"


def bringing_its_key(claims: dict[str, Any]) -> str:
    """Return a token whose header brings its own key."""
    jwk = OTHER.verifying.to_jwk()
    _, body, tail = sign(claims, OTHER, "JWT").split(".")
    return f"{_part({'alg': 'ES256', 'kid': 'first', 'jwk': jwk})}.{body}.{tail}"


def _part(members: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "another-client"}, "audience"),
        ({"aud": [CLIENT, "another-client"]}, "audience"),
        ({"aud": None}, "audience"),
        ({"azp": "another-client"}, "authorized-party"),
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"exp": 1}, "expired"),
        ({"exp": None}, "times"),
        ({"exp": True}, "times"),
        ({"iat": 1}, "old"),
        ({"iat": 4_000_000_000}, "not-yet-valid"),
        ({"nbf": 4_000_000_000}, "not-yet-valid"),
        ({"sub": ""}, "no-subject"),
        ({"sub": None}, "no-subject"),
        ({"sub": 1001}, "no-subject"),
        ({"sub": "x" * 256}, "no-subject"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at-hash"),
    ],
)
async def test_an_id_token_that_is_not_for_us_now_opens_nothing(
    house: Ostiary, visitor: Browser, provider: Scripted, claims: dict[str, Any], reason: str
) -> None:
    provider.claims = claims

    assert (await sign_in(visitor, provider)).status_code == 403

    assert (await newest(house, "identity.refused"))["reason"] == reason
    assert await inside(visitor) is None
    assert "account.opened" not in await journalled(house)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (unsigned, "form"),
        (by_its_public_key, "algorithm"),
        (bringing_its_key, "header"),
        (lambda claims: sign(claims, OTHER, "JWT"), "signature"),
        (lambda claims: sign(claims, SigningKey.generate("ES256", "never-published"), "JWT"), "unknown-key"),
        (lambda claims: sign(claims, SigningKey.generate("EdDSA", "first"), "JWT"), "algorithm"),
        (lambda _: "no token at all", "header"),
        (lambda _: "a" * 20_000, "header"),
    ],
)
async def test_an_id_token_that_the_provider_has_not_signed_opens_nothing(
    house: Ostiary,
    visitor: Browser,
    provider: Scripted,
    token: Callable[[dict[str, Any]], str],
    reason: str,
) -> None:
    provider.token = token

    assert (await sign_in(visitor, provider)).status_code == 403

    assert (await newest(house, "identity.refused"))["reason"] == reason
    assert await inside(visitor) is None


def _told(status: int, body: object) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"HTTP/1.1 %d Told\r\nContent-Length: %d\r\n\r\n" % (status, len(raw)) + raw


@pytest.mark.parametrize(
    ("path", "answer", "status", "reason"),
    [
        ("/token", _told(400, {"error": "invalid_grant"}), 403, "invalid_grant"),
        ("/token", _told(200, {"error": "bad_verification_code"}), 403, "bad_verification_code"),
        ("/token", _told(400, {"error": "secret words of its own"}), 403, "other"),
        ("/token", _told(500, b"<html>"), 503, "not-json"),
        ("/token", _told(500, {}), 503, "status"),
        ("/token", _told(200, {}), 503, "token-answer"),
        ("/token", _told(200, []), 503, "not-json"),
        ("/token", _told(200, {"access_token": "a", "token_type": "mac"}), 503, "token-answer"),
        ("/token", _told(200, {"access_token": "a\r\nx: y", "token_type": "Bearer"}), 503, "token-answer"),
        ("/token", _told(200, {"access_token": "a", "token_type": "Bearer"}), 403, "no-id-token"),
        ("/token", _told(200, b"x" * 300_000), 503, "too-large"),
        ("/token", _told(200, b"x" * 2_000_000), 503, "too-large"),
        ("/token", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 503, "unreachable"),
        ("/token", b"\x00\xff broken", 503, "unreachable"),
        ("/token", REDIRECT, 503, "status"),
        ("/jwks", REDIRECT, 503, "keys-status"),
        ("/jwks", _told(200, {"keys": []}), 503, "keys-unusable"),
        ("/jwks", _told(200, b"[" * 100_000), 503, "keys-unusable"),
        ("/jwks", _told(500, b""), 503, "keys-status"),
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_used_opens_nothing(
    house: Ostiary, visitor: Browser, provider: Scripted, path: str, answer: bytes, status: int, reason: str
) -> None:
    provider.answers[path] = answer

    refused = await sign_in(visitor, provider)

    assert refused.status_code == status
    assert (await newest(house, "identity.refused"))["reason"] == reason
    assert await inside(visitor) is None
    if reason == "status":
        assert provider.seen.count(f"GET {path}") == 0  # no redirect was followed


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"issuer": "https://evil.example"}, "issuer"),
        ({"issuer": None}, "issuer"),
        ({"token_endpoint": None}, "metadata"),
        ({"token_endpoint": "https://evil.example/token"}, "host"),
        ({"token_endpoint": "http://169.254.169.254/latest/meta-data"}, "host"),
        ({"jwks_uri": "file:///etc/passwd"}, "host"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "host"),
        ({"authorization_endpoint": "https://evil.example/authorize"}, "host"),
        ({"authorization_endpoint": ["a", "list"]}, "host"),
    ],
)
async def test_a_document_that_leads_astray_sends_nobody_anywhere(
    house: Ostiary, visitor: Browser, provider: Scripted, document: dict[str, Any], reason: str
) -> None:
    provider.document = document

    answer = await visitor.get("/accounts/acme/login/")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "30"
    assert (await newest(house, "identity.refused"))["reason"] == reason


async def test_a_slow_provider_is_waited_for_no_longer_than_the_bound(
    house: Ostiary, visitor: Browser, provider: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = provider.authorize(await leave(visitor))
    monkeypatch.setattr(upstream, "PATIENCE", timedelta(seconds=0.3))  # from here on: the way there has to be found
    provider.slow = 5.0
    began = time.monotonic()

    # Nobody else waits with it: no transaction is open while the house does (D7).
    answer, others = await asyncio.gather(come_back(visitor, path), visitor.client.get(f"{API}/csrf"))

    assert (answer.status_code, others.status_code) == (503, 200)
    assert time.monotonic() - began < 3
    assert (await newest(house, "identity.refused"))["reason"] == "unreachable"


async def test_a_private_network_is_entered_only_where_the_keeper_allows_it(
    open_house: OpenHouse, provider: Scripted
) -> None:
    house = await open_house(work=False, federation=settings_for(provider)["federation"])
    async with client_of(house) as client:
        answer = await client.get("/accounts/acme/login/", headers={"sec-fetch-site": "same-origin"})

    assert answer.status_code == 503
    assert (await newest(house, "identity.refused"))["reason"] == "network-refused"
    assert provider.seen == []


async def test_a_new_key_of_the_provider_is_fetched_and_made_up_names_are_not_fetched_for(
    house: Ostiary, visitor: Browser, provider: Scripted, clock: ManualClock
) -> None:
    await sign_in(visitor, provider)
    provider.key = SigningKey.generate("EdDSA", "second")
    clock.advance(seconds=11)
    assert (await sign_in(Browser(visitor.client), provider)).status_code == 303

    provider.token = lambda claims: sign(claims, SigningKey.generate("ES256", "made-up"), "JWT")
    for _ in range(3):
        assert (await sign_in(Browser(visitor.client), provider)).status_code == 403
    assert provider.seen.count("GET /jwks") == 2


async def test_an_address_that_the_id_token_leaves_out_is_asked_for_and_must_be_of_the_same_person(
    house: Ostiary, visitor: Browser, provider: Scripted
) -> None:
    provider.claims = {"email": None, "email_verified": None}
    assert (await sign_in(visitor, provider)).status_code == 303
    assert (await visitor.get(f"{API}/me")).json()["email"] == "mira@example.org"

    provider.answers["/userinfo"] = _told(200, {"sub": "somebody-else", "email": "x@example.org"})
    assert (await sign_in(Browser(visitor.client), provider)).status_code == 403
    assert (await newest(house, "identity.refused"))["reason"] == "userinfo-subject"


@pytest.mark.parametrize("user", [{}, {"id": None}, {"id": "583231"}, {"id": True}, {"id": -1}, [], None])
async def test_github_must_say_who_it_is(house: Ostiary, visitor: Browser, provider: Scripted, user: object) -> None:
    provider.names_itself = False
    provider.answers["/api/v3/user"] = _told(200, user)

    assert (await sign_in(visitor, provider, "github")).status_code == 403

    assert (await newest(house, "identity.refused"))["reason"] == "no-subject"


async def test_two_providers_are_two_worlds(open_house: OpenHouse, provider: Scripted, clock: ManualClock) -> None:
    """The same `sub` at another provider is somebody else, and its tokens are worth nothing here."""
    async with open_provider(clock, person=Person("1001", "eve@example.org", username="eve")) as other:
        settings = settings_for(provider)
        known = {"issuer": other.issuer, "client_id": CLIENT, "client_secret": SECRET, "addresses": "verified"}
        settings["federation"]["providers"]["other"] = known
        house = await open_house(work=False, **settings)
        async with client_of(house) as client:
            mira, eve = Browser(client), Browser(client)
            await sign_in(mira, provider)
            await sign_in(eve, other, "other")
            assert (await inside(mira), await inside(eve)) == ("mira", "eve")

            other.claims = {"iss": provider.issuer}
            assert (await sign_in(Browser(client), other, "other")).status_code == 403
            assert (await newest(house, "identity.refused"))["reason"] == "issuer"


async def test_what_a_provider_says_never_reaches_the_journal_or_the_page(
    house: Ostiary, visitor: Browser, provider: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    planted = "planted-words-of-the-provider"
    provider.answers["/token"] = _told(400, {"error": planted, "error_description": planted})
    answer = await sign_in(visitor, provider)

    assert planted not in answer.text
    assert planted not in json.dumps(await newest(house, "identity.refused"))
    assert planted not in caplog.text
    assert SECRET not in caplog.text


async def test_an_unreachable_provider_is_said_plainly(open_house: OpenHouse, provider: Scripted) -> None:
    async with open_site() as gone:
        pass
    settings = settings_for(provider)
    settings["federation"]["providers"]["acme"]["issuer"] = gone.url
    house = await open_house(work=False, **settings)
    async with client_of(house) as client:
        answer = await client.get("/accounts/acme/login/", headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 503
    assert "does not answer" in answer.text
