"""What every answer says about itself (R18), whatever happened, at every door."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import httpx
import pytest
from tests.attacks.raw import Answered, ask
from tests.contract.browser import Browser
from tests.contract.doors import doors
from tests.house import API, ORIGIN, PASSWORD, OpenHouse

from ostiary.server.app import build, routes
from ostiary.web.gate import DISMISSED, Gate
from ostiary.web.settings import WebSettings
from ostiary.web.visit import Message, Receive, Scope, Send
from ostiary.wiring import Ostiary

FIXED = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
SECRET_IN_ADDRESS = ("/auth/keep", "/auth/magic-link", "/auth/not-me", "/auth/reset", "/auth/unlock")
"""Pages that a letter leads to: not even our own log gets the address of one in a Referer."""
CODE_IN_ADDRESS = ("/accounts/{provider}/login/callback",)
"""Where providers send people back to: the address holds a code (RFC 9700 section 4.2.4)."""
NEVER = ("server", "x-powered-by", "x-xss-protection", "via", "x-aspnet-version")
PUBLIC = ("/.well-known/jwks.json", "/api/v1/openapi.json", "/auth/static/ostiary.css")
SECRET = "hunter2-hunter2-hunter2"


def policy_of(text: str) -> dict[str, list[str]]:
    """Return a Content-Security-Policy by directive."""
    parts = [part.split() for part in text.split(";")]
    return {part[0]: part[1:] for part in parts if part}


def assert_dressed(answer: Answered, about: str = "") -> None:
    """Check everything that R18 asks of any answer."""
    fixed = FIXED
    if answer.all("referrer-policy") == ["strict-origin"]:
        assert about.partition(" ")[2] in SECRET_IN_ADDRESS, about
        fixed = FIXED | {"referrer-policy": "strict-origin"}
    elif answer.all("referrer-policy") == ["no-referrer"]:
        assert about.partition(" ")[2] in CODE_IN_ADDRESS, about
        fixed = FIXED | {"referrer-policy": "no-referrer"}
    for name, value in fixed.items():
        assert answer.all(name) == [value], f"{about}: {name}"
    for name in NEVER:
        assert not answer.all(name), f"{about}: {name}"
    for name in ("content-security-policy", "cache-control", "x-request-id", "permissions-policy"):
        assert len(answer.all(name)) == 1, f"{about}: {name}"
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert "camera=()" in answer.headers["permissions-policy"]
    policy = policy_of(answer.headers["content-security-policy"])
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"], about
    assert policy["report-uri"] == ["/api/v1/csp-report/"]
    assert not [source for sources in policy.values() for source in sources if source.startswith("'unsafe")], about
    if answer.headers.get("content-type", "").startswith("text/html"):
        assert_page_policy(answer, policy)
    else:
        assert "sandbox" in policy  # ASVS 3.2.1: an API's answer cannot live as a page


def assert_page_policy(answer: Answered, policy: dict[str, list[str]]) -> None:
    (nonce,) = (source for source in policy["script-src"] if source.startswith("'nonce-"))
    assert len(nonce) >= 8 + 22
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert policy["object-src"] == ["'none'"]
    assert policy["form-action"] == ["'self'"]
    page = answer.body.decode()
    scripts = re.findall(r"<script\b[^>]*>", page)
    assert scripts
    assert all(f'nonce="{nonce[7:-1]}"' in script for script in scripts)
    assert not re.search(r"<[^>]+\s(on\w+|style)=", page)
    assert not re.search(r'(?:src|href|action)="(?:https?:)?//', page)  # ASVS 3.6.1: nothing from elsewhere


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_every_door_dresses_its_answers(house: Ostiary, outside: httpx.AsyncClient) -> None:
    browser = Browser(outside)
    await browser.get(f"{API}/csrf")
    body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
    await browser.post(f"{API}/register", json=body)
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items()).encode()

    for door in doors():
        for headers in ([], [(b"cookie", cookie)], [(b"origin", b"https://evil.example")]):
            for method in {door.method, "HEAD", "PUT", "OPTIONS"}:
                answer = await ask(house.app, method, door.concrete.encode(), headers)
                if method == "HEAD" and answer.headers.get("content-type", "").startswith("text/html"):
                    continue  # a page's policy is compared with its scripts, and here there are none
                assert_dressed(answer, f"{method} {door.path}")
                is_kept = answer.headers["cache-control"] != "no-store"
                assert is_kept == (answer.status == 200 and door.concrete in PUBLIC), f"{method} {door.path}"
                if is_kept:
                    assert not answer.all("set-cookie")
                    assert answer.headers["cache-control"].startswith("public")


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (404, ("GET", b"/nothing", [], b"")),
        (404, ("GET", b"/auth/nothing", [], b"")),
        (404, ("GET", b"/%2e%2e", [], b"")),
        (405, ("PUT", b"/healthz", [], b"")),
        (405, ("PUT", b"/auth/sign-in", [], b"")),
        (413, ("POST", b"/api/v1/auth/login", [(b"content-length", b"99999999")], b"")),
        (413, ("POST", b"/auth/sign-in", [(b"content-type", b"application/x-www-form-urlencoded")], [b"a" * 70_000])),
        (415, ("POST", b"/api/v1/auth/login", [(b"content-type", b"text/plain")], b"x")),
        (422, ("POST", b"/api/v1/auth/login", [(b"content-type", b"application/json")], b"{}")),
        (431, ("GET", b"/healthz", [(b"x", b"y" * 20_000)], b"")),
        (204, ("OPTIONS", b"/api/v1/auth/login", [(b"access-control-request-method", b"POST")], b"")),
    ],
)
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_every_refusal_is_dressed(house: Ostiary, status: int, request_: tuple[Any, ...]) -> None:
    answer = await ask(house.app, *request_)

    assert answer.status == status
    assert_dressed(answer)
    if status != 204 and not answer.headers["content-type"].startswith("text/html"):
        assert answer.is_problem
        assert answer.json["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/api/v1/auth/boom", "/auth/boom"])
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_fault_of_ours_is_dressed_and_says_nothing_of_its_inside(
    house: Ostiary, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = routes.__wrapped__(with_mailbox=False)  # not those that other houses share

    @app.get(path)
    async def boom() -> None:
        raise RuntimeError(f"the password is {SECRET}")

    with caplog.at_level(logging.DEBUG):
        answer = await ask(Gate(build(house, app), {}, house.settings.web), "GET", path.encode())

    assert answer.status == 500
    assert_dressed(answer)
    assert SECRET.encode() not in answer.body
    assert b"Traceback" not in answer.body
    assert b"RuntimeError" not in answer.body
    assert answer.headers["x-request-id"].encode() in answer.body
    if not path.startswith("/auth"):
        assert answer.is_problem
    assert SECRET not in caplog.text
    # What the keeper needs is in the log: which request, what kind of fault, and where.
    assert f"request {answer.headers['x-request-id']} failed: RuntimeError at test_headers.py" in caplog.text


async def test_a_fault_after_the_answer_began_begins_no_second_one(caplog: pytest.LogCaptureFixture) -> None:
    async def breaks_off(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError(SECRET)

    answer = await ask(Gate(breaks_off, {}, WebSettings()), "GET", b"/x")

    assert answer.status == 200
    assert answer.body == b""
    assert "failed: RuntimeError" in caplog.text
    assert SECRET not in caplog.text


async def cancelled(words: str | None) -> list[Message]:
    """Cancel a request that waits for ever; return what was sent to its caller."""
    is_waiting, sent = asyncio.Event(), list[Message]()

    async def waits(*_: object) -> None:
        is_waiting.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": []}
    asking = asyncio.create_task(Gate(waits, {}, WebSettings())(scope, receive, send))
    await is_waiting.wait()
    asking.cancel(words)
    with pytest.raises(asyncio.CancelledError):
        await asking
    return sent


async def test_a_request_that_a_server_sends_away_as_it_ends_may_come_back() -> None:
    start, body = await cancelled(DISMISSED)
    headers = dict(start["headers"])
    assert (start["status"], headers[b"retry-after"]) == (503, b"1")
    assert headers[b"x-request-id"] in body["body"]


async def test_nothing_is_sent_for_who_cancels_and_answers_by_itself() -> None:
    assert await cancelled(None) == []


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_behind_https_browsers_are_told_to_stay_there(open_house: OpenHouse) -> None:
    secure = await open_house(work=False, web={"public_url": "https://login.example.org"})
    plain = await open_house(work=False, web={"public_url": ORIGIN})

    for path in (b"/nothing", b"/auth/sign-in", b"/healthz"):
        # Browsers heed `report-to` on https only, and where they do it wins.
        told, quiet = await ask(secure.app, "GET", path), await ask(plain.app, "GET", path)
        assert told.all("reporting-endpoints") == ['csp="https://login.example.org/api/v1/csp-report/"']
        assert policy_of(told.headers["content-security-policy"])["report-to"] == ["csp"]
        assert not quiet.all("reporting-endpoints")
        assert "report-to" not in policy_of(quiet.headers["content-security-policy"])
    answer = await ask(secure.app, "GET", b"/nothing")
    (strict,) = answer.all("strict-transport-security")
    assert int(re.search(r"max-age=(\d+)", strict)[1]) >= 365 * 86_400  # type: ignore[index]  # ASVS 3.4.1
    assert "includeSubDomains" in strict
    assert not (await ask(plain.app, "GET", b"/nothing")).all("strict-transport-security")


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_each_page_has_a_nonce_of_its_own(house: Ostiary) -> None:
    policies = [(await ask(house.app, "GET", b"/auth/sign-in")).headers["content-security-policy"] for _ in range(20)]

    assert len(set(policies)) == 20


@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_each_request_has_an_id_of_its_own_and_takes_none_from_outside(house: Ostiary) -> None:
    answers = [await ask(house.app, "GET", b"/healthz", [(b"x-request-id", b"0123456789abcdef")]) for _ in range(20)]

    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 20
    assert "0123456789abcdef" not in ids
