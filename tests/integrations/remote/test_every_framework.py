"""One suite for every framework: who is let in, who is not, and in which words."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.client.forging import NOW, b64, claims, compact, forge, header, key_of
from tests.client.issuer import Clocks, Issuer
from tests.integrations.remote.conftest import KEY, bearer, cookie, token_of
from tests.integrations.remote.guests import HOST, Answer, Guest

from ostiary.client import Requirement, SigningKey

ORIGIN_IS_ENOUGH = ("asgi", "fastapi", "flask")
"""Frameworks without a check of their own against forgery."""

INVALID = 'Bearer realm="ostiary", error="invalid_token", error_description="The access token proves nothing."'


def is_problem(answer: Answer, status: int, slug: str) -> dict[str, object]:
    """Return the document; says what it was if it is not that problem."""
    assert answer.status == status, (answer.status, answer.headers, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    document: dict[str, object] = answer.json
    assert document["type"] == f"https://ostiary.dev/problems/{slug}", document
    assert document["status"] == status
    assert document["request_id"]
    return document


def test_a_token_says_who_is_calling_by_header_and_by_cookie(guest: Guest, framework: str) -> None:
    for shown in (bearer(), cookie(), {"authorization": f"bearer {token_of()}"}):
        answer = guest.ask("GET", "/who", shown)
        assert (answer.status, answer.json) == (200, {"who": "mira"}), shown
        if framework != "rest framework alone":  # there only the middleware sees the answer
            assert answer.headers["cache-control"] == "no-store"
        assert guest.ask("GET", "/perhaps", shown).json == {"who": "mira"}


def test_a_stranger_gets_a_401_that_names_no_error(guest: Guest) -> None:
    answer = guest.ask("GET", "/who")

    is_problem(answer, 401, "not-signed-in")
    assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary"'  # RFC 6750 section 3.1
    assert guest.ask("GET", "/perhaps").json == {"who": None}
    assert guest.ask("GET", "/public").json["who"] is None
    assert "cache-control" not in guest.ask("GET", "/public").headers


def as_hmac_secret() -> str:
    """Return a token signed by HMAC, with the public key as its secret (RFC 8725 section 2.1)."""
    pem = KEY.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{b64(compact(header(KEY, alg='HS256')))}.{b64(compact(claims()))}"
    return f"{signed}.{b64(hmac.digest(pem, signed.encode(), 'sha256'))}"


def worthless() -> dict[str, str]:
    stranger = SigningKey.generate("ES256", "current")
    good = token_of()
    unsigned = f"{b64(compact({'alg': 'none', 'typ': 'at+jwt', 'kid': 'current'}))}.{b64(compact(claims()))}."
    return {
        "for another audience": token_of(aud="https://other.example.test"),
        "of another issuer": token_of(iss="https://evil.example.test"),
        "an ID token": forge(claims(), header(KEY, typ="JWT"), KEY),
        "a logout token": forge(claims(), header(KEY, typ="logout+jwt"), KEY),
        "a refresh token's type": token_of(type="refresh"),
        "expired": token_of(iat=NOW - 1800, auth_time=NOW - 1800, exp=NOW - 1),
        "of tomorrow": token_of(iat=NOW + 86_000, exp=NOW + 87_000),
        "none": unsigned,
        "none with a signature": forge(claims(), header(KEY, alg="none"), KEY),
        "a public key as secret": as_hmac_secret(),
        "by another key of that id": forge(claims(), header(stranger), stranger),
        "by an unknown key": forge(claims(), header(KEY, kid="invented"), KEY),
        "a key of its own": forge(claims(), header(KEY, jwk=stranger.verifying.to_jwk()), stranger),
        "without a subject": token_of(sub=""),
        "cut short": good[:-1],
        "another payload": ".".join([good.split(".")[0], b64(compact(claims(sub="acc_1"))), good.split(".")[2]]),
        "nonsense": "nonsense",
        "too long": "a" * 9000,
        "not ASCII": good[:-2] + "é",
    }


def test_a_token_that_proves_nothing_is_a_401_that_does_not_say_why(guest: Guest) -> None:
    for name, token in worthless().items():
        for shown in (bearer(token), cookie(token)):
            answer = guest.ask("GET", "/who", shown)
            is_problem(answer, 401, "not-signed-in")
            assert answer.headers["www-authenticate"] == INVALID, name
            assert not any(word in answer.text for word in ("audience", "expired", "signature", "acc_", token)), name
            assert guest.ask("GET", "/public", shown).json["who"] is None, name
    assert guest.ask("GET", "/who", bearer()).status == 200


def test_who_shows_a_worthless_header_hears_of_it_where_it_is_optional_and_a_lapsed_cookie_is_a_stranger(
    guest: Guest,
) -> None:
    is_problem(guest.ask("GET", "/perhaps", bearer("nonsense")), 401, "not-signed-in")
    assert guest.ask("GET", "/perhaps", cookie("nonsense")).json == {"who": None}


@pytest.mark.parametrize("shown", ["Bearer nonsense", "Bearer", "Bearer ", "Basic bWlyYTp4", "", "Token abc"])
def test_beside_an_authorization_header_no_cookie_counts(guest: Guest, shown: str) -> None:
    is_problem(guest.ask("GET", "/who", cookie() | {"authorization": shown}), 401, "not-signed-in")


def test_of_two_cookies_with_one_name_neither_counts_and_another_name_never(guest: Guest) -> None:
    planted = cookie()["cookie"]
    is_problem(guest.ask("GET", "/who", {"cookie": f"{planted}; {planted}"}), 401, "not-signed-in")
    # A neighbour on a sub-domain can plant this one, and so sign a visitor in as somebody else.
    is_problem(guest.ask("GET", "/who", {"cookie": planted.removeprefix("__Host-")}), 401, "not-signed-in")
    assert guest.ask("GET", "/who", {"cookie": f"theme=dark; {planted}; other"}).status == 200


def test_a_route_may_ask_for_more(guest: Guest, clocks: Clocks) -> None:
    assert guest.ask("GET", "/lend", bearer()).status == 200
    for held in ((), ("books",), ("books:lend2",), ("BOOKS:LEND",)):
        answer = guest.ask("GET", "/lend", bearer(permissions=held))
        is_problem(answer, 403, "not-permitted")
        assert answer.headers["www-authenticate"] == 'Bearer realm="ostiary", error="insufficient_scope"'

    assert guest.ask("GET", "/proven", bearer()).status == 200
    is_problem(guest.ask("GET", "/proven", bearer(email_verified=False)), 403, "address-not-proven")

    assert guest.ask("GET", "/fresh", bearer(auth_time=NOW - 600)).status == 200
    for shown in (bearer(auth_time=NOW - 601), bearer(auth_time=0)):
        answer = guest.ask("GET", "/fresh", shown)
        document = is_problem(answer, 401, "sign-in-too-old")
        assert document["max_age"] == 600
        assert 'error="insufficient_user_authentication"' in answer.headers["www-authenticate"]
        assert 'max_age="600"' in answer.headers["www-authenticate"]  # RFC 9470 section 3
    token = token_of(auth_time=NOW - 599)
    assert guest.ask("GET", "/fresh", bearer(token)).status == 200
    clocks.advance(2)  # a token that is remembered is not as fresh as it was
    is_problem(guest.ask("GET", "/fresh", bearer(token)), 401, "sign-in-too-old")

    for path in ("/lend", "/proven", "/fresh", "/strong"):
        is_problem(guest.ask("GET", path), 401, "not-signed-in")


@pytest.mark.parametrize("acr", ["", "aal1", "aal9", "AAL2"])
def test_a_sign_in_that_is_less_strong_is_refused(guest: Guest, acr: str) -> None:
    answer = guest.ask("GET", "/strong", bearer(token_of(acr=acr)))

    document = is_problem(answer, 401, "sign-in-too-weak")
    assert document["acr_values"] == "aal2"
    assert 'acr_values="aal2"' in answer.headers["www-authenticate"]  # RFC 9470 section 3


@pytest.mark.parametrize("acr", ["aal2", "phr"])
def test_one_that_is_strong_enough_or_stronger_passes(guest: Guest, acr: str) -> None:
    assert guest.ask("GET", "/strong", bearer(token_of(acr=acr))).status == 200


def test_a_refusal_that_a_view_raises_becomes_the_answer(guest: Guest, framework: str) -> None:
    if framework in ("django", *ORIGIN_IS_ENOUGH):  # elsewhere the route is not there
        is_problem(guest.ask("GET", "/raises"), 401, "not-signed-in")
        assert guest.ask("GET", "/raises", bearer()).json == {"who": "mira"}


# Forgery


def test_a_bearer_token_may_act_from_anywhere(guest: Guest) -> None:
    for headers in ({}, {"origin": "https://evil.example.test", "sec-fetch-site": "cross-site"}):
        assert guest.ask("POST", "/act", bearer() | headers).status == 200, headers


def test_a_cookie_may_not_act_from_a_foreign_page(guest: Guest, framework: str) -> None:
    with_token = crossing_token(guest) if framework not in ORIGIN_IS_ENOUGH else {}
    signed_in = cookie(token_of())
    signed_in["cookie"] += "".join(f"; {pair}" for pair in (with_token.pop("cookie", ""),) if pair)
    slug = "foreign-origin" if framework in ORIGIN_IS_ENOUGH else "csrf-token-missing"
    foreign = [
        {"origin": "https://evil.example.test"}, {"origin": "null"}, {"origin": "https://app.example.test:8443"},
        {"origin": "http://app.example.test"}, {"origin": "https://app.example.test.evil.test"},
        {"origin": "https://sub.app.example.test"},
    ]  # fmt: skip
    for headers in foreign:
        answer = guest.ask("POST", "/act", signed_in | with_token | headers)
        if framework.startswith("rest") or framework in ORIGIN_IS_ENOUGH:
            is_problem(answer, 403, slug)
        assert answer.status == 403, headers  # Django's own page, elsewhere
    for headers in ({"origin": HOST}, {"origin": "https://www.example.test"}):
        assert guest.ask("POST", "/act", signed_in | with_token | headers).status == 200, headers


def crossing_token(guest: Guest) -> dict[str, str]:
    """Return the headers by which a page of Django's passes its check: cookie and token."""
    answer = guest.ask("GET", "/public")
    return {"cookie": answer.headers["set-cookie"].partition(";")[0], "x-csrftoken": answer.json["csrf"]}


