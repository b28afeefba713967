"""Sessions and API keys without the way there: each in one call, by the same services as everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ostiary.accounts import check_address, check_username
from ostiary.apikeys import NewKey
from ostiary.core.caller import KEEPER, Caller
from ostiary.core.clock import millis
from ostiary.core.secrets import new_id, unb64
from ostiary.passkeys import Registration
from ostiary.testing.authenticator import Authenticator

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.client import Strength
    from ostiary.core.db import Unit
    from ostiary.rooms import Rooms
    from ostiary.sessions import Grant

PASSWORD: Final = "correct horse battery"  # noqa: S105 - of people who live as long as a test
"""The password of everybody whom the kit has opened an account for."""

METHODS: Final[dict[Strength, tuple[str, ...]]] = {
    "aal1": ("pwd",), "aal2": ("pwd", "otp", "mfa"), "phr": ("swk", "user", "mfa"),
}  # fmt: skip
"""What somebody has shown who has signed in so strongly: a password; an app's code beside it; a passkey."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who has just signed in.

    Attributes:
        id: The account's id, which applications keep.
        headers: What a program sends: its access token.
        cookies: What a browser holds after signing in, by name.
        browser: What a script on one of the site's pages sends: the cookies, `Origin`, and the CSRF token.
    """

    id: str
    username: str
    email: str
    session_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    cookies: dict[str, str] = field(repr=False)
    browser: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class MintedKey:
    """An API key, in the hands of its owner.

    Attributes:
        id: The key's id, as in lists and in `Identity.key_id`.
        account_id: Its owner.
        text: The key itself.
        headers: What a program sends.
    """

    id: str
    account_id: str
    text: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)


async def sign_in(
    house: Rooms, username: str, *, permissions: Iterable[str], acr: Strength, email: str | None, verified: bool
) -> SignedIn:
    """See `AsyncOstiary.sign_in`."""
    hashed = await house.hasher.hash(PASSWORD)
    async with house.database.unit(KEEPER) as unit:
        account = await _person(house, unit, username, email, hashed, verified=verified)
        for permission in permissions:
            await house.accounts.permit(unit, account.id, permission)
        account = await house.accounts.get(unit, account.id)
        session = await house.sessions.start(unit, account, methods=METHODS[acr], device_id=new_id(unit.now))
    return _told(house, house.sessions.grant(account, session))


async def api_key(
    house: Rooms, owner: str, *, scopes: Iterable[str], permissions: Iterable[str], networks: Iterable[str],
    lifetime: timedelta | None, machine: bool,
) -> MintedKey:  # fmt: skip
    """See `AsyncOstiary.api_key`."""
    hashed = await house.hasher.hash(PASSWORD)
    async with house.database.unit(KEEPER) as unit:
        if machine:
            account = await _machine(house, unit, owner)
        else:
            account = await _person(house, unit, owner, None, hashed, verified=True)
        for permission in permissions:
            await house.accounts.permit(unit, account.id, permission)
    expires_at = None if lifetime is None else house.clock.now() + millis(lifetime)
    issued = await house.api_keys.issue(KEEPER, account.id, NewKey.of("Test", scopes, networks, expires_at))
    return MintedKey(issued.key.id, account.id, issued.text, {"authorization": f"Bearer {issued.text}"})


async def add_passkey(house: Rooms, owner: SignedIn, authenticator: Authenticator) -> None:
    """See `AsyncOstiary.passkey`."""
    caller = Caller(request_id="testing", account_id=owner.id, session_id=owner.session_id)
    options = await house.passkeys.begin_registration(caller)
    made = authenticator.make(options)
    told = made["response"]
    answer = Registration(
        unb64(made["rawId"]), unb64(told["clientDataJSON"]), unb64(told["attestationObject"]), tuple(told["transports"])
    )
    await house.passkeys.finish_registration(caller, answer)


async def _person(
    house: Rooms, unit: Unit, username: str, email: str | None, hashed: str, *, verified: bool
) -> Account:  # fmt: skip
    """Return the account of this name; a new one if there is none."""
    known = await house.accounts.find_by_login(unit, username)
    if known is not None:
        return await house.accounts.get(unit, known)
    settings = house.settings.accounts
    address = check_address(email or f"{username}@example.org", settings.addresses)
    account = await house.accounts.open(unit, check_username(username, settings.usernames), address, "")
    await house.passwords.set(unit, account.id, hashed)
    claim = await house.accounts.claim_address(unit, account.id, address)
    if verified:
        await house.accounts.prove(unit, claim.id)
    return account


async def _machine(house: Rooms, unit: Unit, name: str) -> Account:
    known = await house.accounts.find_by_login(unit, name)
    if known is not None:
        return await house.accounts.get(unit, known)
    return await house.accounts.open_machine(unit, check_username(name, house.settings.accounts.usernames))


def _told(house: Rooms, grant: Grant) -> SignedIn:
    csrf, _ = house.csrf.issue(grant.session.id)
    name = house.cookies.name
    cookies = {
        name("access"): grant.access.token, name("refresh"): grant.refresh_token, name("session"): grant.page_token,
        name("csrf"): csrf,
    }  # fmt: skip
    return SignedIn(
        id=grant.account.id, username=grant.account.username, email=grant.account.email, session_id=grant.session.id,
        access_token=grant.access.token, refresh_token=grant.refresh_token,
        headers={"authorization": f"Bearer {grant.access.token}"}, cookies=cookies,
        browser={
            "cookie": "; ".join(f"{key}={value}" for key, value in cookies.items()),
            "origin": house.settings.web.public_url, "x-csrf-token": csrf,
        },
    )  # fmt: skip
