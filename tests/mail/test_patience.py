"""What somebody must get to know waits for a mail server that is away for a day (R15, R54)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.house import CHEAP_HASHING, NEW_PASSWORD, PASSWORD, UNMOVED, bearer, client_of
from tests.recovery.steps import ADDRESS, settled

from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.incident import Cause
from ostiary.mail import Letter, Mailbox
from ostiary.wiring import Ostiary

KEEPER_MAIL = "keeper@example.org"


class Away(Mailbox):
    """A mail server that takes nothing until it is back."""

    is_back = True

    async def deliver(self, letter: Letter) -> None:
        """Take a letter, or refuse to."""
        if not self.is_back:
            raise ConnectionRefusedError
        await super().deliver(letter)


@pytest.fixture
async def house(tmp_path: Path, database_url: str, clock: ManualClock, patience: None) -> AsyncIterator[Ostiary]:
    """A house whose letters go by that server."""
    opened = Ostiary.at(
        tmp_path / "data", clock=clock, post=Away(), hashing=CHEAP_HASHING, storage={"database": database_url},
        protection=UNMOVED, alerts={"mail_to": [KEEPER_MAIL]},
    )  # fmt: skip
    await opened.open(work=False)
    yield opened
    await opened.close()


async def test_owners_and_keepers_hear_of_what_happened_while_it_was_away(house: Ostiary, clock: ManualClock) -> None:
    post = house.post
    assert isinstance(post, Away)
    async with client_of(house) as client:
        mira = await settled(house, client)
        await house.outbox.drain()
        post.letters.clear()
        post.is_back = False

        change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
        answer = await client.post("/api/v1/auth/password/change", json=change, headers=bearer(mira))
        assert answer.status_code == 200, answer.text
        await house.incident.notify(KEEPER, Cause("kim", "a drill"), "Read this.", house.incident.everybody(), "n1")

        for _ in range(24 * 4):
            await house.outbox.drain()
            clock.advance(minutes=15)
        assert not post.letters
        post.is_back = True
        await house.outbox.drain()
        clock.advance(hours=1)
        await house.outbox.drain()

    told = sorted((letter.to, letter.subject) for letter in post.letters)
    assert told == [
        (KEEPER_MAIL, "Alert at Ostiary: incident"),
        (ADDRESS, "Important news about your account at Ostiary"),
        (ADDRESS, "Your password at Ostiary was changed"),
    ]
