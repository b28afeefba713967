"""The guide for incidents, walked: every command line of it, in order, against a house with a running server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.architecture.source import ROOT
from tests.examples.servers import environment, program, running
from tests.house import API, PASSWORD, bearer
from tests.services.ports import free_port

GUIDE = ROOT / "docs" / "guides" / "incident.md"
AT_ONCE_SECONDS = 1.0
"""How long a running server may take to obey what another process did: it looks with each request."""


def command_lines() -> list[str]:
    """Return each line that a keeper would type."""
    blocks = re.findall(r"```console\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines() if line.startswith("$ ")]


def obeyed_at_once(is_let_in: Callable[[], bool]) -> None:
    """Ask until nobody is let in any more: whoever asks after the bound must not be, however long the answer takes."""
    until = time.monotonic() + AT_ONCE_SECONDS
    asked_at = time.monotonic()
    while is_let_in():
        assert asked_at < until
        asked_at = time.monotonic()


@dataclass
class Deployment:
    """A folder with a data folder in it, a running server, and people who are signed in."""

    folder: Path
    env: dict[str, str]
    client: httpx.Client
    grants: dict[str, Any]

    def type(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line as a keeper's shell would."""
        return subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )

    def me(self, grant: dict[str, str]) -> int:
        """Return how an access token is answered."""
        return self.client.get(f"{API}/me", headers=bearer(grant)).status_code

    def login(self, name: str) -> httpx.Response:
        """Try to sign in."""
        answer = self.client.post(f"{API}/login", json={"login": name, "password": PASSWORD})
        self.client.cookies.clear()
        return answer

    def sign_in(self, *names: str) -> None:
        """Sign people in anew."""
        for name in names:
            self.grants[name] = self.login(name).json()

    def refused_at_once(self, *names: str) -> None:
        """See that access and refresh tokens of these people are worth nothing."""
        obeyed_at_once(lambda: any(self.me(self.grants[name]) == 200 for name in names))
        for name in names:
            body = {"refresh_token": self.grants[name]["refresh_token"]}
            assert self.me(self.grants[name]) == 401
            assert self.client.post(f"{API}/refresh", json=body).status_code == 401

    def make_key(self, name: str) -> None:
        """Let somebody make an API key, and see that it opens."""
        shown = {"authorization": f"Bearer {self.grants[name]['access_token']}"}
        made = self.client.post(f"{API}/api-key", json={"name": "on the laptop"}, headers=shown)
        self.grants["key"] = made.json()
        assert self.by_key() == 200

    def by_key(self) -> int:
        """Return how who-am-I by that key is answered."""
        shown = {"authorization": f"Bearer {self.grants['key']['api_key']}"}
        return self.client.get(f"{API}/me", headers=shown).status_code

    def letters(self, subject: str) -> list[str]:
        """Return to whom the server has sent a letter with this in its subject."""
        mails = [
            message_from_bytes(path.read_bytes(), policy=default) for path in (self.folder / "data/mail").glob("*.eml")
        ]
        return sorted(mail["To"] for mail in mails if subject in mail["Subject"])

    def wait_for_letters(self, subject: str, *to: str) -> None:
        """See that these people get the letter, once each."""
        until = time.monotonic() + 15
        while len(self.letters(subject)) < len(to) and time.monotonic() < until:
            time.sleep(0.1)
        assert self.letters(subject) == sorted(to)

    def prove(self, name: str) -> None:
        """Follow the link in the letter that confirms an address."""
        self.wait_for(lambda: f"{name}@example.org" in self.letters("Confirm"))
        for path in (self.folder / "data/mail").glob("*.eml"):
            mail = message_from_bytes(path.read_bytes(), policy=default)
            if mail["To"] == f"{name}@example.org" and "Confirm" in mail["Subject"]:
                part = mail.get_body(("plain",))
                assert part
                token = re.search(r"token=([A-Za-z0-9_-]{43})", part.get_content())
                assert token
                assert self.client.post(f"{API}/email/verify", json={"token": token[1]}).status_code == 200

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait for what the server does by itself."""
        until = time.monotonic() + 15
        while not is_so():
            assert time.monotonic() < until
            time.sleep(0.1)


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Three people, all signed in; one address is not proven."""
    port, data = free_port(), tmp_path / "data"
    env = environment(port, None, {"OSTIARY_ALERTS__MAIL_TO": '["keeper@example.org"]'})
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    command = [program("ostiary"), "serve", "--data", str(data), "--port", str(port)]
    with running(command, port, env, tmp_path) as server, httpx.Client(base_url=server.url, timeout=30) as client:
        found = Deployment(tmp_path, env, client, {})
        for name in ("mira", "nora", "olga"):
            body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
            assert client.post(f"{API}/register", json=body).status_code == 201
            client.cookies.clear()
            if name != "olga":
                found.prove(name)
        found.sign_in("mira", "nora", "olga")
        found.make_key("nora")
        yield found


