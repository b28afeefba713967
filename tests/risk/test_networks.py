"""The keeper's list of known-bad networks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.house import OpenHouse
from tests.risk.world import caller_at, codes, mira

from ostiary.core.errors import Misconfigured
from ostiary.risk.networks import BadNetworks, network_of


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    path = tmp_path / "bad.txt"
    path.write_text(
        "# ours\n203.0.113.0/25\n203.0.113.64/26  # within the first\n198.51.100.7\n\n2001:db8:bad::/48\n"
        "::ffff:192.0.2.128/121\n::ffff:192.0.2.7\n"
    )
    return path


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)
    os.utime(path, ns=(1, 1))


def loaded(path: Path | None) -> BadNetworks:
    networks = BadNetworks(path)
    networks.load()
    return networks


@pytest.mark.parametrize(
    ("address", "is_bad"),
    [
        ("203.0.113.0", True), ("203.0.113.127", True), ("203.0.113.128", False), ("203.0.112.255", False),
        ("::ffff:203.0.113.5", True), ("198.51.100.7", True), ("198.51.100.8", False), ("2001:db8:bad:1::1", True),
        ("192.0.2.200", True), ("192.0.2.7", True), ("192.0.2.8", False), ("::ffff:192.0.2.255", True),
        ("2001:db8:bae::", False), ("::1", False), ("nonsense", False), (None, False),
    ],
)  # fmt: skip
def test_an_address_is_on_the_list_or_not(listed: Path, address: str | None, is_bad: bool) -> None:
    assert (address in loaded(listed)) is is_bad
    assert address not in loaded(None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("203.0.113.0/24\nnot-a-network\n", "line 2"),
        ("0.0.0.0/0\n", "too much"),
        ("::/3\n", "too much"),
        ("::ffff:0:0/96\n", "too much"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "bad.txt"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Misconfigured, match=words):
        loaded(path)
    with pytest.raises(Misconfigured, match="cannot be read"):
        loaded(tmp_path / "nowhere.txt")


def test_a_changed_list_is_read_again_and_a_broken_one_leaves_the_old(
    listed: Path, caplog: pytest.LogCaptureFixture
) -> None:
    networks = loaded(listed)
    rewrite(listed, "192.0.2.0/24\n")
    networks.renew()
    assert "192.0.2.1" in networks
    assert "203.0.113.1" not in networks
    listed.write_text("what?\n")
    networks.renew()
    assert "192.0.2.1" in networks
    assert "the list read before stays in force" in caplog.text


async def test_a_house_reads_its_list_and_renews_it(open_house: OpenHouse, listed: Path) -> None:
    house = await open_house(work=False, risk={"bad_networks": str(listed)})
    account_id = await mira(house)

    async def seen(address: str) -> dict[str, int]:
        async with house.database.unit() as unit:
            return codes(await house.risk.look(unit, caller_at(address), account_id, known_device=False))

    assert "network.bad" in await seen("203.0.113.9")
    assert "network.bad" not in await seen("192.0.2.9")
    rewrite(listed, "192.0.2.0/24\n")
    await house.risk.tend()
    assert "network.bad" in await seen("192.0.2.9")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.0/24"), ("::ffff:203.0.113.7", "203.0.113.0/24"),
        ("2001:db8:1:2:3::4", "2001:db8:1::/48"), ("nonsense", None), (None, None), ("", None),
    ],
)  # fmt: skip
def test_the_network_of_an_address(address: str | None, network: str | None) -> None:
    assert network_of(address) == network
