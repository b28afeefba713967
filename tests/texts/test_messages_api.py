"""The provider's HTTP API: what goes over the wire, and what becomes of every way in which it fails."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from tests.house import OpenHouse, client_of, journalled
from tests.services.web import Heard, Site, open_site
from tests.texts.steps import NUMBER, account_id, begin, confirm, owner, slug

from ostiary.core.db import Query
from ostiary.core.errors import Misconfigured
from ostiary.core.tables import journal
from ostiary.settings import load
from ostiary.wiring import Ostiary

ACCOUNT, SECRET, SENDER = "AC" + "0a" * 16, "s3cret-of-the-provider", "+15005550006"
TAKEN: dict[str, Any] = {
    "account_sid": ACCOUNT, "api_version": "2010-04-01", "body": "…", "direction": "outbound-api", "error_code": None,
    "error_message": None, "from": SENDER, "num_segments": "1", "price": None, "sid": "SM" + "0b" * 16,
    "status": "queued", "to": NUMBER, "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM.json",
}  # fmt: skip

pytestmark = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


def said(status: int, body: object) -> bytes:
    """Return an answer as it goes over the wire."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n\r\n"
    return head.encode() + raw


def refusal(status: int, code: int) -> bytes:
    words = f"The 'To' number {NUMBER} is not what we take."
    return said(status, {"code": code, "message": words, "more_info": "https://example.com", "status": status})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with open_site(Site(answers=[said(201, TAKEN)])) as opened:
        yield opened


async def house_with(open_house: OpenHouse, site: Site, **texts: object) -> Ostiary:
    settings = {"prefixes": ["+46"], "api_url": site.url, "account": ACCOUNT, "secret": SECRET, "sender": SENDER}
    house: Ostiary = await open_house(
        work=False, texts=settings | texts, outbound={"allowed_networks": ["127.0.0.0/8"]}
    )
    return house


async def asked(house: Ostiary) -> httpx.Response:
    async with client_of(house) as outside:
        return await begin(outside, await owner(house, outside))


async def test_a_text_goes_over_the_wire_as_the_api_wants_it(open_house: OpenHouse, site: Site) -> None:
    house = await house_with(open_house, site)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        assert (await begin(outside, bearing)).status_code == 200

        (heard,) = site.heard
        assert heard.line == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
        login = base64.b64encode(f"{ACCOUNT}:{SECRET}".encode()).decode()
        assert heard.headers["authorization"] == f"Basic {login}"
        assert heard.headers["content-type"] == "application/x-www-form-urlencoded"
        form = parse_qs(heard.body.decode("ascii"), strict_parsing=True)
        assert form.keys() == {"To", "From", "Body", "ValidityPeriod"}
        assert (form["To"], form["From"], form["ValidityPeriod"]) == ([NUMBER], [SENDER], ["300"])
        assert "Ostiary" in form["Body"][0]
        assert (await confirm(outside, bearing, form["Body"][0][:6])).status_code == 200
    assert site.url in house.texts.carrier.where  # type: ignore[union-attr]


