"""The examples that trust an Ostiary elsewhere: each as a process of its own, beside a real `ostiary serve`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from playwright.sync_api import Page, expect
from tests.examples.servers import ROOT, Server, environment, program, running
from tests.house import API, CHEAP_HASHING, PASSWORD, bearer
from tests.integrations.hosts import Browser, is_problem
from tests.races.peers import key_of
from tests.services.fixtures import StartOstiary
from tests.services.ports import free_port
from tests.services.server_process import PROGRAM, ServerProcess

from ostiary.revocation.readers import new_reader

PERSON = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
CHEAP = {f"OSTIARY_HASHING__{name.upper()}": str(value) for name, value in CHEAP_HASHING.items()}
APPS = {
    "fastapi on granian": ["granian", "--interface", "asgi", "examples.fastapi_remote:app", "--port"],
    "django on uvicorn": ["uvicorn", "examples.django_app.asgi:application", "--lifespan", "off", "--port"],
    "django on granian, WSGI": ["granian", "--interface", "wsgi", "examples.django_app.wsgi:application", "--port"],
    "flask on granian": ["granian", "--interface", "wsgi", "examples.flask_app:app", "--port"],
    "flask's own server": ["flask", "--app", "examples.flask_app", "run", "--port"],
}


@contextmanager
def beside(house: ServerProcess, app: str, **more: str) -> Iterator[Server]:
    """Run an application that trusts this house."""
    port = free_port()
    name, *words = APPS[app]
    env = environment(port, None, {"OSTIARY_ISSUER": house.url, **more})
    with running([program(name), *words, str(port)], port, env, ready="/") as found:
        yield found


def client_of(server: Server | ServerProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, timeout=60)


def told(house: ServerProcess, *words: str) -> str:
    """Run a command of the house's keeper."""
    command = [str(PROGRAM), *words, "--data", str(house.data)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("app", ["django on uvicorn", "flask on granian"])
async def test_people_of_a_house_use_an_application_elsewhere(app: str, start_ostiary: StartOstiary) -> None:
    house = await asyncio.to_thread(start_ostiary, environment=CHEAP)
    with beside(house, app) as guest:
        async with client_of(house) as there, client_of(guest) as here:
            assert is_problem(await here.get("/api/hello"), 401, "not-signed-in")
            mira = (await there.post(f"{API}/register", json=PERSON)).json()
            there.cookies.clear()
            assert (await here.get("/api/hello", headers=bearer(mira))).json() == {"hello": "mira"}
            assert is_problem(await here.get("/api/desk", headers=bearer(mira)), 403, "not-permitted")
            assert is_problem(await here.get("/api/hello", headers={"authorization": "Bearer x"}), 401, "not-signed-in")

            await asyncio.to_thread(told, house, "user", "permit", "mira", "books:lend")
            browser = Browser(there, house.url)
            await browser.send("GET", f"{API}/csrf")
            signed_in = await browser.send(
                "POST", f"{API}/login", json={"login": "mira", "password": PASSWORD}, csrf=True
            )
            assert (await here.get("/api/desk", headers=bearer(signed_in.json()))).json() == {"readers": 0}
            await write_notes(browser, here, guest.url)


async def write_notes(signed_in: Browser, here: httpx.AsyncClient, url: str) -> None:
    """Let a browser that has signed in at the house write at the application, as `localhost` lets it."""
    visitor = Browser(here, url)
    away = await visitor.send("GET", "/notes", headers={"accept": "text/html"})
    assert away.status_code in (302, 303)
    visitor.cookies |= signed_in.cookies
    page = await visitor.send("GET", "/notes", headers={"accept": "text/html"})
    assert "You are mira." in page.text
    assert page.headers["cache-control"] == "no-store"
    hidden = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    form = {"text": "<b>It rained.</b>"} | ({"csrfmiddlewaretoken": hidden[1]} if hidden else {})
    visitor.origin = "https://evil.example"
    assert (await visitor.send("POST", "/notes", data=form)).status_code == 403
    visitor.origin = url
    assert (await visitor.send("POST", "/notes", data=form)).status_code in (302, 303)
    page = await visitor.send("GET", "/notes", headers={"accept": "text/html"})
    assert "&lt;b&gt;It rained.&lt;/b&gt;" in page.text
    extra = {"x-csrftoken": visitor.cookies["csrftoken"]} if hidden else {}
    assert (await visitor.send("DELETE", "/api/notes", headers=extra)).status_code == 204


async def test_people_of_a_house_use_a_fastapi_application_and_are_signed_out_of_both(
    start_ostiary: StartOstiary,
) -> None:
    secret, digest = new_reader()
    heard = {"OSTIARY_REVOCATION__READERS": json.dumps([digest])}
    house = await asyncio.to_thread(start_ostiary, environment=CHEAP | heard)
    with beside(house, "fastapi on granian", OSTIARY_READER=secret) as guest:
        async with client_of(house) as there, client_of(guest) as here:
            browser = Browser(there, house.url)
            mira = await browser.sign_up()
            until = time.monotonic() + 30  # the first visitors may be too early for the feed
            while (found := await here.get("/api/hello", headers=bearer(mira))).status_code != 200:
                assert is_problem(found, 503, "unavailable")
                assert 1 <= int(found.headers["retry-after"]) <= 10
                assert time.monotonic() < until
                await asyncio.sleep(0.1)
            assert found.json() == {"hello": "mira"}
            assert is_problem(await here.get("/api/desk", headers=bearer(mira)), 403, "not-permitted")
            await write_notes(browser, here, guest.url)

            await browser.sign_out()
            begun = asked_at = time.monotonic()
            while (found := await here.get("/api/hello", headers=bearer(mira))).status_code == 200:
                assert asked_at - begun < 5  # the bound; mostly it is a few milliseconds
                await asyncio.sleep(0.02)
                asked_at = time.monotonic()  # what was asked before the bound may be answered behind it
            assert is_problem(found, 401, "not-signed-in")


async def test_an_application_lives_through_a_killed_key_and_an_outage(start_ostiary: StartOstiary) -> None:
    house = await asyncio.to_thread(start_ostiary, environment=CHEAP)
    with beside(house, "flask's own server") as guest:
        async with client_of(house) as there, client_of(guest) as here:
            old = (await there.post(f"{API}/register", json=PERSON)).json()
            assert (await here.get("/api/hello", headers=bearer(old))).status_code == 200

            await asyncio.to_thread(told, house, "key", "kill", "--yes", key_of(old["access_token"]))
            there.cookies.clear()
            new = (await there.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})).json()
            assert key_of(new["access_token"]) != key_of(old["access_token"])
            until = time.monotonic() + 60  # the keys are asked for once in ten seconds
            while (found := await here.get("/api/hello", headers=bearer(new))).status_code != 200:
                assert is_problem(found, 401, "not-signed-in")
                assert time.monotonic() < until
                await asyncio.sleep(0.2)
            assert is_problem(await here.get("/api/hello", headers=bearer(old)), 401, "not-signed-in")

            assert await asyncio.to_thread(house.terminate) == 0
            assert (await here.get("/api/hello", headers=bearer(new))).json() == {"hello": "mira"}
    with beside(house, "flask's own server") as restarted:
        async with client_of(restarted) as here:
            refused = await here.get("/api/hello", headers=bearer(new))
            assert is_problem(refused, 503, "unavailable")
            assert 1 <= int(refused.headers["retry-after"]) <= 10
            assert (await here.get("/")).text == "Hello, stranger."


def test_a_person_with_a_browser_signs_in_there_and_writes_here(page: Page, start_ostiary: StartOstiary) -> None:
    house = start_ostiary(environment=CHEAP)
    with beside(house, "django on granian, WSGI") as guest:
        page.goto(f"{guest.url}/notes")
        expect(page).to_have_url(re.compile(rf"^{house.url}/auth/sign-in"))
        page.goto(f"{house.url}/auth/register")
        page.locator("input[name=username]").fill("mira")
        page.locator("input[name=email]").fill("mira@example.org")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("input[name=password]").press("Enter")
        expect(page).to_have_url(f"{house.url}/auth/check-mail")

        page.goto(f"{guest.url}/notes")
        expect(page.get_by_text("You are mira.")).to_be_visible()
        page.get_by_label("Your words").fill("It rained.")
        page.get_by_role("button", name="Write").click()
        expect(page.get_by_role("listitem")).to_have_text("It rained.")


def test_the_django_example_has_nothing_that_its_own_check_complains_of() -> None:
    command = [program("python"), "-m", "examples.django_app.manage", "check", "--fail-level", "INFO"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
