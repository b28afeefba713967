"""`ostiary breach`: a filter is built, described and asked, and what is wrong is said in words."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.house import CHEAP_HASHING
from tests.passwords.lists import LOST, a_filter, a_list, made_up, sha1

from ostiary.cli import ostiary
from ostiary.mail import Mailbox
from ostiary.passwords.breaches.filter import Filter, key_of
from ostiary.wiring import Ostiary


def run(*words: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(ostiary, ["breach", *map(str, words)], input=typed)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return a_list(tmp_path / "list.txt", [LOST, *made_up(5000)])


def test_a_filter_is_built_and_what_it_cost_is_measured_and_said(tmp_path: Path, source: Path) -> None:
    out = tmp_path / "a.filter"

    built = run("build", source, "--out", out, "--bits", "8", "--dated", "2026-11-01")

    assert built.exit_code == 0, built.output
    assert "5,001 passwords as of 2026-11-01, 8 bits, 1 shards" in built.stdout
    assert "for each password" in built.stdout
    assert "Of 100,000 random keys it takes" in built.stdout
    assert "0.3906% is to be expected" in built.stdout
    assert "reading" in built.stderr
    assert "building" in built.stderr
    assert key_of(LOST) in Filter(out)


def test_rare_passwords_are_left_out_on_demand(tmp_path: Path, source: Path) -> None:
    often = a_list(tmp_path / "often.txt", ["a common one"], count=1000)

    built = run("build", source, often, "--out", tmp_path / "a.filter", "--at-least", "1000")

    assert "1 passwords" in built.stdout


def test_a_filter_says_what_it_holds(tmp_path: Path) -> None:
    path = a_filter(tmp_path / "a.filter", LOST, bits=8)

    said = run("info", path)

    assert said.exit_code == 0
    assert "1 passwords" in said.stdout
    assert Filter(path).facts.seal.hex() in said.stdout
    assert "11,611 passwords" in run("info").stdout  # the one that comes with the package


def test_a_password_is_asked_for_unseen(tmp_path: Path) -> None:
    path = a_filter(tmp_path / "a.filter", LOST)

    known = run("check", "--filter", path, typed=f"{LOST}\n")
    unknown = run("check", "--filter", path, typed="one that nobody knows\n")

    assert (known.exit_code, unknown.exit_code) == (1, 0)
    assert "a.filter knows this password" in known.stdout
    assert "does not know" in unknown.stdout
    assert LOST not in known.output + unknown.output


def test_the_servers_own_filter_is_asked_where_none_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    a_filter(data / "mine.filter", LOST)

    shipped = run("check", "--data", data, typed=f"{LOST}\n")
    (data / "ostiary.toml").write_text('[passwords]\nbreach_filter = "mine.filter"\n')
    configured = run("check", "--data", data, typed=f"{LOST}\n")

    assert "common.filter does not know" in shipped.stdout
    assert "mine.filter knows" in configured.stdout


def test_a_password_is_asked_for_as_the_server_asks(tmp_path: Path) -> None:
    path = a_filter(tmp_path / "a.filter", LOST)
    wide = LOST.replace("purple", "\uff50\uff55\uff52\uff50\uff4c\uff45")  # full-width letters, folded by NFKC

    asked = run("check", "--filter", path, typed=f"{wide}\n")

    assert asked.exit_code == 1
    assert "knows this password" in asked.stdout


def test_a_list_of_plain_passwords_is_refused_and_not_shown(tmp_path: Path) -> None:
    source = tmp_path / "plain.txt"
    source.write_text(f"{sha1(LOST)}:1\nhunter2\n")

    refused = run("build", source, "--out", tmp_path / "a.filter")

    assert refused.exit_code == 1
    assert "line 2" in refused.output
    assert "hunter2" not in refused.output
    assert not (tmp_path / "a.filter").exists()


@pytest.mark.parametrize("content", [b"", b"another kind of file" * 100])
def test_what_is_no_filter_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.filter"
    path.write_bytes(content)

    for command in (("info", path), ("check", "--filter", path)):
        refused = run(*command, typed=f"{LOST}\n")
        assert refused.exit_code == 1
        assert "no filter of breached passwords" in refused.output


def test_where_nothing_can_be_written_it_says_so(tmp_path: Path, source: Path) -> None:
    refused = run("build", source, "--out", tmp_path / "nowhere" / "a.filter")

    assert refused.exit_code == 1
    assert "No such file or directory" in refused.output


def test_a_folder_of_compressed_ranges_can_be_given(tmp_path: Path) -> None:
    folder = tmp_path / "ranges"
    folder.mkdir()
    (folder / f"{sha1(LOST)[:5]}.gz").write_bytes(gzip.compress(f"{sha1(LOST)[5:]}:4\r\n".encode()))

    assert run("build", folder, "--out", tmp_path / "a.filter").exit_code == 0
    assert key_of(LOST) in Filter(tmp_path / "a.filter")


# The doctor


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which a house was opened once."""

    async def open_once() -> None:
        async with Ostiary.at(tmp_path / "data", post=Mailbox(), hashing=CHEAP_HASHING):
            pass

    asyncio.run(open_once())
    return tmp_path / "data"


def finding(data: Path, passwords: str) -> dict[str, str]:
    (data / "ostiary.toml").write_text(f"[hashing]\nmemory_kib = 8\n[passwords]\n{passwords}\n")
    said = CliRunner().invoke(ostiary, ["doctor", "--json", "--data", str(data)]).output
    found: dict[str, str] = next(f for f in map(json.loads, said.splitlines()) if f["about"] == "breaches")
    return found


def test_the_doctor_looks_at_the_filter(data: Path) -> None:
    path = a_filter(data / "mine.filter", LOST, *made_up(5000))
    configured = 'breach_filter = "mine.filter"'

    assert finding(data, configured)["state"] == "good"
    assert "shipped list" in finding(data, "")["words"]
    assert finding(data, 'breaches = "off"')["state"] == "look"
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    damaged = finding(data, configured)
    assert damaged["state"] == "bad"
    assert "part 0 of 1 was altered" in damaged["words"]
    assert "breach build" in damaged["remedy"]
    path.unlink()
    assert "No such file" in finding(data, configured)["words"]


def test_the_doctor_asks_the_service(data: Path) -> None:
    found = finding(data, 'breaches = "range"\nrange_url = "http://127.0.0.1:9/range/"')

    assert found["state"] == "look"
    assert "passwords pass without it" in found["words"]
