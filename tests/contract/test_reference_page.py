"""docs/reference/http.md says what the house does: its tables are compared with the document and with real answers."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
from tests.contract.browser import HOST, set_cookies
from tests.contract.doors import document, doors, operations, resolved
from tests.contract.test_access_token import parts
from tests.house import API, PASSWORD

from ostiary.accounts import Account

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "http.md").read_text(encoding="utf-8")
ALWAYS = {"403", "405", "413", "429", "431", "503"}


def table(heading: str) -> list[list[str]]:
    """Return the rows of the first table below a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    assert len(lines) > 2, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_route_is_in_the_table_with_its_body_and_its_codes() -> None:
    written = {
        f"{method} {names(path)[0]}": (names(body), set(codes.split(", ")))
        for method, path, body, codes, _ in table("API routes")
    }
    documented: dict[str, tuple[list[str], set[str]]] = {}
    for operation in operations():
        fields: list[str] = []
        if operation.has_body:
            schema = resolved(operation.document["requestBody"]["content"]["application/json"]["schema"])
            needed = schema.get("required", [])
            fields = [name if name in needed else f"{name}?" for name in schema["properties"]]
        documented[str(operation)] = fields, operation.statuses - ALWAYS
    assert written == documented


def test_every_other_door_is_in_the_table_of_what_is_left_out() -> None:
    described = {str(operation) for operation in operations()}

    written = [f"{method} {names(path)[0]}" for method, path, _ in table("What the document leaves out")]

    assert sorted(written) == sorted(str(door) for door in doors() if str(door) not in described)


def test_every_shape_is_in_the_table_with_its_members() -> None:
    schemas = document()["components"]["schemas"]
    bodies = {
        resolved(operation.document["requestBody"]["content"]["application/json"]["schema"]).get("title")
        for operation in operations()
        if operation.has_body
    }

    written = {names(shape)[0]: names(members) for shape, members in table("Shapes")}

    assert written == {name: list(schema["properties"]) for name, schema in schemas.items() if name not in bodies}


async def test_the_cookies_are_those_that_a_browser_gets(outside: httpx.AsyncClient) -> None:
    body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
    answer = await outside.post(f"{API}/register", json=body)
    outside.cookies.clear()
    begun = await outside.post(f"{API}/passkeys/sign-in/begin")
    asked = await outside.post(f"{API}/magic-link/request", json={"email": "mira@example.org"})

    written = {HOST + names(cookie)[0]: (lives, only, site) for cookie, lives, only, site, _ in table("Cookies")}

    assert written == {
        cookie.name: (
            cookie.attributes["max-age"],
            "yes" if "httponly" in cookie.attributes else "no",
            cookie.attributes["samesite"],
        )
        for given in (answer, begun, asked)
        for cookie in set_cookies(given).values()
    }


async def test_the_claims_are_those_of_a_real_token(outside: httpx.AsyncClient) -> None:
    body = {"username": "mira", "email": "mira@example.org", "password": PASSWORD}
    answer = await outside.post(f"{API}/register", json=body)

    header, claims = parts(answer.json()["access_token"])

    assert {names(claim)[0] for claim, _ in table("Access token")} == set(claims)
    assert set(header) == {"typ", "alg", "kid"}


def test_the_shape_of_a_user_tells_nothing_that_is_kept_inside() -> None:
    shown = set(document()["components"]["schemas"]["UserAnswer"]["properties"])

    inside = {"email_proven_at", "epoch", "granted", "held", "kind"}
    assert shown - {"email_verified"} == set(Account.__struct_fields__) - inside
