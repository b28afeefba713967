"""The guide is run as it stands; only the address is another one."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.house import PASSWORD, letter_to, token_in
from tests.totp.steps import App

from ostiary.client.api import AsyncOstiaryClient, SecondFactorOwed
from ostiary.core.caller import KEEPER
from ostiary.core.clock import ManualClock
from ostiary.wiring import Ostiary

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "python-client.md"


async def test_every_block_of_the_guide_does_what_it_says(house: Ostiary, url: str, clock: ManualClock) -> None:
    text = GUIDE.read_text(encoding="utf-8").replace("https://auth.example.org", url)
    guide: dict[str, Any] = {"Callable": Callable}
    for block in re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        exec(compile(block, str(GUIDE), "exec"), guide)

    async with AsyncOstiaryClient(url) as client:
        account = (await client.auth.register(username="mira", email="mira@example.org", password=PASSWORD)).user
        await client.account.verify_email(token=token_in(await letter_to(house, "mira@example.org")))
        assert await guide["rename"](client, "Mira Mole") == "Mira Mole"
        async with house.database.unit(KEEPER) as unit:
            await house.accounts.permit(unit, account.id, "providers:read")
        made = await client.api_keys.create(name="Machine", scopes=["providers:read"], networks=["127.0.0.0/8"])
        assert await asyncio.to_thread(guide["providers"], made.api_key) == []
        enrolment = await client.second_factors.begin_totp()
        app = App(base64.b32decode(enrolment.secret), house)
        await client.second_factors.confirm_totp(code=app.code())

        clock.advance(minutes=1)
        devices = await asyncio.to_thread(guide["names_of_devices"], "mira", PASSWORD, lambda _: app.code())
        assert len(devices) == 2
        clock.advance(minutes=1)
        owed = await client.auth.login(login="mira", password=PASSWORD)
        assert isinstance(owed, SecondFactorOwed)
        await client.auth.show_second_factor(ticket=owed.ticket, method="totp", code=app.code())
        told: list[Any] = []
        with guide["take_up"](client.tokens, told.append) as again:
            assert await asyncio.to_thread(guide["why_not"], again) == "Done."
            clock.advance(minutes=11)
            said = await asyncio.to_thread(guide["why_not"], again)
            assert said.startswith("Prove again who you are: ")
            await asyncio.to_thread(again.auth.logout)
            assert told == [None]
            assert await asyncio.to_thread(guide["why_not"], again) == "Sign in first."
