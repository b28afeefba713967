"""The tutorial and the guides are run as they stand; only the port is another one."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from email import message_from_bytes, policy
from importlib import import_module
from pathlib import Path

import httpx
import pytest
from tests.examples.servers import ROOT, environment, program, running
from tests.integrations.hosts import Browser, is_problem
from tests.services.ports import free_port

from ostiary.integrations.porch import is_house_path
from ostiary.settings import load

DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"ave this as `([\w./]+)`[^\n]*:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN_PORT = "8080"
HTML = {"accept": "text/html"}


class Tutorial:
    """The tutorial, its steps taken in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.text = (DOCS / "tutorial" / "mount-in-fastapi.md").read_text().replace(SHOWN_PORT, str(self.port))
        self.files = SAVED.findall(self.text)
        self.env = environment(self.port, None)

    def save(self, name: str) -> None:
        """Save the next file of this name, as the reader is told to."""
        place = next(index for index, (found, _) in enumerate(self.files) if found == name)
        (self.folder / name).write_text(self.files.pop(place)[1])

    def command(self, beginning: str) -> list[str]:
        """Return the command in the text that begins like this, with this environment's program."""
        line = next(body.strip() for _, body in BLOCK.findall(self.text) if body.startswith(beginning))
        words = line.split()
        return [sys.executable if words[0] == "python" else program(words[0]), *words[1:]]


async def test_the_tutorial_works_step_by_step(tmp_path: Path) -> None:
    tutorial = Tutorial(tmp_path)
    serve = tutorial.command("granian")
    tutorial.save("app.py")
    tutorial.save("client.py")
    with running(serve, tutorial.port, tutorial.env, tmp_path):
        asked = tutorial.command("python client.py")
        said = await asyncio.to_thread(subprocess.check_output, asked, cwd=tmp_path, env=tutorial.env, text=True)
        assert said == next(body for kind, body in BLOCK.findall(tutorial.text) if kind == "text")

    tutorial.save("app.py")
    with running(serve, tutorial.port, tutorial.env, tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            await write_on_the_wall(Browser(client, server.url), tmp_path)


async def write_on_the_wall(browser: Browser, folder: Path) -> None:
    away = await browser.send("GET", "/wall", headers=HTML)
    assert away.headers["location"] == "/auth/sign-in?next=/wall"
    await browser.sign_up("bruno")
    page = await browser.send("GET", "/wall", headers=HTML)
    assert "Hello, bruno." in page.text
    said = {"words": "here", "csrf_token": browser.cookies["__Host-csrftoken"]}
    assert is_problem(await browser.send("POST", "/wall", data=said, headers=HTML), 403, "address-not-proven")

    link = await newest_link(folder, "bruno@example.org")
    form = await browser.send("GET", link, headers=HTML)
    assert form.status_code == 200
    proof = {"token": link.partition("token=")[2], "csrf_token": browser.cookies["__Host-csrftoken"]}
    assert (await browser.send("POST", "/auth/confirm", data=proof)).status_code == 200
    assert (await browser.send("POST", "/wall", data=said, headers=HTML)).status_code == 303
    assert "bruno: here" in (await browser.send("GET", "/wall", headers=HTML)).text


async def newest_link(folder: Path, address: str) -> str:
    """Return the path in the letter to an address, as soon as it lies in the folder."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for path in sorted((folder / "data" / "mail").glob("*.eml"), reverse=True):
            letter = message_from_bytes(path.read_bytes(), policy=policy.default)
            body = letter.get_body(("plain",))
            assert body is not None
            found = re.search(r"https?://[^/\s]+(/auth/confirm\?token=[\w-]+)", body.get_content())
            if letter["to"] == address and found:
                return found[1]
        await asyncio.sleep(0.05)
    raise AssertionError(f"no letter to {address}")


def test_the_settings_of_the_tutorial_are_accepted(tmp_path: Path) -> None:
    [text] = [
        body for kind, body in BLOCK.findall((DOCS / "tutorial" / "mount-in-fastapi.md").read_text()) if kind == "toml"
    ]
    (tmp_path / "ostiary.toml").write_text(text)

    assert load(tmp_path, environment={}).web.public_url == "https://app.example.org"


async def test_the_starlette_guide_runs_as_shown(tmp_path: Path) -> None:
    guide = (DOCS / "guides" / "mount-in-starlette.md").read_text()
    (tmp_path / "app.py").write_text(next(body for kind, body in BLOCK.findall(guide) if kind == "python"))
    port = free_port()
    line = re.search(r"`(granian [^`]+)`", guide)
    assert line is not None
    words = line[1].replace(SHOWN_PORT, str(port)).split()
    with running([program(words[0]), *words[1:]], port, environment(port, None), tmp_path) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            browser = Browser(client, server.url)
            assert is_problem(await browser.send("GET", "/hello"), 401, "not-signed-in")
            await browser.sign_up()
            assert (await browser.send("GET", "/hello")).json() == {"hello": "mira"}


@pytest.mark.parametrize("framework", ["fastapi", "starlette"])
def test_a_guide_names_everything_that_its_integration_offers(framework: str) -> None:
    offered = set(import_module(f"ostiary.integrations.{framework}").__all__)
    guide = (DOCS / "guides" / f"mount-in-{framework}.md").read_text()

    left_out = {"CannotMount", "Identity", "csrf_token", "optional_account", "verified_account"}
    missing = {name for name in offered if not re.search(rf"\b{name}\b", guide)}
    assert missing <= left_out, missing


def test_the_guide_and_the_porch_agree_on_whose_a_path_is() -> None:
    guide = (DOCS / "guides" / "mount-in-fastapi.md").read_text()
    rows = guide.partition("## Which paths are whose")[2].partition("\n## ")[0].splitlines()
    cells = [(row.endswith("| Ostiary |"), row.rpartition(" | ")[0]) for row in rows]
    named = {path: is_ours for is_ours, paths in cells for path in re.findall(r"`(/[^`]*)`", paths)}

    assert len(named) >= 12
    for path, is_ours in named.items():
        assert is_house_path(path.replace("...", "x")) == is_ours, path
