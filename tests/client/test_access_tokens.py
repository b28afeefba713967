"""What is remembered of access tokens, and what never is."""

from __future__ import annotations

from threading import Event, Thread

import pytest
from tests.client.forging import AUDIENCE, ISSUER, NOW, claims, forge, header, key_of

from ostiary.client import AccessClaims, AccessTokens, KnownKeys, SigningKey, TokenRefused, VerifyingKey, check
from ostiary.client.jws import sign


class Ring:
    """A key ring that counts questions, and can lose a key."""

    def __init__(self, *keys: SigningKey) -> None:
        self.keys = {key.key_id: key.verifying for key in keys}
        self.asked = 0

    def find(self, key_id: str) -> VerifyingKey | None:
        self.asked += 1
        return self.keys.get(key_id)


KEY = key_of("ES256")


def tokens_of(ring: Ring, cache_size: int = 10) -> AccessTokens:
    return AccessTokens(ring, ISSUER, AUDIENCE, cache_size=cache_size)


def test_what_is_written_is_what_is_read() -> None:
    written = check(claims(scope="books"), issuer=ISSUER, audience=AUDIENCE, now=NOW)
    token = sign(written.to_claims(), KEY, "at+jwt")
    assert AccessTokens(KnownKeys(KEY.verifying), ISSUER, AUDIENCE).read(token, NOW) == written
    assert written.to_claims() == claims(scope="books")


def test_a_machines_token_has_neither_name_nor_sign_in() -> None:
    plain = AccessClaims(
        iss=ISSUER, sub="m", aud=("a", AUDIENCE), exp=NOW + 1, iat=NOW, jti="j", sid="", client_id="m", epoch=0
    )
    assert check(plain.to_claims(), issuer=ISSUER, audience=AUDIENCE, now=NOW) == plain
    assert (plain.email_verified, plain.permissions, plain.auth_time) == (False, (), 0)


def test_a_token_is_verified_once_and_then_remembered() -> None:
    ring = Ring(KEY)
    tokens = tokens_of(ring)
    token = forge()
    assert tokens.read(token, NOW) == tokens.read(token, NOW + 1) == tokens.read("".join(token), NOW + 2)
    assert ring.asked == 1


def test_a_refusal_is_not_remembered() -> None:
    ring = Ring()
    tokens = tokens_of(ring)
    token = forge()
    for _ in range(2):
        with pytest.raises(TokenRefused, match="unknown-key"):
            tokens.read(token, NOW)
    ring.keys[KEY.key_id] = KEY.verifying
    assert tokens.read(token, NOW).sub == "acc_7"


def test_a_killed_key_ends_remembered_tokens_once_that_is_told() -> None:
    ring = Ring(KEY)
    tokens = tokens_of(ring)
    token = forge()
    tokens.read(token, NOW)
    ring.keys.clear()
    tokens.forget_all()
    with pytest.raises(TokenRefused, match="unknown-key"):
        tokens.read(token, NOW)


def test_a_verdict_under_way_while_its_key_is_killed_is_not_remembered() -> None:
    found, killed = Event(), Event()

    class SlowRing(Ring):
        def find(self, key_id: str) -> VerifyingKey | None:
            key = super().find(key_id)
            found.set()
            assert killed.wait(10)
            return key

    ring = SlowRing(KEY)
    tokens = tokens_of(ring)
    token = forge()
    reader = Thread(target=tokens.read, args=(token, NOW))
    reader.start()
    assert found.wait(10)
    ring.keys.clear()
    tokens.forget_all()
    killed.set()
    reader.join()
    with pytest.raises(TokenRefused, match="unknown-key"):
        tokens.read(token, NOW)


def test_no_more_tokens_are_remembered_than_was_said_and_the_used_ones_stay() -> None:
    ring = Ring(KEY)
    tokens = tokens_of(ring, cache_size=3)
    used, *others = [forge(claims(jti=str(number))) for number in range(6)]
    for other in others:
        tokens.read(used, NOW)
        tokens.read(other, NOW)
    assert ring.asked == 6
    assert len(tokens._seen) == 3
    tokens.read(used, NOW)
    assert ring.asked == 6
    tokens.read(others[0], NOW)
    assert ring.asked == 7


def test_nothing_is_remembered_where_nothing_shall_be() -> None:
    ring = Ring(KEY)
    tokens = tokens_of(ring, cache_size=0)
    token = forge()
    tokens.read(token, NOW)
    tokens.read(token, NOW)
    assert ring.asked == 2


def test_leeway_moves_both_ends() -> None:
    strict = AccessTokens(KnownKeys(KEY.verifying), ISSUER, AUDIENCE)
    lenient = AccessTokens(KnownKeys(KEY.verifying), ISSUER, AUDIENCE, leeway=30)
    late, early = forge(claims(exp=NOW - 20, iat=NOW - 900)), forge(claims(iat=NOW + 35))
    for token in (late, early):
        assert lenient.read(token, NOW).sub == "acc_7"
        assert lenient.read(token, NOW).sub == "acc_7"
        with pytest.raises(TokenRefused):
            strict.read(token, NOW)
    with pytest.raises(TokenRefused, match="expired"):
        lenient.read(late, NOW + 10)


def test_what_is_remembered_holds_no_token() -> None:
    tokens = tokens_of(Ring(KEY))
    token = forge()
    tokens.read(token, NOW)
    assert token not in repr(tokens._seen)
    assert token.rsplit(".", maxsplit=1)[-1] not in repr(tokens._seen)


def test_a_refusal_quotes_nothing_of_the_token() -> None:
    tokens = tokens_of(Ring(KEY))
    hidden = "hunter2-hunter2"
    for token in (
        forge(claims(exp=hidden)),
        forge(b'{"a":"' + hidden.encode()),
        forge(head=header(KEY, kid=hidden + " ")),
    ):
        with pytest.raises(TokenRefused) as refusal:
            tokens.read(token, NOW)
        error: BaseException | None = refusal.value
        while error is not None:
            assert hidden not in repr(vars(error)) + repr(error)
            error = error.__context__
