"""A program that trusts an Ostiary somewhere else."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from tests.client.forging import AUDIENCE, ISSUER, NOW, claims, forge, header, key_of
from tests.client.issuer import Clocks, Issuer, running
from tests.house import lived

from ostiary.client import AccessClaims, KeysUnavailable, SigningKey, TokenRefused, Verifier
from ostiary.client.jwks import parse

OLD, NEW = SigningKey.generate("ES256", "old"), SigningKey.generate("EdDSA", "new")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as issuer:
        issuer.publish(OLD)
        yield issuer


@pytest.fixture
def clocks() -> Clocks:
    return Clocks(NOW)


def verifier_of(issuer: Issuer, clocks: Clocks, revocations: Callable[[AccessClaims], bool] | None = None) -> Verifier:
    return Verifier(
        issuer=ISSUER,
        audience=AUDIENCE,
        jwks_url=issuer.url,
        outage=3600,
        revocations=revocations,
        clock=clocks.clock,
        steady=clocks.steady,
    )


def token_of(key: SigningKey, **changes: object) -> str:
    return forge(claims(exp=NOW + 10**7, **changes), header(key), key)


def reason_of(verifier: Verifier, token: str) -> str:
    with pytest.raises(TokenRefused) as refusal:
        verifier.verify(token)
    return refusal.value.reason


async def test_an_opened_verifier_needs_no_network_for_known_keys(issuer: Issuer) -> None:
    verifier = await Verifier.open(issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url)
    assert verifier.verify(forge(claims(iat=1, exp=2**40, auth_time=1), header(OLD), OLD)).username == "mira"
    assert issuer.asked == 1


async def test_a_verifier_that_has_not_fetched_anything_refuses(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    assert reason_of(verifier, token_of(OLD)) == "keys-outdated"
    assert (await verifier.verify_async(token_of(OLD))).sub == "acc_7"


async def test_a_new_key_is_fetched_when_it_is_first_met(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    issuer.publish(OLD, NEW)
    clocks.advance(11)
    assert reason_of(verifier, token_of(NEW)) == "unknown-key"
    assert (await verifier.verify_async(token_of(NEW))).sub == "acc_7"
    assert verifier.verify(token_of(OLD)).sub == "acc_7"
    assert issuer.asked == 2


async def test_a_flood_of_invented_key_ids_causes_one_fetch_in_ten_seconds(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    for second in range(1, 31):
        clocks.advance(1)
        for number in range(5):
            with pytest.raises(TokenRefused, match="unknown-key"):
                await verifier.verify_async(forge(head=header(OLD, kid=f"invented-{second}-{number}")))
    assert issuer.asked == 4


async def test_many_at_once_share_one_fetch_and_one_who_leaves_does_not_end_it(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    gone = Event()
    issuer.hold = lambda _: gone.wait(20)  # nobody has an answer before one has left
    waiting = [asyncio.create_task(verifier.verify_async(token_of(OLD))) for _ in range(50)]
    await asyncio.wait_for(_until(lambda: issuer.asked == 1), 5)
    waiting[0].cancel()
    gone.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert all(isinstance(outcome, AccessClaims) for outcome in outcomes[1:])
    assert issuer.asked == 1


async def test_a_bad_token_of_a_known_key_causes_no_fetch(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    clocks.advance(60)
    for token in (
        "junk",
        forge(claims(), header(OLD), NEW),
        token_of(OLD, aud="other"),
        forge(head=header(OLD, alg="none")),
    ):
        with pytest.raises(TokenRefused):
            await verifier.verify_async(token)
    assert issuer.asked == 1


async def test_a_key_that_is_withdrawn_ends_its_remembered_tokens(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    token = token_of(OLD)
    verifier.verify(token)
    issuer.publish(NEW)
    clocks.advance(11)
    await verifier.fetch_keys()
    assert reason_of(verifier, token) == "unknown-key"
    assert verifier.verify(token_of(NEW)).sub == "acc_7"


async def test_a_key_that_is_exchanged_under_its_id_ends_its_remembered_tokens(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    token = token_of(OLD)
    verifier.verify(token)
    issuer.publish(SigningKey.generate("ES256", "old"))
    clocks.advance(11)
    await verifier.fetch_keys()
    assert reason_of(verifier, token) == "signature"


@pytest.mark.parametrize(
    ("cache_control", "lifetime"),
    [
        (None, 300),
        ("max-age=900", 900),
        ("public, max-age=900", 900),
        ("Max-Age=900, must-revalidate", 900),
        ('max-age="900"', 900),
        ("s-maxage=900", 300),
        ("max-age=0", 60),
        ("no-store", 300),
        ("max-age=999999999", 86400),
        ("max-age=-1", 300),
        ("max-age=x", 300),
    ],
)
async def test_keys_are_fresh_for_as_long_as_the_issuer_says(
    issuer: Issuer, clocks: Clocks, cache_control: str | None, lifetime: int
) -> None:
    issuer.headers = {"Cache-Control": cache_control} if cache_control else {}
    verifier = verifier_of(issuer, clocks)
    token = token_of(OLD)
    await verifier.fetch_keys()
    clocks.advance(lifetime - 1)
    await verifier.verify_async(token)
    await asyncio.sleep(0)
    assert issuer.asked == 1
    clocks.advance(1)
    await verifier.verify_async(token)  # answered at once; the renewal follows
    await asyncio.wait_for(_until(lambda: issuer.asked == 2), 5)
    await verifier.fetch_keys()


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - the issuer runs in a thread of its own
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("status", [500, 404, 302, 204])
async def test_known_keys_outlive_an_outage_for_a_bounded_time(issuer: Issuer, clocks: Clocks, status: int) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    issuer.status = status
    issuer.headers = {"Location": "https://evil.example/jwks.json"} if status == 302 else {}
    issuer.publish(NEW)  # even a perfect key set counts only when the answer says that all is well
    if status == 204:
        issuer.body = b""
    clocks.advance(300 + 3599)
    assert (await verifier.verify_async(token_of(OLD))).sub == "acc_7"
    await asyncio.wait_for(_until(lambda: issuer.asked == 2), 5)
    clocks.advance(1)
    assert reason_of(verifier, token_of(OLD)) == "keys-outdated"
    clocks.advance(10)
    with pytest.raises(TokenRefused, match="keys-outdated"):
        await verifier.verify_async(token_of(OLD))
    issuer.status, issuer.headers = 200, {}
    issuer.publish(OLD)
    clocks.advance(10)
    assert (await verifier.verify_async(token_of(OLD))).sub == "acc_7"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[1,null,"x",{}]}',
        b'{"keys":[],"keys":[]}',
        b"\xff",
        json.dumps({"keys": [NEW.verifying.to_jwk(), *[{}] * 100]}).encode(),
        json.dumps({"keys": [NEW.verifying.to_jwk()], "x": "x" * 300_000}).encode(),
        json.dumps({"keys": [key_of("ES256").verifying.to_jwk() | {"use": "enc"}]}).encode(),
        json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"}]}).encode(),
    ],
)
async def test_an_answer_that_holds_no_usable_key_changes_nothing(issuer: Issuer, clocks: Clocks, body: bytes) -> None:
    verifier = verifier_of(issuer, clocks)
    await verifier.fetch_keys()
    issuer.body = body
    clocks.advance(11)
    with pytest.raises(KeysUnavailable):
        await verifier.fetch_keys()
    assert verifier.verify(token_of(OLD)).sub == "acc_7"


def test_keys_for_other_uses_are_left_out_and_so_are_both_of_one_id() -> None:
    ours = OLD.verifying.to_jwk()
    twin = SigningKey.generate("ES256", "twin").verifying.to_jwk()
    rival = SigningKey.generate("ES256", "twin").verifying.to_jwk()
    entries = [ours, twin, rival, twin, {"kty": "oct", "k": "AA"}, ours | {"kid": "enc", "use": "enc"}]
    assert parse(json.dumps({"keys": entries}).encode()) == {"old": OLD.verifying}


async def test_an_issuer_that_cannot_be_reached_fails_the_opening(clocks: Clocks) -> None:
    with running() as gone:
        url = gone.url
    with pytest.raises(KeysUnavailable, match="ConnectError"):
        await Verifier.open(issuer=ISSUER, audience=AUDIENCE, jwks_url=url)
    blocking = verifier_of(Issuer(url), clocks)
    with pytest.raises(KeysUnavailable, match="ConnectError"):
        blocking.fetch_keys_blocking()
    with pytest.raises(TokenRefused, match="keys-outdated"):
        blocking.verify_blocking(token_of(OLD))


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.test/jwks",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "jwks",
        "",
    ],
)
def test_keys_are_not_fetched_where_others_could_exchange_them(url: str) -> None:
    with pytest.raises(ValueError, match="https"):
        Verifier(issuer=url, audience=AUDIENCE, jwks_url=url)


async def test_a_revoked_token_is_refused_at_once_though_it_is_remembered(issuer: Issuer, clocks: Clocks) -> None:
    revoked: set[str] = set()
    verifier = verifier_of(issuer, clocks, lambda claims: claims.sid in revoked)
    await verifier.fetch_keys()
    token = token_of(OLD)
    verifier.verify(token)
    verifier.verify(token)
    revoked.add("ses_1")
    assert reason_of(verifier, token) == "revoked"
    assert verifier.verify(token_of(OLD, sid="ses_2")).sid == "ses_2"
    revoked.clear()
    assert verifier.verify(token).sid == "ses_1"


async def test_a_revocation_view_that_fails_fails_the_request(issuer: Issuer, clocks: Clocks) -> None:
    def unavailable(_claims: AccessClaims) -> bool:
        raise ConnectionError

    verifier = verifier_of(issuer, clocks, unavailable)
    await verifier.fetch_keys()
    with pytest.raises(ConnectionError):
        verifier.verify(token_of(OLD))


def test_programs_without_an_event_loop_get_the_same_answers(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    assert verifier.verify_blocking(token_of(OLD)).sub == "acc_7"
    issuer.publish(OLD, NEW)
    with pytest.raises(TokenRefused, match="unknown-key"):
        verifier.verify_blocking(token_of(NEW))  # too early to ask again
    clocks.advance(10)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: verifier.verify_blocking(token_of(OLD)), range(20)))
    assert verifier.verify_blocking(token_of(NEW)).sub == "acc_7"
    assert issuer.asked == 2
    clocks.advance(300)
    verifier.verify_blocking(token_of(OLD))  # answered at once; the renewal follows
    verifier.fetch_keys_blocking()
    assert issuer.asked == 3


def test_threads_that_come_at_once_to_an_empty_cache_share_one_fetch(issuer: Issuer, clocks: Clocks) -> None:
    """A server that has just started must not refuse whoever comes second."""
    verifier = verifier_of(issuer, clocks)
    issuer.delay = 0.2
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: verifier.verify_blocking(token_of(OLD)).sub, range(8)))
    assert found == ["acc_7"] * 8
    assert issuer.asked == 1


async def test_threads_and_event_loops_share_one_fetch(issuer: Issuer, clocks: Clocks) -> None:
    """A Django application under ASGI has both."""
    verifier = verifier_of(issuer, clocks)
    issuer.delay = 0.2
    token = token_of(OLD)
    both = [verifier.verify_async(token), asyncio.to_thread(verifier.verify_blocking, token)]
    assert [claims.sub for claims in await asyncio.gather(*both)] == ["acc_7", "acc_7"]
    assert await asyncio.to_thread(lambda: asyncio.run(verifier.verify_async(token))) == verifier.verify(token)
    assert issuer.asked == 1


def test_nobody_waits_for_a_renewal_while_the_issuer_is_slow(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    verifier.fetch_keys_blocking()
    issuer.delay = 1.5
    clocks.advance(300)
    with lived() as seconds:
        for _ in range(3):
            assert verifier.verify_blocking(token_of(OLD)).sub == "acc_7"
        assert seconds() < 1.0


@pytest.mark.parametrize("idle", [361, 3000])
def test_a_key_that_was_withdrawn_while_nobody_came_by_is_not_believed_once_more(
    issuer: Issuer, clocks: Clocks, idle: int
) -> None:
    verifier = verifier_of(issuer, clocks)
    token = token_of(OLD)
    assert verifier.verify_blocking(token).sub == "acc_7"
    issuer.publish(NEW)
    clocks.advance(idle)
    with pytest.raises(TokenRefused, match="unknown-key"):
        verifier.verify_blocking(token)
    assert issuer.asked == 2


def test_a_fetch_that_hangs_is_given_up_and_its_late_answer_does_not_count(issuer: Issuer, clocks: Clocks) -> None:
    verifier = verifier_of(issuer, clocks)
    verifier.fetch_keys_blocking()
    issuer.delay = 0.6
    clocks.advance(300)
    verifier.verify_blocking(token_of(OLD))  # begins a renewal, which will bring OLD once more
    time.sleep(0.2)
    issuer.delay = 0.0
    clocks.advance(10)
    issuer.publish(NEW)
    assert verifier.fetch_keys_blocking()
    time.sleep(0.6)  # the first answer arrives
    assert verifier.verify(token_of(NEW)).sub == "acc_7"
    assert reason_of(verifier, token_of(OLD)) == "unknown-key"


def test_an_issuer_that_cannot_be_reached_is_asked_again_when_it_says_so(issuer: Issuer, clocks: Clocks) -> None:
    issuer.status = 503
    verifier = verifier_of(issuer, clocks)
    for _ in range(3):
        with pytest.raises(TokenRefused, match="keys-outdated"):
            verifier.verify_blocking(token_of(OLD))
    assert (issuer.asked, verifier.retry_after) == (1, 10)
    issuer.status = 200
    clocks.advance(verifier.retry_after)
    assert verifier.verify_blocking(token_of(OLD)).sub == "acc_7"


def test_the_client_brings_no_part_of_a_server_and_no_http_library_until_it_is_needed() -> None:
    script = """
import sys
import ostiary.client, ostiary.client.jws
unwanted = {"httpx", "sqlalchemy", "fastapi", "starlette", "jinja2", "asyncpg", "granian", "pydantic", "argon2"}
assert not unwanted & sys.modules.keys(), unwanted & sys.modules.keys()
rooms = {name for name in sys.modules if name.startswith("ostiary.")}
assert all(name.startswith("ostiary.client") for name in rooms), rooms
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
