"""Every thing of the house that is good for one use: how somebody comes by it, and what using it looks like (D10)."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import urlencode

from tests.contract.browser import DEVICE
from tests.house import PASSWORD
from tests.login.steps import give_codes
from tests.magiclinks.steps import COOKIE as LINK_COOKIE
from tests.passkeys.steps import COOKIE as PASSKEY_COOKIE
from tests.races.peers import Peers, SignedIn, register
from tests.races.wire import Line, Reply
from tests.texts.steps import OFFERED, code_in, texts

from ostiary.accounts import tell_of_lock
from ostiary.core.caller import KEEPER, Caller
from ostiary.core.secrets import new_id
from ostiary.login.tickets import Earned, pending_id
from ostiary.sessions.guard import DEVICE as DEVICE_PURPOSE
from ostiary.testing.authenticator import Authenticator
from ostiary.texts import ConsoleCarrier
from ostiary.texts import queries as text_queries
from ostiary.totp.algorithm import code_at, step_at
from ostiary.wiring import Ostiary

API = "/api/v1/auth"
FRESH = "seven lanterns over Uppsala"
LETTER_CODE = re.compile(r"^([0-9A-Z]{4}-[0-9A-Z]{4})\s*$", re.MULTILINE)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Use:
    """One request that uses a thing up, ready to be sent."""

    path: str
    body: object
    bearer: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, line: Line) -> Reply:
        """Send it."""
        return await line.ask("POST", self.path, self.body, bearer=self.bearer, headers=self.headers)


@dataclass(slots=True)
class Scene:
    """Running processes, a line to one of them, and a house of our own on the same database, to arrange things."""

    peers: Peers
    line: Line
    house: Ostiary
    account_id: str = ""

    async def somebody(self, *, is_proven: bool = True) -> SignedIn:
        """Register somebody, whose thing it will be, and prove the address."""
        who = await register(self.line, f"holder{next(_numbers):06}")
        self.account_id = who.account_id
        if is_proven:
            token = await self.peers.token_for(address_of(who))
            assert (await self.line.post("/email/verify", {"token": token})).status == 200
        return who

    async def mailed(self, who: SignedIn, page: str) -> str:
        """Return the secret of the link to a page in somebody's newest letter with one."""
        return await self.peers.written_to(address_of(who), re.compile(rf"/auth/{page}\?token=([A-Za-z0-9_-]{{43}})"))

    async def posted(self, path: str, body: object = None, *, bearer: str | None = None) -> Reply:
        """POST something that has to succeed."""
        reply = await self.line.post(path, body, bearer=bearer)
        assert reply.status in (200, 201), (path, reply.status, reply.body)
        return reply

    async def browsers(self, number: int) -> list[dict[str, str]]:
        """Return the cookies of so many browsers that the account knows.

        Each has guesses of its own, so that all of them get as far as the thing.
        """
        devices = [new_id(self.house.clock.now()) for _ in range(number)]
        async with self.house.database.unit(KEEPER) as unit:
            for device in devices:
                await self.house.protection.welcome(unit, self.account_id, device)
        return [{"Cookie": f"{DEVICE}={self.house.macs.write(DEVICE_PURPOSE, device)}"} for device in devices]

    async def tickets(self, number: int) -> list[str]:
        """Return so many tickets, as the right password earns them."""
        house = self.house
        async with house.database.unit(KEEPER) as unit:
            account = await house.accounts.get(unit, self.account_id)
            earned = Earned(account.epoch, ("pwd",), await house.passwords.mark(unit, account.id))
            return [await house.second_step.tickets.issue(unit, account, earned) for _ in range(number)]

    async def app(self, *codes: str) -> str:
        """Let the account have an authenticator app and recovery codes; return what the app shows now."""
        secret = await give_codes(self.house, self.account_id, *codes)
        return code_at(secret, step_at(self.house.clock.now()))

    async def passkey(self, who: SignedIn) -> Authenticator:
        """Let somebody have a passkey that does not count: a counter would decide the race as well."""
        key = Authenticator(counts=False)
        asked = (await self.posted("/passkeys/register/begin", bearer=who.access)).json()["publicKey"]
        await self.posted("/passkeys/register/finish", {"credential": key.make(asked), "name": ""}, bearer=who.access)
        return key


