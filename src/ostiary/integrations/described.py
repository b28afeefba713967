"""What the OpenAPI document of a FastAPI application says of those who may call: who, and what they get otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, WeakSet

from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
from fastapi.routing import iter_route_contexts
from fastapi.security.base import SecurityBase

from ostiary.client.problems import MEDIA_TYPE
from ostiary.client.resource import USUAL_COOKIE
from ostiary.client.visits import SAFE_METHODS

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ostiary.client.requirements import Requirement

REQUIREMENTS: Final[WeakKeyDictionary[Callable[..., Any], Requirement]] = WeakKeyDictionary()
"""What each dependency that `require` has made asks for."""

LIMITS: Final[WeakSet[Callable[..., Any]]] = WeakSet()
"""Dependencies that count."""

PROBLEM: Final = "OstiaryProblem"
_SCHEMA: Final[dict[str, Any]] = {
    "title": PROBLEM,
    "description": "What happened, and what to do (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "Its last part names the kind of refusal."},
        "title": {"type": "string", "description": "The same words at every occurrence."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is particular to this occurrence."},
        "retry_after": {"type": "integer", "description": "Seconds until a repetition can succeed."},
        "max_age": {"type": "integer", "description": "Seconds that the sign-in may be old (RFC 9470)."},
        "acr_values": {"type": "string", "description": "How strong the sign-in must be (RFC 9470)."},
        "scope": {"type": "string", "description": "What the credential was not made for."},
        "request_id": {"type": "string", "description": "Stands in the log, too."},
    },
}


class Shown(SecurityBase):
    """Shows a way to sign in in the OpenAPI document; the account's dependency does the looking."""

    def __init__(self, name: str, model: HTTPBearer | APIKey) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        """Do nothing."""


BEARER = Shown(
    "bearer",
    HTTPBearer(description="An access token (a JWT); an API key as well, where Ostiary is a part of this application."),
)
COOKIE = Shown(
    "cookie",
    APIKey(
        **{"in": APIKeyIn.cookie}, name=USUAL_COOKIE,
        description="The cookie of a signed-in browser. Other methods than GET need a page of this application, and "
        "the header X-CSRF-Token where Ostiary is a part of it.",
    ),
)  # fmt: skip


@dataclass(slots=True)
class Asked:
    """What a route asks of whoever calls.

    Attributes:
        who: Whether it asks who that is.
        counts: Whether it counts.
        wishes: What more they must meet.
    """

    who: bool = False
    counts: bool = False
    wishes: list[Requirement] = field(default_factory=list)

    @classmethod
    def by(cls, route: Any) -> Asked:  # noqa: ANN401 - any kind of route
        """Return what a route asks."""
        asked = cls()
        for call in _calls(getattr(route, "dependant", None)):
            asked.who = asked.who or call is BEARER
            asked.counts = asked.counts or call in LIMITS
            if call in REQUIREMENTS:
                asked.wishes.append(REQUIREMENTS[call])
        return asked

    def refusals(self, method: str) -> Iterator[tuple[str, str]]:
        """Yield the statuses that a request may get, and why."""
        if not self.who:
            return
        yield "401", " ".join(["Nobody is signed in.", *_sentence("The sign-in must be", self._sign_in())])
        refused = [*_sentence("Needs", self._rights())]
        if self._sign_in():
            refused.append("API keys are not accepted.")
        if method not in SAFE_METHODS:
            refused.append("By cookie, only pages of this application may act.")
        if refused:
            yield "403", " ".join(refused)

    def _sign_in(self) -> list[str]:
        young = [f"at most {asked.max_age} seconds old" for asked in self.wishes if asked.max_age is not None]
        return young + [f"at least of strength {asked.acr}" for asked in self.wishes if asked.acr is not None]

    def _rights(self) -> list[str]:
        found = [f"the permission {asked.permission}" for asked in self.wishes if asked.permission is not None]
        found += [f"the scope {asked.scope}, of an API key" for asked in self.wishes if asked.scope is not None]
        return found + ["a proven address" for asked in self.wishes if asked.verified][:1]


def describe(app: FastAPI, cookie: str | None) -> None:
    """Let an application's document say what routes answer to whoever may not call them.

    Args:
        app: The application.
        cookie: Name of the access cookie; None if cookies do not count.
    """
    itself = app.openapi

    def described() -> dict[str, Any]:
        document = itself()
        components = document.setdefault("components", {})
        _name_cookie(document, components.get("securitySchemes", {}), cookie)
        for route in iter_route_contexts(app.routes):
            item = document.get("paths", {}).get(route.path_format or "", {})
            asked = Asked.by(route)
            for method in route.methods or ():
                operation = item.get(method.lower())
                if operation is None:
                    continue
                for status, why in asked.refusals(method):
                    components.setdefault("schemas", {}).setdefault(PROBLEM, _SCHEMA)
                    operation["responses"].setdefault(status, _answer(status, why))
        return document

    app.openapi = described  # type: ignore[method-assign]


def _answer(status: str, why: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": why, "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}}
    }  # fmt: skip
    if status == "401":
        told = "The challenge (RFC 6750, RFC 9470)."
        found["headers"] = {"WWW-Authenticate": {"description": told, "schema": {"type": "string"}}}
    return found


def _name_cookie(document: dict[str, Any], schemes: dict[str, Any], cookie: str | None) -> None:
    if COOKIE.scheme_name not in schemes:
        return
    if cookie is not None:
        schemes[COOKIE.scheme_name]["name"] = cookie
        return
    del schemes[COOKIE.scheme_name]
    for item in document["paths"].values():
        for operation in item.values():
            ways = operation.get("security", []) if isinstance(operation, dict) else []
            ways[:] = [way for way in ways if COOKIE.scheme_name not in way]


def _calls(dependant: Any) -> Iterator[Callable[..., Any]]:  # noqa: ANN401 - the framework's own
    waiting = [dependant] if dependant is not None else []
    while waiting:
        found = waiting.pop()
        if found.call is not None:
            yield found.call
        waiting += found.dependencies


def _sentence(beginning: str, parts: Iterable[str]) -> Iterator[str]:
    told = ", ".join(parts)
    if told:
        yield f"{beginning} {told}."
