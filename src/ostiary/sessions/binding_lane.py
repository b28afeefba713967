"""What browsers ask by themselves: register a device's key for a session, and let the session go on.

These requests carry no `Origin`, no `Sec-Fetch-*` and no token of ours, and where another site's link has led here
no cookie either. What the browser has signed is their proof; a page that could send them would have nothing to show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ostiary.sessions.answers import DeviceSessionAnswer
from ostiary.sessions.binding import REGISTER_PATH, RENEW_PATH
from ostiary.sessions.errors import DeviceProofRefused
from ostiary.web.answers import refusals
from ostiary.web.lane import Lane

if TYPE_CHECKING:
    from ostiary.sessions.binding import DeviceBinding
    from ostiary.sessions.guard import SessionGuard
    from ostiary.sessions.queries import Session
    from ostiary.web.cookies import Cookies
    from ostiary.web.csrf import Csrf
    from ostiary.web.visit import Receive, Visit

ANSWER, SESSION = b"secure-session-response", b"sec-secure-session-id"
_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{22}")


@dataclass(frozen=True, slots=True)
class BindingLane:
    """Registration and renewal of device-bound sessions (DBSC)."""

    binding: DeviceBinding
    guard: SessionGuard
    cookies: Cookies
    csrf: Csrf

    async def register(self, visit: Visit, _: Receive) -> bytes:
        """Bind the session that was offered to the key that the browser shows."""
        await self._look(visit)
        answer = text_of(visit, ANSWER)
        if answer is None:
            raise DeviceProofRefused
        return self._bound(visit, await self.binding.register(visit.caller(), answer, self.guard.named_session(visit)))

    async def renew(self, visit: Visit, _: Receive) -> bytes:
        """Let a bound session go on for some minutes."""
        await self._look(visit)
        session_id = text_of(visit, SESSION)
        if session_id is None or not _SESSION_ID.fullmatch(session_id):
            raise DeviceProofRefused
        return self._bound(
            visit,
            await self.binding.renew(
                visit.caller(), session_id, text_of(visit, ANSWER), self.guard.named_session(visit)
            ),
        )

    async def _look(self, visit: Visit) -> None:
        self.csrf.check_origin(visit)  # of the token alone these paths are exempt
        await self.guard.ensure_fresh()  # a key of another process may have made what is shown

    def _bound(self, visit: Visit, session: Session) -> bytes:
        # The next challenge with each answer: browsers show an answer again until they are given another (D10).
        visit.answers += [self.binding.cookie(session), self.binding.next_challenge(session)]
        name = self.cookies.name_of("bound", session.id)
        return DeviceSessionAnswer.of(session, name, self.cookies.attributes("bound")).model_dump_json().encode()

    def lanes(self) -> list[Lane]:
        """Return the paths that this room answers in the fast lane."""
        return [
            Lane(
                "POST", REGISTER_PATH, self.register,
                _operation("registerDevice", "Bind a session to its browser's key; browsers ask by themselves."),
            ),
            Lane(
                "POST", RENEW_PATH, self.renew,
                _operation("renewBoundSession", "Let a bound session go on; browsers ask by themselves.", SESSION),
            ),
        ]  # fmt: skip


def text_of(visit: Visit, name: bytes) -> str | None:
    """Return a header's text, bare or as the quoted string of a structured field (RFC 9651); None without.

    Raises:
        DeviceProofRefused: It comes twice.
    """
    if name in visit.doubled:
        raise DeviceProofRefused
    text = visit.header(name)
    if text is not None and len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1]
    return text


def _operation(name: str, summary: str, *more: bytes) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/DeviceSessionAnswer"}
    return {
        "operationId": name, "summary": summary, "tags": ["sessions"],
        "parameters": [
            {"name": header.decode(), "in": "header", "required": False, "schema": {"type": "string"}}
            for header in (ANSWER, *more)
        ],
        "responses": {
            "200": {"description": "Done.", "content": {"application/json": {"schema": schema}}},
            **{str(status): answer for status, answer in refusals(401).items()},
        },
    }  # fmt: skip
