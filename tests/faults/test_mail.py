"""Fault: the mail server is down, slow to come back, or refuses: letters wait, none is lost (R54)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.races.fixtures import NewPeers
from tests.races.peers import register, token_in
from tests.races.wire import Switchboard
from tests.services.ports import free_port

# A login without TLS, on the loopback interface of a test; and what the mail server says of itself.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH:UserWarning", "ignore:Session.login_data")

PASSWORD_AT_THE_SERVER = "planted-Tq7vX2mK9s"
PEOPLE = 8
DELIVERY_SECONDS = 30.0


class PostOffice:
    """A mail server that keeps what it takes; it may refuse each letter once."""

    def __init__(self, *, refuses_once: bool = False) -> None:
        self.refuses_once = refuses_once
        self.refused: set[str] = set()
        self.letters: dict[str, list[bytes]] = {}

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        """Take a letter."""
        to = envelope.rcpt_tos[0]
        if self.refuses_once and to not in self.refused:
            self.refused.add(to)
            return "451 4.3.0 try again later, said the clerk about " + to
        assert isinstance(envelope.content, bytes)
        self.letters.setdefault(to, []).append(envelope.content)
        return "250 OK"


def lets_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    """Check the login at the mail server."""
    known = isinstance(data, LoginPassword) and data.password == PASSWORD_AT_THE_SERVER.encode()
    return AuthResult(success=known)


@contextmanager
def open_office(office: PostOffice, port: int) -> Iterator[None]:
    """Open the post office."""
    controller = Controller(
        office, hostname="127.0.0.1", port=port, authenticator=lets_in, auth_required=True, auth_require_tls=False
    )
    controller.start()
    try:
        yield
    finally:
        controller.stop()


def mail_environment(port: int) -> dict[str, str]:
    """Return the settings of a server that sends by this post office."""
    return {
        "OSTIARY_MAIL__SMTP_HOST": "127.0.0.1",
        "OSTIARY_MAIL__SMTP_PORT": str(port),
        "OSTIARY_MAIL__SMTP_SECURITY": "none",
        "OSTIARY_MAIL__SMTP_USERNAME": "ostiary",
        "OSTIARY_MAIL__SMTP_PASSWORD": PASSWORD_AT_THE_SERVER,
    }


async def test_letters_wait_for_a_mail_server_that_is_down_and_a_restart_loses_none(
    new_sqlite_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    port, office = free_port(), PostOffice()
    peers = new_sqlite_peers(mail_environment(port))
    peers.start(2)
    lines = await switchboard.lines(peers.ports)
    people = [await register(lines[i % 2], name()) for i in range(PEOPLE)]
    await asyncio.sleep(1)  # first attempts fail
    await asyncio.to_thread(peers.servers[0].kill9)
    await asyncio.to_thread(peers.replace, 0)

    with open_office(office, port):
        await _all_delivered(office, {f"{person.name}@example.org" for person in people})
        await asyncio.sleep(1)

    assert Counter(map(len, office.letters.values())) == {1: PEOPLE}  # one each
    letters = [message_from_bytes(content[0], policy=default) for content in office.letters.values()]
    tokens = [token_in(letter) for letter in letters]
    for i, token in enumerate(tokens):
        assert (await lines[i % 2].post("/email/verify", {"token": token})).status == 200
    for server in peers.servers:
        assert not [
            secret for secret in (PASSWORD_AT_THE_SERVER, "@example.org", *tokens) if str(secret) in server.output
        ]
        assert "Traceback" not in server.output


async def test_a_letter_that_is_refused_for_now_comes_later_and_the_refusal_is_not_logged(
    new_sqlite_peers: NewPeers, switchboard: Switchboard, name: Callable[[], str]
) -> None:
    port, office = free_port(), PostOffice(refuses_once=True)
    with open_office(office, port):
        peers = new_sqlite_peers(mail_environment(port))
        peers.start(1)
        (line,) = await switchboard.lines(peers.ports)
        people = [await register(line, name()) for _ in range(PEOPLE)]

        await _all_delivered(office, {f"{person.name}@example.org" for person in people})

    assert len(office.refused) == PEOPLE
    output = peers.servers[0].output
    assert "attempt 1" in output
    assert "clerk" not in output
    assert "@example.org" not in output


async def _all_delivered(office: PostOffice, owed: set[str]) -> None:
    for _ in range(int(DELIVERY_SECONDS / 0.1)):
        if owed <= office.letters.keys():
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"never came: {owed - office.letters.keys()}")
