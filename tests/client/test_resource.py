"""What every framework's integration asks of an application that trusts an Ostiary."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts.generate_reference import import_everything
from tests.client.forging import AUDIENCE, ISSUER, NOW, claims, forge, header
from tests.client.issuer import Clocks, Issuer, running

from ostiary.client import ResourceServer, SigningKey, Visit
from ostiary.client.problems import NotSignedIn, Refusal
from ostiary.client.visits import Origins, cookie_in
from ostiary.core.errors import every_problem

KEY = SigningKey.generate("ES256", "current")


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running() as issuer:
        issuer.publish(KEY)
        yield issuer


def visit(method: str = "POST", **headers: str | None) -> Visit:
    return Visit(method=method, path="/act", host="app.example.test", cookie="__Host-access_token=x", **headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("origin", "fetch_site", "is_ours"),
    [
        ("https://app.example.test", "same-origin", True),
        ("https://app.example.test", None, True),
        ("HTTPS://APP.example.test", None, True),
        (None, "same-origin", True),
        (None, "none", True),
        ("https://www.example.test", "same-site", True),
        (None, None, False),
        (None, "same-site", False),
        (None, "cross-site", False),
        (None, "Same-Origin, same-origin", False),
        ("https://app.example.test", "cross-site", False),
        ("https://app.example.test", "same-site", False),
        ("http://app.example.test", None, False),
        ("https://app.example.test:444", None, False),
        ("https://app.example.test, https://app.example.test", None, False),
        ("https://evil.test", "same-origin", False),
        ("https://evil.test#@app.example.test", None, False),
        ("https://app.example.test/", None, False),
        ("app.example.test", None, False),
        ("chrome-extension://app.example.test", None, False),
        ("null", "cross-site", False),
        ("", None, False),
    ],
)
def test_a_page_is_ours_when_the_browser_says_so(origin: str | None, fetch_site: str | None, *, is_ours: bool) -> None:
    origins = Origins.of(["https://www.example.test"])
    assert origins.has_sent(visit(origin=origin, fetch_site=fetch_site)) == is_ours


def test_plain_http_is_ours_on_this_machine_only() -> None:
    for host, is_ours in (("localhost:8000", True), ("app.localhost", True), ("[::1]:8000", True), ("a.test", False)):
        asked = Visit(method="POST", path="/", host=host, origin=f"http://{host}")
        assert Origins().has_sent(asked) == is_ours, host
    assert not Origins().has_sent(Visit(method="POST", path="/", host="", origin="https://"))


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example.test", "https://a.test/", "a.test", "null", "HTTPS://a.test"]
)
def test_other_origins_are_written_exactly(origin: str) -> None:
    if origin == "https://*.example.test":
        assert not Origins.of([origin]).has_sent(visit(origin="https://b.example.test"))  # a star is a name like others
        return
    with pytest.raises(ValueError, match="write each"):
        Origins.of([origin])


@pytest.mark.parametrize(
    "issuer", ["", "id.example.test", "https://id.example.test/", "https://id.example.test/x", "http://id.example.test"]
)
def test_an_issuer_is_an_origin_that_nobody_can_stand_between(issuer: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        ResourceServer(issuer=issuer)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "A", ""]), st.text('xyz=" ', max_size=3)), max_size=5))
def test_a_cookie_is_read_only_where_it_is_the_only_one_of_its_name(pairs: list[tuple[str, str]]) -> None:
    text = "; ".join(f"{name}={value}" for name, value in pairs)
    found = [value.rstrip(" ") for name, value in pairs if name == "a"]
    assert cookie_in(text, "a") == (found[0] if len(found) == 1 else None)


def test_headers_that_come_twice_are_none_that_we_know() -> None:
    headers = [
        (b"authorization", b"Bearer a"), (b"authorization", b"Bearer b"), (b"origin", b"https://a.test"),
        (b"origin", b"https://a.test"), (b"cookie", b"one=1"), (b"cookie", b"two=2"), (b"host", b"a.test"),
    ]  # fmt: skip
    found = Visit.of_scope({"type": "http", "method": "POST", "path": "/", "headers": headers})
    credential = found.credential("two")
    assert credential is not None
    assert credential.token == "a, Bearer b"
    assert not Origins().has_sent(found)
    assert found.cookie == "one=1; two=2"  # RFC 9113 section 8.2.3


def test_every_refusal_says_what_the_house_says() -> None:
    """Slug, title and status are the house's: one page in docs/problems describes both."""
    import_everything()
    house = {kind.slug: kind for kind in every_problem() if kind.__module__.startswith("ostiary.")}
    ours = [kind for kind in Refusal.__subclasses__() if kind.__module__.startswith("ostiary.")]
    assert len(ours) >= 7
    for kind in ours:
        assert (kind.title, kind.status) == (house[kind.slug].title, house[kind.slug].status), kind


