"""What the keeper types: every command on a real data folder."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.csp_reports.samples import LEGACY, legacy
from tests.house import CHEAP_HASHING, PASSWORD
from tests.places.test_places import CITIES

from ostiary.cli import COMMANDS, ostiary
from ostiary.cli.common import run_with_house
from ostiary.core.caller import KEEPER, Caller
from ostiary.csp_reports import read
from ostiary.mail import Mailbox
from ostiary.sessions import Grant
from ostiary.wiring import Ostiary

ADD = ("user", "add", "mira", "mira@example.org", "--password", PASSWORD)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which a house was opened once."""
    folder = tmp_path / "data"
    asyncio.run(_open_once(folder))
    (folder / "ostiary.toml").write_text("[hashing]\nmemory_kib = 8\npasses = 1\n")
    return folder


async def _open_once(folder: Path) -> None:
    async with Ostiary.at(folder, post=Mailbox(), hashing=CHEAP_HASHING):
        pass


def run(data: Path, *words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(ostiary, [*words, "--data", str(data)], input=typed)


def said(data: Path, *words: str, typed: str | None = None) -> str:
    result = run(data, *words, typed=typed)
    assert result.exit_code == 0, f"{words}: {result.output}\n{result.exception!r}"
    return result.output


def sign_in(data: Path) -> str:
    """Sign mira in beside the commands, and return her session's id."""

    async def act() -> str:
        async with Ostiary.at(data, post=Mailbox()) as house:
            grant = await house.login.with_password(Caller(request_id="test", agent="curl/8"), "mira", PASSWORD)
            assert isinstance(grant, Grant)
            return grant.session.id

    return asyncio.run(act())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps_and_is_listed(name: str) -> None:
    assert CliRunner().invoke(ostiary, [name, "--help"]).exit_code == 0
    assert name in CliRunner().invoke(ostiary, ["--help"]).output


def test_an_account_is_added_shown_closed_opened_and_deleted(data: Path) -> None:
    assert "provisional" in said(data, *ADD)
    assert "mira@example.org (not confirmed)" in said(data, "user", "list")
    sign_in(data)
    assert "1 living sessions" in said(data, "user", "show", "mira")
    said(data, "user", "deactivate", "mira")
    assert "0 living sessions" in said(data, "user", "show", "MIRA")
    assert run(data, "user", "deactivate", "nobody").exit_code == 1
    assert "mira is provisional" in said(data, "user", "activate", "mira")
    said(data, "user", "unlock", "mira")
    assert run(data, "user", "delete", "mira", typed="n\n").exit_code == 1
    said(data, "user", "delete", "mira", typed="y\n")
    assert said(data, "user", "list") == ""


def test_an_account_is_exported_to_a_file_for_its_keeper_alone(data: Path, tmp_path: Path) -> None:
    said(data, *ADD)
    out = tmp_path / "mira.json"
    assert f"is in {out}" in said(data, "user", "export", "mira", "--out", str(out))

    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_text())["account"]["username"] == "mira"
    again = run(data, "user", "export", "mira", "--out", str(out))
    assert again.exit_code == 1
    assert "cannot be made" in again.output
    assert run(data, "user", "export", "nobody", "--out", str(tmp_path / "nobody")).exit_code == 1
    assert not (tmp_path / "nobody").exists()


def test_an_account_is_erased_kept_and_erased_now(data: Path) -> None:
    said(data, *ADD)
    sign_in(data)
    assert run(data, "user", "keep", "mira").exit_code == 1
    assert run(data, "user", "erase", "mira", typed="n\n").exit_code == 1
    assert "will be erased at" in said(data, "user", "erase", "mira", typed="y\n")
    assert "deactivated" in said(data, "user", "show", "mira")
    said(data, "user", "keep", "mira")
    assert "provisional" in said(data, "user", "show", "mira")
    assert "0 living sessions" in said(data, "user", "show", "mira")

    assert "mira is erased" in said(data, "user", "erase", "mira", "--now", "--yes")

    assert said(data, "user", "list") == ""
    assert "account.erased" in said(data, "journal", "list")


def test_a_permission_is_granted_shown_and_taken_back(data: Path) -> None:
    said(data, *ADD)
    assert "may: nothing beyond" in said(data, "user", "show", "mira")
    assert "may now csp-reports:write" in said(data, "user", "permit", "mira", "csp-reports:write")
    assert "might already" in said(data, "user", "permit", "mira", "csp-reports:write")
    said(data, "user", "permit", "mira", "csp-reports:read")
    assert "may: csp-reports:read, csp-reports:write" in said(data, "user", "show", "mira")
    assert run(data, "user", "permit", "mira", "CSP").exit_code == 1
    said(data, "user", "forbid", "mira", "csp-reports:read")
    assert run(data, "user", "forbid", "mira", "csp-reports:read").exit_code == 1
    assert "may: csp-reports:write" in said(data, "user", "show", "mira")


