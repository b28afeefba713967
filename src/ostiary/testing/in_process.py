"""The house that tests make: on their own event loop, or on one in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ostiary.testing.blocking import Blocking, EventLoopThread
from ostiary.testing.house import AsyncOstiary

if TYPE_CHECKING:
    from ostiary.web.visit import App


class InProcessOstiary(AsyncOstiary):
    """A house for one test: real, in this process, and gone when it is closed.

    It takes no folder, no database and no secret, and reads no environment. It
    lives on the event loop that opens it: `async with`, the lifespan of an
    application that it is mounted in, `serving`, or `in_thread`.

    Args:
        settings: Settings by section, such as `web={"product_name": "Books"}`.

    Raises:
        Misconfigured: A setting is unknown or unsafe, or would lead out of the test.
    """

    @contextmanager
    def in_thread(self, app: App | None = None) -> Iterator[Blocking]:
        """Open the house on an event loop in a thread, and yield it for tests that are not asynchronous."""
        with EventLoopThread() as thread, thread.holding(self.serving(app)):
            yield Blocking(self, app)

    @property
    def sync(self) -> Blocking:
        """This house for tests that are not asynchronous, while something else runs its event loop in a thread.

        Raises:
            RuntimeError: It is not open.
        """
        return Blocking(self)
