"""The JSON shapes that API keys take (spec section 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.clock import iso, iso_or_none
from ostiary.web.answers import Answer, Moment

if TYPE_CHECKING:
    from typing import Any

    from ostiary.apikeys.queries import ApiKey
    from ostiary.apikeys.service import Issued


class ApiKeyAnswer(Answer):
    """A key as its owner sees it: everything but the key."""

    id: str
    name: str
    hint: str
    scopes: list[str]
    networks: list[str]
    created_at: Moment
    rotated_at: Moment | None
    previous_ends_at: Moment | None
    expires_at: Moment | None
    last_used_at: Moment | None

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyAnswer:
        """Return the owner's view of a key."""
        return cls(**_told(key))


class NewApiKeyAnswer(ApiKeyAnswer):
    """A key that has a new secret. `api_key` is shown in this answer and never again."""

    api_key: str

    @classmethod
    def made(cls, issued: Issued) -> NewApiKeyAnswer:
        """Return a key with its text."""
        return cls(**_told(issued.key), api_key=issued.text)


class ApiKeyList(Answer):
    """The keys of an account, the oldest first."""

    api_keys: list[ApiKeyAnswer]


def _told(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "hint": key.hint,
        "scopes": key.scopes.split(),
        "networks": key.networks.split(),
        "created_at": iso(key.created_at),
        "rotated_at": iso_or_none(key.rotated_at),
        "previous_ends_at": iso_or_none(key.previous_ends_at),
        "expires_at": iso_or_none(key.expires_at),
        "last_used_at": iso_or_none(key.last_used_at),
    }
