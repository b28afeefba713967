"""The client has the whole API, in both forms, and says what the document says: nothing here knows the generator."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, get_args, get_type_hints

import httpx
import pytest
from scripts.client_words import LEFT_OUT, OPEN, SECRETS
from tests.client.api.forms import FORMS, Form
from tests.contract.doors import Operation, operations, resolved
from tests.house import ORIGIN, PASSWORD

from ostiary.client.api import ApiProblem, AsyncOstiaryClient, OstiaryClient, SignInNeeded, Tokens, Unset, shapes
from ostiary.client.api.call import UNSET
from ostiary.client.api.verbs import AsyncVerbs, Verbs
from ostiary.core.caller import KEEPER
from ostiary.wiring import Ostiary

ROUTE = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/\S+)`")
LIKE_A_SECRET = re.compile(r"token|secret|ticket|password|code|key|uri|qr|url|cookie")
TOKENS = Tokens("access", "refresh", 9e12)
INSIDE = [operation for operation in operations() if operation.document["operationId"] not in LEFT_OUT]


def verbs(form: Form) -> dict[str, str]:
    """Return the name of each method by the route that its words name."""
    root: Any = (Verbs if form == "blocking" else AsyncVerbs)(None)  # type: ignore[arg-type]

    def below(part: object, path: str) -> Iterator[tuple[str, str]]:
        for name, inner in vars(part).items():
            if not name.startswith("_"):
                yield from below(inner, f"{path}{name}.")
        for name, method in inspect.getmembers(type(part), inspect.isfunction):
            if not name.startswith("_"):
                route = ROUTE.search(method.__doc__ or "")
                assert route is not None, f"{path}{name} names no route"
                yield f"{route[1]} {route[2]}", path + name

    found = list(below(root, ""))
    assert len(dict(found)) == len(found), "two methods for one route"
    return dict(found)


def test_every_operation_has_one_method_in_each_form_and_what_is_left_out_has_a_reason() -> None:
    assert verbs("blocking") == verbs("awaiting")
    assert verbs("blocking").keys() == {str(operation) for operation in INSIDE}
    described = {operation.document["operationId"] for operation in operations()}
    assert LEFT_OUT.keys() <= described
    assert all(LEFT_OUT.values())


def test_both_forms_take_the_same() -> None:
    for name in verbs("blocking").values():
        here, there = (inspect.signature(attrgetter(name)(root(None))) for root in (Verbs, AsyncVerbs))  # type: ignore[arg-type]
        assert here.parameters == there.parameters, name
        assert there.return_annotation in (
            here.return_annotation,
            f"Async{here.return_annotation}",
            here.return_annotation.replace("Context", "AsyncContext").replace("Iterator", "AsyncIterator")
            .replace("AbstractAsync", "AbstractAsync"),
        ), name  # fmt: skip


def sample(schema: dict[str, Any], *, all_of_it: bool = True) -> Any:  # noqa: ANN401 - JSON
    """Return a value that a schema allows."""
    schema = resolved(schema)
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], all_of_it=all_of_it)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema["type"] == "object":
        needed, members = schema.get("required", ()), schema.get("properties", {}).items()
        return {name: sample(one) for name, one in members if all_of_it or name in needed}
    if schema["type"] == "array":
        return [sample(schema["items"])]
    if schema["type"] == "string":
        return text(schema)
    return {"integer": int(schema.get("minimum", 3)), "number": 2.5, "boolean": True}[schema["type"]]


def text(schema: dict[str, Any]) -> str:
    """Return a text that a schema allows."""
    if schema.get("format") == "date-time":
        return "2031-02-03T04:05:06Z"
    some = ("A" * 22, "github", "1." + "A" * 22, "")
    return next(one for one in some if re.search(schema.get("pattern", ""), one))


def taken(operation: Operation, *, all_of_it: bool) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return values for the path, the query and the body of an operation."""
    path, query, body = {}, {}, {}
    if operation.has_body:
        schema = resolved(operation.document["requestBody"]["content"]["application/json"]["schema"])
        body = sample(schema, all_of_it=all_of_it)
        members = schema["properties"].keys()
    else:
        members = frozenset()
    for one in operation.document.get("parameters", ()):
        if one["in"] == "path":
            path[one["name"]] = sample(one["schema"])
        elif one["name"] not in members and (all_of_it or one.get("required")):
            query[one["name"]] = sample(one["schema"])
    return path, query, body


