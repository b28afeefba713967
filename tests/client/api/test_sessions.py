"""A client in a session: signing in, staying signed in, and being signed out, over a real socket and in both forms."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.client.api.forms import Client, Form, Kept, Moved, Wire, until
from tests.csp_reports.samples import LEGACY, legacy
from tests.house import ORIGIN, PASSWORD, journalled, letter_to, token_in
from tests.totp.steps import App

from ostiary.client.api import (
    NotPermitted,
    OstiaryClient,
    ProofRefused,
    SecondFactorOwed,
    SignedIn,
    SignInNeeded,
    StepUpNeeded,
    Tokens,
)
from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import ManualClock
from ostiary.csp_reports import read
from ostiary.testing.authenticator import Authenticator
from ostiary.wiring import Ostiary

MIRA = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
LIFETIME = 900.0
REFRESH = "/auth/refresh"


@pytest.fixture
def moved() -> Moved:
    """The client's clock; the house has its own."""
    return Moved()


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def client(form: Form, url: str, kept: Kept, moved: Moved) -> AsyncIterator[Client]:
    made = Client(form, url, kept=kept, clock=moved)
    yield made
    await made.close()


def pass_time(clock: ManualClock, moved: Moved, seconds: float) -> None:
    clock.advance(seconds=int(seconds))
    moved.now += seconds


async def test_one_walk_from_registration_to_sign_out(house: Ostiary, client: Client, kept: Kept) -> None:
    signed_in = await client("auth.register", **MIRA)
    assert isinstance(signed_in, SignedIn)
    assert (signed_in.user.username, signed_in.user.status) == ("mira", "provisional")
    assert kept.latest is not None
    assert kept.latest.access_token == signed_in.access_token

    changed = await client("account.change", full_name="Mira Mole", language=None)
    assert changed.full_name == "Mira Mole"
    token = token_in(await letter_to(house, "mira@example.org"))
    assert (await client("account.verify_email", token=token)).email_verified
    weighed = await client("passwords.check", password="password")
    assert not weighed.acceptable

    (session,) = await client("sessions.list")
    assert session.current
    assert session.started_at.tzinfo is not None
    exported = await client.file("account.export")
    assert b"Mira Mole" in exported

    assert (await client("auth.logout")).detail == "You are signed out."
    assert kept.told[-1] is None
    with pytest.raises(SignInNeeded):
        await client("account.me")
    with pytest.raises(ProofRefused) as refused:
        await client("auth.login", login="mira", password="not this one")
    assert refused.value.slug == "wrong-password"
    # What a device is known by is shown where nobody is signed in, and nothing beside a credential.
    (login,) = (request for request in client.wire.asked if request.url.path.endswith("/auth/login"))
    assert login.headers["cookie"].startswith("__Host-device=")
    assert not [one for one in client.wire.asked if {"cookie", "authorization"} <= one.headers.keys()]
    assert client.real.cookies.keys() == {"__Host-device"}


async def test_a_second_factor_is_owed_and_shown(
    house: Ostiary, client: Client, kept: Kept, clock: ManualClock, moved: Moved
) -> None:
    await client("auth.register", **MIRA)
    await client("account.verify_email", token=token_in(await letter_to(house, "mira@example.org")))
    enrolment = await client("second_factors.begin_totp")
    assert enrolment.secret not in repr(enrolment)
    app = App(base64.b32decode(enrolment.secret), house)
    activated = await client("second_factors.confirm_totp", code=app.code())
    assert len(activated.recovery_codes) == 10
    assert activated.recovery_codes[0] not in repr(activated)
    await client("auth.logout")

    owed = await client("auth.login", login="mira", password=PASSWORD)
    assert isinstance(owed, SecondFactorOwed)
    assert "totp" in owed.methods
    assert owed.ticket not in repr(owed)
    assert kept.latest is None, "half a sign-in is none"
    pass_time(clock, moved, 60)
    signed_in = await client("auth.show_second_factor", ticket=owed.ticket, method="totp", code=app.code())
    assert isinstance(signed_in, SignedIn)

    pass_time(clock, moved, 700)  # past what is recent
    with pytest.raises(StepUpNeeded) as needed:
        await client("second_factors.renew_recovery_codes")
    assert (needed.value.slug, needed.value.max_age) == ("sign-in-too-old", 600)
    before = client.real.tokens
    again = await client("step_up.with_password", password=PASSWORD)
    assert isinstance(again, SecondFactorOwed)
    shown = await client("auth.show_second_factor", ticket=again.ticket, method="totp", code=app.code())
    assert isinstance(shown, SignedIn)
    assert client.real.tokens != before
    assert len((await client("second_factors.renew_recovery_codes")).recovery_codes) == 10


