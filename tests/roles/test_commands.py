"""What the operator types: roles, and the first keeper in one command."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import CliRunner, Result
from tests.house import CHEAP_HASHING
from tests.roles.steps import EVERYTHING, person

from ostiary.cli import ostiary
from ostiary.mail import Mailbox
from ostiary.wiring import Ostiary


def run(data: Path, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(ostiary, [*words, "--data", str(data)], input=typed)


def said(data: Path, *words: str, typed: str | None = None) -> str:
    result = run(data, *words, typed=typed)
    assert result.exit_code == 0, f"{words}: {result.output}\n{result.exception!r}"
    return result.output


async def settle(folder: Path) -> None:
    async with Ostiary.at(folder, post=Mailbox(), hashing=CHEAP_HASHING) as house:
        for name in ("mira", "noor"):
            await person(house, name)


def test_an_operator_keeps_roles(tmp_path: Path) -> None:
    data = tmp_path / "data"
    asyncio.run(settle(data))

    # The first keeper of a house, in one command.
    output = said(data, "role", "add", "keeper", "--all-of-the-house", "--to", "mira")
    assert f"keeper may: {', '.join(EVERYTHING)}\nmira holds the role keeper." in output
    assert f"roles: keeper\nmay: {', '.join(EVERYTHING)}" in said(data, "user", "show", "mira")
    said(data, "role", "add", "librarian", "--permit", "books:lend", "--description", "At the counter")
    assert said(data, "role", "permit", "librarian", "books:buy") == "librarian may: books:buy, books:lend\n"
    assert "librarian                may: books:buy, books:lend" in said(data, "role", "list")
    assert said(data, "user", "grant", "noor@example.org", "librarian") == "noor holds the role librarian.\n"
    assert said(data, "user", "grant", "noor", "librarian") == "noor held already the role librarian.\n"
    shown = said(data, "role", "show", "librarian")
    assert "At the counter" in shown
    assert "may books:buy\n" in shown
    assert "1 accounts hold it" in shown
    assert "noor" in shown
    assert "may roles:read  See every role" in said(data, "role", "show", "keeper")
    assert said(data, "role", "forbid", "librarian", "books:buy") == "librarian may: books:lend\n"

    # What a role permits is not taken back with what was given directly.
    said(data, "user", "permit", "noor", "books:lend")
    assert "noor may books:lend still, by a role of: librarian." in said(data, "user", "forbid", "noor", "books:lend")
    assert run(data, "user", "forbid", "noor", "books:lend").exit_code == 1
    assert "holds the role librarian no more" in said(data, "user", "revoke", "noor", "librarian")
    assert run(data, "user", "revoke", "noor", "librarian").exit_code == 1
    assert "may: nothing beyond its own affairs" in said(data, "user", "show", "noor")

    assert run(data, "role", "remove", "librarian", typed="n\n").exit_code == 1
    assert "librarian is deleted; 0 accounts held it." in said(data, "role", "remove", "librarian", typed="y\n")
    for words in (("role", "show", "librarian"), ("user", "grant", "noor", "librarian")):
        refused = run(data, *words)
        assert refused.exit_code != 0
        assert refused.exception is not None
    assert run(data, "role", "add", "other", "--to", "nobody").exit_code == 1
    assert "other" not in said(data, "role", "list")  # nothing was made


def test_an_operator_may_take_the_last_keeper_away_and_is_warned(tmp_path: Path) -> None:
    data, warning = tmp_path / "data", "Nobody may change roles any more, but at this command line."
    asyncio.run(settle(data))
    said(data, "role", "add", "keeper", "--all-of-the-house", "--to", "mira")

    assert warning in said(data, "user", "revoke", "mira", "keeper")
    said(data, "user", "grant", "mira", "keeper")
    assert warning in said(data, "role", "forbid", "keeper", "roles:write")
    assert warning not in said(data, "role", "forbid", "keeper", "roles:read")  # there was none
    said(data, "role", "permit", "keeper", "--all-of-the-house")
    said(data, "user", "permit", "noor", "roles:write")
    assert warning not in said(data, "role", "remove", "keeper", typed="y\n")
    assert warning in said(data, "user", "forbid", "noor", "roles:write")


def test_the_permissions_of_the_house_are_listed() -> None:
    listed = CliRunner().invoke(ostiary, ["role", "permissions"]).output
    assert [line.split()[0] for line in listed.splitlines()] == list(EVERYTHING)