def test_reports_of_violations_are_listed_and_forgotten(data: Path) -> None:
    async def report() -> None:
        async with Ostiary.at(data, post=Mailbox()) as house:
            await house.csp_reports.take(Caller(), read(LEGACY, legacy(), house.csp_reports.origins))

    asyncio.run(report())
    assert "script-src-elem      https://evil.example on /auth/sign-in" in said(data, "csp", "list")
    assert "1 groups" in said(data, "csp", "clear")
    assert said(data, "csp", "list") == ""


def test_an_account_that_cannot_stand_is_refused_in_words(data: Path) -> None:
    result = run(data, "user", "add", "admin", "mira@example.org", "--password", PASSWORD)
    assert result.exit_code != 0
    assert "mira@example.org" not in result.output


def test_a_closed_account_is_given_back_to_the_owner_of_an_address(data: Path) -> None:
    said(data, *ADD)
    refused = run(data, "user", "return", "mira", "mira@example.net", "--yes")
    assert refused.exit_code == 1
    assert "The account is open" in str(refused.exception) + refused.output
    said(data, "user", "deactivate", "mira")
    assert run(data, "user", "return", "mira", "mira@example.net", typed="n\n").exit_code == 1
    assert "mira is open again" in said(data, "user", "return", "mira", "mira@example.net", typed="y\n")
    assert "mira@example.net  active" in said(data, "user", "list")


def test_sessions_are_listed_and_revoked(data: Path) -> None:
    said(data, *ADD)
    first, second = sign_in(data), sign_in(data)
    listed = said(data, "session", "list", "mira")
    assert first in listed
    assert second in listed
    said(data, "session", "revoke", first)
    assert first not in said(data, "session", "list", "mira")
    assert run(data, "session", "revoke", first).exit_code == 1
    assert "1 sessions of mira" in said(data, "session", "revoke", "--account", "mira")
    assert said(data, "session", "list", "mira") == ""
    assert run(data, "session", "revoke").exit_code == 2


def test_keys_are_listed_rotated_and_killed(data: Path) -> None:
    before = said(data, "key", "list")
    assert before.count("active") >= 5
    rotated = said(data, "key", "rotate", "--purpose", "signing")
    assert "takes over at" in rotated
    assert said(data, "key", "list").count("published") == 1
    signing = next(line.split()[1] for line in before.splitlines() if line.startswith("signing"))
    said(data, "key", "kill", signing, typed="y\n")
    assert "destroyed" in said(data, "key", "list")
    assert run(data, "key", "kill", "no-such-key", typed="y\n").exit_code == 1


def test_the_journal_is_verified_and_read(data: Path) -> None:
    said(data, *ADD)
    assert "The journal is whole" in said(data, "journal", "verify")
    assert "account.opened" in said(data, "journal", "list", "--account", "mira")
    with sqlite3.connect(data / "ostiary.db") as database:
        database.execute("UPDATE journal SET details = '{}' WHERE action = 'account.opened'")
        database.execute("UPDATE journal SET action = 'account.closed' WHERE action = 'account.opened'")
    result = run(data, "journal", "verify")
    assert result.exit_code == 1
    assert "edited" in result.output


def test_alerts_are_listed_and_tried(data: Path) -> None:
    result = run(data, "alert", "test")
    assert result.exit_code == 0
    assert "Nobody else would hear" in result.output
    (data / "ostiary.toml").write_text(
        '[alerts]\nmail_to = ["keeper@example.org"]\n'
        f'webhooks = [{{url = "https://10.0.0.1/planted", secret = "whsec_{"A" * 32}"}}]\n'
    )
    result = run(data, "alert", "test")
    assert result.exit_code == 1
    assert "✓ mail to keeper@example.org: delivered in the folder" in result.output
    assert "private network" in result.output
    assert "planted" not in result.output
    assert len(list((data / "mail").glob("*.eml"))) == 1
    said(data, *ADD)
    said(data, "incident", "block-account", "mira", "--reason", "a test")
    assert "incident               once" in said(data, "alert", "list")
    findings = [json.loads(line) for line in run(data, "doctor", "--json").output.splitlines()]
    (webhooks,) = (found for found in findings if found["about"] == "webhooks")
    assert webhooks["state"] == "bad"
    assert "outbound.allowed_networks" in webhooks["remedy"]
    assert "planted" not in str(findings)