def as_python(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value as a caller would give it: a time as one."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", value):
        return datetime.fromisoformat(value)
    return value


def answers_of(operation: Operation) -> list[dict[str, Any]]:
    (answer,) = (one for status, one in operation.document["responses"].items() if status < "300")
    schema = answer["content"]["application/json"]["schema"]
    return [sample(one) for one in schema.get("anyOf", [schema])]


class Recorder:
    """A house that writes down what arrives, and answers as a test says."""

    def __init__(self, form: Form) -> None:
        self.heard: list[httpx.Request] = []
        self.answer: object = {}
        self.form = form
        self.tokens: Tokens | None = TOKENS
        transport = httpx.MockTransport(self.take)
        kind = OstiaryClient if form == "blocking" else AsyncOstiaryClient
        self.client: Any = kind("https://house.test", tokens=TOKENS, transport=transport)

    def take(self, request: httpx.Request) -> httpx.Response:
        self.heard.append(request)
        return httpx.Response(200, json=self.answer)

    async def ask(self, verb: str, path: dict[str, Any], values: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call a method; read the first page of a list, and the whole of a file."""
        self.client._tokens = self.tokens  # whatever an answer before has made of them
        found = attrgetter(verb)(self.client)(*path.values(), **values)
        if hasattr(found, "pages"):
            return next(found.pages()) if self.form == "blocking" else await anext(found.pages())
        if hasattr(found, "__enter__"):
            with found as parts:
                return b"".join(parts)
        if hasattr(found, "__aenter__"):
            async with found as parts:
                return b"".join([part async for part in parts])
        return await found if inspect.isawaitable(found) else found


@pytest.mark.parametrize("all_of_it", [True, False], ids=["everything", "only what is needed"])
@pytest.mark.parametrize("form", FORMS)
async def test_each_method_sends_what_the_document_says(form: Form, *, all_of_it: bool) -> None:
    recorder = Recorder(form)
    for operation in INSIDE:
        recorder.heard, recorder.answer = [], answers_of(operation)[0]
        path, query, body = taken(operation, all_of_it=all_of_it)
        given = {name: as_python(value) for name, value in (query | body).items()}

        await recorder.ask(verbs(form)[str(operation)], path, given)

        (request,) = recorder.heard
        assert request.method == operation.method, str(operation)
        assert request.url.path == operation.path.format(**path), str(operation)
        assert dict(request.url.params) == {name: str(value) for name, value in query.items()}, str(operation)
        assert json.loads(request.content or b"null") == (body if operation.has_body else None), str(operation)
        assert ("content-type" in request.headers) == operation.has_body
        assert ("authorization" in request.headers) == (operation.document["security"] != []), str(operation)


def test_each_method_takes_what_the_document_names_and_nothing_else() -> None:
    for operation in INSIDE:
        everything, needed = (
            {name for part in taken(operation, all_of_it=flag) for name in part} for flag in (True, False)
        )
        signature = inspect.signature(attrgetter(verbs("blocking")[str(operation)])(Verbs(None)))  # type: ignore[arg-type]
        assert signature.parameters.keys() == everything, str(operation)
        without = {name for name, one in signature.parameters.items() if one.default is inspect.Parameter.empty}
        assert without == needed, str(operation)
        for one in signature.parameters.values():
            assert one.default in (inspect.Parameter.empty, UNSET, None)
            assert "Any" not in str(one.annotation)


def assert_holds(value: object, told: object) -> None:
    """Assert that a typed value has every member that was told."""
    if isinstance(told, dict) and is_dataclass(value):
        assert {one.name for one in fields(value)} == told.keys(), type(value)
        for name, inner in told.items():
            assert_holds(getattr(value, name), inner)
    elif isinstance(told, list):
        assert isinstance(value, tuple)
        for mine, theirs in zip(value, told, strict=True):
            assert_holds(mine, theirs)
    else:
        assert value == as_python(told)


@pytest.mark.parametrize("form", FORMS)
async def test_each_answer_has_every_member_that_the_document_names(form: Form) -> None:
    recorder = Recorder(form)
    for operation in INSIDE:
        path, query, body = taken(operation, all_of_it=False)
        kinds = set()
        for told in answers_of(operation):
            recorder.answer = told
            found = await recorder.ask(verbs(form)[str(operation)], path, query | body)
            if isinstance(found, bytes):
                continue
            assert_holds(found, told)
            kinds.add(type(found))
            recorder.answer = told | {"of a later version": 1}
            assert await recorder.ask(verbs(form)[str(operation)], path, query | body) == found
        assert len(kinds) == len(answers_of(operation)) or not kinds, str(operation)


def test_no_repr_shows_a_secret_and_every_name_that_sounds_like_one_was_looked_at() -> None:
    looked_at = set()
    for kind in (getattr(shapes, name) for name in shapes.__all__):
        for one in fields(kind) if is_dataclass(kind) else ():
            assert one.repr == (one.name not in SECRETS), f"{kind}.{one.name}"
            if LIKE_A_SECRET.search(one.name) and one.repr:
                looked_at.add(one.name)
    assert looked_at == OPEN


def test_no_answer_is_anything() -> None:
    for name in shapes.__all__:
        kind = getattr(shapes, name)
        hints = get_type_hints(kind) if isinstance(kind, type) else {"": get_args(kind)}
        assert "Any" not in str(hints), name
    assert Unset is type(UNSET)


async def test_the_house_takes_every_call_for_what_it_is(house: Ostiary) -> None:
    """Values that nobody has are refused as such: no path, method, name or kind of a value is unknown."""
    transport = httpx.ASGITransport(app=house.app, client=("203.0.113.7", 50000))
    wrong = {"not-found", "method-not-allowed", "malformed-json", "media-type-unsupported", "internal-fault"}
    done = 0
    async with AsyncOstiaryClient(ORIGIN, transport=transport) as client:
        mira = await client.auth.register(username="mira", email="mira@example.org", password=PASSWORD)
        async with house.database.unit(KEEPER) as unit:
            for permission in ("providers:read", "providers:write", "csp-reports:read", "csp-reports:write"):
                await house.accounts.permit(unit, mira.user.id, permission)
        tokens = client.tokens
        assert tokens is not None
        last = ("logout", "endOtherSessions")
        for operation in sorted(INSIDE, key=lambda one: one.document["operationId"] in last):
            recorder = Recorder("awaiting")
            recorder.client, recorder.tokens = client.in_session(tokens), tokens
            path, query, body = taken(operation, all_of_it=False)
            said = await outcome(recorder.ask(verbs("awaiting")[str(operation)], path, query | body))
            done += said is None
            recorder.client, recorder.tokens = client.in_session(None), None
            stranger = await outcome(recorder.ask(verbs("awaiting")[str(operation)], path, query | body))
            is_asked = isinstance(stranger, SignInNeeded) and stranger.slug == "not-signed-in"
            assert is_asked == (operation.document["security"] == [{"bearer": []}]), str(operation)
            if said is not None:
                assert said.slug not in wrong | {"not-signed-in"}, f"{operation}: {said.slug}"
                assert said.request_id
                assert not {fault.code for fault in said.errors} & {"extra_forbidden", "extra"}, str(operation)
    assert done > 12
    assert len(INSIDE) - done > 20


async def outcome(call: Awaitable[object]) -> ApiProblem | None:
    """Return how a call is refused, or None."""
    try:
        await call
    except ApiProblem as problem:
        return problem
    return None