async def test_a_passkey_signs_in_by_what_binds_its_challenge_to_this_client(
    house: Ostiary, client: Client, form: Form, url: str
) -> None:
    await client("auth.register", **MIRA)
    await client("account.verify_email", token=token_in(await letter_to(house, "mira@example.org")))
    authenticator = Authenticator()
    made = await client("passkeys.begin")
    added = await client("passkeys.add", credential=authenticator.make(made.publicKey), name="Ring")
    assert [one.id for one in await client("passkeys.list")] == [added.id]
    await client("auth.logout")

    asked = await client("auth.begin_passkey")
    assert "__Host-passkey" in client.real.cookies
    stranger = Client(form, url)
    with pytest.raises(ProofRefused):
        await stranger("auth.show_passkey", credential=authenticator.show(asked.publicKey))
    await stranger.close()
    signed_in = await client("auth.show_passkey", credential=authenticator.show(asked.publicKey))
    assert signed_in.user.username == "mira"
    assert "__Host-passkey" not in client.real.cookies


@pytest.mark.parametrize("told_by", ["its own clock", "a refusal"])
async def test_twenty_at_once_exchange_the_tokens_once(
    house: Ostiary, client: Client, kept: Kept, clock: ManualClock, moved: Moved, told_by: str
) -> None:
    await client("auth.register", **MIRA)
    clock.advance(minutes=20)
    if told_by == "its own clock":
        moved.now += LIFETIME

    found = await asyncio.gather(*(client("account.me") for _ in range(20)))

    assert {one.username for one in found} == {"mira"}
    assert client.wire.count(REFRESH) == 1
    assert len(kept.told) == 2
    assert kept.told[0] != kept.told[1]
    assert "session.ended" not in await journalled(house)


async def test_the_answer_to_an_exchange_may_be_lost(
    house: Ostiary, form: Form, url: str, clock: ManualClock, moved: Moved
) -> None:
    lost: list[httpx.Request] = []

    def lose(request: httpx.Request) -> None:
        if request.url.path.endswith(REFRESH) and not lost:
            lost.append(request)
            raise httpx.ReadError("the line is cut")

    client = Client(form, url, clock=moved, wire=Wire(lose))
    await client("auth.register", **MIRA)
    clock.advance(minutes=20)

    assert (await client("account.me")).username == "mira"
    assert client.wire.count(REFRESH) == 2
    pass_time(clock, moved, LIFETIME)
    assert (await client("account.me")).username == "mira", "the successor was the very same"
    await client.close()


async def test_whoever_gives_up_waiting_ends_no_exchange(
    url: str, clock: ManualClock, moved: Moved, kept: Kept
) -> None:
    def give_up(request: httpx.Request) -> None:
        if request.url.path.endswith(REFRESH):  # the house has answered, and the client has not heard yet
            impatient.cancel()

    client = Client("awaiting", url, clock=moved, kept=kept, wire=Wire(give_up))
    await client("auth.register", **MIRA)
    pass_time(clock, moved, LIFETIME)

    impatient = asyncio.create_task(client("account.me"))
    with pytest.raises(asyncio.CancelledError):
        await impatient

    await until(lambda: len(kept.told) == 2)
    assert (await client("account.me")).username == "mira"
    assert client.wire.count(REFRESH) == 1
    await client.close()


async def test_two_processes_share_a_session_by_what_they_save(
    form: Form, url: str, clock: ManualClock, moved: Moved, kept: Kept
) -> None:
    here = Client(form, url, kept=kept, shares=True, clock=moved)
    await here("auth.register", **MIRA)
    there = Client(form, url, kept=kept, shares=True, clock=moved, tokens=kept.latest)
    pass_time(clock, moved, LIFETIME)
    await here("account.me")
    pass_time(clock, moved, 60)  # past the grace: what `there` still holds would be taken for a stolen copy

    assert (await there("account.me")).username == "mira"

    assert there.wire.count(REFRESH) == 0
    assert there.real.tokens == here.real.tokens
    await here.close()
    await there.close()