@pytest.mark.parametrize("reason", ["audience", "issuer", "unknown-key", "signature", "form", "not-yet-valid"])
def test_nobody_is_sent_to_sign_in_whom_that_cannot_help(reason: str) -> None:
    server = ResourceServer(issuer=ISSUER)
    asked = Visit(method="GET", path="/books/7", host="id.example.test", accept="text/html")

    assert server.sign_in_page(asked, NotSignedIn(reason=reason)) is None
    assert server.sign_in_page(asked, NotSignedIn(reason="expired")) == f"{ISSUER}/auth/sign-in?next=/books/7"


def test_the_way_back_is_a_path_of_the_issuers_own_origin_or_none() -> None:
    server = ResourceServer(issuer=ISSUER)
    elsewhere = Visit(method="GET", path="/books/7", host="app.example.test", accept="text/html")
    hostile = Visit(method="GET", path="//evil.test/?a=b&next=c", host="id.example.test", accept="text/html")

    assert server.sign_in_page(elsewhere, NotSignedIn()) == f"{ISSUER}/auth/sign-in"
    assert server.sign_in_page(hostile, NotSignedIn()) == f"{ISSUER}/auth/sign-in?next=//evil.test/%3Fa%3Db%26next%3Dc"


IN_A_CHILD = """
import os, sys, time
import httpx
httpx.Client().close()  # what is half imported when a process forks stays so in the child
from ostiary.client import ResourceServer, Visit

issuer, audience, url, token = sys.argv[1:]
server = ResourceServer(issuer=issuer, audience=audience, jwks_url=url, clock=lambda: {now}, outage=60)
server.verifier._keys.begin()  # a fetch that only the parent's thread can end
time.sleep(0.3)
child = os.fork()
if child == 0:
    begun = time.monotonic()
    visitor = server.admit_blocking(Visit(method="GET", path="/", authorization="Bearer " + token))
    os._exit(0 if visitor.identity is not None and time.monotonic() - begun < 8 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_child_of_a_server_that_forks_asks_for_itself(issuer: Issuer) -> None:
    issuer.delay = 1.0
    token = forge(claims(), header(KEY), KEY)
    command = [sys.executable, "-W", "ignore", "-c", IN_A_CHILD.format(now=NOW), ISSUER, AUDIENCE, issuer.url, token]
    assert subprocess.run(command, timeout=60, check=False, env=dict(os.environ)).returncode == 0
    assert issuer.asked == 2


async def test_both_faces_give_the_same_answer(issuer: Issuer) -> None:
    clocks = Clocks(NOW)
    server = ResourceServer(
        issuer=ISSUER, audience=AUDIENCE, jwks_url=issuer.url, clock=clocks.clock, steady=clocks.steady,
        revocations=lambda claims: claims.sid == "ses_ended",
    )  # fmt: skip
    for changes in ({}, {"aud": "x"}, {"exp": NOW}, {"sid": "ses_ended"}):
        shown = Visit(method="GET", path="/", authorization="Bearer " + forge(claims(**changes), header(KEY), KEY))
        blocking, awaited = server.admit_blocking(shown), await server.admit(shown)
        assert blocking.identity == awaited.identity
        assert (blocking.identity is not None) == (not changes)
        if changes:
            assert blocking.refusal is not None
            assert awaited.refusal is not None
            assert blocking.refusal.reason == awaited.refusal.reason