def after(line: str, house: Deployment, output: str) -> None:
    """See that a command did what the guide says, by what the running server answers."""
    match line.split()[1:3]:
        case ["incident", "block-account"]:
            house.refused_at_once("mira")
            assert house.login("mira").status_code == 401
            assert house.me(house.grants["nora"]) == 200
        case ["incident", "end-sessions"]:
            house.refused_at_once(*(("nora", "olga") if "--all" in line else ("nora",)))
            house.sign_in("nora", "olga")
            assert house.me(house.grants["nora"]) == 200
        case ["incident", "revoke-keys"]:
            assert "1 API keys are revoked." in output
            obeyed_at_once(lambda: house.by_key() == 200)
            assert house.by_key() == 401
            assert house.me(house.grants["nora"]) == 200
        case ["incident", "rotate"]:
            house.refused_at_once("nora", "olga")
            house.sign_in("nora", "olga")
            assert house.me(house.grants["nora"]) == 200
            assert (house.folder / "data/root.secret").read_text() != (house.folder / "root.secret.before").read_text()
        case ["incident", "notify"]:
            assert ("2 letters" if "--since" in line else "0 letters") in output
            house.wait_for_letters("Important news", "mira@example.org", "nora@example.org")
        case ["journal", "verify"]:
            assert "The journal is whole" in output
        case ["journal", "list"] if "step_taken" in line:
            assert output.count("incident.step_taken") == 8
            assert "a backup was copied" in output
        case ["incident", "forget-factors"]:
            assert "has no second factor" in output
            house.wait_for_letters("second factor was removed", "mira@example.org")
        case ["user", "activate"]:
            assert house.login("mira").status_code == 200


def test_every_line_of_the_guide_does_what_the_guide_says(deployment: Deployment) -> None:
    lines = command_lines()
    assert len(lines) >= 15
    for line in lines:
        done = deployment.type(line)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        after(line, deployment, done.stdout)

    steps = {line.split()[2] for line in lines if line.startswith("ostiary incident ")}
    assert {
        "status", "block-account", "block-network", "end-sessions", "revoke-keys", "rotate", "notify", "forget-factors",
        "unblock-network",
    } == steps  # fmt: skip
    deployment.wait_for_letters("Alert at", *["keeper@example.org"] * 9)  # eight steps, each once, and the keys


def test_a_network_is_blocked_for_a_while_and_let_in_again(deployment: Deployment) -> None:
    blocked = deployment.type("ostiary incident block-network 203.0.113.0/24 --for 24h --reason 'a test'")
    assert blocked.returncode == 0, blocked.stderr
    assert "203.0.113.0/24" in deployment.type("ostiary incident status").stdout
    assert deployment.type("ostiary incident unblock-network 203.0.113.0/24").returncode == 2  # without a reason
    assert deployment.type("ostiary incident unblock-network 203.0.113.0/24 --reason 'a test'").returncode == 0
    assert "203.0.113.0/24" not in deployment.type("ostiary incident status").stdout
