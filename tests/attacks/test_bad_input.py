"""Every body that a route can be sent and should not be: a clear 4xx problem, never a 5xx, and nothing changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.attacks.raw import Answered, ask, contents
from tests.contract.doors import Door, Operation, doors, operations, resolved
from tests.house import OpenHouse, client_of, register

from ostiary.core.caller import KEEPER
from ostiary.wiring import Ostiary

WITH_BODY = [operation for operation in operations() if operation.has_body]
CASES = [
    (operation, storage)
    for operation in WITH_BODY
    # Of the keeper's routes one is enough on both: bodies are read before any of them begins.
    for storage in (("sqlite",) if "/admin/roles" in operation.path or "/admin/accounts" in operation.path
                    else ("sqlite", "postgresql"))
]  # fmt: skip
EACH = pytest.mark.parametrize(
    ("operation", "storage"), CASES, indirect=["storage"], ids=[f"{storage}-{one}" for one, storage in CASES]
)
FORMS = [door for door in doors() if door.is_page and door.method == "POST"]
JSON = (b"content-type", b"application/json")
FORM = (b"content-type", b"application/x-www-form-urlencoded")
LARGEST = 64 * 1024


WRONG: dict[str, list[Any]] = {
    "string": ["x"], "boolean": [True], "integer": [1], "number": [-1.5], "array": [[], ["x"], [["x"]]],
    "object": [{}, {"$ne": ""}], "null": [None],
}  # fmt: skip
"""Values by their type: each is wrong for a field of another."""


BESIDES: dict[str, dict[str, Any]] = {
    "/login": {"login": "xylophone"},
    "/providers": {
        "provider": "acme",
        "settings": {"issuer": "https://login.example.org", "client_id": "a", "client_secret": "b"},
    },
}
"""What a body needs of fields that may be left out one by one, by the end of its path."""


def body_of(operation: Operation) -> dict[str, Any]:
    """Return the schema of an operation's body."""
    return resolved(operation.document["requestBody"]["content"]["application/json"]["schema"])


def fields_of(operation: Operation) -> dict[str, dict[str, Any]]:
    """Return the fields of an operation's body, with their schemas."""
    found: dict[str, dict[str, Any]] = body_of(operation)["properties"]
    return found


def sample(operation: Operation) -> dict[str, Any]:
    """Return a body of the right shape that opens nothing."""
    needed: dict[str, Any] = example(body_of(operation))
    return needed | next((more for end, more in BESIDES.items() if operation.path.endswith(end)), {})


def example(schema: dict[str, Any]) -> Any:  # noqa: ANN401 - as the schema says
    """Return the least that a schema lets pass, objects within objects."""
    schema = resolved(schema)
    if "properties" in schema:
        return {name: example(schema["properties"][name]) for name in schema.get("required", ())}
    return schema.get("const", "xylophone")


@dataclass(frozen=True)
class Place:
    """A field of a body, or of an object in it.

    Attributes:
        names: Which lead to it.
        must: Whether its object cannot do without.
    """

    names: tuple[str, ...]
    schema: dict[str, Any]
    must: bool

    def __str__(self) -> str:
        return ".".join(self.names)


def places_in(schema: dict[str, Any], *above: str) -> Iterator[Place]:
    """Yield every field of a body, objects within objects."""
    for name, found in schema["properties"].items():
        place = Place((*above, name), resolved(found), name in schema.get("required", ()))
        yield place
        if "properties" in place.schema:
            yield from places_in(place.schema, *place.names)