def test_a_cookie_alone_may_not_act(guest: Guest) -> None:
    """Neither where nothing says whose page it was, nor where the framework's own token is missing."""
    assert guest.ask("POST", "/act", cookie()).status == 403
    assert guest.ask("POST", "/act", cookie() | {"sec-fetch-site": "same-site"}).status == 403
    assert guest.ask("POST", "/act", cookie("nonsense", origin=HOST)).status in (401, 403)


# Keys


def test_without_the_issuers_keys_the_answer_is_503_and_says_when_to_come_back(
    guest: Guest, issuer: Issuer, clocks: Clocks
) -> None:
    issuer.status = 500
    for shown in (bearer(), cookie(), bearer(token_of(aud="https://other.example.test"))):
        answer = guest.ask("GET", "/who", shown)
        document = is_problem(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "10"
        assert document["retry_after"] == 10
        assert guest.ask("GET", "/public", shown).json["who"] is None  # a page for everybody stays one
    is_problem(guest.ask("GET", "/perhaps", bearer()), 503, "unavailable")
    is_problem(guest.ask("GET", "/who"), 401, "not-signed-in")
    is_problem(guest.ask("GET", "/who", bearer("nonsense")), 503, "unavailable")
    assert issuer.asked == 1

    issuer.status = 200
    clocks.advance(10)
    assert guest.ask("GET", "/who", bearer()).status == 200


def test_known_keys_survive_an_outage_and_not_for_ever(guest: Guest, issuer: Issuer, clocks: Clocks) -> None:
    lasting = bearer(token_of(exp=NOW + 10**6))
    assert guest.ask("GET", "/who", lasting).status == 200
    issuer.status = 503
    for _ in range(3):
        clocks.advance(1200)
        assert guest.ask("GET", "/who", lasting).status == 200
    clocks.advance(301)
    is_problem(guest.ask("GET", "/who", lasting), 503, "unavailable")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>maintenance</html>", b'{"keys":[]}', b'{"keys":[{"kty":"oct","k":"AAAA","kid":"current"}]}',
        json.dumps({"keys": [key_of("ES256").verifying.to_jwk() | {"kid": "current", "d": "AAAA"}]}).encode(),
        json.dumps({"keys": [KEY.verifying.to_jwk()], "x": "x" * 300_000}).encode(),
    ],
    ids=["html", "empty", "symmetric", "private", "too long"],
)  # fmt: skip
def test_a_poisoned_key_set_changes_nothing_and_lets_nobody_in(
    guest: Guest, issuer: Issuer, clocks: Clocks, body: bytes
) -> None:
    issuer.body = body
    is_problem(guest.ask("GET", "/who", bearer()), 503, "unavailable")
    issuer.publish(KEY)
    clocks.advance(11)
    assert guest.ask("GET", "/who", bearer()).status == 200
    issuer.body = body
    clocks.advance(400)
    assert guest.ask("GET", "/who", bearer()).status == 200


