"""The door at which browsers report: open to everybody, told nothing, bounded in everything."""

from __future__ import annotations

import httpx
import pytest
from tests.accounts.test_permissions import forbid, permit
from tests.contract.browser import Browser
from tests.csp_reports.samples import LEGACY, MODERN, PATH, legacy, modern
from tests.house import API, PASSWORD, OpenHouse, bearer, client_of, journalled, login, register

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

ADMIN = "/api/v1/admin/csp-reports"
READ, WRITE = "csp-reports:read", "csp-reports:write"


async def deliver(client: httpx.AsyncClient, raw: bytes, media_type: str = LEGACY, **headers: str) -> httpx.Response:
    return await client.post(PATH, content=raw, headers={"content-type": media_type, **headers})


def assert_problem(answer: httpx.Response, status: int, slug: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"].endswith(f"/{slug}")


@pytest.mark.parametrize("path", [PATH, PATH.rstrip("/")])
async def test_both_forms_are_taken_and_counted_in_one_group(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock, path: str
) -> None:
    same = {"blocked_uri": "inline", "source_file": "", "script_sample": ""}
    for raw, media_type in ((legacy(**same), LEGACY), (modern({}, {}), f"{MODERN}; charset=utf-8")):
        answer = await outside.post(path, content=raw, headers={"content-type": media_type})
        assert (answer.status_code, answer.content) == (204, b"")
        clock.advance(seconds=5)
    await house.csp_reports.write()

    (group,) = await house.csp_reports.listed()
    assert (group.count, group.blocked, group.page) == (3, "inline", "/auth/sign-in")
    assert group.last_seen_at - group.first_seen_at == 5000


async def test_a_reporter_is_no_visitor_no_cookie_is_set_and_no_cors_permission_given(
    outside: httpx.AsyncClient,
) -> None:
    browser = Browser(outside)
    await browser.get(f"{API}/csrf")
    await browser.post(f"{API}/register", json={"username": "mira", "email": "m@example.org", "password": PASSWORD})
    jar = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    outside.cookies.clear()

    for origin in ("null", "https://evil.example", "http://localhost:8080"):
        answer = await deliver(outside, legacy(), cookie=jar, origin=origin, **{"sec-fetch-site": "cross-site"})
        assert answer.status_code == 204
        assert "set-cookie" not in answer.headers
        assert "access-control-allow-origin" not in answer.headers
    # A page elsewhere cannot send this type without asking first, and is not allowed to.
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in (await outside.options(PATH, headers=asked)).headers


async def test_a_reporter_does_not_learn_whether_the_report_counts(house: Ostiary, outside: httpx.AsyncClient) -> None:
    answers = [await deliver(outside, legacy(script_sample=str(number))) for number in range(25)]
    answers.append(await deliver(outside, legacy(document_uri="https://elsewhere.example/")))
    await house.csp_reports.write()

    assert {(answer.status_code, answer.content) for answer in answers} == {(204, b"")}
    assert len({tuple(sorted(set(answer.headers) - {"x-request-id"})) for answer in answers}) == 1
    (group,) = await house.csp_reports.listed()
    assert group.count == 20
    assert group.sample == "0"


@pytest.mark.parametrize(
    ("raw", "media_type", "status", "slug"),
    [
        (legacy(), "application/json", 415, "media-type-unsupported"),
        (legacy(), "text/plain", 415, "media-type-unsupported"),
        (b'{"csp-report": {', LEGACY, 400, "malformed-json"),
        (b"", LEGACY, 400, "malformed-json"),
        (b'{"csp-report": 1}', LEGACY, 400, "malformed-report"),
        (b"{}", MODERN, 400, "malformed-report"),
        (legacy(original_policy="x" * 33_000), LEGACY, 413, "body-too-large"),
        (legacy(original_policy="x" * 70_000), LEGACY, 413, "body-too-large"),
    ],
)
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_what_is_no_report_is_refused(
    house: Ostiary, outside: httpx.AsyncClient, raw: bytes, media_type: str, status: int, slug: str
) -> None:
    assert_problem(await deliver(outside, raw, media_type), status, slug)
    await house.csp_reports.write()
    assert await house.csp_reports.listed() == []


async def test_everybody_together_is_bounded_too(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"csp_reports_per_minute_in_all": 30})
    for last in range(1, 6):
        async with client_of(house, f"203.0.113.{last}") as client:
            for _ in range(10):
                assert (await deliver(client, legacy())).status_code == 204
    await house.csp_reports.write()

    (group,) = await house.csp_reports.listed()
    assert group.count == 30