def replaced(body: dict[str, Any], names: tuple[str, ...], *value: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a body with another value at a place, or with none there."""
    name, *below = names
    others = {held: kept for held, kept in body.items() if held != name}
    if below:
        return others | {name: replaced(body[name], tuple(below), *value)}
    return others | ({name: value[0]} if value else {})


def malformed(operation: Operation) -> Iterator[bytes]:
    """Yield bodies that are not strict JSON."""
    good = json.dumps(sample(operation) or {"refresh_token": "x"})
    name = next(iter(fields_of(operation)))
    yield from (b"{", b"}", b"nil", b"{'a':1}", b'{"a":1,}', b"[1,]", b"\xff\xfe", b"\x00", b" ", b"\xef\xbb\xbf{}")
    yield good.encode()[:-1]
    yield good.encode() + b"{}"
    yield good.encode("utf-16")
    yield f'{{"{name}":"a","{name}":"b"}}'.encode()
    yield f'{{"{name}":"a\\u0000b"}}'.encode()
    yield f'{{"{name}":"\\ud800"}}'.encode()
    yield f'{{"{name}\\u0000":"a"}}'.encode()
    yield f'{{"{name}":NaN}}'.encode()
    yield f'{{"{name}":1e999}}'.encode()
    yield f'{{"{name}":{"9" * 5000}}}'.encode()
    yield f'{{"{name}":{"[" * 5000}'.encode()
    yield f'{{"{name}":{"[" * 30}{"]" * 30}}}'.encode()


def wrongly_typed(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the field at fault and a body in which only that one is."""
    for place in places_in(body_of(operation)):
        kinds = [place.schema, *place.schema.get("anyOf", ())]
        types = {kind.get("type") for kind in kinds}
        values = [value for kind, wrong in WRONG.items() if kind not in types for value in wrong]
        if "array" in types:
            values.append([["x"]])  # of texts
        if "string" in types:
            longest = max(kind.get("maxLength", 0) for kind in kinds)
            values.append("x" * (longest + 1))
        if any(kind.get("minLength") for kind in kinds):
            values.append("")
        if most := place.schema.get("maxItems"):
            values.append(["x"] * (most + 1))
        for value in values:
            yield str(place), replaced(sample(operation), place.names, value)


async def signed_in(house: Ostiary) -> tuple[bytes, bytes]:
    """Return the header of somebody who may keep what keepers send bodies about."""
    async with client_of(house) as client:
        held = await register(client)
    async with house.database.unit(KEEPER) as unit:
        for permission in ("providers:write", "roles:write"):
            await house.accounts.permit(unit, held["user"]["id"], permission)
    return b"authorization", f"Bearer {held['access_token']}".encode()


def assert_refused(answer: Answered, operation: Operation, *statuses: int) -> None:
    assert answer.is_problem, f"{operation}: {answer.status} {answer.body[:200]!r}"
    assert answer.status in statuses, f"{operation}: {answer.status} {answer.body[:200]!r}"
    assert str(answer.status) in operation.statuses
    assert answer.json["request_id"] == answer.headers["x-request-id"]


@EACH
async def test_a_body_that_cannot_stand_is_refused_and_changes_nothing(house: Ostiary, operation: Operation) -> None:
    bearer = await signed_in(house)
    before = await contents(house, without=frozenset())
    path = operation.concrete.encode()

    for raw in malformed(operation):
        answer = await ask(house.app, operation.method, path, [JSON, bearer], raw)
        assert_refused(answer, operation, 400)
        assert answer.json["type"].endswith("/malformed-json")
    for kind in (b"text/plain", b"application/xml", b"multipart/form-data; boundary=x", b"", b"application/json+x"):
        raw = json.dumps(sample(operation) or {"refresh_token": "x"}).encode()
        answer = await ask(house.app, operation.method, path, [(b"content-type", kind), bearer], raw)
        assert_refused(answer, operation, 415)
    for text in ("[]", '"x"', "1", "true", "null", "[{}]"):
        answer = await ask(house.app, operation.method, path, [JSON, bearer], text.encode())
        assert_refused(answer, operation, 422)
    for size in (LARGEST + 1, 10**6):
        raw = b'{"a":"' + b"x" * size + b'"}'
        pieces = [raw[at : at + 5000] for at in range(0, len(raw), 5000)]
        for headers, body in (([(b"content-length", str(len(raw)).encode())], raw), ([], pieces)):
            answer = await ask(house.app, operation.method, path, [JSON, bearer, *headers], body)
            assert_refused(answer, operation, 413)

    assert await contents(house, without=frozenset()) == before


@EACH
async def test_a_wrong_field_is_refused_by_its_name_and_changes_nothing(house: Ostiary, operation: Operation) -> None:
    bearer = await signed_in(house)
    before = await contents(house, without=frozenset())
    path = operation.concrete.encode()

    async def refused(body: dict[str, Any]) -> dict[str, str]:
        answer = await ask(house.app, operation.method, path, [JSON, bearer], json.dumps(body).encode())
        assert_refused(answer, operation, 422)
        assert all(error.keys() == {"field", "message", "code"} for error in answer.json["errors"])
        return {error["field"]: error["message"] for error in answer.json["errors"]}

    for name, body in wrongly_typed(operation):
        at_fault = {re.sub(r"\.\d+", "", field) for field in await refused(body)}  # of a list: which item
        assert at_fault == {name}, f"{operation}: {body}"
    for place in places_in(body_of(operation)):
        if place.must:
            assert str(place) in await refused(replaced(sample(operation), place.names))
    for unknown in ("admin", "__proto__", "constructor", "Username", "x" * 300, "\u202e", "a.b", "errors"):
        errors = await refused(sample(operation) | {unknown: "x"})
        assert list(errors) == [unknown[:80]], f"{operation}: {unknown}"
        assert errors[unknown[:80]] == "This field is not known here."

    assert await contents(house, without=frozenset()) == before


@EACH
async def test_half_a_body_is_no_body(house: Ostiary, operation: Operation) -> None:
    bearer = await signed_in(house)
    before = await contents(house, without=frozenset())
    raw = json.dumps(sample(operation) or {"refresh_token": "x"}).encode()

    for pieces in ([raw[:5]], [raw], [b""], [raw[:3], raw[3:9]]):
        answer = await ask(
            house.app, operation.method, operation.concrete.encode(), [JSON, bearer], pieces, hangs_up=True
        )
        assert_refused(answer, operation, 400)

    assert await contents(house, without=frozenset()) == before


@EACH
async def test_texts_that_trouble_parsers_are_answered_without_a_fault(
    open_house: OpenHouse, operation: Operation
) -> None:
    generous = {
        "login_failures_per_minute": 10**6, "login_failures_per_hour": 10**6, "lockout_failures": 100,
        "signups_per_hour": 10**6, "rechecks": 10**6, "weighings_per_minute": 10**6,
    }  # fmt: skip
    house = await open_house(work=False, protection=generous)
    bearer = await signed_in(house)
    texts = [
        "\u0001", "\x7f", "\u2028", "\ufeffx", "\U0010ffff" * 20, "e\u0301" * 30, "\u202eevil", "ﷺ" * 18, "İ" * 20,
        "' OR 1=1 --", "${jndi:ldap://x}", "{{7*7}}", "../../etc/passwd", "<script>alert(1)</script>", "%00", "a@b",
        "a@" + "x." * 60 + "org", "@", '"a b"@example.org', "mira@example.org\r\nBcc: x@y", "🦊" * 12, "\ud7ff",
    ]  # fmt: skip

    for name in fields_of(operation):
        for text in texts:
            body = sample(operation) | {name: text}
            if operation.path.endswith("/login") and name in ("username", "email"):
                del body["login"]
            raw = json.dumps(body).encode()
            answer = await ask(house.app, operation.method, operation.concrete.encode(), [JSON, bearer], raw)
            assert str(answer.status) in operation.statuses, f"{operation}: {name}={text!r}: {answer.status}"
            assert answer.status < 500, f"{operation}: {name}={text!r}: {answer.body!r}"


@pytest.mark.parametrize("door", FORMS, ids=str)
async def test_no_form_makes_a_page_stumble(house: Ostiary, door: Door) -> None:
    await signed_in(house)
    before = await contents(house, without=frozenset())
    many = "&".join(f"a{number}=x" for number in range(100)).encode()
    bodies = [
        b"", b"&&&===", b"csrf_token", b"csrf_token=x&csrf_token=y", b"%", b"%00=%00", b"\xff\xfe=\x00", many,
        b"csrf_token=" + b"x" * 5000, b"token=%ED%A0%80&csrf_token=%ED%A0%80", b"login=\r\n&csrf_token=a;b",
    ]  # fmt: skip
    part = b'--x\r\nContent-Disposition: form-data; name="csrf_token"; filename="f"\r\n\r\nabc\r\n--x--\r\n'
    multipart = (b"content-type", b"multipart/form-data; boundary=x")
    origin = (b"origin", b"http://localhost:8080")
    tries = [(FORM, body) for body in bodies]
    tries += [(JSON, b"{}"), (multipart, part), (multipart, part[:30]), (multipart, b""), (multipart, b"--y--")]
    tries += [((b"content-type", b"multipart/form-data"), part), ((b"content-type", b"\xff"), b"a=b")]
    tries += [(FORM, b"a=" + b"x" * LARGEST), (multipart, part[:-9] + b"x" * LARGEST + part[-9:])]

    for kind, body in tries:
        answer = await ask(house.app, "POST", door.path.encode(), [kind, origin], body)
        assert 400 <= answer.status < 500, f"{door}: {kind} {body[:60]!r}: {answer.status}"
    assert await contents(house, without=frozenset()) == before
