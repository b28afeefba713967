"""Refusals that concern roles and permissions; all of them are said to keepers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.core.errors import FieldError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable


class NoSuchRole(Problem):
    """Unknown, or deleted: one answer."""

    slug = "no-such-role"
    title = "There is no such role."
    status = 404


class RoleTaken(Problem):
    """Names of roles are told apart by nothing else."""

    slug = "role-taken"
    title = "There is a role of this name already."
    status = 409

    def __init__(self) -> None:
        super().__init__(errors=(FieldError("role", self.title, "taken"),))


class BeyondOwnPermissions(Problem):
    """A keeper gives and takes what they may do themselves, and nothing more: else roles:write would be everything."""

    slug = "beyond-own-permissions"
    title = "You can give and take only what you may do yourself."
    status = 403
    headers = ((b"www-authenticate", b'Bearer realm="ostiary", error="insufficient_scope"'),)  # RFC 6750 section 3.1

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(f"You may not: {', '.join(sorted(missing))}.")


class LastKeeper(Problem):
    """Nobody would be left who could give anybody anything; only the command line may go that far."""

    slug = "last-keeper"
    title = "Nobody would be left who may change roles."
    status = 409


class TooManyPermissions(Problem):
    """Permissions stand in every token, and tokens in cookies, which browsers drop when they are too long."""

    slug = "too-many-permissions"
    title = "Somebody would have more permissions than a token can hold."
    status = 409
