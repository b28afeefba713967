"""What an access token must say before it is believed."""

from __future__ import annotations

import pytest
from tests.client.forging import AUDIENCE, NOW, claims, forge, is_refused, reader, without

from ostiary.client import TokenRefused


@pytest.mark.parametrize(
    "issuer",
    ["https://evil.example", "https://id.example.test/", "https://ID.example.test", "http://id.example.test", ""],
)
def test_a_token_of_another_issuer_is_refused(issuer: str) -> None:
    is_refused(forge(claims(iss=issuer)), "issuer")


@pytest.mark.parametrize(
    "audience",
    [
        "https://other.example.test",
        AUDIENCE + "/",
        AUDIENCE.upper(),
        AUDIENCE[:-1],
        ["https://a.example", "b"],
        "*",
        ["*"],
    ],
)
def test_a_token_for_another_audience_is_refused(audience: object) -> None:
    is_refused(forge(claims(aud=audience)), "audience", control=forge(claims(aud=["other", AUDIENCE])))


@pytest.mark.parametrize(
    "audience", ["", [], [""], None, 1, True, {AUDIENCE: 1}, [1], [[AUDIENCE]], [AUDIENCE, None], [AUDIENCE, ""]]
)
def test_an_audience_that_is_no_list_of_names_is_refused(audience: object) -> None:
    is_refused(forge(claims(aud=audience)), "claims", "audience")


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat", "jti", "sid", "client_id", "epoch"])
def test_a_token_that_lacks_a_claim_is_refused(name: str) -> None:
    is_refused(forge(without(claims(), name)), "claims")
    is_refused(forge(claims(**{name: None})), "claims")


@pytest.mark.parametrize("name", ["iss", "sub", "jti", "sid", "client_id", "username", "email", "scope"])
@pytest.mark.parametrize("value", [1, True, ["acc_7"], {"a": "b"}, None])
def test_a_claim_that_should_be_text_must_be_text(name: str, value: object) -> None:
    is_refused(forge(claims(**{name: value})), "claims", control=forge(claims(scope="books")))


@pytest.mark.parametrize("value", ["true", 1, "yes", None, []])
def test_a_proven_address_is_true_and_nothing_like_true(value: object) -> None:
    is_refused(forge(claims(email_verified=value)), "claims", control=forge(claims(email_verified=False)))


@pytest.mark.parametrize("value", ["books:read", {"books:read": True}, [1], [None], [["a"]], None, True])
@pytest.mark.parametrize("name", ["permissions", "amr"])
def test_permissions_are_a_list_of_names(name: str, value: object) -> None:
    is_refused(forge(claims(**{name: value})), "claims", control=forge(claims(**{name: []})))


def test_an_expired_token_is_refused_from_its_last_second_on() -> None:
    for exp in (NOW, NOW - 1, NOW - 10**6):
        is_refused(forge(claims(exp=exp, iat=1)), "expired", control=forge(claims(exp=NOW + 1, iat=1)))


def test_a_token_that_was_good_is_refused_once_it_has_expired_though_it_is_remembered() -> None:
    good = forge()
    tokens = reader()
    tokens.read(good, NOW)
    tokens.read(good, NOW + 899.9)
    with pytest.raises(TokenRefused, match="expired"):
        tokens.read(good, NOW + 900)


@pytest.mark.parametrize("name", ["nbf", "iat", "auth_time"])
def test_a_token_from_the_future_is_refused(name: str) -> None:
    for ahead in (11, 60, 850):
        is_refused(forge(claims(**{name: NOW + ahead})), "not-yet-valid", control=forge(claims(**{name: NOW + 8})))
    is_refused(forge(claims(iat=NOW + 10**9, exp=NOW + 2 * 10**9)), "not-yet-valid")


@pytest.mark.parametrize("name", ["exp", "iat", "nbf", "auth_time", "epoch"])
@pytest.mark.parametrize("value", [float(NOW + 5), NOW + 0.5, str(NOW + 5), True, False, None, [NOW], {"a": NOW}])
def test_a_number_is_a_whole_number_and_nothing_like_it(name: str, value: object) -> None:
    is_refused(forge(claims(**{name: value})), "claims", control=forge(claims(nbf=NOW)))


@pytest.mark.parametrize("name", ["exp", "iat", "auth_time", "epoch"])
@pytest.mark.parametrize("value", [-1, -(10**18), 2**53, 2**63, 2**64, 10**400])
def test_a_negative_or_huge_number_is_refused(name: str, value: int) -> None:
    is_refused(forge(claims(**{name: value})), "claims")


@pytest.mark.parametrize("value", [2**53, 10**400])
def test_a_huge_beginning_is_refused(value: int) -> None:
    is_refused(forge(claims(nbf=value)), "not-yet-valid", control=forge(claims(nbf=-1)))


def test_a_token_that_ends_before_it_begins_is_refused() -> None:
    is_refused(forge(claims(iat=NOW + 5, exp=NOW + 5)), "claims", control=forge(claims(iat=NOW + 5, exp=NOW + 6)))
