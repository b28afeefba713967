"""Client addresses are believed only from trusted proxies (D6)."""

from __future__ import annotations

import pytest

from ostiary.web.address import ClientAddress, counted

PROXIES = ("10.0.0.0/24", "fd00::/64")


@pytest.mark.parametrize("forwarded", [None, "", "198.51.100.9", "10.0.0.1, 198.51.100.9", "garbage", "\x00"])
def test_by_default_nobodys_word_is_taken(forwarded: str | None) -> None:
    assert ClientAddress((), "x-forwarded-for").find("203.0.113.7", forwarded) == "203.0.113.7"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", "198.51.100.9", "203.0.113.7"),  # not a proxy of ours: what it says is its own invention
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9:4711", "198.51.100.9"),
        ("10.0.0.1", "evil, 198.51.100.9", "198.51.100.9"),
        ("10.0.0.1", "127.0.0.1, 198.51.100.9", "198.51.100.9"),  # what stands left was written by the client
        ("10.0.0.1", "198.51.100.9, 10.0.0.2", "198.51.100.9"),
        ("10.0.0.1", "192.0.2.1, 198.51.100.9, 10.0.0.3, 10.0.0.2", "198.51.100.9"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),  # a request of a proxy's own
        ("10.0.0.1", "::ffff:198.51.100.9", "198.51.100.9"),
        ("::ffff:10.0.0.1", "198.51.100.9", "198.51.100.9"),
        ("fd00::1", "2001:db8::9", "2001:db8::9"),
        ("fd00::1", "[2001:db8::9]:4711", "2001:db8::9"),
        ("10.0.0.1", " 198.51.100.9 ", "198.51.100.9"),
        ("10.0.1.1", "198.51.100.9", "10.0.1.1"),  # one network further
    ],
)
def test_the_client_is_the_first_from_the_right_that_is_no_proxy(peer: str, forwarded: str | None, client: str) -> None:
    assert ClientAddress(PROXIES, "x-forwarded-for").find(peer, forwarded) == client


@pytest.mark.parametrize("broken", ["", "unknown", "_hidden", "198.51.100", "1.2.3.4.5", "198.51.100.9,", "', 1"])
def test_what_no_proxy_would_write_makes_the_truth_unknown(broken: str) -> None:
    assert ClientAddress(PROXIES, "x-forwarded-for").find("10.0.0.1", broken) is None


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=198.51.100.9", "198.51.100.9"),
        ("For=198.51.100.9;proto=https;by=10.0.0.1", "198.51.100.9"),
        ('proto=https;for="[2001:db8::9]:4711"', "2001:db8::9"),
        ("for=192.0.2.1, for=198.51.100.9, for=10.0.0.2", "198.51.100.9"),
        ("for=_secret", None),
        ("proto=https", None),
        ("xfor=198.51.100.9", None),
        ("198.51.100.9", None),
    ],
)
def test_the_standard_header_is_read_where_it_is_the_one(forwarded: str, client: str | None) -> None:
    assert ClientAddress(PROXIES, "forwarded").find("10.0.0.1", forwarded) == client


def test_where_there_is_no_peer_there_is_no_address() -> None:
    assert ClientAddress(PROXIES, "x-forwarded-for").find(None, "198.51.100.9") is None
    assert ClientAddress((), "x-forwarded-for").find("not an address", None) is None


@pytest.mark.parametrize(
    ("text", "as_what"),
    [
        ("198.51.100.9", "198.51.100.9"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::1%eth0", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("nonsense", "unknown"),
    ],
)
def test_ipv6_counts_by_network_and_mapped_ipv4_as_ipv4(text: str, as_what: str) -> None:
    assert counted(text) == as_what


@pytest.mark.parametrize(
    ("header", "peer", "headers", "secure"),
    [
        ("x-forwarded-for", "203.0.113.7", {b"x-forwarded-proto": b"https"}, False),
        ("x-forwarded-for", "10.0.0.1", {b"x-forwarded-proto": b"https"}, True),
        ("x-forwarded-for", "10.0.0.1", {b"x-forwarded-proto": b"https, http"}, False),
        ("x-forwarded-for", "10.0.0.1", {b"forwarded": b"proto=https"}, False),
        ("x-forwarded-for", "10.0.0.1", {}, False),
        ("forwarded", "10.0.0.1", {b"forwarded": b"for=192.0.2.1;proto=https"}, True),
        ("forwarded", "10.0.0.1", {b"forwarded": b"proto=https, for=192.0.2.1;proto=http"}, False),
        ("forwarded", "10.0.0.1", {b"forwarded": b'for=192.0.2.1; PROTO="https"'}, True),
    ],
)
def test_that_somebody_came_by_https_is_believed_from_proxies_too(
    header: str, peer: str, headers: dict[bytes, bytes], *, secure: bool
) -> None:
    assert ClientAddress(PROXIES, header).is_https("http", peer, headers) is secure
    assert ClientAddress((), header).is_https("https", peer, {}) is True