def test_an_incident_asks_for_a_reason_and_for_whom(data: Path) -> None:
    said(data, *ADD)
    assert run(data, "incident", "block-account", "mira").exit_code == 2
    assert run(data, "incident", "block-account", "mira", "nobody", "--reason", "x").exit_code == 1
    assert "0 accounts are blocked" in said(data, "incident", "status")  # all of them are known, or none is blocked
    assert run(data, "incident", "end-sessions", "--reason", "x").exit_code == 2
    assert run(data, "incident", "end-sessions", "--all", "--account", "mira", "--reason", "x").exit_code == 2
    for span in ("soon", "0h", "1y"):
        refused = run(data, "incident", "block-network", "10.0.0.0/8", "--reason", "x", "--for", span)
        assert refused.exit_code == 2
        assert "no length of time" in refused.output


def test_the_status_says_what_is_shut_and_by_which_name_it_opens(data: Path) -> None:
    async def on_guard(house: Ostiary) -> None:
        lasts = {"reason": "spraying was seen", "lifetime": None, "bars": "unproven"}
        await house.blocks.add(KEEPER, "password 00ff", **lasts)  # type: ignore[arg-type]

    run_with_house(data, on_guard)
    words = 'a password tried for many names ("password 00ff") is shut to strangers without a proof of work'
    assert words in said(data, "incident", "status")
    said(data, "incident", "unblock-network", "password 00ff", "--reason", "x")
    assert "password" not in said(data, "incident", "status")


def test_replacing_every_key_is_asked_about_first(data: Path) -> None:
    before = (data / "root.secret").read_text()
    assert run(data, "incident", "rotate", "--reason", "x", typed="n\n").exit_code == 1
    assert (data / "root.secret").read_text() == before
    assert "is a new one" in said(data, "incident", "rotate", "--reason", "x", typed="y\n")
    assert (data / "root.secret").read_text() != before
    said(data, *ADD)


def test_a_notice_needs_text_and_an_audience(data: Path) -> None:
    letter, empty, binary = data / "letter.txt", data / "empty.txt", data / "binary"
    letter.write_text("Something happened.")
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe")
    told = ("incident", "notify", "--reason", "x", "--message")
    assert run(data, *told, str(letter)).exit_code == 2
    assert run(data, *told, str(letter), "--all", "--since", "24h").exit_code == 2
    assert run(data, *told, str(empty), "--all").exit_code == 1
    assert run(data, *told, str(binary), "--all").exit_code == 1
    assert run(data, *told, str(letter), "--since", "yesterday").exit_code == 1
    times = ("24h", "1w", "2026-11-22T08:00Z", "2026-11-22T08:00")  # without a zone UTC, as for `journal list`
    for audience in (("--all",), *(("--since", time) for time in times)):
        assert "0 letters" in said(data, *told, str(letter), *audience, "--id", "one")
    letter.write_text("Something else happened.")
    assert "choose a new one" in run(data, *told, str(letter), "--all", "--id", "one").output


def test_a_database_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    assert run(folder, "migrate", "--check").exit_code == 1
    assert "Done." in said(folder, "migrate")
    assert "up to date" in said(folder, "migrate", "--check")


def test_the_doctor_names_what_is_wrong_and_what_to_do(data: Path) -> None:
    findings = {found["about"]: found for found in map(json.loads, run(data, "doctor", "--json").output.splitlines())}
    assert findings["database"]["state"] == "good"
    assert findings["hashing"]["state"] == "bad"  # these tests hash cheaply
    assert "default" in findings["hashing"]["remedy"]
    data.chmod(0o755)
    result = run(data, "doctor")
    assert result.exit_code == 1
    assert "chmod 700" in result.output


def test_the_doctor_looks_at_the_age_of_places(data: Path) -> None:
    def found() -> dict[str, str]:
        findings = map(json.loads, run(data, "doctor", "--json").output.splitlines())
        return next(finding for finding in findings if finding["about"] == "places")

    assert found()["state"] == "good"
    with (data / "ostiary.toml").open("a") as settings:
        settings.write(f'[places]\ndatabase = "{CITIES}"\n')
    assert found()["state"] == "look"  # the test database is of February 2026
    assert "days old" in found()["words"]


def test_the_doctor_of_no_folder_says_so(tmp_path: Path) -> None:
    result = run(tmp_path / "nowhere", "doctor")
    assert result.exit_code == 1
    assert "There is no folder" in result.output


def test_hashes_are_tuned_never_below_the_least() -> None:
    result = CliRunner().invoke(ostiary, ["hash", "tune", "--milliseconds", "5"])
    assert result.exit_code == 0
    assert "memory_kib = 19456\npasses = 2" in result.output


def test_an_unsafe_setting_ends_a_command_with_its_name(data: Path) -> None:
    (data / "ostiary.toml").write_text("[web]\npublic_url = 'http://example.org'\n")
    result = run(data, "user", "list")
    assert result.exit_code != 0
    assert "web.public_url" in str(result.exception) + result.output
