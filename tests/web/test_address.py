"""Client addresses are believed only from trusted proxies (D6)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.attacks.raw import ask
from tests.house import OpenHouse, client_of

from ostiary.core.clock import ManualClock
from ostiary.web.address import ClientAddress, counted, forwarded_elements, is_inner, parsed
from ostiary.web.address import log as address_log

PROXIES = ("10.0.0.0/24", "fd00::/64")


def errors_about_addresses(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said loudly here: threads that other tests left behind may be loud as well."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.ERROR and record.name == address_log.name
    ]


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
        ("10.0.0.1", "198.51.100.9" + ", 10.0.0.2" * 19, "198.51.100.9"),
        ("10.0.0.1", "198.51.100.9" + ", 10.0.0.2" * 20, "10.0.0.2"),  # nobody has so many proxies in a row
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
        ('For="198.51.100.9:4711"', "198.51.100.9"),
        ("for=198.51.100.9:_hidden", "198.51.100.9"),  # a port may be obfuscated (RFC 7239 section 6.3)
        ('for="[2001:DB8::9]:_p.1-x"', "2001:db8::9"),
        ("FOR=[2001:db8::9]", "2001:db8::9"),  # no token, but proxies write it
        ('for="198.51.100.9" ; proto=https', "198.51.100.9"),
        ('for="198.51.100\\.9"', "198.51.100.9"),  # an escape stands for itself
        ('by="a,b;for=192.0.2.1";for=198.51.100.9', "198.51.100.9"),  # commas and semicolons in quotes separate nothing
        ('for=198.51.100.9;host="a, for=192.0.2.1"', "198.51.100.9"),
        ('for=198.51.100.9;host="a\\", for=192.0.2.1;x=\\""', "198.51.100.9"),
        ("for=198.51.100.9, , ,", "198.51.100.9"),  # empty elements are ignored (RFC 9110 section 5.6.1)
        ('for="_gazonk"', None),
        ("for=_secret", None),
        ("for=unknown", None),
        ('for="unknown:80"', None),
        ("for=198.51.100.9;for=192.0.2.1", None),  # each parameter once
        ('for="198.51.100.9', None),
        ("for=198.51.100.9 for=192.0.2.1", None),
        ("for =198.51.100.9", None),
        ('for=""', None),
        ("for=", None),
        (",", None),
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
    "invented",
    [
        'for="', 'for="x', '"', "\\", 'for="\\', "for=192.0.2.1", 'for="192.0.2.1", for="', "for=192.0.2.1;",
        "for=_x;by=", 'x=";', 'x=", for=192.0.2.1;y="', "," * 40, '","' * 30,
        "for=192.0.2.1," * 30, "\x00", "for=unknown",
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", ["for=198.51.100.9", 'proto=https;for="198.51.100.9:80";host="a.example"'])
def test_no_quote_of_the_clients_swallows_what_the_proxy_wrote(invented: str, written: str) -> None:
    for chain in (f"{invented}, {written}", f"{invented},{written}"):  # appended, or two lines joined
        assert ClientAddress(PROXIES, "forwarded").find("10.0.0.1", chain) == "198.51.100.9", chain
        headers = {b"forwarded": chain.encode()}
        assert ClientAddress(PROXIES, "forwarded").is_https("http", "10.0.0.1", headers) is ("proto" in written)


def test_a_scheme_that_the_client_wrote_is_not_the_proxys() -> None:
    headers = {b"forwarded": b"for=192.0.2.1;proto=https, for=198.51.100.9"}
    assert not ClientAddress(PROXIES, "forwarded").is_https("http", "10.0.0.1", headers)


def test_reading_a_huge_header_is_quick_and_ends() -> None:
    for text in ('"' * 16_000, "," * 16_000, '",' * 8_000, 'a="\\' * 4_000, "for=x;" * 2_700):
        assert len(list(forwarded_elements(text))) <= 4096
        assert ClientAddress(PROXIES, "forwarded").find("10.0.0.1", text) is None


@pytest.mark.parametrize(
    "text",
    [
        "198.51.100.9:", "198.51.100.9:x", "198.51.100.9:123456", "[2001:db8::9", "[2001:db8::9]x", "[2001:db8::9]:",
        "[198.51.100.9]x", "2001:db8::9]", "[]", "[]:80", "198.51.100.9:80:80", "1", "0x7f.1", "198.51.100.09",
    ],
)  # fmt: skip
def test_what_only_begins_like_an_address_is_none(text: str) -> None:
    assert parsed(text) is None


class TestAProxyThatNobodyConfigured:
    """Its address is never taken for its visitors': then the truth is unknown."""

    INNER = ("127.0.0.1", "::1", "10.0.1.1", "172.31.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "fd00:1::1",
             "fe80::1", "::ffff:10.0.1.1")  # fmt: skip

    @staticmethod
    def of(peer: str, *names: bytes, trusted: tuple[str, ...] = (), port: object = 4711) -> str | None:
        scope: dict[str, Any] = {"client": (peer, port), "headers": [(name, b"198.51.100.9") for name in names]}
        return ClientAddress(trusted, "x-forwarded-for").of(scope)

    @pytest.mark.parametrize("peer", INNER)
    @pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded"])
    @pytest.mark.parametrize("trusted", [(), ("10.0.0.0/24",)])
    def test_from_within_who_forwards_is_unknown(self, peer: str, name: bytes, trusted: tuple[str, ...]) -> None:
        assert self.of(peer, b"host", name, trusted=trusted) is None

    @pytest.mark.parametrize("peer", INNER)
    def test_from_within_who_does_not_forward_is_himself(self, peer: str) -> None:
        assert self.of(peer, b"host", b"x-forwarded-proto", b"x-real-ip") == str(parsed(peer))

    @pytest.mark.parametrize(
        "peer", ["203.0.113.7", "198.51.100.1", "192.0.2.1", "2001:db8::7", "8.8.8.8", "172.32.0.1"]
    )
    def test_a_stranger_from_outside_who_sends_such_headers_is_himself(self, peer: str) -> None:
        assert not is_inner(peer)
        assert self.of(peer, b"x-forwarded-for", b"forwarded") == peer

    def test_a_trusted_proxy_is_believed_as_ever(self) -> None:
        assert self.of("10.0.0.1", b"x-forwarded-for", b"forwarded", trusted=("10.0.0.0/24",)) == "198.51.100.9"
        assert self.of("10.0.0.1", b"x-forwarded-proto", trusted=("10.0.0.0/24",)) == "10.0.0.1", "a request of its own"

    def test_a_trusted_proxy_that_forwards_by_the_other_header_leaves_the_truth_unknown(
        self, caplog: pytest.LogCaptureFixture, clock: ManualClock
    ) -> None:
        """Else all visitors would be the proxy, and one who fails would shut out the others."""
        for header, other in [("x-forwarded-for", b"forwarded"), ("forwarded", b"x-forwarded-for")]:
            caplog.clear()
            addresses = ClientAddress(("10.0.0.0/24",), header, clock)
            scope = {"client": ("10.0.0.1", 4711), "headers": [(other, b"for=198.51.100.9")]}
            assert [addresses.of(scope) for _ in range(3)] == [None] * 3
            (said,) = errors_about_addresses(caplog)
            assert f"sends no {header}" in said
            assert "web.forwarding_header" in said
            assert "198.51.100.9" not in said
            assert addresses.are_unknown

    @pytest.mark.parametrize("port", [0, "0", None])
    def test_a_client_that_the_server_below_has_put_there_is_believed(self, port: object) -> None:
        assert self.of("10.0.1.1", b"x-forwarded-for", port=port) == "10.0.1.1"

    def test_it_is_said_loudly_and_once_a_minute(self, caplog: pytest.LogCaptureFixture, clock: ManualClock) -> None:
        addresses = ClientAddress((), "x-forwarded-for", clock)
        scope = {"client": ("10.0.1.1", 4711), "headers": [(b"x-forwarded-for", b"198.51.100.9")]}
        assert not addresses.are_unknown
        for _ in range(7):
            addresses.of(scope)
            clock.advance(seconds=20)

        said = errors_about_addresses(caplog)
        assert len(said) == 3
        assert 'web.trusted_proxies = ["10.0.1.1/32"]' in said[0]
        assert "198.51.100.9" not in caplog.text
        told = [addresses.are_unknown]
        clock.advance(minutes=10)
        assert [*told, addresses.are_unknown] == [True, False]

    async def test_readiness_tells_of_it(self, open_house: OpenHouse, clock: ManualClock) -> None:
        house = await open_house(work=False)
        async with client_of(house, "10.0.1.1") as proxied:
            assert (await proxied.get("/readyz")).json() == {"status": "ready"}
            await proxied.get("/healthz", headers={"x-forwarded-for": "198.51.100.9"})
            assert "web.trusted_proxies" in (await proxied.get("/readyz")).json()["warning"]
            clock.advance(minutes=10)
            assert (await proxied.get("/readyz")).json() == {"status": "ready"}

    async def test_names_and_accounts_are_limited_all_the_same(self, open_house: OpenHouse) -> None:
        """What a neighbour in the private network can switch off for himself: his address, and nothing else."""
        house = await open_house(work=False)
        statuses = []
        for number in range(8):
            body = b'{"login": "mira", "password": "wrong"}'
            headers = [(b"content-type", b"application/json"), (b"x-forwarded-for", b"198.51.100.%d" % number)]
            answer = await ask(
                house.app, "POST", b"/api/v1/auth/login", headers, body, client=(f"10.0.1.{number}", 4711)
            )
            statuses.append(answer.status)
        assert statuses[:5] == [401] * 5
        assert set(statuses[5:]) <= {423, 429}


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