async def test_who_has_sent_enough_takes_nothing_from_what_others_may_send(open_house: OpenHouse) -> None:
    """Neither by going on, nor by another address of the same network."""
    house = await open_house(work=False, protection={"csp_reports_per_minute_in_all": 30})
    for last in range(3):
        async with client_of(house, f"2001:db8::{last}") as flooder:
            for _ in range(20):
                assert (await deliver(flooder, legacy(blocked_uri="inline"))).status_code == 204
    async with client_of(house, "2001:db8:0:1::1") as other:
        await deliver(other, legacy(blocked_uri="eval"))
    await house.csp_reports.write()

    assert {group.blocked: group.count for group in await house.csp_reports.listed()} == {"inline": 20, "eval": 1}


async def test_reporters_whose_address_is_unknown_are_not_one(open_house: OpenHouse) -> None:
    house = await open_house(work=False, protection={"csp_reports_per_minute": 5})
    async with client_of(house, "10.0.1.1") as proxied:
        for number in range(8):
            behind = {"x-forwarded-for": f"198.51.100.{number}"}
            assert (await deliver(proxied, legacy(), **behind)).status_code == 204
    await house.csp_reports.write()

    (group,) = await house.csp_reports.listed()
    assert group.count == 8


async def test_the_keeper_reads_in_pages_and_clears(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    mira = await register(outside)
    await permit(house, mira["user"]["id"], READ, WRITE)
    for number in range(5):
        await deliver(outside, legacy(blocked_uri=f"https://e{number % 5}.example", script_sample=""))
        clock.advance(seconds=number % 2)  # some at the same moment
    await house.csp_reports.write()

    seen: list[str] = []
    after: str | None = None
    while True:
        parameters = {"most": "2"} | ({"after": after} if after else {})
        page = (await outside.get(ADMIN, headers=bearer(mira), params=parameters)).json()
        seen += [group["blocked"] for group in page["reports"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == [f"https://e{number}.example" for number in range(5)]
    cleared = await outside.delete(ADMIN, headers=bearer(mira))
    assert cleared.json() == {"detail": "5 groups of reports are forgotten."}
    assert (await outside.get(ADMIN, headers=bearer(mira))).json() == {"reports": [], "next": None}
    assert "reports.cleared" in await journalled(house)


async def test_what_is_cleared_includes_what_is_not_written_yet(house: Ostiary, outside: httpx.AsyncClient) -> None:
    await deliver(outside, legacy())
    await house.csp_reports.clear(KEEPER)
    await house.csp_reports.write()

    assert await house.csp_reports.listed() == []


async def test_only_who_may_and_who_signed_in_lately_keeps(
    house: Ostiary, outside: httpx.AsyncClient, clock: ManualClock
) -> None:
    assert_problem(await outside.get(ADMIN), 401, "not-signed-in")
    mira = await register(outside)
    account_id = mira["user"]["id"]
    assert_problem(await outside.get(ADMIN, headers=bearer(mira)), 403, "not-permitted")

    await permit(house, account_id, READ)
    assert (await outside.get(ADMIN, headers=bearer(mira))).status_code == 200
    assert_problem(await outside.delete(ADMIN, headers=bearer(mira)), 403, "not-permitted")

    await forbid(house, account_id, READ)
    assert_problem(await outside.get(ADMIN, headers=bearer(mira)), 403, "not-permitted")

    await permit(house, account_id, READ)
    clock.advance(minutes=61)
    refresh = {"refresh_token": mira["refresh_token"]}
    older = (await outside.post(f"{API}/refresh", json=refresh)).json()
    outside.cookies.clear()
    answer = await outside.get(ADMIN, headers=bearer(older))
    assert_problem(answer, 401, "sign-in-too-old")
    (challenge,) = answer.headers.get_list("www-authenticate")
    assert 'error="insufficient_user_authentication"' in challenge
    assert 'max_age="3600"' in challenge
    assert (await outside.get(ADMIN, headers=bearer(await login(outside)))).status_code == 200


@pytest.mark.parametrize(
    "query", ["after=1", "after=1.x", "after=-1.AAAAAAAAAAAAAAAAAAAAAA", "most=0", "most=501", "most=x"]
)
@pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
async def test_a_page_that_cannot_be_is_refused(house: Ostiary, outside: httpx.AsyncClient, query: str) -> None:
    mira = await register(outside)
    await permit(house, mira["user"]["id"], READ)

    assert_problem(await outside.get(f"{ADMIN}?{query}", headers=bearer(mira)), 422, "invalid-fields")
