"""Every route, asked by everybody: what the table below does not open stays shut (ASVS 8.2.1, 8.2.2; R43).

The routes are read off the house, so a new one is for people who are signed in, and for no API key, until the
table says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import insert
from tests.attacks.raw import contents
from tests.contract.doors import SOME_SESSION, Door, doors
from tests.contract.test_document_holds import GENEROUS
from tests.house import ORIGIN, OpenHouse, client_of

from ostiary.core.db import Query
from ostiary.federation.models import federated_identities
from ostiary.testing import people
from ostiary.testing.authenticator import Authenticator
from ostiary.testing.people import SignedIn
from ostiary.web.rights import HOUSE_PERMISSIONS
from ostiary.wiring import Ostiary

ANYBODY = {
    f"{method} {path}"
    for line in """
        GET / | GET /healthz | GET /readyz | GET /.well-known/change-password | GET /.well-known/jwks.json
        GET /api/v1/openapi.json | POST /api/v1/csp-report | GET,POST /accounts/{provider}/login
        GET,POST /accounts/{provider}/login/callback | GET /api/v1/auth/csrf | POST /api/v1/auth/account/keep
        POST /api/v1/auth/dbsc/refresh | POST /api/v1/auth/dbsc/register | POST /api/v1/auth/email/verify
        GET /api/v1/auth/federation/providers | POST /api/v1/auth/federation/{provider}/sign-in
        POST /api/v1/auth/login | POST /api/v1/auth/logout | POST /api/v1/auth/magic-link/confirm
        POST /api/v1/auth/magic-link/request | POST /api/v1/auth/mfa/passkey/begin
        POST /api/v1/auth/mfa/passkey/finish | POST /api/v1/auth/mfa/send | POST /api/v1/auth/mfa/verify
        POST /api/v1/auth/passkeys/sign-in/begin | POST /api/v1/auth/passkeys/sign-in/finish
        POST /api/v1/auth/password-reset/confirm | POST /api/v1/auth/password-reset/request
        POST /api/v1/auth/password/check | POST /api/v1/auth/password/replace | POST /api/v1/auth/refresh
        POST /api/v1/auth/register | GET /api/v1/auth/status-lists/{which} | GET /auth/check-mail
        GET,POST /auth/confirm | GET,POST /auth/forgot | GET,POST /auth/keep | GET,POST /auth/link
        POST /auth/link/code | GET /auth/link/sent | GET,POST /auth/magic-link | GET,POST /auth/new-password
        GET,POST /auth/not-me | GET,POST /auth/register | GET,POST /auth/reset | GET /auth/return/{written:path}
        GET,POST /auth/second-factor | GET,POST /auth/sign-in | POST /auth/sign-out | GET /auth/signed-out
        GET /auth/static/{name} | GET,POST /auth/unlock
    """.strip().splitlines()
    for part in line.split("|")
    for methods, path in [part.split()]
    for method in methods.split(",")
}
"""Doors that open to strangers; what they hold is proven by what is sent, or is nobody's secret."""

