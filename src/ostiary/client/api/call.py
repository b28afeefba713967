"""One request to the API, before anybody has sent it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

import msgspec
from msgspec import UNSET, UnsetType

if TYPE_CHECKING:
    from typing import TypeAlias

T = TypeVar("T")

Unset: TypeAlias = UnsetType
"""The type of `UNSET`, the default of what may be left out; None, where it is allowed, is sent as null."""

Shows: TypeAlias = Literal["needed", "looked at", "ignored"]
"""What becomes of a credential at an operation; it is sent only where somebody looks at it."""

__all__ = ["UNSET", "AsyncSender", "Call", "Sender", "Shows", "Unset", "segment"]

IDEMPOTENT: Final = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """An operation with its values.

    Attributes:
        operation: Its `operationId`, which errors name.
        path: With its parameters filled in.
        answers: The shapes that an answer may have, told apart by their members.
        credential: What becomes of one there.
        signs_out: Whether nothing is left of the session when it is done.
    """

    operation: str
    method: str
    path: str
    answers: tuple[type[T], ...]
    credential: Shows = "needed"
    query: Mapping[str, object] = field(default_factory=dict, repr=False)
    body: Mapping[str, object] | None = field(default=None, repr=False)
    signs_out: bool = False

    @property
    def is_idempotent(self) -> bool:
        """Whether it may be sent again when it was refused for now (RFC 9110 section 9.2.2)."""
        return self.method in IDEMPOTENT

    @property
    def parameters(self) -> dict[str, str]:
        """The query, without what was left out."""
        given = {name: value for name, value in self.query.items() if value is not UNSET and value is not None}
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}

    def content(self) -> bytes | None:
        """Return the body as JSON, without what was left out; None where the operation takes none.

        Raises:
            ValueError: A text is none, for want of half a letter.
        """
        if self.body is None:
            return None
        with suppress(UnicodeError):  # it would hold the text, which may be a password
            return msgspec.json.encode({name: value for name, value in self.body.items() if value is not UNSET})
        raise ValueError(f"{self.operation}: a text holds half of a surrogate pair.")


def segment(value: str | int) -> str:
    """Return a value as one segment of a path.

    Raises:
        ValueError: It would be none, or lead elsewhere.
    """
    text = str(value)
    if text in ("", ".", ".."):
        raise ValueError("this is not the id or the name of anything")
    return quote(text, safe="")


class Sender(Protocol):
    """Sends calls and waits for their answers."""

    def send(self, call: Call[T]) -> T:
        """Return the answer."""

    def stream(self, call: Call[bytes]) -> AbstractContextManager[Iterator[bytes]]:
        """Return an answer that comes in parts."""


class AsyncSender(Protocol):
    """Sends calls from an event loop."""

    async def send(self, call: Call[T]) -> T:
        """Return the answer."""

    def stream(self, call: Call[bytes]) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Return an answer that comes in parts."""
