from __future__ import annotations

import time
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import httpx
from tests.journeys.conftest import ROOMY
from tests.journeys.people import API, PASSWORD, address_of, letter_to, letters, link_in, somebody

if TYPE_CHECKING:
    from pathlib import Path

    from tests.services.fixtures import StartOstiary
    from tests.services.server_process import ServerProcess


def _register(url: str, name: str) -> None:
    body = {"username": name, "email": address_of(name), "password": PASSWORD}
    assert httpx.post(f"{url}{API}/register", json=body).status_code == 201


def test_a_development_server_shows_letters_in_the_terminal_and_as_json(house: ServerProcess) -> None:
    name = somebody()
    _register(house.url, name)
    letter = letter_to(house, name, "Confirm")

    assert letter.keys() == {"id", "to", "subject", "text", "html", "language", "sent_at"}
    assert letter in letters(house)
    assert f"Letter to {address_of(name)}: {letter['subject']}" in house.output
    assert link_in(letter) in house.output
    page = httpx.get(f"{house.url}/dev/mailbox/{letter['id']}")
    assert page.status_code == 200
    assert page.headers["cache-control"] == "no-store"


def test_a_development_server_shows_text_messages_in_the_terminal_and_as_json(house: ServerProcess) -> None:
    name, number = somebody(), "+46701234567"
    _register(house.url, name)
    token = link_in(letter_to(house, name, "Confirm")).partition("token=")[2]
    with httpx.Client(base_url=f"{house.url}{API}") as client:
        assert client.post("/email/verify", json={"token": token}).status_code == 200
        signed_in = client.post("/login", json={"login": name, "password": PASSWORD}).json()
        client.cookies.clear()
        bearing = {"authorization": f"Bearer {signed_in['access_token']}"}
        answer = client.post("/mfa/phone/begin", json={"number": number}, headers=bearing)
        assert answer.status_code == 200, answer.text

    (text,) = httpx.get(f"{house.url}/dev/texts.json").json()["texts"]
    assert text["to"] == number
    assert f"Text to {number}" in house.output
    assert text["body"] in house.output
    page = httpx.get(f"{house.url}/dev/texts")
    assert (page.status_code, text["body"][:6] in page.text) == (200, True)


def test_a_real_server_shows_no_letter_to_anybody(start_ostiary: StartOstiary, tmp_path: Path) -> None:
    server = start_ostiary(command="serve", data=tmp_path / "house", environment=ROOMY)
    name = somebody()
    _register(server.url, name)

    texts = ("/dev/texts", "/dev/texts.json")
    for path in ("/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/", "/dev/mailbox/any", "/dev", *texts):
        assert httpx.get(f"{server.url}{path}").status_code == 404
    mail = tmp_path / "house" / "mail"
    until = time.monotonic() + 20
    while not list(mail.glob("*.eml")):  # who is asked to end begins no job that is queued
        assert time.monotonic() < until
        time.sleep(0.02)
    assert server.terminate() == 0
    (kept,) = mail.glob("*.eml")
    letter = message_from_bytes(kept.read_bytes(), policy=policy.default)
    assert letter["to"] == address_of(name)
    assert kept.stat().st_mode & 0o077 == 0
    text = letter.get_body(("plain",))
    assert text is not None
    token = link_in({"text": text.get_content()}).partition("token=")[2]
    assert token not in server.output  # R17
    assert address_of(name) not in server.output
