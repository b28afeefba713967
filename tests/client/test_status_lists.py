"""A verifier that looks up status lists: real HTTP, a clock to turn, and every list that must not be believed."""

from __future__ import annotations

import asyncio
import base64
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import pytest
from tests.client.forging import AUDIENCE, NOW, claims, forge, header
from tests.client.issuer import Clocks, Issuer, running

from ostiary.client import SigningKey, StatusLists, TokenRefused, Verifier
from ostiary.client.jws import sign
from ostiary.client.status_lists import BOUND, SPACING, TYP, ListUnavailable

KEY, STRANGER = SigningKey.generate("ES256", "ours"), SigningKey.generate("ES256", "theirs")
PLACES = 1024


@pytest.fixture
def keys() -> Iterator[Issuer]:
    with running() as issuer:
        issuer.publish(KEY)
        yield issuer


@pytest.fixture
def lists() -> Iterator[Issuer]:
    with running() as issuer:
        yield issuer


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(NOW)


class Scene:
    """An issuer that signs lists, and a verifier that reads them."""

    def __init__(
        self, keys: Issuer, lists: Issuer, clocks: Clocks, when_blind: Literal["refuse", "accept"] = "refuse"
    ) -> None:
        self.keys, self.lists, self.clocks = keys, lists, clocks
        self.origin = lists.url.partition("/.well-known")[0]
        self.uri = f"{self.origin}/api/v1/auth/status-lists/0"
        self.reader = StatusLists(
            issuer=self.origin, when_blind=when_blind, jwks_url=keys.url, clock=clocks.clock, steady=clocks.steady
        )
        self.verifier = Verifier(
            issuer=self.origin, audience=AUDIENCE, jwks_url=keys.url, outage=10**6, revocations=self.reader,
            clock=clocks.clock, steady=clocks.steady,
        )  # fmt: skip

    def write(self, *revoked: int, bits: int = 1, key: SigningKey = KEY, typ: str = TYP, **changes: object) -> None:
        """Let the issuer answer by a list in which these places are revoked."""
        octets = bytearray(PLACES * bits // 8)
        for place in revoked:
            octets[place * bits // 8] |= 1 << (place * bits % 8)
        said = {
            "iss": self.origin, "sub": self.uri, "iat": int(self.clocks.now), "exp": int(self.clocks.now) + 300,
            "ttl": 30, "status_list": {"bits": bits, "lst": text(bytes(octets))},
        } | changes  # fmt: skip
        self.lists.body = sign(said, key, typ, longest=10**6).encode()

    def token(self, place: int = 7, **changes: object) -> str:
        """Return a token whose status stands in a place of the list."""
        said = {"iss": self.origin, "exp": NOW + 10**7, "status": {"status_list": {"idx": place, "uri": self.uri}}}
        return forge(claims(**said | changes), header(KEY), KEY)

    async def reason(self, token: str) -> str:
        """Return why a token is refused; empty if it is not."""
        try:
            await self.verifier.verify_async(token)
        except TokenRefused as refusal:
            return refusal.reason
        return ""


def text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(zlib.compress(octets, 9)).decode().rstrip("=")


@pytest.fixture
def scene(keys: Issuer, lists: Issuer, clocks: Clocks) -> Scene:
    return Scene(keys, lists, clocks)


async def test_the_first_token_waits_for_its_list_and_the_next_ones_for_nothing(scene: Scene) -> None:
    scene.write(8)
    assert [await scene.reason(scene.token(place)) for place in (7, 8, 9)] == ["", "revoked", ""]
    assert scene.verifier.verify(scene.token(10)).sub == "acc_7"
    assert scene.lists.asked == 1


def test_threads_that_need_one_list_wait_for_one_fetch(scene: Scene) -> None:
    scene.write(8)
    scene.lists.delay = 0.2
    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: scene.verifier.verify_blocking(scene.token()).sub, range(10)))
    assert found == ["acc_7"] * 10
    assert scene.lists.asked == 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
