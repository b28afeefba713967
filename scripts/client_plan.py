"""Reads the OpenAPI document into what the typed client shall look like: operations in groups, and shapes."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from scripts.client_words import LEFT_OUT, NAMES, SHAPES, SIGNS_OUT, UNIONS

from ostiary.server.app import Document, routes
from ostiary.wiring import Ostiary

API = "/api/v1/"
ALWAYS = {"400", "403", "405", "413", "415", "429", "431", "503"}


class CannotDescribe(Exception):  # noqa: N818 - says what happened
    """The document says something that the generator has not been taught; the message says what to do."""


@dataclass(frozen=True)
class Parameter:
    """One value of an operation.

    Attributes:
        place: `path`, `query` or `body`.
        kind: Its type, as it is written.
        words: What it is, for the docstring.
    """

    name: str
    place: str
    kind: str
    is_needed: bool
    words: str


@dataclass(frozen=True)
class Operation:
    """One method of the client.

    Attributes:
        group: Where it is found, such as `admin.providers`.
        answers: Names of the shapes of its answer; none where it is a file.
        result: The type that the method returns, without pages and files.
        items: The member of a page that holds its items, or None where there are no pages.
    """

    id: str
    group: str
    verb: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    takes_body: bool
    answers: tuple[str, ...]
    result: str
    items: str | None
    words: str
    refusals: tuple[str, ...]
    credential: str
    signs_out: bool


@dataclass(frozen=True)
class Member:
    """One attribute of a shape."""

    name: str
    kind: str
    is_needed: bool


@dataclass(frozen=True)
class Shape:
    """An object of the document: a frozen dataclass where it answers, a TypedDict where it is sent."""

    name: str
    words: str
    members: tuple[Member, ...]
    is_sent: bool


@dataclass
class Plan:
    """All of the client that depends on the document."""

    operations: list[Operation] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    users: dict[str, set[str]] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """The groups, in the order of the document."""
        return list(dict.fromkeys(operation.group for operation in self.operations))

    def home(self, shape: str) -> str:
        """Return the module of a shape: its group's, or `common` where several use it."""
        groups = self.users[shape]
        return module_of(next(iter(groups))) if len(groups) == 1 else "common"


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document as a house writes it that was never opened."""
    with tempfile.TemporaryDirectory() as folder:
        house = Ostiary.at(Path(folder) / "data")
        found: dict[str, Any] = json.loads(Document(house, routes(with_mailbox=False)).encoded())
    return found


def plan() -> Plan:
    """Return what the client looks like.

    Raises:
        CannotDescribe: The document holds something that has not been thought of.
    """
    made = Reader(Plan(), document()["components"]["schemas"])
    for path, methods in document()["paths"].items():
        for method, described in methods.items():
            if described["operationId"] not in LEFT_OUT:
                made.operation(method.upper(), path, described)
    names = [f"{one.group}.{one.verb}" for one in made.plan.operations]
    if twice := {name for name in names if names.count(name) > 1}:
        raise CannotDescribe(f"name them apart in client_words.NAMES: {twice}")
    return made.plan


def module_of(group: str) -> str:
    """Return the name of a group's module."""
    return group.replace(".", "_")


