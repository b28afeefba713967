"""Where an address is: looked up, said in words, judged, and renewed while the house runs."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import httpx
import pytest
from tests.contract.browser import Browser
from tests.house import (
    API,
    NEW_PASSWORD,
    PASSWORD,
    OpenHouse,
    bearer,
    client_of,
    journalled,
    letter_to,
    register,
    token_in,
)
from tests.protection.attempts import attempt, looks

from ostiary.core.errors import Misconfigured
from ostiary.places import Place, Places, PlaceSettings
from ostiary.settings import load
from ostiary.wiring import Ostiary

DATA = Path(__file__).parents[1] / "data"
CITIES, NETWORKS = DATA / "GeoLite2-City-Test.mmdb", DATA / "GeoLite2-ASN-Test.mmdb"
IN_SWEDEN, IN_CHINA, IN_BHUTAN = "89.160.20.112", "175.16.199.7", "67.43.156.1"
IN_UNITED_KINGDOM = "2.125.160.216"


def places(**settings: object) -> Places:
    return Places(PlaceSettings.model_validate({"database": CITIES} | settings))


def test_an_address_has_a_place() -> None:
    assert places(asn_database=NETWORKS).find(IN_SWEDEN) == Place(
        country="SE", country_name="Sweden", city="Linköping", latitude=58.4167, longitude=15.6167, radius_km=76,
        time_zone="Europe/Stockholm", asn=29518,
    )  # fmt: skip
    found = places().find(IN_SWEDEN)
    assert found is not None
    assert found.asn is None


def test_the_mapped_form_of_an_address_is_at_the_same_place() -> None:
    assert places().find(f"::ffff:{IN_SWEDEN}") == places().find(IN_SWEDEN)
    assert places().describe("2a02:d3c0::1") == "United Kingdom"


@pytest.mark.parametrize(
    "address",
    [
        None, "", "unknown", "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.1.1", "100.64.0.1", "::1",
        "fe80::1", "fd00::1", "0.0.0.0", "203.0.113.7", "8.8.8.8", "not an address", "1.2.3.4.5",
    ],
)  # fmt: skip
def test_what_is_private_unknown_or_no_address_has_no_place(address: str | None) -> None:
    assert places().find(address) is None
    assert places().describe(address) is None


def test_a_place_in_words_is_as_exact_as_it_is_known() -> None:
    known = places()
    assert known.describe(IN_SWEDEN) == "Linköping, Sweden"
    assert known.describe(IN_BHUTAN) == "Bhutan"
    assert known.describe(IN_SWEDEN, "de") == "Linköping, Schweden"
    assert known.describe(IN_SWEDEN, "tlh") == "Linköping, Sweden"
    assert known.words(Place(country="XK")) == "XK"
    assert known.words(Place(asn=1)) is None
    assert known.words(None) is None


def test_without_a_database_nobody_has_a_place() -> None:
    nothing = Places(PlaceSettings())
    assert nothing.find(IN_SWEDEN) is None
    assert not nothing.refuses(None)
    networks = Places(PlaceSettings(asn_database=NETWORKS))
    assert networks.find(IN_SWEDEN) == Place(asn=29518)


def test_rules_on_countries_refuse_and_spare_whom_they_name() -> None:
    only = places(allowed_countries=("SE", "GB"))
    strict = places(allowed_countries=("SE", "GB"), refuse_unknown=True)
    never = places(denied_countries=("CN",))

    def refused(rules: Places) -> list[bool]:
        addresses = (IN_SWEDEN, IN_CHINA, "8.8.8.8", "127.0.0.1")
        return [rules.refuses(rules.find(address)) for address in addresses]

    assert refused(only) == [False, True, False, False]
    assert refused(strict) == [False, True, True, True]
    assert refused(never) == [False, True, False, False]
    assert not only.refuses(Place(country="GB"))
    assert not places().refuses(Place(country="CN"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"database": CITIES, "allowed_countries": ["FR"], "denied_countries": ["CN"]},
        {"database": CITIES, "allowed_countries": ["fr"]},
        {"database": CITIES, "denied_countries": ["UK"]},
        {"database": CITIES, "denied_countries": ["France"]},
        {"denied_countries": ["CN"]},
        {"database": CITIES, "refuse_unknown": True},
    ],
)
def test_rules_that_contradict_themselves_do_not_start(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="places"):
        load(tmp_path, {"places": wrong}, environment={})


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut", "networks"])
def test_a_broken_file_does_not_start(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "places.mmdb"
    content = {"empty": b"", "text": b"not a database", "cut": CITIES.read_bytes()[:5000]}
    if kind in content:
        path.write_bytes(content[kind])
    elif kind == "networks":
        path = NETWORKS

    with pytest.raises(Misconfigured, match=path.name):
        Ostiary.at(tmp_path / "data", places={"database": str(path)})


async def test_a_replaced_file_is_taken_up_and_a_broken_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, other = tmp_path / "places.mmdb", tmp_path / "new.mmdb"
    shutil.copy(CITIES, path)
    known = places(database=path)
    was = known.files[0]
    await known.renew()
    assert known.files[0] is was

    other.write_bytes(b"no database")
    other.replace(path)
    with caplog.at_level(logging.WARNING):
        await known.renew()
        await known.renew()
    # Threads of earlier tests may still be telling of their own.
    told = [record.getMessage() for record in caplog.records if record.name.startswith("ostiary.places")]
    assert len(told) == 1
    assert "stays in use" in told[0]
    assert known.describe(IN_SWEDEN) == "Linköping, Sweden"

    path.unlink()
    await known.renew()
    assert known.describe(IN_SWEDEN) == "Linköping, Sweden"

    shutil.copy(CITIES, other)
    os.utime(other, (1, 1))
    other.replace(path)
    await known.renew()
    assert known.files[0] is not was
    assert known.describe(IN_SWEDEN) == "Linköping, Sweden"


@pytest.mark.parametrize("at", range(1000, 20_000, 1900))
def test_a_damaged_file_knows_less_and_breaks_nothing(at: int, tmp_path: Path) -> None:
    path = tmp_path / "places.mmdb"
    raw = bytearray(CITIES.read_bytes())
    raw[at : at + 400] = b"\xff" * 400
    path.write_bytes(raw)
    try:
        known = places(database=path)
    except Misconfigured:
        return
    for last in range(0, 256, 5):
        for first in ("89.160.20", "81.2.69", "175.16.199", "216.160.83", "67.43.156"):
            known.describe(f"{first}.{last}")


async def test_the_owner_sees_where_each_session_began(open_house: OpenHouse) -> None:
    house = await open_house(work=False, places={"database": str(CITIES)})
    async with client_of(house, IN_SWEDEN) as client:
        mira = await register(client)
    async with client_of(house, "127.0.0.1") as client:
        answer = await client.post(f"{API}/login", json={"login": "mira", "password": PASSWORD})
        client.cookies.clear()
        listed = (await client.get(f"{API}/sessions", headers=bearer(mira))).json()["sessions"]

        assert answer.status_code == 200
        assert sorted((each["address"], each["place"]) for each in listed) == [
            ("127.0.0.1", None), (IN_SWEDEN, "Linköping, Sweden"),
        ]  # fmt: skip


@pytest.mark.parametrize("rule", [{"denied_countries": ["SE"]}, {"allowed_countries": ["GB"]}])
async def test_nobody_signs_in_or_registers_from_a_refused_country(
    open_house: OpenHouse, rule: dict[str, list[str]]
) -> None:
    house = await open_house(work=False, places={"database": str(CITIES)} | rule)
    body = {"username": "nora", "email": "nora@example.org", "password": PASSWORD}
    async with client_of(house, IN_UNITED_KINGDOM) as home, client_of(house, IN_SWEDEN) as abroad:
        await register(home)
        signed_in = await attempt(home, "mira", PASSWORD)
        assert signed_in.status_code == 200
        known = next(text for text in signed_in.headers.get_list("set-cookie") if "device=" in text).partition(";")[0]

        registered = await abroad.post(f"{API}/register", json=body)
        assert (registered.status_code, registered.json()["type"].rpartition("/")[2]) == (403, "address-blocked")
        assert looks(await attempt(abroad, "mira", PASSWORD)) == looks(await attempt(abroad, "mira"))
        assert (await attempt(abroad, "mira", PASSWORD, cookie=known)).status_code == 401
        assert (await abroad.get(f"{API}/me", headers=bearer(signed_in.json()))).status_code == 200

    (line, *_) = await house.audit.listed(action="login.refused")
    assert (line.details["risk"]["action"], line.details["risk"]["reasons"]["country.refused"]) == ("deny", 100)
    assert (await journalled(house)).count("attempt.refused") == 1


async def test_the_page_of_devices_says_where_they_are(open_house: OpenHouse) -> None:
    house = await open_house(work=False, places={"database": str(CITIES)})
    async with client_of(house, IN_SWEDEN) as client:
        browser = Browser(client)
        await browser.get(f"{API}/csrf")
        body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
        await browser.post(f"{API}/register", json=body)
        page = await browser.get("/auth/sessions")

    assert "Linköping, Sweden" in page.text


async def test_a_letter_says_where_it_was_done(open_house: OpenHouse) -> None:
    house = await open_house(work=False, places={"database": str(CITIES)})
    async with client_of(house, IN_SWEDEN) as client:
        mira = await register(client)
        await _prove(house, client)
        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        assert (await client.post(f"{API}/password/change", json=change, headers=bearer(mira))).status_code == 200

    letter = await letter_to(house, "mira@example.org", "password")
    assert f"Linköping, Sweden, {IN_SWEDEN}" in letter.text


async def _prove(house: Ostiary, client: httpx.AsyncClient) -> None:
    token = token_in(await letter_to(house, "mira@example.org"))
    assert (await client.post(f"{API}/email/verify", json={"token": token})).status_code == 200
    client.cookies.clear()
