"""What a program elsewhere makes of the feed: which beats it believes, and what it does not forget."""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from ostiary.client import AccessClaims, RevocationFeed, TokenRefused
from ostiary.client.revocations import ISSUERS_OWN, Hearing, Known, events

ISSUER = "https://id.example.com"
Told = tuple[str, Mapping[str, object]]


def claims(**changed: object) -> AccessClaims:
    """Return what a token says."""
    said: dict[str, object] = {
        "iss": ISSUER, "sub": "mira", "aud": (ISSUER,), "exp": 2000, "iat": 1000, "jti": "j", "sid": "s1",
        "client_id": "c", "epoch": 3, "permissions": ("books:lend",),
    } | changed  # fmt: skip
    return AccessClaims(**said)  # type: ignore[arg-type]


class Clock:
    """A steady clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def feed(clock: Clock) -> RevocationFeed:
    """A feed that has not dialled: the test says what is heard."""
    found = RevocationFeed(issuer=ISSUER, credential="x", steady=clock)
    found._process = os.getpid()
    return found


def hear(feed: RevocationFeed, hearing: Hearing, *told: Told) -> None:
    """Let a feed hear events on one connection."""
    for name, data in told:
        feed._take(hearing, name, dict(data), None)


READY: Told = ("ready", {"remember": 960, "beat": 1.0})


def test_before_the_first_beat_nobody_is_let_in(feed: RevocationFeed, clock: Clock) -> None:
    with pytest.raises(TokenRefused, match="revocations-outdated"):
        feed(claims())
    hearing = Hearing(feed._known, clock.now)
    hear(feed, hearing, ("reset", {}), ("beat", {"at": 5000}))  # before all was told
    with pytest.raises(TokenRefused):
        feed(claims())
    hear(feed, hearing, READY, ("beat", {"at": 5000}))
    assert feed(claims()) is False


def test_a_beat_that_waited_vouches_for_the_time_when_it_was_sent(feed: RevocationFeed, clock: Clock) -> None:
    hearing = Hearing(feed._known, clock.now)
    clock.now += 0.25
    hear(feed, hearing, ("reset", {}), READY, ("beat", {"at": 5_000}))
    assert feed.age == pytest.approx(ISSUERS_OWN + 0.25)  # from when it was asked
    clock.now += 1
    hear(feed, hearing, ("beat", {"at": 6_000}))
    assert feed.age == pytest.approx(ISSUERS_OWN)
    clock.now += 3600  # the machine slept, and what waited in the socket comes now
    hear(feed, hearing, ("beat", {"at": 7_000}), ("beat", {"at": 8_000}))
    assert feed.age == pytest.approx(ISSUERS_OWN + 3598)
    with pytest.raises(TokenRefused):
        feed(claims())


def test_a_new_hearing_replaces_the_old_one_when_it_is_whole(feed: RevocationFeed, clock: Clock) -> None:
    hear(feed, Hearing(feed._known, clock.now), ("reset", {}), READY, ("session", {"sid": "s1"}), ("beat", {"at": 1}))
    assert feed(claims()) is True
    again = Hearing(feed._known, clock.now)
    hear(feed, again, ("reset", {}), ("session", {"sid": "s2"}))
    assert feed(claims()) is True  # not yet told again, and not forgotten
    hear(feed, again, ("session", {"sid": "s1"}), READY, ("beat", {"at": 2}))
    assert feed(claims()) is True
    assert feed(claims(sid="s2")) is True


def test_it_is_remembered_for_longer_than_any_token_lives(feed: RevocationFeed, clock: Clock) -> None:
    hearing = Hearing(feed._known, clock.now)
    hear(feed, hearing, ("reset", {}), READY, ("session", {"sid": "s1"}), ("beat", {"at": 0}))
    clock.now += 1900
    hear(feed, hearing, ("beat", {"at": 1_900_000}))
    assert feed(claims()) is True
    clock.now += 100
    hear(feed, hearing, ("beat", {"at": 2_000_000}))
    assert feed(claims()) is False


@pytest.mark.parametrize(
    ("changed", "revoked"),
    [
        ({"epoch": 2}, True), ({"epoch": 3}, False), ({"epoch": 4}, False), ({"sub": "noor", "epoch": 1}, False),
        ({"permissions": ("books:lend", "admin")}, True), ({"permissions": ()}, False),
        ({"permissions": ("admin",), "iat": 1501}, False),  # made after the change: that it was granted is on its way
    ],
)  # fmt: skip
def test_an_account_is_held_to_its_epoch_and_its_permissions(
    feed: RevocationFeed, clock: Clock, changed: dict[str, object], *, revoked: bool
) -> None:
    told = {"sub": "mira", "epoch": 3, "permissions": ["books:lend"], "at": 1500}
    hear(feed, Hearing(feed._known, clock.now), ("reset", {}), READY, ("account", told), ("beat", {"at": 1}))
    assert feed(claims(**changed)) is revoked


UNREADABLE: list[Told] = [
    ("session", {}), ("session", {"sid": 1}), ("account", {}), ("account", {"sub": "mira", "epoch": 1}),
    ("account", {"sub": 1, "epoch": 1, "permissions": [], "at": 1}), ("beat", {}), ("beat", {"at": "1"}),
]  # fmt: skip


@pytest.mark.parametrize("told", UNREADABLE)
def test_what_cannot_be_read_is_not_passed_over(feed: RevocationFeed, clock: Clock, told: Told) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        hear(feed, Hearing(Known(), clock.now), READY, told)


@given(cuts=some.lists(some.integers(0, 90), max_size=6))
def test_events_are_read_however_the_bytes_arrive(cuts: list[int]) -> None:
    wire = b'event: session\ndata: {"sid":"s1"}\n\nid: a.7\nevent: beat\ndata: {"at":5}\n\n'
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    chunks = [wire[start:end] for start, end in pairwise(edges)]
    assert list(events(chunks)) == [("session", {"sid": "s1"}, None), ("beat", {"at": 5}, "a.7")]


@pytest.mark.parametrize("wire", [b"data: {}\n\n", b"event: beat\ndata: {\n\n", b"event: beat\n\n", b"x" * 300_000])
def test_what_no_issuer_writes_ends_the_connection(wire: bytes) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|too long"):
        list(events([wire]))


def test_where_it_may_listen_and_for_how_short_a_bound() -> None:
    with pytest.raises(ValueError, match="https"):
        RevocationFeed(issuer="http://id.example.com", credential="x")
    with pytest.raises(ValueError, match="bound"):
        RevocationFeed(issuer=ISSUER, credential="x", bound=3)