def test_keys_may_be_replaced_twice(guest: Guest, issuer: Issuer, clocks: Clocks) -> None:
    second, third = SigningKey.generate("EdDSA", "second"), SigningKey.generate("ES256", "third")
    assert guest.ask("GET", "/who", bearer()).status == 200
    for published, newest in ([KEY, second], second), ([second, third], third):
        issuer.publish(*published)
        clocks.advance(11)
        assert guest.ask("GET", "/who", bearer(token_of(newest))).status == 200, newest.key_id
    is_problem(guest.ask("GET", "/who", bearer()), 401, "not-signed-in")  # the first is withdrawn
    assert guest.ask("GET", "/who", bearer(token_of(second))).status == 200
    assert issuer.asked == 3


def test_a_flood_of_invented_keys_reaches_the_issuer_once(guest: Guest, issuer: Issuer) -> None:
    guest.ask("GET", "/who", bearer())
    for number in range(20):
        token = forge(claims(), header(KEY, kid=f"invented-{number}"), KEY)
        is_problem(guest.ask("GET", "/who", bearer(token)), 401, "not-signed-in")
    assert issuer.asked == 1


def test_fresh_is_a_time_and_a_strength_is_a_known_word() -> None:
    for wrong in ({"fresh": timedelta(0)}, {"acr": "aal9"}, {"permission": ""}):
        with pytest.raises(ValueError, match=r"."):
            Requirement(**wrong)