ADMIN = "/api/v1/admin"
KEEPERS = {
    f"GET {ADMIN}/csp-reports": {"csp-reports:read"},
    f"DELETE {ADMIN}/csp-reports": {"csp-reports:write"},
    f"GET {ADMIN}/providers": {"providers:read"},
    f"POST {ADMIN}/providers": {"providers:write"},
    f"POST {ADMIN}/providers/{{provider}}/test": {"providers:write"},
    f"DELETE {ADMIN}/providers/{{provider}}": {"providers:write"},
    f"GET {ADMIN}/permissions": {"roles:read"},
    f"GET {ADMIN}/roles": {"roles:read"},
    f"POST {ADMIN}/roles": {"roles:write"},
    f"GET {ADMIN}/roles/{{role}}": {"roles:read"},
    f"PATCH {ADMIN}/roles/{{role}}": {"roles:write"},
    f"DELETE {ADMIN}/roles/{{role}}": {"roles:write"},
    f"GET {ADMIN}/roles/{{role}}/holders": {"roles:read"},
    f"GET {ADMIN}/rights": {"roles:read"},
    f"GET {ADMIN}/accounts/{{account_id}}/rights": {"roles:read"},
    f"POST {ADMIN}/accounts/{{account_id}}/roles": {"roles:write"},
    f"DELETE {ADMIN}/accounts/{{account_id}}/roles/{{role}}": {"roles:write"},
    f"POST {ADMIN}/accounts/{{account_id}}/permissions": {"roles:write"},
    f"DELETE {ADMIN}/accounts/{{account_id}}/permissions/{{permission}}": {"roles:write"},
    "GET /api/v1/auth/revocations": {"revocations:read"},
    "GET /auth/admin/roles": {"roles:read"},
    "POST /auth/admin/roles": {"roles:read", "roles:write"},
    "GET /auth/admin/roles/{role}": {"roles:read"},
} | {
    f"POST /auth/admin/roles/{{role}}/{act}": {"roles:read", "roles:write"}
    for act in ("permit", "forbid", "grant", "revoke", "remove")
}  # fmt: skip
"""Doors that open to who may do all of this."""

BY_KEY = {"GET /api/v1/auth/me"} | {door for door in KEEPERS if ADMIN in door}
"""Doors that open to an API key; at a keeper's, to one that was made for it and is confined to networks."""

UNLISTED = [door for door in doors() if str(door) not in ANYBODY and str(door) not in KEEPERS]
SHUT = {"not-signed-in", "not-permitted", "scope-missing", "api-key-not-accepted"}
SHUT_PAGES = (
    "Your account may not do this.",
    "This API key cannot be used here.",
    "This API key was not made for that.",
)


@dataclass
class Asker:
    """Somebody who asks.

    Attributes:
        may: What they may do; None is a stranger.
        is_key: Whether they show an API key.
        headers: By which they are known, at API doors and at pages.
    """

    name: str
    may: frozenset[str] | None
    is_key: bool = False
    who: SignedIn | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def is_let_in(self, door: str) -> bool:
        """Return what the table says."""
        if door in ANYBODY:
            return True
        if self.may is None or (self.is_key and door not in BY_KEY):
            return False
        return KEEPERS.get(door, set()) <= self.may

    async def ask(self, client: httpx.AsyncClient, door: Door, path: str, body: Any = None) -> httpx.Response:  # noqa: ANN401
        """Ask at a door, as a program at the API's and as a browser at a page's."""
        is_form = door.is_page and door.method == "POST"
        headers, data = self.headers, None
        if self.who is not None:
            headers = self.who.browser if door.is_page else self.who.headers
        if is_form:
            data = {"csrf_token": headers.get("x-csrf-token", "")} | (body or {})
        sent = (body or {}) if not door.is_page and door.method in ("POST", "PATCH") else None
        answer = await client.request(door.method, path, headers=headers, data=data, json=sent)
        client.cookies.clear()
        return answer


def is_shut(answer: httpx.Response) -> bool:
    """Return whether an answer says that the asker is not let in, whatever was asked."""
    if answer.headers.get("content-type") == "application/problem+json":
        return str(answer.json()["type"]).rpartition("/")[2] in SHUT
    if answer.status_code == 303:
        return answer.headers["location"].startswith("/auth/sign-in")
    return answer.status_code == 403 and any(words in answer.text for words in SHUT_PAGES)


async def signed_in(house: Ostiary, name: str, may: frozenset[str] = frozenset()) -> SignedIn:
    """Return somebody who has just signed in."""
    return await people.sign_in(house, name, permissions=sorted(may), acr="aal1", email=None, verified=True)