async def test_a_key_and_a_messaging_service_stand_where_the_api_wants_them(open_house: OpenHouse, site: Site) -> None:
    service, key = "MG" + "0c" * 16, "SK" + "0d" * 16
    house = await house_with(open_house, site, sender=service, key=key)

    assert (await asked(house)).status_code == 200

    form = parse_qs(site.heard[0].body.decode())
    assert (form["MessagingServiceSid"], "From" in form) == ([service], False)
    assert base64.b64decode(site.heard[0].headers["authorization"][6:]).decode() == f"{key}:{SECRET}"
    assert site.heard[0].line.split()[1].startswith(f"/2010-04-01/Accounts/{ACCOUNT}/")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (refusal(401, 20003), "credentials"),
        (refusal(403, 20005), "credentials"),
        (refusal(429, 20429), "too-many"),
        (refusal(400, 21606), "refused"),
        (refusal(404, 20404), "refused"),
        (said(500, b"<html>oops"), "status-500"),
        (said(503, {}), "status-503"),
        (said(302, b""), "status-302"),
        (said(200, b"<html>welcome"), "unreadable"),
        (said(201, [TAKEN]), "unreadable"),
        (said(201, b"[" * 100_000), "unreadable"),
        (said(201, TAKEN | {"status": "failed", "error_code": 30007}), "failed"),
        (said(201, b"x" * 2_000_000), "no-answer"),
        (b"HTTP/1.1 nonsense\r\n\r\n", "no-answer"),
        (b"", "no-answer"),
    ],
)
async def test_whatever_the_provider_says_instead_the_person_hears_that_nothing_was_sent(
    open_house: OpenHouse, site: Site, answer: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    site.answers = [answer]
    house = await house_with(open_house, site)

    refused = await asked(house)

    assert slug(refused) == (503, "text-not-sent")
    assert len(site.heard) == 1  # once, and never again
    assert (await failure(house))["reason"] == reason
    assert [alert.kind for alert in await house.alerts.listed()] == ["texts_failing"]
    for secret in (SECRET, NUMBER, "not what we take"):
        assert secret not in refused.text
        assert secret not in caplog.text


@pytest.mark.parametrize("code", [21211, 21408, 21610, 21614])
async def test_a_number_that_the_provider_does_not_take_is_said_beside_its_field(
    open_house: OpenHouse, site: Site, code: int
) -> None:
    site.answers = [refusal(400, code)]
    house = await house_with(open_house, site)

    refused = await asked(house)

    assert slug(refused) == (422, "invalid-fields")
    assert refused.json()["errors"][0]["code"] == "not-reached"
    assert (await failure(house))["provider"] == code
    assert await house.alerts.listed() == []  # people could wake the keepers by mistyping


async def failure(house: Ostiary) -> dict[str, Any]:
    from sqlalchemy import select  # noqa: PLC0415

    from ostiary.core.journal import Entry  # noqa: PLC0415

    rows = await house.database.all(Query(select(journal).where(journal.c.action == "text.failed"), Entry))
    (row,) = rows
    found: dict[str, Any] = json.loads(row.details)
    return found


async def test_a_provider_that_never_answers_is_waited_for_no_longer_than_the_setting(
    open_house: OpenHouse, site: Site
) -> None:
    async def silent(_: Heard, __: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    site.instead = silent
    house = await house_with(open_house, site, timeout=0.4)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        began = time.monotonic()
        assert slug(await begin(outside, bearing)) == (503, "text-not-sent")
        assert time.monotonic() - began < 5
    assert (await failure(house))["reason"] == "no-answer"
    assert "text.sent" not in await journalled(house)


async def test_nothing_is_held_while_a_provider_is_waited_for(open_house: OpenHouse, site: Site) -> None:
    asked_for, heard_enough = asyncio.Event(), asyncio.Event()

    async def silent(_: Heard, __: asyncio.StreamWriter) -> None:
        asked_for.set()
        await heard_enough.wait()  # and then hangs up without a word

    site.instead = silent
    house = await house_with(open_house, site, timeout=30)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        waiting = asyncio.create_task(begin(outside, bearing))
        await asked_for.wait()
        # Somebody else writes (D7).
        assert (await outside.patch("/api/v1/auth/me", json={"full_name": "M"}, headers=bearing)).status_code == 200
        assert not waiting.done()
        heard_enough.set()
        assert slug(await waiting) == (503, "text-not-sent")


async def test_a_text_that_was_taken_though_the_answer_was_lost_is_good(open_house: OpenHouse, site: Site) -> None:
    site.answers = [said(500, b"")]
    house = await house_with(open_house, site)
    async with client_of(house) as outside:
        bearing = await owner(house, outside)
        assert (await begin(outside, bearing)).status_code == 503
        code = parse_qs(site.heard[0].body.decode())["Body"][0][:6]
        assert (await confirm(outside, bearing, code)).status_code == 200
    assert await account_id(house)


async def test_the_house_goes_nowhere_that_it_may_not_go(open_house: OpenHouse, site: Site) -> None:
    house: Ostiary = await open_house(
        work=False,
        texts={"prefixes": ["+46"], "api_url": site.url, "account": ACCOUNT, "secret": SECRET, "sender": SENDER},
    )  # fmt: skip

    assert slug(await asked(house)) == (503, "text-not-sent")

    assert site.heard == []
    assert (await failure(house))["reason"] == "not-a-place-to-go"


@pytest.mark.parametrize(
    ("texts", "word"),
    [
        ({"account": ACCOUNT}, "account, secret and sender"),
        ({"account": ACCOUNT, "secret": SECRET}, "account, secret and sender"),
        ({"key": "SK1"}, "key is nothing"),
        ({"prefixes": ["46"]}, "such as +46"),
        ({"prefixes": ["+0"]}, "such as +46"),
        ({"prefixes": ["+"]}, "such as +46"),
        ({"barred": ["everywhere"]}, "such as +46"),
        ({"api_url": "https://api.example.com/v1"}, "without a path"),
        ({"account": "../../x", "secret": SECRET, "sender": SENDER}, "pattern"),
        ({"account": ACCOUNT, "secret": SECRET, "sender": "x\r\ny"}, "pattern"),
    ],
)
def test_a_half_or_unsafe_setting_stops_the_start(
    tmp_path: Path, storage: str, texts: dict[str, object], word: str
) -> None:
    with pytest.raises(Misconfigured, match=re.escape(word)) as told:
        load(tmp_path, {"texts": texts}, environment={})
    assert SECRET not in str(told.value)