async def test_statuses_of_every_width_are_read_from_the_lowest_bit(scene: Scene, bits: int) -> None:
    scene.write(0, 9, PLACES - 1, bits=bits)
    places = (0, 1, 8, 9, 10, PLACES - 2, PLACES - 1)
    expected = ["revoked", "", "", "revoked", "", "", "revoked"]
    assert [await scene.reason(scene.token(place)) for place in places] == expected


async def test_a_revoked_token_is_refused_within_the_bound_while_tokens_are_shown(scene: Scene) -> None:
    scene.write()
    assert await scene.reason(scene.token()) == ""
    scene.write(7)
    waited = 0.0
    while await scene.reason(scene.token()) == "":
        scene.clocks.advance(1)
        waited += 1
        await asyncio.sleep(0.02)  # the renewal runs beside, and nobody waits for it
    assert 25 <= waited <= 45, "it is not asked at each token, and it is asked in time"


async def test_an_issuer_that_is_gone_is_believed_for_the_bound_and_no_longer(scene: Scene) -> None:
    scene.write()
    assert await scene.reason(scene.token()) == ""
    scene.lists.status = 503
    scene.clocks.advance(BOUND - 3)
    assert await scene.reason(scene.token()) == ""
    scene.clocks.advance(2)
    assert await scene.reason(scene.token()) == "revocations-outdated"
    scene.lists.status = 200
    scene.write()
    scene.clocks.advance(SPACING)
    assert await scene.reason(scene.token()) == "", "whoever comes after the outage waits for the list"


async def test_who_chose_to_accept_is_let_in_blindly_but_never_once_known_to_be_revoked(
    keys: Issuer, lists: Issuer, clocks: Clocks
) -> None:
    scene = Scene(keys, lists, clocks, when_blind="accept")
    scene.lists.status = 404
    assert await scene.reason(scene.token()) == ""
    assert await scene.reason(scene.token(status=None)) == "claims", "null is no status"
    assert await scene.reason(forge(without_status(scene), header(KEY), KEY)) == ""
    scene.lists.status = 200
    scene.write(7)
    scene.clocks.advance(SPACING)
    async with asyncio.timeout(5):
        while await scene.reason(scene.token()) != "revoked":  # noqa: ASYNC110 - the list is fetched beside
            await asyncio.sleep(0.01)
    clocks.advance(10**5)
    assert await scene.reason(scene.token()) == "revoked"


def without_status(scene: Scene) -> dict[str, object]:
    return claims(iss=scene.origin, exp=NOW + 10**7)


async def test_a_token_that_names_no_list_is_refused(scene: Scene) -> None:
    scene.write()
    token = forge(without_status(scene), header(KEY), KEY)
    assert await scene.reason(token) == "revocations-outdated"
    assert await scene.reason(scene.token(status={"other": 1})) == "revocations-outdated"
    assert scene.lists.asked == 0


PLACED = "status_list"


@pytest.mark.parametrize(
    "status",
    [
        {PLACED: {"idx": 7, "uri": "https://elsewhere.example/api/v1/auth/status-lists/0"}},
        {PLACED: {"idx": 7, "uri": "http://127.0.0.1.elsewhere.example/lists/0"}},
        {PLACED: {"idx": 7, "uri": "http://169.254.169.254/latest"}},
        {PLACED: {"idx": -1, "uri": "{uri}"}},
        {PLACED: {"idx": PLACES, "uri": "{uri}"}},
        {PLACED: {"idx": 2**60, "uri": "{uri}"}},
        {PLACED: {"idx": "7", "uri": "{uri}"}},
        {PLACED: {"idx": True, "uri": "{uri}"}},
        {PLACED: {"idx": 7}},
        {PLACED: [7, "{uri}"]},
        "revoked",
    ],
)
async def test_a_place_that_cannot_be_is_refused(scene: Scene, status: object) -> None:
    scene.write()
    if isinstance(status, dict) and isinstance(status[PLACED], dict) and status[PLACED].get("uri") == "{uri}":
        status[PLACED]["uri"] = scene.uri
    assert await scene.reason(scene.token(status=status)) == "claims"


