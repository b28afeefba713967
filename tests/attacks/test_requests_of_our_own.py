"""Server-side request forgery: what the house is asked to visit, and does not (CWE-918, ASVS 1.3.6)."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address

import pytest
from tests.services.web import Resolver, Site, open_site

from ostiary.core.outbound import Outbound, OutboundFailed, OutboundRefused, OutboundSettings, is_public

INSIDE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.9", "192.0.0.170", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::808:808", "64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "4000::1",
    "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1", "ff02::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "2606:4700::1111", "2a00:1450::1", "2003::1"]


@pytest.mark.parametrize("text", INSIDE)
def test_an_address_inside_is_not_taken_for_a_public_one(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE)
def test_a_public_address_is_one(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.fixture
def strict() -> Outbound:
    return Outbound(OutboundSettings(timeout=timedelta(minutes=1)))  # some resolvers think for long before they say no


SPELLINGS = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0177.1", "127.0.0.1.", "0", "0.0.0.0",
    "localhost", "LOCALHOST", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]",
    "[::ffff:7f00:1]", "169.254.169.254", "2852039166", "0xA9FEA9FE", "[fe80::1%251]",
]  # fmt: skip


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_an_address_inside_is_visited(strict: Outbound, host: str) -> None:
    async with open_site() as site:
        with pytest.raises((OutboundRefused, OutboundFailed)) as refused:
            await strict.request("POST", f"https://{host}:{site.port}/", content=b"{}")
    assert site.heard == []
    if refused.type is OutboundFailed:  # a spelling that this resolver does not know
        assert str(refused.value) == "gaierror"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://8.8.8.8/", "file:///etc/passwd", "gopher://8.8.8.8/", "unix:///run/x.sock", "//8.8.8.8/", "8.8.8.8",
        "", "https://", "https:///path", "https://8.8.8.8:0/", "https://8.8.8.8:99999/", "https://8.8.8.8:x/",
        "https://user:secret@8.8.8.8/", "https://user@8.8.8.8/", "https://@8.8.8.8/", "https://8.8.8.8@127.0.0.1/",
        "https://8.8.8.8\\@127.0.0.1/", "https://127.0.0.1\\.example.org/", "https://[::1/",
        "https://8.8.8.8/\r\nX-Smuggled: 1", "https://8.8.8.8/\tx", " https://8.8.8.8/", "https://8.8.8.8/ HTTP/1.1",
        "https://8.8.8.8/\x00", "https://8.8.8.8/\u2028", "https://\uff18.8.8.8/", "https://ex\u00e4mple.org/",
        "https://" + "a" * 64 + ".example.org/", "https://8.8.8.8/" + "a" * 4000,
    ],
)  # fmt: skip
async def test_a_url_that_is_not_plainly_one_is_refused_before_anything_is_resolved(
    strict: Outbound, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver = Resolver(monkeypatch)
    with pytest.raises(OutboundRefused):
        await strict.request("GET", url)
    assert all(host.startswith("aaa") for host in resolver.asked)


async def test_plain_http_leaves_only_into_networks_that_are_named(strict: Outbound) -> None:
    with pytest.raises(OutboundRefused, match="plain http"):
        await strict.request("GET", "http://8.8.8.8/")
    with pytest.raises(OutboundRefused, match="private network"):
        await strict.request("GET", "http://10.0.0.1/")


@pytest.mark.parametrize("answers", [["10.0.0.1", "192.168.0.1"], ["::ffff:10.0.0.1"], ["169.254.169.254"], []])
async def test_a_name_that_leads_inside_is_refused(
    strict: Outbound, answers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, hooks_example=[answers])
    with pytest.raises(OutboundRefused, match="private network"):
        await strict.request("GET", "https://hooks.example/")


async def test_of_a_mixed_answer_only_what_may_be_visited_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        open_site() as inside,  # first: a port that is free there may be anybody's here
        open_site(Site(address="127.0.0.2", port=inside.port)) as meant,
    ):
        resolver = Resolver(monkeypatch, hooks_example=[["127.0.0.1", "::1", "127.0.0.2", "10.0.0.1"]])
        house = Outbound(OutboundSettings(allowed_networks=("127.0.0.2/32",)))
        assert (await house.request("GET", f"http://hooks.example:{meant.port}/")).status == 200
        await house.judge(f"http://hooks.example:{meant.port}/")
    assert len(meant.heard) == 1
    assert inside.heard == []
    assert resolver.asked == ["hooks.example"] * 2


async def test_a_name_that_changes_its_mind_between_judging_and_going_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: the first look-up says what may be visited, every later one what may not."""
    async with (
        open_site() as inside,  # first, as above
        open_site(Site(address="127.0.0.2", port=inside.port)) as meant,
    ):
        resolver = Resolver(monkeypatch, hooks_example=[["127.0.0.2"], ["127.0.0.1"]])
        house = Outbound(OutboundSettings(allowed_networks=("127.0.0.2/32",)))

        assert (await house.request("GET", f"http://hooks.example:{meant.port}/")).status == 200
        with pytest.raises(OutboundRefused):
            await house.request("GET", f"http://hooks.example:{meant.port}/")

    assert resolver.asked == ["hooks.example"] * 2  # once for each request
    assert (len(meant.heard), len(inside.heard)) == (1, 0)


@pytest.mark.parametrize(
    "header",
    [
        ("X-A", "1\r\nX-Smuggled: 1"),
        ("X-A\r\nX-Smuggled", "1"),
        ("X-A", "1\nX-Smuggled: 1"),
        ("X A", "1"),
        ("X-A", "\x00"),
    ],
)
async def test_a_header_cannot_hold_another(header: tuple[str, str]) -> None:
    house = Outbound(OutboundSettings(allowed_networks=("127.0.0.1/32",)))
    async with open_site() as site:
        with pytest.raises(OutboundFailed, match="LocalProtocolError"):
            await house.request("GET", site.url, headers=[header])
        assert site.heard == []


async def test_a_refusal_and_a_failure_repeat_nothing_of_the_url(strict: Outbound) -> None:
    """The path of a webhook is often a secret of its own."""
    for url in (
        "https://127.0.0.1/planted-secret",
        "https://no-such-name.invalid/planted-secret",
        "x://planted-secret",
    ):
        with pytest.raises((OutboundRefused, OutboundFailed)) as refused:
            await strict.request("GET", url)
        assert "planted" not in str(refused.value)
        assert refused.value.__cause__ is None
