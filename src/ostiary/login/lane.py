"""Signing in as JSON, in plain ASGI: what a flood asks for spares the framework, which costs a fourth of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ostiary.login.answers import Credentials, answered
from ostiary.web.answers import SECURITY, refusals
from ostiary.web.lane import Lane, read_object
from ostiary.web.problems import invalid_fields

if TYPE_CHECKING:
    from ostiary.login.service import Login
    from ostiary.sessions import CookieHandover
    from ostiary.web.csrf import Csrf
    from ostiary.web.guard import Guard
    from ostiary.web.visit import Receive, Visit

PATH = "/api/v1/auth/login"


@dataclass(frozen=True, slots=True)
class LoginLane:
    """Sign-in by password, over the same desk as the page's."""

    desk: Login
    guard: Guard
    csrf: Csrf
    handover: CookieHandover
    largest_body: int

    async def login(self, visit: Visit, receive: Receive) -> bytes:
        """Sign in by username or proven address, and password; raises what `Login.with_password` does."""
        given = await read_object(visit, receive, self.largest_body)
        await self.guard.ensure_fresh()  # before cookies are read: a key of another process may have made them
        named = self.guard.named_session(visit)
        self.csrf.check(visit, named)
        shown = _credentials(given)
        visit.device_id = self.guard.device_of(visit)
        caller = replace(visit.caller(), replaces=named)  # what the browser was signed in as ends (ASVS 7.2.4)
        entered = await self.desk.with_password(caller, shown.name, shown.password, solution=shown.challenge)
        return answered(self.handover, visit, entered).model_dump_json().encode()

    def lane(self) -> Lane:
        """Return the path that this room answers in plain ASGI."""
        shapes = ("SignedInAnswer", "SecondFactorAnswer", "PasswordChangeAnswer")
        schema = {"title": "Response Login", "anyOf": [_reference(shape) for shape in shapes]}
        operation: dict[str, Any] = {
            "operationId": "login", "summary": "Login", "tags": ["login"], "security": SECURITY["ignored"],
            "description": "Sign in by username or proven address, and password.",
            "requestBody": {"required": True, "content": {"application/json": {"schema": _reference("Credentials")}}},
            "responses": {
                "200": {"description": "Successful Response", "content": {"application/json": {"schema": schema}}},
                **{str(status): answer for status, answer in refusals(401, 423, 429, body=True).items()},
            },
        }  # fmt: skip
        return Lane("POST", PATH, self.login, operation)


def _credentials(given: dict[str, object]) -> Credentials:
    """Return what was sent in its shape.

    Raises:
        InvalidFields: It has another. Raised outside the `except`: there it would carry the error that holds the
            password.
    """
    try:
        return Credentials.model_validate(given)
    except ValidationError as failure:
        wrong = failure.errors(include_input=False, include_url=False)
    raise invalid_fields(wrong)


def _reference(shape: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{shape}"}
