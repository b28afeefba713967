"""What the keeper types: machines and their keys, lists, revocation, and the search for leaked keys."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.apikeys.steps import ask, status
from tests.house import CHEAP_HASHING, PASSWORD, client_of

from ostiary.accounts import check_address, check_username
from ostiary.apikeys import NewKey
from ostiary.apikeys.form import new_key
from ostiary.cli import ostiary
from ostiary.core.caller import KEEPER
from ostiary.mail import Mailbox
from ostiary.registration import Application
from ostiary.wiring import Ostiary


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which a house was opened once, and mira has proven her address and holds a key."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "ostiary.toml").write_text("[hashing]\nmemory_kib = 8\npasses = 1\n")
    asyncio.run(_settle(folder))
    return folder


async def _settle(folder: Path) -> None:
    async with Ostiary.at(folder, post=Mailbox(), hashing=CHEAP_HASHING) as house:
        account = await house.registration.open(KEEPER, Application("mira", "mira@example.org", PASSWORD, ""))
        async with house.database.unit(KEEPER) as unit:
            address = check_address("mira@example.org", house.settings.accounts.addresses)
            claim = await house.accounts.claim_address(unit, account.id, address)
            await house.accounts.prove(unit, claim.id)
        await house.api_keys.issue(KEEPER, account.id, NewKey.of("Backup", ["books:lend"], ["192.0.2.0/24"]))
        await house.outbox.drain()  # what is told of here is not told to the mailbox of a later test


def run(*words: str, data: Path | None = None, typed: str | bytes | None = None) -> Result:
    where = ["--data", str(data)] if data is not None else []
    return CliRunner().invoke(ostiary, [*words, *where], input=typed)


def said(data: Path, *words: str) -> str:
    result = run(*words, data=data)
    assert result.exit_code == 0, f"{words}: {result.output}\n{result.exception!r}"
    return result.output


def answers(data: Path, *texts: str) -> list[int]:
    """Return how a house answers who-am-I by each key."""

    async def tried() -> list[int]:
        async with Ostiary.at(data, post=Mailbox()) as house, client_of(house) as client:
            return [await status(client, text) for text in texts]

    return asyncio.run(tried())


def test_keys_are_listed_and_revoked_by_what_identifies_them(data: Path) -> None:
    line = said(data, "apikey", "list", "mira")
    hint = line.split()[0]

    assert re.fullmatch(r"ost_\w{22}", hint)
    assert "Backup" in line
    assert "books:lend  192.0.2.0/24  no end  not used" in line
    assert "1 API keys" in said(data, "user", "show", "mira")
    assert said(data, "apikey", "revoke", hint) == f"{hint} is revoked.\n"
    assert run("apikey", "revoke", hint, data=data).exit_code == 1
    assert run("apikey", "revoke", data=data).exit_code == 2
    assert said(data, "apikey", "list", "mira") == ""
    assert "0 API keys of mira" in said(data, "apikey", "revoke", "--account", "mira")


def test_a_machine_gets_an_account_without_a_way_to_sign_in_and_keys(data: Path) -> None:
    made = said(data, "machine", "add", "library-sync", "--permit", "books:lend", "--permit", "books:read")
    text = made.splitlines()[-1]
    more = said(data, "machine", "key", "library-sync", "--scope", "books:read", "--ends-in", "90d",
                "--network", "203.0.113.0/24", "--key-name", "second").splitlines()[-1]  # fmt: skip

    assert answers(data, text, more) == [200, 200]
    assert "library-sync" in said(data, "machine", "list")
    assert "2 keys  may: books:lend, books:read" in said(data, "machine", "list")
    assert "(machine)  active" in said(data, "user", "list")
    assert "mira" not in said(data, "machine", "list")
    assert "second" in said(data, "apikey", "list", "library-sync")
    assert more not in said(data, "apikey", "revoke", more)  # pasted as it was found
    assert answers(data, text, more) == [200, 401]
    said(data, "user", "deactivate", "library-sync")
    assert answers(data, text) == [401]


def test_a_machine_that_cannot_be_leaves_nothing_behind(data: Path) -> None:
    for words in (
        ("add", "mira"), ("add", "admin"), ("add", "sync", "--permit", "Books"), ("add", "sync", "--scope", "*"),
        ("add", "sync", "--network", "0.0.0.0/0"), ("add", "sync", "--ends-in", "soon"), ("key", "mira"),
        ("key", "nobody"),
    ):  # fmt: skip
        result = run("machine", *words, data=data)

        assert result.exit_code != 0, words
        assert "Traceback" not in result.output, words
    assert said(data, "machine", "list") == ""


def test_nobody_signs_in_to_a_machine_nor_gives_it_an_address(data: Path) -> None:
    said(data, "machine", "add", "library-sync")

    async def tried() -> None:
        async with Ostiary.at(data, post=Mailbox()) as house, client_of(house) as client:
            for login in ("library-sync", ""):
                body = {"login": login, "password": PASSWORD}
                assert (await client.post("/api/v1/auth/login", json=body)).status_code in (401, 422)
            for path in ("/password-reset/request", "/magic-link/request"):
                for email in ("library-sync", "library-sync@example.org", "@"):
                    answer = await client.post(f"/api/v1/auth{path}", json={"email": email})
                    assert answer.status_code in (200, 404, 422), (path, email, answer.text)
            (machine,) = await house.accounts.machines()
            assert (machine.email, machine.email_verified, machine.status) == ("", False, "active")
            async with house.database.unit(KEEPER) as unit:
                address = check_address("x@example.org", house.settings.accounts.addresses)
                claim = await house.accounts.claim_address(unit, machine.id, address)
                assert await house.accounts.prove(unit, claim.id) is None
            await house.accounts.lapse(KEEPER)
            assert await house.accounts.machines() == [machine]
            parts = [part async for part in await house.privacy.export(KEEPER, machine.id)]
            assert b'"kind":"machine"' in b"".join(parts)
            await house.outbox.drain()
            assert isinstance(house.post, Mailbox)
            assert list(house.post.letters) == []  # a machine is nobody to tell

    asyncio.run(tried())


def test_a_machine_is_shut_and_opened_again_and_given_to_nobody(data: Path) -> None:
    text = said(data, "machine", "add", "library-sync").splitlines()[-1]
    said(data, "user", "deactivate", "library-sync")
    assert answers(data, text) == [401]

    given = run("user", "return", "--yes", "library-sync", "eve@example.org", data=data)
    assert given.exit_code == 1
    assert "is a machine's account" in given.output
    assert "library-sync is active." in said(data, "user", "activate", "library-sync")
    assert answers(data, text) == [401]  # what was ended stays so
    assert answers(data, said(data, "machine", "key", "library-sync").splitlines()[-1]) == [200]


def test_an_incident_revokes_keys_of_some_or_of_everybody(data: Path) -> None:
    text = said(data, "machine", "add", "library-sync").splitlines()[-1]
    why = ("--reason", "a laptop was stolen")
    assert "1 API keys are revoked." in said(data, "incident", "revoke-keys", "--account", "mira", *why)
    assert answers(data, text) == [200]
    assert "1 API keys are revoked." in said(data, "incident", "revoke-keys", "--all", *why)
    assert answers(data, text) == [401]
    assert run("incident", "revoke-keys", *why, data=data).exit_code == 2


# Finding leaked ones


def test_a_leak_is_found_offline_and_never_repeated(tmp_path: Path) -> None:
    id_, text = new_key("ost", 0)
    other_id, other = new_key("acme", 1)
    file = tmp_path / "app.log"
    file.write_text(
        f"starting\nkey={text} {text[:-1]}{'y' if text.endswith('x') else 'x'}\n" + "\n" * 5 + f'{{"k":"{other}"}}\n'
    )

    result = run("apikey", "check", str(file))

    assert result.exit_code == 1
    assert f"{file}:2: ost_{id_}\n{file}:8: acme_{other_id}\n" in result.output
    assert "2 API keys found" in result.output
    for secret in (text, other):
        assert secret.rpartition("_")[2][:20] not in result.output
    assert "acme" not in run("apikey", "check", "--prefix", "ost", str(file)).output
    assert run("apikey", "check", "--prefix", "zzz", str(file)).exit_code == 0


@pytest.mark.parametrize("words", [(), ("-",)])
def test_what_is_piped_in_is_read_too_whatever_bytes_it_is(words: tuple[str, ...]) -> None:
    id_, text = new_key("ost", 0)

    leaky = run("apikey", "check", *words, typed=b"\xff\xfe\x00" * 1000 + text.encode() + b"\n\x00")
    clean = run("apikey", "check", *words, typed=b"nothing here\n")

    assert leaky.exit_code == 1
    assert f"-:1: ost_{id_}" in leaky.output
    assert (clean.exit_code, clean.output) == (0, "")
    assert run("apikey", "check", "/nowhere/at/all").exit_code == 2


async def test_a_machine_uses_an_application_as_anybody_does(house: Ostiary) -> None:
    async with house.database.unit(KEEPER) as unit:
        machine = await house.accounts.open_machine(unit, check_username("robot", house.settings.accounts.usernames))
    text = (await house.api_keys.issue(KEEPER, machine.id, NewKey.of("k"))).text
    async with client_of(house) as client:
        told = (await ask(client, text)).json()
        assert (told["username"], told["email"], told["email_verified"]) == ("robot", "", False)
        assert (await ask(client, text, "/auth/account")).status_code == 403
    await house.outbox.drain()
    assert isinstance(house.post, Mailbox)
    assert not house.post.letters  # it has no mailbox
