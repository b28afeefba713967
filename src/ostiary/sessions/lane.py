"""Questions asked with every request: who am I, and may I stay?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ostiary.core.errors import FieldError, InvalidFields
from ostiary.sessions.answers import SignedInAnswer, UserAnswer
from ostiary.sessions.binding_lane import BindingLane
from ostiary.sessions.errors import RefreshRefused
from ostiary.web.answers import SECURITY, refusals
from ostiary.web.lane import Lane, read_object

if TYPE_CHECKING:
    from ostiary.accounts import Account
    from ostiary.sessions.binding import DeviceBinding
    from ostiary.sessions.guard import CookieHandover, SessionGuard
    from ostiary.sessions.service import Sessions
    from ostiary.web.cookies import Cookies
    from ostiary.web.csrf import Csrf
    from ostiary.web.visit import Receive, Visit

LONGEST_TOKEN = 512
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class SessionLane:
    """Who-am-I and refresh, over the same services and guards as everything else."""

    sessions: Sessions
    guard: SessionGuard
    cookies: Cookies
    csrf: Csrf
    handover: CookieHandover
    binding: DeviceBinding
    largest_body: int
    _profiles: dict[str, tuple[Account, bytes]] = field(default_factory=dict)

    async def me(self, visit: Visit, _: Receive) -> bytes:
        """Answer who the caller is, from memory."""
        identity = await self.guard.admit(visit, keys=True)
        account = identity.account
        kept = self._profiles.get(account.id)
        if kept is not None and kept[0] is account:  # the very object: it changed in nothing
            return kept[1]
        encoded = UserAnswer.of(account).model_dump_json().encode()
        if len(self._profiles) >= _REMEMBERED:
            self._profiles.clear()
        self._profiles[account.id] = account, encoded
        return encoded

    async def refresh(self, visit: Visit, receive: Receive) -> bytes:
        """Exchange a refresh token, from the body or the cookie.

        Raises:
            RefreshRefused: It proves nothing any more. Cookies are left alone:
                a tab that lost a race must not sign the winner out (D2).
        """
        given = await read_object(visit, receive, self.largest_body)
        await self.guard.ensure_fresh()  # before cookies are read: a key of another process may have made them
        presented = _token_in(given)
        by_cookie = presented is None
        if presented is None:
            presented = self.cookies.read(visit, "refresh")
        visit.device_id = self.guard.device_of(visit)
        named = self.sessions.named_by(refresh_token=presented)
        if by_cookie:
            self.csrf.check(visit, named or self.guard.named_session(visit))
        if presented is None:
            raise RefreshRefused
        at_device = self.binding.holds(visit, named or "")
        grant = await self.sessions.refresh(visit.caller(), presented, at_device=at_device)
        if visit.traffic is not None:
            visit.traffic.admit_account(visit, grant.account.id)
        if by_cookie:
            self.handover.give(visit, grant)
        return SignedInAnswer.of(grant).model_dump_json().encode()

    def lanes(self) -> list[Lane]:
        """Return the paths that this room answers in the fast lane."""
        signed_in = {"$ref": "#/components/schemas/SignedInAnswer"}
        user = {"$ref": "#/components/schemas/UserAnswer"}
        body = {
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"refresh_token": {"type": "string", "maxLength": LONGEST_TOKEN}},
                        "additionalProperties": False,
                    }
                }
            }
        }
        bound = BindingLane(self.binding, self.guard, self.cookies, self.csrf)
        return [
            *bound.lanes(),
            Lane(
                "GET", "/api/v1/auth/me", self.me,
                _operation("me", "Return the caller's own account.", user, refusals(401))
                | {"security": SECURITY["needed"]},
            ),
            Lane(
                "POST", "/api/v1/auth/refresh", self.refresh,
                _operation(
                    "refresh", "Exchange a refresh token, from the body or the cookie, for its successor.", signed_in,
                    refusals(401, body=True),
                )
                | {"requestBody": body, "security": SECURITY["ignored"]},
            ),
        ]  # fmt: skip


def _token_in(given: dict[str, object]) -> str | None:
    others = given.keys() - {"refresh_token"}
    unknown = [FieldError(name[:80], "This field is not known here.", "extra") for name in others]
    if unknown:
        raise InvalidFields(errors=tuple(unknown))
    token = given.get("refresh_token")
    if "refresh_token" in given and (not isinstance(token, str) or len(token) > LONGEST_TOKEN):
        raise InvalidFields(errors=(FieldError("refresh_token", "This must be a refresh token.", "type"),))
    return token if isinstance(token, str) else None


def _operation(
    name: str, summary: str, schema: dict[str, str], refused: dict[int | str, dict[str, Any]]
) -> dict[str, object]:
    answers: dict[str, object] = {
        "200": {"description": "Done.", "content": {"application/json": {"schema": schema}}},
        **{str(status): answer for status, answer in refused.items()},
    }
    return {"operationId": name, "summary": summary, "tags": ["sessions"], "responses": answers}
