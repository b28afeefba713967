"""Secrets never reach logs, problems or the journal (R17): one of each is planted, and looked for everywhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx
import pytest
from tests.attacks.raw import ask, contents
from tests.contract.browser import ACCESS, CSRF, DEVICE, PAGE, REFRESH, Browser
from tests.contract.doors import doors
from tests.house import API, bearer, journalled, letter_to, token_in
from tests.magiclinks.steps import COOKIE, code_in

from ostiary.accounts import tell_of_lock
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

PASSWORD, NEW_PASSWORD = "tangerine-umbrella-1812", "periwinkle-lantern-1907"
FRESH = "marigold-semaphore-1754"
WRONG = "persimmon-accordion-1666"
ADDRESS, NEW_ADDRESS = "planted.person@example.org", "planted.other@example.org"
OF_THE_CLIENT = ("httpx", "httpcore")  # what the tests' own client logs of what it sends


@dataclass
class Watch:
    """Every log record, and every refusal, of a test."""

    records: list[logging.LogRecord] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    pages: list[str] = field(default_factory=list)

    def texts(self) -> Iterator[tuple[str, str]]:
        for record in self.records:
            if not record.name.startswith(OF_THE_CLIENT):
                told = f"{record.getMessage()} {record.args!r} {record.exc_text or ''} {record.exc_info or ''}"
                yield f"log of {record.name}", told
        yield from (("problem", text) for text in self.refusals)

    async def saw(self, answer: httpx.Response) -> None:
        await answer.aread()
        if answer.headers.get("content-type", "").startswith("text/html"):
            self.pages.append(re.sub(r'name="csrf_token" value="[^"]+"', "", answer.text))  # whose place it is
        elif answer.status_code >= 400:
            self.refusals.append(f"{answer.status_code} {answer.headers} {answer.text}")


@pytest.fixture
def watch(caplog: pytest.LogCaptureFixture) -> Watch:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        caplog.set_level(logging.DEBUG, logger=name)
    return Watch(records=caplog.handler.records)


async def live(house: Ostiary, client: httpx.AsyncClient, clock: ManualClock) -> list[str]:
    """Use every door with success and without; return all the secrets that were given or handed out."""
    secrets = [PASSWORD, NEW_PASSWORD, WRONG]
    browser = Browser(client)
    await browser.get(f"{API}/csrf")
    body = {"username": "planted", "email": ADDRESS, "password": PASSWORD}
    await browser.post(f"{API}/register", json=body)
    signed_in = await browser.post(f"{API}/register", json=body | {"username": "pl"})  # refused
    signed_in = await browser.post(f"{API}/login", json={"login": "planted", "password": PASSWORD})
    secrets += [signed_in.json()["access_token"], signed_in.json()["refresh_token"]]
    secrets += [browser.cookies[name] for name in (ACCESS, REFRESH, PAGE, CSRF, DEVICE)]

    proof = token_in(await letter_to(house, ADDRESS))
    secrets.append(proof)
    await browser.get(f"/auth/confirm?token={proof}")
    await browser.post(f"{API}/email/verify", json={"token": proof})
    await browser.post(f"{API}/email/verify", json={"token": proof})
    for name in ("planted", ADDRESS, "nobody-at-all"):
        await browser.post(f"{API}/login", json={"login": name, "password": WRONG})
    wrong = {"current_password": WRONG, "new_password": NEW_PASSWORD}
    await browser.post(f"{API}/password/change", json=wrong)
    await browser.post(f"{API}/password/change", json=wrong | {"current_password": PASSWORD})
    await browser.post(f"{API}/password/check", json={"password": WRONG, "email": ADDRESS})
    await browser.post(f"{API}/email/change", json={"email": NEW_ADDRESS, "current_password": WRONG})
    await browser.post(f"{API}/email/change", json={"email": NEW_ADDRESS, "current_password": NEW_PASSWORD})
    secrets.append(token_in(await letter_to(house, NEW_ADDRESS)))
    old = browser.cookies[REFRESH]
    await browser.post(f"{API}/refresh")
    clock.advance(minutes=1)
    await client.post(f"{API}/refresh", json={"refresh_token": old})  # theft
    await client.get(f"{API}/me", headers=bearer(signed_in.json()))
    secrets += await hold_keys(browser, client)
    await browser.submit("/auth/sign-in", login=ADDRESS, password=WRONG)
    await browser.submit("/auth/register", username="!", email=ADDRESS, password=WRONG, full_name="")
    secrets += await recover(house, browser, signed_in.json()["user"]["id"])
    secrets += await by_link(house, browser)
    await misplaced(client, secrets)
    await house.outbox.drain()
    return secrets


async def hold_keys(browser: Browser, client: httpx.AsyncClient) -> list[str]:
    """Make API keys by script and by page, and show them with success and without; return their secrets."""
    await browser.post(f"{API}/login", json={"login": "planted", "password": NEW_PASSWORD})
    made = (await browser.post(f"{API}/api-key", json={"name": "k", "networks": ["203.0.113.0/24"]})).json()
    shown = await browser.submit("/auth/api-keys", name="by page", scopes="", networks="192.0.2.1", lifetime="")
    (far,) = set(re.findall(r"ost_\w{22}_\w{49}", shown.text))
    new = (await browser.post(f"{API}/api-key/{made['id']}/rotate", json={"overlap_seconds": 60})).json()["api_key"]
    keys = [made["api_key"], new, far]
    for key in keys:
        for text in (key, key[:-1], key.swapcase(), f"{key}x"):
            await client.get(f"{API}/me", headers={"authorization": f"Bearer {text}"})
            await client.get(f"{API}/sessions", headers={"authorization": f"Bearer {text}"})
    await browser.post(f"{API}/api-key/{made['id']}/rotate", json={"overlap_seconds": 10**9})
    await browser.request("DELETE", f"{API}/api-key/{made['id']}")
    return keys + [key.rpartition("_")[2][:43] for key in keys]


async def recover(house: Ostiary, browser: Browser, account_id: str) -> list[str]:
    """Come back by every letter, with success and without; return their secrets."""
    await browser.post(f"{API}/password-reset/request", params={"email": ADDRESS})
    await browser.submit("/auth/forgot", email=ADDRESS)
    reset = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    await browser.get(f"/auth/reset?token={reset}")
    for password in ("planted.person", FRESH, FRESH):  # weak, good, and too late
        await browser.submit("/auth/reset", at="/auth/sign-in", token=reset, new_password=password)
        await browser.post(f"{API}/password-reset/confirm", json={"token": reset, "new_password": password})
    async with house.database.unit() as unit:
        tell_of_lock(unit, account_id)
    unlock = token_in(await letter_to(house, ADDRESS, "Wrong passwords"))
    disown = token_in(await letter_to(house, ADDRESS, "was reset"))
    for page, token in (("unlock", unlock), ("unlock", unlock), ("not-me", disown), ("not-me", disown)):
        await browser.get(f"/auth/{page}?token={token}")
        await browser.submit(f"/auth/{page}", at="/auth/sign-in", token=token)
    last = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    assert last != reset  # each of them was taken
    return [FRESH, reset, unlock, disown, last]


async def by_link(house: Ostiary, browser: Browser) -> list[str]:
    """Sign in by a letter, with success and without; return its secrets."""
    reset = token_in(await letter_to(house, ADDRESS, "Choose a new password"))
    await browser.post(f"{API}/password-reset/confirm", json={"token": reset, "new_password": FRESH})
    await browser.submit("/auth/link", email=ADDRESS)
    letter = await letter_to(house, ADDRESS, "Sign in to")
    token, code, cookie = token_in(letter), code_in(letter), browser.cookies[COOKIE]
    await browser.get(f"/auth/magic-link?token={token}")
    await browser.submit("/auth/link/code", at="/auth/link/sent", code=WRONG)
    await browser.post(f"{API}/magic-link/confirm", json={"code": WRONG})
    for _ in range(2):  # good, and used
        await browser.submit("/auth/magic-link", at="/auth/sign-in", token=token, elsewhere="yes")
        await browser.post(f"{API}/magic-link/confirm", json={"token": token})
    assert "link.refused" in await journalled(house)
    return [token, code, cookie]


async def misplaced(client: httpx.AsyncClient, secrets: list[str]) -> None:
    """Show each secret where it does not belong: as another field, another header, a path, a name."""
    for secret in secrets:
        odd = {"login": secret[:300], "password": secret}
        await client.post(f"{API}/login", json=odd)
        await client.post(f"{API}/login", json=odd | {"password": {"x": secret}})
        await client.post(
            f"{API}/login",
            content=f'{{"password": "{secret}", "login": NaN}}',
            headers={"content-type": "application/json"},
        )
        await client.post(f"{API}/register", json={"username": secret[:150], "email": secret[:150], "password": secret})
        await client.post(f"{API}/refresh", json={"refresh_token": secret[:500]})
        await client.post(f"{API}/email/verify", json={"token": secret[:120]})
        await client.post(f"{API}/password-reset/request", params={"email": secret[:300]})
        await client.post(f"{API}/password-reset/confirm", json={"token": secret[:120], "new_password": secret})
        await client.get(f"{API}/me", headers={"authorization": f"Bearer {secret}x"})
        await client.get(f"{API}/me", headers={"authorization": f"Basic {secret}"})
        await client.get(f"{API}/{secret}")
        await client.post(f"{API}/logout", headers={"x-csrf-token": secret, "origin": "http://localhost:8080"})
        await client.post("/auth/sign-in", data={"login": "x", "password": secret, "csrf_token": secret})


async def test_no_secret_reaches_a_log_a_problem_or_the_journal(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, watch: Watch
) -> None:
    outside.event_hooks["response"] = [watch.saw]

    secrets = await live(house, outside, clock)

    stored = await contents(house, without=frozenset())
    assert len(watch.refusals) > 100
    assert len(watch.pages) > 10
    assert len(stored["journal"]) > 10
    everywhere = [*watch.texts(), *((f"table {name}", repr(rows)) for name, rows in stored.items())]
    # But those which a letter's link opens, and the one which shows a new API key this once.
    pages = [("page", text) for text in watch.pages if 'name="token"' not in text and 'id="new-key"' not in text]
    for number, secret in enumerate(secrets):
        for place, text in everywhere + pages:
            assert secret not in text, f"secret {number} is in the {place}"
    for place, text in everywhere:
        if not place.startswith("table") or place in ("table journal", "table outbox", "table counters"):
            assert "planted." not in text, f"the address is in the {place}"


async def test_no_secret_is_in_what_a_fault_of_ours_leaves_behind(
    house: Ostiary, outside: httpx.AsyncClient, watch: Watch
) -> None:
    outside.event_hooks["response"] = [watch.saw]
    await house.database.driver.close()  # from now on nothing works

    body = {"username": "planted", "email": ADDRESS, "password": PASSWORD, "login": ADDRESS, "token": PASSWORD}
    for door in doors():
        for sent in (body, {name: body[name] for name in ("login", "password")}, {"token": PASSWORD}):
            headers = [(b"authorization", f"Bearer {PASSWORD}".encode()), (b"content-type", b"application/json")]
            answer = await ask(
                house.app,
                door.method,
                door.concrete.encode(),
                headers,
                httpx.Request("POST", "http://x", json=sent).content,
            )
            assert PASSWORD.encode() not in answer.body, str(door)
            assert answer.status < 500 or answer.status == 503, f"{door}: {answer.status} {answer.body!r}"
    credentials = {"login": ADDRESS, "password": PASSWORD}
    assert (await outside.post(f"{API}/login", json=credentials)).status_code == 503  # closed, and said so (D14)

    for place, text in watch.texts():
        assert PASSWORD not in text, place
        assert "planted." not in text, place
