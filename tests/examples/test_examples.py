"""The examples run, on real servers and in process."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.examples.servers import ROOT, commands, environment, example
from tests.house import API, CHEAP_HASHING, PASSWORD, bearer
from tests.integrations.hosts import Browser, is_problem, started
from tests.services.ports import free_port

PERSON = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
HTML = {"accept": "text/html"}


def load_example(name: str, data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401 - a module
    """Return a fresh copy of an example, with a folder of its own."""
    monkeypatch.setenv("OSTIARY_DATA", str(data))
    for setting, value in CHEAP_HASHING.items():
        monkeypatch.setenv(f"OSTIARY_HASHING__{setting.upper()}", str(value))
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
async def test_the_guest_book_on_a_real_server(server: str, tmp_path: Path) -> None:
    with example(server, "examples.fastapi_app:app", tmp_path / "data") as running:
        async with httpx.AsyncClient(base_url=running.url) as client:
            assert is_problem(await client.get("/api/hello"), 401, "not-signed-in")

            mira = (await client.post(f"{API}/register", json=PERSON)).json()
            client.cookies.clear()
            shown = bearer(mira)
            assert (await client.get("/api/hello", headers=shown)).json() == {"hello": "mira"}
            written = await client.post("/api/entries", json={"text": "by bearer"}, headers=shown)
            assert written.status_code == 201
            assert (await client.post(f"{API}/logout", headers=shown)).status_code == 200
            assert is_problem(await client.get("/api/hello", headers=shown), 401, "not-signed-in")

            browser = Browser(client, running.url)
            await browser.send("GET", f"{API}/csrf")
            signed_in = await browser.send(
                "POST", f"{API}/login", json={"login": "mira", "password": PASSWORD}, csrf=True
            )
            assert signed_in.status_code == 200
            assert (await browser.send("GET", "/api/hello")).json() == {"hello": "mira"}
            refused = await browser.send("POST", "/api/entries", json={"text": "x"})
            assert is_problem(refused, 403, "csrf-token-missing")
            written = await browser.send("POST", "/api/entries", json={"text": "by cookie"}, csrf=True)
            assert written.status_code == 201
            await browser.sign_out()
            assert is_problem(await browser.send("GET", "/api/hello"), 401, "not-signed-in")

            listed = (await client.get("/api/entries")).json()
            assert [entry["text"] for entry in listed["entries"]] == ["by bearer", "by cookie"]

            assert await raw_status(running.url, "/auth/../api/entries") == 404
            assert await raw_status(running.url, "/%61uth/account") == 404
            assert await raw_status(running.url, "//auth/account") == 404


async def raw_status(url: str, path: str) -> int:
    """Return the status of a GET whose path goes on the wire as it stands here; clients tidy paths up."""
    port = int(url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        return int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def test_the_guest_book_in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = load_example("fastapi_app", tmp_path / "data", monkeypatch)
    async with started(book.app) as client:
        browser = Browser(client)
        away = await browser.send("GET", "/book", headers=HTML)
        assert (away.status_code, away.headers["location"]) == (303, "/auth/sign-in?next=/book")
        await browser.sign_up()

        page = await browser.send("GET", "/book", headers=HTML)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert token is not None
        said = {"text": "<script>alert(1)</script>", "csrf_token": token[1]}
        assert (await browser.send("POST", "/book", data=said, headers=HTML)).status_code == 303
        page = await browser.send("GET", "/book", headers=HTML)
        assert "&lt;script&gt;" in page.text
        assert "<script>" not in page.text

        assert is_problem(await browser.send("GET", "/api/invitation"), 403, "address-not-proven")
        assert is_problem(await browser.send("DELETE", "/api/entries", csrf=True), 403, "not-permitted")
        assert (await browser.send("DELETE", "/api/entries/mine", csrf=True)).status_code == 204
        assert book.entries == []


async def test_the_notes_on_a_real_server_and_in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with example("uvicorn", "examples.starlette_app:app", tmp_path / "real") as running:
        async with httpx.AsyncClient(base_url=running.url) as client:
            await keep_notes(client)
    notes = load_example("starlette_app", tmp_path / "here", monkeypatch)
    async with started(notes.app) as client:
        await keep_notes(client)


async def keep_notes(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.get("/notes"), 401, "not-signed-in")
    assert "stranger" in (await client.get("/")).text
    shown = bearer((await client.post(f"{API}/register", json=PERSON)).json())
    client.cookies.clear()
    assert (await client.post("/notes", content="milk", headers=shown)).status_code == 201
    assert (await client.get("/notes", headers=shown)).json() == {"notes": ["milk"]}
    assert (await client.get("/", headers=shown)).text == "Hello, mira."
    other = bearer(
        (await client.post(f"{API}/register", json=PERSON | {"username": "otto", "email": "o@example.org"})).json()
    )
    client.cookies.clear()
    assert (await client.get("/notes", headers=other)).json() == {"notes": []}
    assert (await client.delete("/notes", headers=shown)).status_code == 204
    assert (await client.get("/notes", headers=shown)).json() == {"notes": []}
    await client.post(f"{API}/logout", headers=shown)
    assert is_problem(await client.get("/notes", headers=shown), 401, "not-signed-in")


def test_a_person_with_a_browser_writes_in_the_guest_book(page: Page, tmp_path: Path) -> None:
    with example("uvicorn", "examples.fastapi_app:app", tmp_path / "data") as running:
        page.goto(running.url)
        expect(page).to_have_url(f"{running.url}/auth/sign-in?next=/book")

        page.goto(f"{running.url}/auth/register")
        page.locator("input[name=username]").fill("mira")
        page.locator("input[name=email]").fill("mira@example.org")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        expect(page).to_have_url(f"{running.url}/auth/check-mail")

        page.goto(running.url)
        expect(page.get_by_text("You are mira.")).to_be_visible()
        page.get_by_label("Your words").fill("It rained.")
        page.get_by_role("button", name="Write").click()
        expect(page.get_by_role("listitem")).to_have_text("It rained. (mira)")


@pytest.mark.parametrize("server", ["uvicorn", "granian"])
def test_an_unsafe_setting_is_named_where_the_server_starts(server: str, tmp_path: Path) -> None:
    port = free_port()
    env = environment(port, tmp_path / "data", {"OSTIARY_WEB__PUBLIC_URL": "http://login.example.org"})
    command = commands(server, "examples.fastapi_app:app", port)

    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)

    said = ended.stdout + ended.stderr
    assert ended.returncode != 0, said
    assert "web.public_url: must be https" in said


def test_the_examples_name_only_what_integrations_offer() -> None:
    """An example that reaches past the front door teaches the wrong habit."""
    doors = {f"ostiary.integrations.{name}" for name in ("fastapi", "starlette", "django", "drf", "flask")}
    for path in (ROOT / "examples").rglob("*.py"):
        taken = re.findall(r"^(?:from|import) (ostiary[\w.]*)", path.read_text(), re.MULTILINE)
        assert set(taken) <= {"ostiary.wiring", *doors}, path


def test_every_example_has_a_screen_of_its_own_and_stands_in_the_list() -> None:
    listed = (ROOT / "examples" / "README.md").read_text()
    programs = [path for path in (ROOT / "examples").iterdir() if path.suffix == ".py" or (path / "manage.py").exists()]
    assert len(programs) >= 6
    for path in programs:
        how = path.with_suffix(".md") if path.suffix else path / "README.md"
        assert f"({how.relative_to(ROOT / 'examples')})" in listed, path
        assert 10 < len(how.read_text().splitlines()) <= 50, how
        [row] = [line for line in listed.splitlines() if line.startswith(f"| [{path.name}]")]
        assert re.search(r"\(\.\./docs/(guides|tutorial)/[\w-]+\.md\)", row), path