async def askers(house: Ostiary) -> list[Asker]:
    """Return everybody: a stranger, two accounts, a keeper for each permission and one for all, and keys."""
    every = frozenset(HOUSE_PERMISSIONS)
    found = [Asker("a stranger", None), Asker("mira", frozenset()), Asker("noor", frozenset())]
    found += [
        Asker(f"k{number}-{name.replace(':', '-')}", frozenset({name})) for number, name in enumerate(sorted(every))
    ]
    found.append(Asker("keeper", every))
    for asker in found[1:]:
        asker.who = await signed_in(house, asker.name, asker.may or frozenset())
    for name, scopes in (("bare", frozenset[str]()), ("scoped", every)):
        made = await people.api_key(
            house, f"key-{name}", scopes=sorted(scopes), permissions=sorted(every), networks=["203.0.113.0/24"],
            lifetime=None, machine=False,
        )  # fmt: skip
        found.append(Asker(f"key-{name}", scopes, is_key=True, headers=made.headers))
    return found


@pytest.fixture
def storage() -> str:
    return "sqlite"


@pytest.fixture
async def house(open_house: OpenHouse) -> Ostiary:
    """A house whose limits are out of the way, and whose feed tells what it knows and ends."""
    limits = GENEROUS | {"anonymous_per_minute": 10**6, "signed_in_per_minute": 10**6}
    opened: Ostiary = await open_house(work=False, protection=limits)
    opened.feed.end()
    return opened


def test_the_table_names_doors_that_are_there_and_permissions_of_the_house() -> None:
    assert KEEPERS.keys() | ANYBODY | BY_KEY <= {str(door) for door in doors()}
    assert not KEEPERS.keys() & ANYBODY
    assert set().union(*KEEPERS.values()) == set(HOUSE_PERMISSIONS), "each permission of the house opens something"


async def test_every_door_opens_to_whom_the_table_names_and_to_nobody_else(house: Ostiary) -> None:
    wrong, asked = [], 0
    async with client_of(house) as client:
        everybody = await askers(house)
        for door in doors():
            is_open = str(door) in ANYBODY
            for asker in everybody if not is_open else (everybody[0], everybody[1], everybody[-1]):
                answer = await asker.ask(client, door, door.concrete)
                asked += 1
                said = f"{door} as {asker.name}: {answer.status_code} {answer.text[:150]}"
                if answer.status_code >= 500 or (not is_open and is_shut(answer) == asker.is_let_in(str(door))):
                    wrong.append(said)
                if str(door) not in KEEPERS:  # what is one's own is shown to nobody else
                    wrong += [f"{said}: shows {one.name}" for one in everybody if shows(answer, asker, one)]
                if asker.who is not None and door.method != "GET" and not await stands(house, asker.who):
                    asker.who = await signed_in(house, asker.name)
    assert not wrong, "\n".join(wrong)
    assert asked > 1500


def shows(answer: httpx.Response, asker: Asker, other: Asker) -> bool:
    return other is not asker and other.who is not None and (
        other.who.id in answer.text or other.who.email in answer.text or other.who.session_id in answer.text
    )  # fmt: skip


async def stands(house: Ostiary, who: SignedIn) -> bool:
    session = await house.sessions.find(who.session_id)
    return session is not None and session.lives(house.clock.now())


# Own objects, and others'


async def a_session(house: Ostiary, owner: SignedIn) -> str:
    return (await signed_in(house, owner.username)).session_id


async def a_key(house: Ostiary, owner: SignedIn) -> str:
    made = await people.api_key(
        house, owner.username, scopes=(), permissions=(), networks=(), lifetime=None, machine=False
    )  # fmt: skip
    return made.id


async def a_passkey(house: Ostiary, owner: SignedIn) -> str:
    await people.add_passkey(house, owner, Authenticator(rp_id="localhost", origin=ORIGIN))
    return (await house.passkeys.listed(owner.id))[-1].id


async def a_connection(house: Ostiary, owner: SignedIn) -> str:
    id_ = (await house.roles.rights(owner.id)).account.id[:-4] + "cnnc"
    await house.database.run(
        Query(
            insert(federated_identities).values(
                id=id_, account_id=owner.id, provider="github", issuer="https://github.com", subject=id_,
                email=None, email_verified=0, name=owner.username, linked_at=0, last_used_at=None,
            )
        )
    )  # fmt: skip
    return id_