@asynccontextmanager
async def scene_of(peers: Peers, line: Line) -> AsyncIterator[Scene]:
    """Set a scene on running processes."""
    async with peers.house(console=ConsoleCarrier(), texts=OFFERED) as house:
        yield Scene(peers, line, house)


def address_of(who: SignedIn) -> str:
    return f"{who.name}@example.org"


# --- Links in letters


async def proof_of_address(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody(is_proven=False)
    return [Use(f"{API}/email/verify", {"token": await scene.mailed(who, "confirm")})] * number


async def reset_link(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    await scene.posted("/password-reset/request", {"email": address_of(who)})
    token = await scene.mailed(who, "reset")
    bodies = [{"token": token, "new_password": f"{FRESH} {n}"} for n in range(number)]
    return [Use(f"{API}/password-reset/confirm", body) for body in bodies]


async def letter_with_link(scene: Scene) -> tuple[str, str, str]:
    """Ask for a sign-in link; return its secret, the code beside it, and the cookie of the browser that asked."""
    who = await scene.somebody()
    asked = await scene.posted("/magic-link/request", {"email": address_of(who)})
    token = await scene.mailed(who, "magic-link")
    code = await scene.peers.written_to(address_of(who), LETTER_CODE)
    return token, code, cookie_in(asked, LINK_COOKIE)


async def magic_link(scene: Scene, number: int) -> list[Use]:
    token, _, _ = await letter_with_link(scene)
    return [Use(f"{API}/magic-link/confirm", {"token": token, "elsewhere": True})] * number


async def magic_link_code(scene: Scene, number: int) -> list[Use]:
    _, code, cookie = await letter_with_link(scene)
    return [Use(f"{API}/magic-link/confirm", {"code": code}, headers={"Cookie": cookie})] * number


async def magic_link_and_code(scene: Scene, number: int) -> list[Use]:
    """Half of them follow the link, half type the code: both are one thing."""
    token, code, cookie = await letter_with_link(scene)
    bodies: list[dict[str, object]] = [{"token": token}, {"code": code}]
    return [
        Use(f"{API}/magic-link/confirm", bodies[n % 2], headers={"Cookie": cookie}) for n in range(number)
    ]  # fmt: skip


async def disown_link(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    seen: dict[str, Any] = {"kind": "new_sign_in", "account_id": who.account_id, "agent": "", "address": "192.0.2.1"}
    async with scene.house.database.unit(KEEPER) as unit:
        unit.later("letter", when=unit.now, **seen)
    return [Use("/auth/not-me", urlencode({"token": await scene.mailed(who, "not-me")}))] * number


async def unlock_link(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    async with scene.house.database.unit(KEEPER) as unit:
        tell_of_lock(unit, who.account_id)
    return [Use("/auth/unlock", urlencode({"token": await scene.mailed(who, "unlock")}))] * number


async def keep_link(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    await scene.posted("/account/erase", {"current_password": PASSWORD}, bearer=who.access)
    return [Use(f"{API}/account/keep", {"token": await scene.mailed(who, "keep")})] * number


# --- Second factors, and the tickets beside them


def verify(ticket: str, method: str, code: str, **more: Any) -> Use:  # noqa: ANN401
    return Use(f"{API}/mfa/verify", {"ticket": ticket, "method": method, "code": code}, **more)


def recovery_codes(number: int) -> list[str]:
    return [f"{n:08}" * 3 for n in range(10_000_000, 10_000_000 + number)]


async def recovery_code(scene: Scene, number: int) -> list[Use]:
    """Each by a ticket of its own: only the code is shared."""
    await scene.somebody()
    code, another = recovery_codes(2)  # with the last one gone, late ones would hear that there are none
    await scene.app(code, another)
    pairs = zip(await scene.tickets(number), await scene.browsers(number), strict=True)
    return [verify(ticket, "recovery_code", code, headers=browser) for ticket, browser in pairs]


async def totp_step(scene: Scene, number: int) -> list[Use]:
    """Each by a ticket of its own: only the step is shared."""
    await scene.somebody()
    pairs = zip(await scene.tickets(number), await scene.browsers(number), strict=True)
    code = await scene.app()
    return [verify(ticket, "totp", code, headers=browser) for ticket, browser in pairs]


async def text_code(scene: Scene, number: int) -> list[Use]:
    """By the one ticket that it was sent for."""
    who = await scene.somebody()
    await scene.passkey(who)  # so that there is a row of a factor to compare with
    house = scene.house
    async with house.database.unit(KEEPER) as unit:
        wrapper = await house.account_keys.find(unit, who.account_id)
        assert wrapper is not None
        sealed = wrapper.seal(phone_number().encode(), f"phone number {who.account_id}")
        await unit.run(
            text_queries.PUT_PHONE, account_id=who.account_id, sealed=sealed, added_at=unit.now, last_used_at=None
        )
    (ticket,) = await scene.tickets(1)
    await house.texts.send(KEEPER, who.account_id, pending_id(ticket))
    code = code_in(texts(house)[0])
    return [verify(ticket, "sms", code, headers=browser) for browser in await scene.browsers(number)]


async def ticket(scene: Scene, number: int) -> list[Use]:
    """Each with a recovery code of its own: only the ticket is shared."""
    await scene.somebody()
    codes = recovery_codes(number)
    await scene.app(*codes)
    (one,) = await scene.tickets(1)
    pairs = zip(codes, await scene.browsers(number), strict=True)
    return [verify(one, "recovery_code", code, headers=browser) for code, browser in pairs]


async def step_up_ticket(scene: Scene, number: int) -> list[Use]:
    """The same inside a session."""
    who = await scene.somebody()
    codes = recovery_codes(number)
    await scene.app(*codes)
    one = (await scene.posted("/step-up", {"password": PASSWORD}, bearer=who.access)).json()["ticket"]
    pairs = zip(codes, await scene.browsers(number), strict=True)
    return [verify(one, "recovery_code", code, bearer=who.access, headers=browser) for code, browser in pairs]


async def replacement_ticket(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    house = scene.house
    async with house.database.unit(KEEPER) as unit:
        account = await house.accounts.get(unit, who.account_id)
        mark = await house.passwords.mark(unit, account.id)
        demand = await house.passwords.demand_change(unit, account, mark, ("pwd",))
    bodies = [{"ticket": demand.ticket, "new_password": f"{FRESH} {n}"} for n in range(number)]
    pairs = zip(bodies, await scene.browsers(number), strict=True)
    return [Use(f"{API}/password/replace", body, headers=browser) for body, browser in pairs]


# --- Challenges of passkeys


async def sign_in_challenge(scene: Scene, number: int) -> list[Use]:
    key = await scene.passkey(await scene.somebody())
    asked = await scene.posted("/passkeys/sign-in/begin")
    body = {"credential": key.show(asked.json()["publicKey"])}
    headers = {"Cookie": cookie_in(asked, PASSKEY_COOKIE)}
    return [Use(f"{API}/passkeys/sign-in/finish", body, headers=headers)] * number


async def second_factor_challenge(scene: Scene, number: int) -> list[Use]:
    """By the one ticket that it is bound to."""
    key = await scene.passkey(await scene.somebody())
    (one,) = await scene.tickets(1)
    asked = (await scene.posted("/mfa/passkey/begin", {"ticket": one})).json()["publicKey"]
    return [Use(f"{API}/mfa/passkey/finish", {"ticket": one, "credential": key.show(asked)})] * number


async def step_up_challenge(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    key = await scene.passkey(who)
    asked = (await scene.posted("/step-up/passkey/begin", bearer=who.access)).json()["publicKey"]
    body = {"credential": key.show(asked)}
    return [Use(f"{API}/step-up/passkey/finish", body, bearer=who.access)] * number


async def registration_challenge(scene: Scene, number: int) -> list[Use]:
    """Each for a key of its own: only the challenge is shared."""
    who = await scene.somebody()
    asked = (await scene.posted("/passkeys/register/begin", bearer=who.access)).json()["publicKey"]
    bodies = [{"credential": Authenticator(counts=False).make(asked), "name": ""} for _ in range(number)]
    return [Use(f"{API}/passkeys/register/finish", body, bearer=who.access) for body in bodies]


# --- What is about to be set up


async def phone_code(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    caller = Caller(request_id="races", account_id=who.account_id, session_id=who.session_id)
    await scene.house.texts.begin(caller, phone_number())
    code = code_in(texts(scene.house)[0])
    return [Use(f"{API}/mfa/phone/confirm", {"code": code}, bearer=who.access)] * number


async def totp_enrolment(scene: Scene, number: int) -> list[Use]:
    who = await scene.somebody()
    begun = (await scene.posted("/mfa/totp/begin", bearer=who.access)).json()
    code = code_at(base64.b32decode(begun["secret"]), step_at(scene.house.clock.now()))
    return [Use(f"{API}/mfa/totp/confirm", {"code": code}, bearer=who.access)] * number


def phone_number() -> str:
    return f"+4670{next(_numbers):07}"


def cookie_in(reply: Reply, name: str) -> str:
    """Return a cookie that an answer sets, as a browser sends it."""
    pairs = [line.partition(";")[0] for line in reply.headers["set-cookie"].split("\n")]
    (found,) = [pair for pair in pairs if pair.startswith(f"{name}=")]
    return found


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is good for one use.

    Attributes:
        prepared: Lets somebody have it, and returns so many uses of it.
        kept_in: Purpose of a token or of a challenge, or the table whose row decides.
        effect: The journal's word for what a use does.
        lost: What whoever was late hears: a problem, or the status of a page.
        limited: Whether uses are counted on the account before they are looked at, so that few race.
    """

    name: str
    prepared: Callable[[Scene, int], Awaitable[list[Use]]]
    kept_in: str
    effect: str
    lost: frozenset[str]
    limited: bool = False


def thing(
    name: str, prepared: Callable[[Scene, int], Awaitable[list[Use]]], kept_in: str, effect: str, *lost: str,
    limited: bool = False,
) -> Thing:  # fmt: skip
    return Thing(name, prepared, kept_in, effect, frozenset(lost), limited)


SIGNED_IN, RAISED = "login.succeeded", "session.strengthened"
TOKEN, TICKET, FACTOR = "token-not-valid", "ticket-not-valid", "second-factor-refused"
CODE, PASSKEY, LATE_CODE = "link-code-not-valid", "passkey-refused", "text-code-not-valid"
WEAK = "sign-in-too-weak"
"""Of a session: with the factor that the winner has just added, the account can show more than this one has."""

THINGS = [
    thing("address verification link", proof_of_address, "address.prove", "address.proven", TOKEN),
    thing("password reset link", reset_link, "password.reset", "password.reset_completed", TOKEN),
    thing("magic link", magic_link, "link.sign_in", SIGNED_IN, TOKEN),
    thing("magic link's code", magic_link_code, "link.sign_in", SIGNED_IN, CODE, limited=True),
    thing("magic link and its code", magic_link_and_code, "link.sign_in", SIGNED_IN, TOKEN, CODE, limited=True),
    thing("disown link", disown_link, "account.disown", "account.disowned", "page 404"),
    thing("unlock link", unlock_link, "account.unlock", "device.welcomed", "page 404"),
    thing("account-keep link", keep_link, "account.keep", "account.kept", TOKEN),
    thing("recovery code", recovery_code, "recovery_codes", SIGNED_IN, FACTOR),
    thing("TOTP step", totp_step, "totp_authenticators", SIGNED_IN, FACTOR),
    thing("SMS code", text_code, "text_codes", SIGNED_IN, FACTOR, TICKET),
    thing("MFA ticket", ticket, "login.second_factor", SIGNED_IN, TICKET),
    thing("step-up ticket", step_up_ticket, "login.second_factor", RAISED, TICKET, limited=True),
    thing("password replacement ticket", replacement_ticket, "password.replace", "password.changed", TICKET),
    thing("passkey challenge, sign-in", sign_in_challenge, "passkey sign-in challenge", SIGNED_IN, PASSKEY),
    thing(
        "passkey challenge, second factor", second_factor_challenge, "passkey second-factor challenge", SIGNED_IN,
        PASSKEY, TICKET,
    ),
    thing("passkey challenge, step-up", step_up_challenge, "passkey step-up challenge", RAISED, PASSKEY),
    thing(
        "passkey challenge, registration", registration_challenge, "passkey registration challenge", "passkey.added",
        "passkey-not-accepted", WEAK,
    ),
    thing("phone confirmation code", phone_code, "text_codes", "phone.added", LATE_CODE, WEAK, limited=True),
    thing("TOTP enrolment", totp_enrolment, "totp_enrolments", "totp.added", "no-enrolment", WEAK, limited=True),
]  # fmt: skip