LIES: dict[str, Callable[[Scene], None]] = {
    "signed by a stranger": lambda scene: scene.write(key=STRANGER),
    "signed for another purpose": lambda scene: scene.write(typ="at+jwt"),
    "an access token": lambda scene: setattr(scene.lists, "body", scene.token().encode()),
    "another list": lambda scene: scene.write(sub=f"{scene.uri}1"),
    "of another issuer": lambda scene: scene.write(iss="https://elsewhere.example"),
    "expired": lambda scene: scene.write(iat=NOW - 600, exp=NOW - 300),
    "an old one, repeated": lambda scene: scene.write(iat=NOW - BOUND, exp=NOW + 200),
    "of a time to come": lambda scene: scene.write(iat=NOW + 60, exp=NOW + 600),
    "no time": lambda scene: scene.write(iat="yesterday"),
    "of a strange width": lambda scene: scene.write(status_list={"bits": 3, "lst": text(bytes(128))}),
    "not compressed": lambda scene: scene.write(status_list={"bits": 1, "lst": "AAAA"}),
    "cut off": lambda scene: scene.write(status_list={"bits": 1, "lst": text(os.urandom(512))[:300]}),
    "a bomb": lambda scene: scene.write(status_list={"bits": 1, "lst": text(bytes(2**24))}),
    "followed by more": lambda scene: scene.write(
        status_list={
            "bits": 1,
            "lst": base64.urlsafe_b64encode(zlib.compress(bytes(128)) + b"more").decode().rstrip("="),
        }
    ),
    "empty": lambda scene: setattr(scene.lists, "body", b""),
    "no text": lambda scene: setattr(scene.lists, "body", b"\xff\xfe"),
    "too long": lambda scene: setattr(scene.lists, "body", b"a" * 600_000),
    "an error": lambda scene: setattr(scene.lists, "status", 500),
    "a redirect": lambda scene: vars(scene.lists).update(status=302, headers={"location": scene.uri}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_list_that_must_not_be_believed_lets_nobody_in(scene: Scene, lie: str) -> None:
    scene.write()
    LIES[lie](scene)
    assert await scene.reason(scene.token()) == "revocations-outdated"
    assert scene.lists.asked == 1


async def test_a_list_counts_no_longer_than_the_key_that_signed_it(scene: Scene) -> None:
    scene.write()
    claims = await scene.verifier.verify_async(scene.token())
    assert not scene.reader(claims)
    scene.keys.publish(STRANGER)
    scene.clocks.advance(400)  # the keys are stale
    scene.write()  # as whoever holds the key that was killed could
    fetching = scene.reader.begin(claims)
    assert fetching is not None
    with pytest.raises(ListUnavailable, match="unknown-key"):
        await asyncio.to_thread(fetching.result, 5)
    with pytest.raises(TokenRefused, match="revocations-outdated"):
        scene.reader(claims)


async def test_an_outage_is_told_of_and_not_once_a_second(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.lists.status = 503
    for _ in range(9):
        assert await scene.reason(scene.token()) == "revocations-outdated"
        scene.clocks.advance(SPACING)
    assert scene.lists.asked == 9
    # Readers of earlier tests may still be asking issuers that have gone.
    said = [record.getMessage() for record in caplog.records if scene.uri in record.getMessage()]
    assert said == [f"a status list cannot be had: the answer was 503 ({scene.uri})"]


def test_what_cannot_be_kept_is_refused_at_start(lists: Issuer) -> None:
    with pytest.raises(ValueError, match="45 seconds"):
        StatusLists(issuer="https://auth.example.org", bound=44)
    with pytest.raises(ValueError, match="https"):
        StatusLists(issuer="http://auth.example.org")