async def test_a_store_that_lags_behind_leads_nobody_back(
    form: Form, url: str, clock: ManualClock, moved: Moved, kept: Kept
) -> None:
    client = Client(form, url, kept=kept, shares=True, clock=moved)
    await client("auth.register", **MIRA)
    for _ in range(3):
        pass_time(clock, moved, LIFETIME)
        kept.told.append(kept.told[0])  # the oldest: shown again, it would end the session
        assert (await client("account.me")).username == "mira"
    assert client.wire.count(REFRESH) == 3
    await client.close()


async def test_a_session_that_was_ended_elsewhere_is_over_for_everybody(client: Client, kept: Kept, form: Form) -> None:
    await client("auth.register", **MIRA)
    elsewhere = Client(form, client.real._origin, tokens=client.real.tokens)
    await elsewhere("auth.logout")

    ended = await asyncio.gather(*(client("account.me") for _ in range(20)), return_exceptions=True)

    assert {type(one) for one in ended} == {SignInNeeded}
    assert kept.told[-1] is None
    assert client.wire.count(REFRESH) == 1
    await client("auth.logout")  # idempotent: nothing is wrong with being out
    await elsewhere.close()


async def test_many_people_share_connections_and_nothing_else(client: Client, kept: Kept) -> None:
    await client("auth.register", **MIRA)
    mine: Any = client.real.tokens
    other = client.real.in_session(None)
    noor = {"username": "noor", "email": "noor@example.org", "password": PASSWORD}
    if isinstance(other, OstiaryClient):
        await asyncio.to_thread(other.auth.register, **noor)
    else:
        await other.auth.register(**noor)
    assert other.tokens is not None
    assert client.real.tokens == mine
    assert (await client("account.me")).username == "mira"
    assert len(kept.told) == 1


async def test_a_key_is_shown_by_a_machine(house: Ostiary, client: Client, form: Form, url: str) -> None:
    account = (await client("auth.register", **MIRA)).user
    await client("account.verify_email", token=token_in(await letter_to(house, "mira@example.org")))
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, account.id, "providers:read")
    await client("auth.login", login="mira", password=PASSWORD)
    made = await client("api_keys.create", name="Backup", scopes=["providers:read"], networks=["127.0.0.0/8"])
    assert made.api_key not in repr(made)

    machine = Client(form, url, api_key=made.api_key)
    assert (await machine("account.me")).id == account.id
    assert made.api_key not in repr(machine.real)
    assert await machine("admin.providers.list") is not None
    with pytest.raises(NotPermitted) as refused:
        await machine("api_keys.create", name="Another")
    assert refused.value.slug == "api-key-not-accepted"

    assert [key.id for key in await client("api_keys.list")] == [made.id]
    await client("api_keys.revoke", made.id)
    with pytest.raises(SignInNeeded):
        await machine("account.me")
    assert machine.wire.count(REFRESH) == 0
    await machine.close()


async def test_a_long_list_is_read_page_by_page(house: Ostiary, client: Client) -> None:
    account = (await client("auth.register", **MIRA)).user
    async with house.database.unit(KEEPER) as unit:
        await house.accounts.permit(unit, account.id, "csp-reports:read")
    for number in range(5):
        (report,) = read(LEGACY, legacy(blocked_uri=f"https://e{number}.example"), frozenset({ORIGIN}))
        await house.csp_reports.take(Caller(address="203.0.113.7"), [report])
    await house.csp_reports.write()

    found = await client.all("admin.csp_reports.list", most=2)

    assert sorted(one.blocked for one in found) == [f"https://e{number}.example" for number in range(5)]
    assert client.wire.count("/csp-reports") == 3
    assert [one.id for one in await client.all("admin.csp_reports.list")] == [one.id for one in found]


def test_tokens_are_shown_to_nobody() -> None:
    tokens = Tokens("eyJ.secret", "r1.secret", 0.0)
    assert "secret" not in repr(tokens)
