"""Lists that the house hands out page by page, read as if they were whole."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from ostiary.client.api.call import AsyncSender, Call, Sender
from ostiary.client.api.errors import AnswerNotUnderstood


class HasNext(Protocol):
    """A page that says where the next one begins."""

    @property
    def next(self) -> str | None:
        """What the next page begins after, or None at the end."""


P = TypeVar("P", bound=HasNext)
I_co = TypeVar("I_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Pages(Generic[P, I_co]):
    """A list that is fetched while it is read; each reading begins anew."""

    _sender: Sender = field(repr=False)
    _call: Callable[[str | None], Call[P]] = field(repr=False)
    _items: Callable[[P], tuple[I_co, ...]] = field(repr=False)
    _after: str | None = None

    def __iter__(self) -> Iterator[I_co]:
        for page in self.pages():
            yield from self._items(page)

    def pages(self) -> Iterator[P]:
        """Yield page after page.

        Raises:
            ApiProblem: The house refuses one of them.
            AnswerNotUnderstood: A page leads back to itself.
        """
        after = self._after
        while True:
            page = self._sender.send(self._call(after))
            yield page
            if page.next is None:
                return
            after = _onwards(after, page.next)


@dataclass(frozen=True, slots=True)
class AsyncPages(Generic[P, I_co]):
    """A list that is fetched while it is read; each reading begins anew."""

    _sender: AsyncSender = field(repr=False)
    _call: Callable[[str | None], Call[P]] = field(repr=False)
    _items: Callable[[P], tuple[I_co, ...]] = field(repr=False)
    _after: str | None = None

    async def __aiter__(self) -> AsyncIterator[I_co]:
        async for page in self.pages():
            for item in self._items(page):
                yield item

    async def pages(self) -> AsyncIterator[P]:
        """Yield page after page.

        Raises:
            ApiProblem: The house refuses one of them.
            AnswerNotUnderstood: A page leads back to itself.
        """
        after = self._after
        while True:
            page = await self._sender.send(self._call(after))
            yield page
            if page.next is None:
                return
            after = _onwards(after, page.next)


def _onwards(after: str | None, following: str) -> str:
    if following == after:
        raise AnswerNotUnderstood("A page of a list leads back to itself.")
    return following
