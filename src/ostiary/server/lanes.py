"""The paths of the fast lane, from every room that has some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ostiary.core.errors import Unavailable
from ostiary.forward.lane import ForwardLane
from ostiary.keys.lane import jwks_lane
from ostiary.sessions.lane import SessionLane
from ostiary.web.answers import refusals
from ostiary.web.lane import Lane

if TYPE_CHECKING:
    from ostiary.web.visit import Receive, Visit
    from ostiary.wiring import Ostiary


UNKNOWN_ADDRESSES = (
    b'{"status":"ready",'
    b'"warning":"A proxy forwards, but not as web.trusted_proxies and web.forwarding_header say: see the log."}'
)


def lanes_of(house: Ostiary) -> list[Lane]:
    """Return every path of the fast lane."""
    room = SessionLane(
        house.sessions, house.guard, house.cookies, house.csrf, house.handover, house.binding,
        house.settings.web.largest_body,
    )  # fmt: skip
    forward = ForwardLane(house.guard, house.return_places)
    return [*room.lanes(), *forward.lanes(), jwks_lane(house.keys, house.settings.keys), *_health(house)]


def lanes_behind(house: Ostiary) -> list[Lane]:
    """Return the paths that are answered in plain ASGI as well, but behind the framework: they load as late as it."""
    from ostiary.login.lane import LoginLane  # noqa: PLC0415 - its shapes bring the framework

    web = house.settings.web
    return [LoginLane(house.login, house.guard, house.csrf, house.handover, web.largest_body).lane()]


def _health(house: Ostiary) -> list[Lane]:
    async def healthz(_: Visit, __: Receive) -> bytes:
        return b'{"status":"alive"}'

    async def readyz(_: Visit, __: Receive) -> bytes:
        if not await house.is_ready():
            raise Unavailable
        if house.addresses.are_unknown:
            return UNKNOWN_ADDRESSES
        return b'{"status":"ready"}'

    def operation(name: str, summary: str) -> dict[str, Any]:
        members = {"status": {"type": "string"}, "warning": {"type": "string"}}
        schema = {"type": "object", "properties": members, "required": ["status"]}
        answers = {"200": {"description": "Yes.", "content": {"application/json": {"schema": schema}}}}
        refused = {str(status): answer for status, answer in refusals().items()}
        return {"operationId": name, "summary": summary, "tags": ["health"], "responses": answers | refused}

    return [
        Lane("GET", "/healthz", healthz, operation("healthz", "Is the process alive?")),
        Lane("GET", "/readyz", readyz, operation("readyz", "Can it answer safely now?")),
    ]