def snake(text: str) -> str:
    """Return a name as Python spells functions."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+", "_", text).lower()


def name_of(operation_id: str, path: str) -> tuple[str, str]:
    """Return group and verb of an operation: written down, or by its path and what its id adds to that."""
    if operation_id in NAMES:
        group, _, verb = NAMES[operation_id].rpartition(".")
        return group, verb
    area, _, rest = path.removeprefix(API).partition("/")
    noun = snake(rest.partition("/")[0])
    words = snake(operation_id).split("_")
    known = {word.rstrip("s") for word in noun.split("_")}
    verb = "_".join(word for word in words if word.rstrip("s") not in known) or "_".join(words)
    return f"admin.{noun}" if area == "admin" else noun, verb


def shape_name(reference: str) -> str:
    """Return what a schema is called in the client."""
    name = reference.rpartition("/")[2]
    return SHAPES.get(name) or re.sub(r"(Answer|Body)$", "", name)


@dataclass
class Reader:
    """Adds operations and their shapes to a plan."""

    plan: Plan
    schemas: dict[str, Any]

    def operation(self, method: str, path: str, described: dict[str, Any]) -> None:
        """Add one operation."""
        group, verb = name_of(described["operationId"], path)
        parameters = self._parameters(group, described)
        answers, result = self._answers(group, described)
        page = self.plan.shapes[answers[0]] if len(answers) == 1 else None
        items = self._items(page, parameters)
        security = described.get("security")
        if security is None:
            raise CannotDescribe(f"{described['operationId']}: the document does not say whether it needs a credential")
        self.plan.operations.append(
            Operation(
                described["operationId"], group, verb, method, path, parameters, "requestBody" in described, answers,
                result, items, described.get("description") or described["summary"],
                tuple(sorted({status for status in described["responses"] if status >= "400"} - ALWAYS)),
                "ignored" if security == [] else "looked at" if {} in security else "needed",
                described["operationId"] in SIGNS_OUT,
            )
        )  # fmt: skip

    def _parameters(self, group: str, described: dict[str, Any]) -> tuple[Parameter, ...]:
        found: dict[str, Parameter] = {}
        for one in described.get("parameters", ()):
            if one["in"] not in ("path", "query"):
                raise CannotDescribe(f"{described['operationId']}: leave it out, or teach {one['in']} parameters")
            # A parameter of the query that may be null is left out then.
            kind = self.kind(group, one["schema"], is_sent=True).removesuffix(" | None")
            words = words_of(one["schema"], one.get("description"))
            found[one["name"]] = Parameter(one["name"], one["in"], kind, one.get("required", False), words)
        if "requestBody" in described:
            schema = self._resolved(described["requestBody"]["content"]["application/json"]["schema"])
            for name, member in schema["properties"].items():  # beside a query of the same name, the body counts
                is_needed = name in schema.get("required", ())
                kind = self.kind(group, member, is_sent=True)
                found[name] = Parameter(name, "body", kind, is_needed, words_of(self._resolved(member)))
        return tuple(found.values())

    def _answers(self, group: str, described: dict[str, Any]) -> tuple[tuple[str, ...], str]:
        (answer,) = (answer for status, answer in described["responses"].items() if status.startswith("2"))
        if set(answer.get("content", ())) != {"application/json"}:
            raise CannotDescribe(f"{described['operationId']} answers {set(answer.get('content', ()))}: leave it out")
        schema = answer["content"]["application/json"]["schema"]
        if schema.get("format") == "file":
            return (), "bytes"
        kind = self.kind(group, schema)
        names = tuple(kind.split(" | "))
        if not set(names) <= self.plan.shapes.keys():
            raise CannotDescribe(f"{described['operationId']} answers {kind}: give it a shape of its own")
        union = UNIONS.get(frozenset(names), kind)
        if union != kind:
            self.plan.users.setdefault(union, set()).add(group)
        return names, union

    @staticmethod
    def _items(page: Shape | None, parameters: tuple[Parameter, ...]) -> str | None:
        if page is None or not any(one.name == "after" and one.place == "query" for one in parameters):
            return None
        (items,) = (one.name for one in page.members if one.kind.startswith("tuple["))
        return items

    def kind(self, group: str, schema: dict[str, Any], *, is_sent: bool = False) -> str:
        """Return the type of a schema, as it is written; shapes that it names join the plan."""
        if "$ref" in schema:
            self._shape(group, schema["$ref"].rpartition("/")[2], is_sent=is_sent)
            return shape_name(schema["$ref"])
        if "anyOf" in schema:
            return " | ".join(self.kind(group, one, is_sent=is_sent) for one in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return f"Literal[{', '.join(json_word(one) for one in schema.get('enum', [schema.get('const')]))}]"
        if schema.get("type") == "array":
            inside = self.kind(group, schema["items"], is_sent=is_sent)
            return f"Sequence[{inside}]" if is_sent else f"tuple[{inside}, ...]"
        return self._plain_kind(group, schema, is_sent=is_sent)

    def _plain_kind(self, group: str, schema: dict[str, Any], *, is_sent: bool) -> str:
        if schema.get("type") == "object" and "properties" not in schema:
            more = schema.get("additionalProperties")
            inside = self.kind(group, more, is_sent=is_sent) if isinstance(more, dict) and more else "object"
            return f"Mapping[str, {inside}]"
        if schema.get("format") == "date-time":
            return "datetime"
        plain = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
        if schema.get("type") not in plain:
            raise CannotDescribe(f"{schema} in {group}: give it a shape of its own")
        return plain[schema["type"]]

    def _shape(self, group: str, reference: str, *, is_sent: bool) -> None:
        name, schema = shape_name(reference), self.schemas[reference]
        if group in self.plan.users.setdefault(name, set()):
            return
        self.plan.users[name].add(group)
        needed = schema.get("required", ())
        members = tuple(
            Member(inner, self.kind(group, described, is_sent=is_sent), inner in needed)
            for inner, described in schema["properties"].items()
        )
        shape = Shape(name, schema.get("description", name), members, is_sent)
        if self.plan.shapes.setdefault(name, shape) != shape:
            raise CannotDescribe(f"{name} is sent and answered, or two schemas have that name: see client_words.SHAPES")

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        return self.schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def json_word(value: object) -> str:
    """Return a constant of JSON as Python writes it."""
    return json.dumps(value) if isinstance(value, str) else repr(value)


def words_of(schema: dict[str, Any], description: str | None = None) -> str:
    """Return what a value is, and its bounds, as sentences."""
    parts = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    bounds = schema | (parts[0] if parts else {})
    said = description or schema.get("description")
    found = [said.rstrip(".") + "."] if said else []
    least, most = bounds.get("minLength", 0), bounds.get("maxLength")
    if most is not None:
        found.append(f"At most {most} characters." if least < 2 else f"{least} to {most} characters.")
    if "maxItems" in bounds:
        found.append(f"At most {bounds['maxItems']}.")
    if "minimum" in bounds and "maximum" in bounds:
        found.append(f"{bounds['minimum']} to {bounds['maximum']}.")
    return " ".join(found) or "As the route takes it."
