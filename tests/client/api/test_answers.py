"""What a client makes of answers: refusals, and everything that a house would never say. Over a socket, both forms."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.client.api.forms import Client, Form
from tests.services.web import Heard, Site, open_site

from ostiary.client import api
from ostiary.client.api import AnswerNotUnderstood, ApiProblem, Bounds, NoAnswer, OstiaryClient, Tokens
from ostiary.client.api.errors import problem
from ostiary.core.errors import FieldError, Problem, every_problem
from ostiary.server import app

USER = {
    "id": "a", "username": "mira", "email": "mira@example.org", "email_verified": True, "full_name": "",
    "status": "active", "created_at": "2026-11-29T01:02:03.004Z", "language": None,
}  # fmt: skip
SECRETS = ("tell-nobody-password", "tell-nobody-access", "tell-nobody-refresh", "tell-nobody-answer")
PASSWORD, ACCESS, REFRESH, ANSWER = SECRETS


def raw(status: str, body: bytes = b"", media_type: str = "application/json", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", f"Content-Type: {media_type}", *headers]
    return "\r\n".join([*head, "Connection: close", "", ""]).encode() + body


def problem_of(slug: str, status: int, *headers: str, **members: Any) -> bytes:  # noqa: ANN401
    document = {"type": f"https://ostiary.dev/problems/{slug}", "title": "No.", "status": status, "request_id": "r"}
    return raw(f"{status} No", json.dumps(document | members).encode(), "application/problem+json", *headers)


ME = raw("200 OK", json.dumps(USER).encode())


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site() as opened:
        yield opened


@pytest.fixture
def slept() -> list[float]:
    """For how long the client would have waited."""
    return []


@pytest.fixture
async def client(form: Form, site: Site, slept: list[float]) -> AsyncIterator[Client]:
    made = Client(form, site.url, bounds=Bounds(patience=2.0, largest_answer=10_000), slept=slept)
    yield made
    await made.close()


BAD = {
    "broken JSON": raw("200 OK", b'{"id": "' + ANSWER.encode()),
    "no object": raw("200 OK", b"[" * 5000),
    "another shape": raw("200 OK", json.dumps(USER | {"email_verified": ANSWER}).encode()),
    "a status that nobody knows": raw("200 OK", json.dumps(USER | {"status": ANSWER}).encode()),
    "a member is missing": raw("200 OK", json.dumps({"id": ANSWER}).encode()),
    "a page": raw("200 OK", b"<p>" + ANSWER.encode(), "text/html"),
    "too long": raw("200 OK", json.dumps(USER | {"more": "x" * 20_000}).encode()),
    "packed": raw("200 OK", gzip.compress(json.dumps(USER).encode()), "application/json", "Content-Encoding: gzip"),
    "broken problem": raw("409 No", b"{" + ANSWER.encode(), "application/problem+json"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_what_no_house_says_is_not_understood_and_not_repeated(client: Client, site: Site, bad: str) -> None:
    site.answers = [BAD[bad]]
    with pytest.raises(AnswerNotUnderstood) as raised:
        await client("account.me")
    told = "".join(traceback.format_exception(raised.value))
    assert ANSWER not in told
    assert raised.value.__context__ is None
    assert str(raised.value).startswith("me: ")


async def test_an_answer_without_end_is_cut_off(client: Client, site: Site) -> None:
    async def endless(_: Heard, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"400\r\n" + b" " * 1024 + b"\r\n")
            await writer.drain()

    site.instead = endless
    with pytest.raises(AnswerNotUnderstood, match="too long"):
        await client("account.me")


@pytest.mark.parametrize("how", ["silence", "a slow drip"])
async def test_a_slow_answer_is_not_waited_for(form: Form, site: Site, how: str) -> None:
    async def slow(_: Heard, writer: asyncio.StreamWriter) -> None:
        if how == "a slow drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n")
        for _moment in range(40):
            if how == "a slow drip":
                writer.write(b" ")
                await writer.drain()
            await asyncio.sleep(0.05)

    site.instead = slow
    client = Client(form, site.url, bounds=Bounds(timeout=0.4, deadline=0.3))
    with pytest.raises(NoAnswer):
        await client("auth.logout")  # a POST: it may have been done, and is not sent again
    assert client.wire.count("/auth/logout") == 1
    assert len(site.heard) <= 1  # where the machine is slower than that patience, it may not even have arrived
    await client.close()


async def test_a_redirect_leads_nowhere(form: Form, site: Site) -> None:
    async with open_site() as elsewhere:
        site.answers = [raw("307 Go", b"", "text/plain", f"Location: {elsewhere.url}/api/v1/auth/login")]
        client = Client(form, site.url, tokens=Tokens(ACCESS, REFRESH, 9e12))
        for verb, values in (("account.me", {}), ("auth.login", {"login": "mira", "password": PASSWORD})):
            with pytest.raises(AnswerNotUnderstood, match="307"):
                await client(verb, **values)
        await client.close()
        assert not elsewhere.heard


async def test_a_busy_house_is_asked_again_when_it_says_and_only_for_what_changes_nothing(
    client: Client, site: Site, slept: list[float]
) -> None:
    busy = problem_of("too-busy", 503, "Retry-After: 1")
    site.answers = [busy, ME]
    assert (await client("account.me")).username == "mira"
    assert len(site.heard) == 2
    assert slept == [1.0]

    for answer, verb in (
        (busy, "auth.logout"),  # a POST
        (problem_of("limit-reached", 429, "Retry-After: 60", retry_after=60), "account.me"),  # past all patience
        (problem_of("unavailable", 503), "account.me"),  # says no time
    ):
        site.heard, site.answers = [], [answer]
        with pytest.raises((api.Unavailable, api.LimitReached)) as refused:
            await client(verb)
        assert len(site.heard) == 1
        assert (
            refused.value.retry_after == {"too-busy": 1, "limit-reached": 60, "unavailable": None}[refused.value.slug]
        )


async def test_a_lost_line_is_tried_again_only_for_what_changes_nothing(client: Client, site: Site) -> None:
    site.answers = [b"", ME]
    assert (await client("account.me")).username == "mira"
    site.heard, site.answers = [], [b""]
    with pytest.raises(NoAnswer):
        await client("sessions.end", "A" * 22)
    assert len(site.heard) == 1


async def test_no_error_and_no_log_says_what_was_sent(form: Form, site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client(form, site.url, tokens=Tokens(ACCESS, REFRESH, 9e12))
    answers = [b"", problem_of("wrong-password", 401), raw("502 Bad", ANSWER.encode(), "text/html"), BAD["broken JSON"]]
    for answer in answers:
        site.answers = [answer]
        with pytest.raises(api.OstiaryError) as raised:
            await client("passwords.change", current_password=PASSWORD, new_password=PASSWORD)
        error: BaseException | None = raised.value
        while error is not None:  # what a reporter of errors would walk through
            assert not [secret for secret in SECRETS if secret in repr((error.args, vars(error)))], error
            error = error.__cause__ or error.__context__
    assert ACCESS in site.heard[0].headers["authorization"]
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("asyncio")]
    assert not [secret for secret in SECRETS if secret in " ".join(ours) + repr(client.real)]
    await client.close()


async def test_a_list_that_leads_back_to_itself_ends(client: Client, site: Site) -> None:
    site.answers = [raw("200 OK", json.dumps({"reports": [], "next": "1.a"}).encode())]
    with pytest.raises(AnswerNotUnderstood, match="back to itself"):
        await client.all("admin.csp_reports.list")
    assert len(site.heard) == 2


async def test_a_proxys_own_words_are_a_problem_without_a_name(client: Client, site: Site) -> None:
    site.answers = [raw("502 Bad Gateway", b"<h1>nginx</h1>", "text/html")]
    with pytest.raises(ApiProblem) as raised:
        await client("auth.logout")
    assert (raised.value.status, raised.value.slug, raised.value.title) == (502, "", "Bad Gateway")


def test_every_problem_of_the_house_is_raised_as_what_one_would_catch() -> None:
    special = {
        "not-signed-in": api.SignInNeeded, "refresh-refused": api.SignInNeeded, "api-key-refused": api.SignInNeeded,
        "sign-in-too-old": api.StepUpNeeded, "sign-in-too-weak": api.StepUpNeeded,
    }  # fmt: skip
    by_status = {
        401: api.ProofRefused, 403: api.NotPermitted, 404: api.NotThere, 422: api.FieldsRefused, 423: api.Locked,
        429: api.LimitReached, 503: api.Unavailable,
    }  # fmt: skip
    kinds = [kind for kind in every_problem() if kind.__module__.startswith("ostiary.")]
    assert app.ROUTERS
    assert len(kinds) > 70  # all that the server has imported
    for kind in kinds:
        told = kind.__new__(kind)
        Problem.__init__(
            told, "In detail.", errors=(FieldError("name", "Too long.", "string_too_long"),), retry_after=7,
            extra={"acr_values": "aal2", "max_age": 600, "challenge": {"n": 1}},
        )  # fmt: skip
        document = json.loads(json.dumps(told.document() | {"request_id": "r1"}))

        raised = problem("login", kind.status, document, None)

        assert type(raised) is special.get(kind.slug, by_status.get(kind.status, ApiProblem)), kind.slug
        assert (raised.slug, raised.status, raised.title) == (kind.slug, kind.status, kind.title)
        assert (raised.detail, raised.retry_after, raised.request_id) == ("In detail.", 7, "r1")
        assert (raised.acr_values, raised.max_age) == ("aal2", 600)
        assert raised.errors == (api.FieldFault("name", "Too long.", "string_too_long"),)
        assert raised.members["challenge"] == {"n": 1}
        assert str(raised) == f"login: {kind.status} In detail."


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example.org", "http://127.0.0.1.example.org", "ftp://localhost", "https://", "auth.example.org",
        "https://mira:pw@auth.example.org", "https://auth.example.org/login", "https://auth.example.org?x=1",
    ],
)  # fmt: skip
def test_secrets_go_to_no_address_that_others_could_read(url: str) -> None:
    with pytest.raises(ValueError, match="address of the house"):
        OstiaryClient(url)


@pytest.mark.parametrize("key", ["ost_1\r\nX: y", "ost 1", "ключ", ""])
def test_what_cannot_be_sent_is_refused_without_saying_it(key: str) -> None:
    with OstiaryClient("https://auth.example.org", api_key=key) as client:
        with pytest.raises(ValueError, match="no API key") as refused:
            client.account.me()
        assert not key or key not in repr((refused.value, vars(refused.value)))
        with pytest.raises(ValueError, match="surrogate") as half:
            client.auth.login(login="mira", password="tell-nobody\ud800")
        assert half.value.__context__ is None
        assert "tell-nobody" not in repr(half.value)


def test_one_client_shows_one_credential() -> None:
    with pytest.raises(ValueError, match="not both"):
        OstiaryClient("https://auth.example.org", api_key="k", tokens=Tokens("a", "r", 0.0))


@pytest.mark.parametrize("written", ["", ".", ".."])
def test_no_id_leads_to_another_path(written: str) -> None:
    with OstiaryClient("https://auth.example.org") as client, pytest.raises(ValueError, match="id or the name"):
        client.sessions.end(written)
