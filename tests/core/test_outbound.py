"""Requests of the house's own: what they carry, where they end, how long they may take."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.house import lived
from tests.services.ports import free_port
from tests.services.web import Authority, Heard, Resolver, Site, open_site

from ostiary.core.outbound import Outbound, OutboundFailed, OutboundRefused, OutboundSettings

HERE = ("127.0.0.0/8",)


def outbound(*networks: str, **settings: object) -> Outbound:
    return Outbound(OutboundSettings(allowed_networks=networks or HERE, **settings))


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that this process trusts."""
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    return made


async def test_a_request_says_what_it_was_given_and_brings_the_answer() -> None:
    answer = b"HTTP/1.1 202 Accepted\r\nX-Seen: yes\r\nContent-Length: 4\r\n\r\nfine"
    async with open_site(Site(answers=[answer])) as site:
        reply = await outbound().request(
            "POST", f"{site.url}/hook?a=1#part", content=b'{"a":1}', headers=[("X-Own", "value")]
        )

    assert (reply.status, reply.headers["x-seen"], reply.body) == (202, "yes", b"fine")
    (heard,) = site.heard
    assert heard.line == "POST /hook?a=1 HTTP/1.1"
    assert heard.body == b'{"a":1}'
    assert heard.headers == {
        "host": f"127.0.0.1:{site.port}", "user-agent": "Ostiary", "x-own": "value", "content-length": "7",
        "content-type": "application/json",
    }  # fmt: skip


async def test_proxies_and_cookies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with open_site(Site(answers=[cookie])) as site:
        house = outbound()
        await house.request("GET", site.url)
        await house.request("GET", site.url)

    assert len(site.heard) == 2
    assert "cookie" not in site.heard[1].headers
    assert "content-length" not in site.heard[1].headers


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_is_not_followed(status: int) -> None:
    async with open_site() as other:
        away = f"HTTP/1.1 {status} Away\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n"
        async with open_site(Site(answers=[away.encode()])) as site:
            assert (await outbound().request("POST", site.url, content=b"{}")).status == status

    assert other.heard == []


async def test_an_answer_that_never_comes_is_waited_for_no_longer_than_the_bound() -> None:
    async def silent(_: Heard, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with open_site(Site(instead=silent)) as site:
        with lived() as seconds:
            with pytest.raises(OutboundFailed, match="TimeoutError"):
                await outbound(timeout=timedelta(seconds=5)).request("GET", site.url, within=timedelta(seconds=0.3))
            assert seconds() < 2


async def test_an_answer_that_trickles_is_cut_off_by_the_whole_time_not_by_each_byte() -> None:
    async def trickle(heard: Heard, writer: asyncio.StreamWriter) -> None:
        assert heard.line.startswith("GET")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with open_site(Site(instead=trickle)) as site:
        with lived() as seconds:
            with pytest.raises(OutboundFailed, match="TimeoutError"):
                await outbound(timeout=timedelta(seconds=0.5)).request("GET", site.url)
            assert seconds() < 2


async def test_an_endless_answer_is_read_up_to_the_bound_only() -> None:
    sent = 0

    async def endless(_: Heard, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"." * 65536)
            await writer.drain()
            sent += 65536

    async with open_site(Site(instead=endless)) as site:
        with pytest.raises(OutboundFailed, match="TooLarge"):
            await outbound(largest_answer=100_000).request("GET", site.url)

    assert sent < 16 * 1024 * 1024  # what the sockets in between take, and not what it would like to send


async def test_endless_headers_are_cut_off() -> None:
    async def endless(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"." * 8000 + b"\r\n")
            await writer.drain()

    async with open_site(Site(instead=endless)) as site:
        with pytest.raises(OutboundFailed, match="RemoteProtocolError"):
            await outbound().request("GET", site.url)


async def test_whoever_does_not_answer_at_all_has_failed() -> None:
    with pytest.raises(OutboundFailed, match="ConnectError"):
        await outbound().request("GET", f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(OutboundFailed, match="gaierror"):
        await outbound().request("GET", "https://no-such-name.invalid/")
    async with open_site(Site(answers=[b"220 mail.example.org ESMTP\r\n"])) as site:
        with pytest.raises(OutboundFailed, match="RemoteProtocolError"):
            await outbound().request("GET", site.url)


async def test_of_several_addresses_the_next_is_tried_where_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_site(Site(address="127.0.0.3")) as site:
        Resolver(monkeypatch, hooks_example=[["127.0.0.2", "127.0.0.3"]])
        assert (await outbound().request("GET", f"http://hooks.example:{site.port}/")).status == 200
    assert site.heard[0].headers["host"] == f"hooks.example:{site.port}"


async def test_tls_is_for_the_name_that_was_asked_for(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    Resolver(monkeypatch, hooks_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    async with open_site(tls=authority.context("hooks.example")) as site:
        assert (await outbound().request("GET", f"https://hooks.example:{site.port}/")).status == 200
        for name in ("other.example", "127.0.0.1"):
            with pytest.raises(OutboundFailed, match="ConnectError"):
                await outbound().request("GET", f"https://{name}:{site.port}/")
    assert len(site.heard) == 1


async def test_a_certificate_of_an_unknown_authority_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Resolver(monkeypatch, hooks_example=[["127.0.0.1"]])
    async with open_site(tls=Authority(tmp_path).context("hooks.example")) as site:
        with pytest.raises(OutboundFailed, match="ConnectError"):
            await outbound().request("GET", f"https://hooks.example:{site.port}/")
    assert site.heard == []


async def test_a_url_can_be_judged_without_going_there() -> None:
    async with open_site() as site:
        await outbound().judge(site.url)
        with pytest.raises(OutboundRefused, match="private network"):
            await outbound("10.0.0.0/8").judge(f"https://127.0.0.1:{site.port}")
        with pytest.raises(OutboundFailed, match="gaierror"):
            await outbound().judge("https://no-such-name.invalid/")
    assert site.heard == []


@pytest.mark.parametrize("network", ["10.0.0.1/8", "everywhere", "0.0.0.0/0", "::/0", ""])
def test_a_network_that_is_none_or_everything_is_refused(network: str) -> None:
    with pytest.raises(ValidationError):
        OutboundSettings(allowed_networks=(network,))