@dataclass(frozen=True)
class Naming:
    """A door at which somebody names an object of their own: by its path, or in a form's field."""

    door: str
    make: Callable[[Ostiary, SignedIn], Awaitable[str]]
    field: str = ""
    body: dict[str, Any] | None = None


NAMING = [
    Naming("DELETE /api/v1/auth/sessions/{session_id}", a_session),
    Naming("DELETE /api/v1/auth/api-key/{key_id}", a_key),
    Naming("POST /api/v1/auth/api-key/{key_id}/rotate", a_key),
    Naming("PATCH /api/v1/auth/passkeys/{passkey_id}", a_passkey, body={"name": "Mine"}),
    Naming("DELETE /api/v1/auth/passkeys/{passkey_id}", a_passkey),
    Naming("DELETE /api/v1/auth/connections/{connection_id}", a_connection),
    Naming("POST /auth/sessions/end", a_session, "session_id"),
    Naming("POST /auth/api-keys/revoke", a_key, "key_id"),
    Naming("POST /auth/api-keys/rotate", a_key, "key_id", {"overlap": "PT0S"}),
    Naming("POST /auth/passkeys/rename", a_passkey, "passkey_id", {"name": "Mine"}),
    Naming("POST /auth/passkeys/remove", a_passkey, "passkey_id"),
    Naming("POST /auth/connections/remove", a_connection, "connection_id"),
]
BESIDES = frozenset(
    {"journal", "journal_strands", "onetime_tokens", "outbox", "signals", "counters", "passkey_challenges"}
)


def test_every_path_that_names_an_object_is_among_them() -> None:
    named = {str(door) for door in UNLISTED if re.search(r"\{\w+_id\}", door.path)}
    assert named == {one.door for one in NAMING if not one.field}


async def test_anothers_object_answers_as_one_that_is_not_there(house: Ostiary) -> None:
    by_name = {str(door): door for door in doors()}
    async with client_of(house) as client:
        for one in NAMING:
            door = by_name[one.door]
            mira, noor = [Asker(name, frozenset(), who=await signed_in(house, name)) for name in ("mira", "noor")]
            assert mira.who is not None
            theirs = await one.make(house, mira.who)
            noor.who = await proven(house, "noor")
            before = await contents(house, without=BESIDES)

            foreign, nothing = [await name_it(client, noor, one, door, id_) for id_ in (theirs, SOME_SESSION)]
            assert told(foreign) == told(nothing), one.door
            if not door.is_page:
                assert foreign.status_code == 404, one.door
            assert await contents(house, without=BESIDES) == before, one.door

            mira.who = await proven(house, "mira")
            own = await name_it(client, mira, one, door, theirs)
            assert own.status_code in (200, 303), (one.door, own.text)
            assert not is_shut(own)
            assert await contents(house, without=BESIDES | {"sessions"}) != before or one.make is a_session, one.door
            if one.make is a_session:
                session = await house.sessions.find(theirs)
                assert session is not None
                assert session.ended_at is not None


async def proven(house: Ostiary, name: str) -> SignedIn:
    """Return somebody who has just shown all that their account can show."""
    return await people.sign_in(house, name, permissions=(), acr="phr", email=None, verified=True)


async def name_it(client: httpx.AsyncClient, asker: Asker, one: Naming, door: Door, id_: str) -> httpx.Response:
    path = re.sub(r"\{\w+_id\}", id_, door.path)
    return await asker.ask(client, door, path, (one.body or {}) | ({one.field: id_} if one.field else {}))


def told(answer: httpx.Response) -> tuple[int, str | None, str]:
    """Return what can be learnt from an answer: all but the numbers that no two answers share."""
    return answer.status_code, answer.headers.get("location"), re.sub(r"[A-Za-z0-9_-]{16,}", "…", answer.text)
