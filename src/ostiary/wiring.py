"""Ostiary, wired: its rooms (`rooms`) opened, served and closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ostiary.core.caller import HOUSE
from ostiary.core.clock import Clock
from ostiary.core.errors import Unavailable
from ostiary.mail import Post
from ostiary.migrations import migrate
from ostiary.rooms import Rooms
from ostiary.schedule import schedule
from ostiary.settings import Settings, load
from ostiary.texts import ConsoleCarrier

if TYPE_CHECKING:
    from ostiary.server import Breadth
    from ostiary.web.visit import App


class Ostiary(Rooms):
    """The house: embedded in an application, or a server of its own.

    Args:
        settings: Every setting; `Ostiary.at` reads them from a folder.
        data: Folder for all state: database, root secret, letters.
        clock: Tells the time; tests bring one that they can turn.
        post: Delivers letters; without one, what the settings say.
        console: Keeps text messages where the settings name nobody who sends them; for development.
    """

    def __init__(
        self, settings: Settings, data: Path, *, clock: Clock | None = None, post: Post | None = None,
        console: ConsoleCarrier | None = None,
    ) -> None:  # fmt: skip
        super().__init__(settings, data, clock=clock, post=post, console=console)
        schedule(self)
        self.after_loading: Callable[[], None] = lambda: None
        self._doors: tuple[App, Breadth] | None = None
        self._is_open = False

    @classmethod
    def at(
        cls, data: str | Path, *, clock: Clock | None = None, post: Post | None = None,
        console: ConsoleCarrier | None = None, **overrides: Mapping[str, Any],
    ) -> Self:  # fmt: skip
        """Return the house whose state lies in a folder, which is created if need be.

        Args:
            data: The folder; its `ostiary.toml` and the environment hold settings.
            clock: Tells the time.
            post: Delivers letters.
            console: Keeps text messages that nobody sends.
            overrides: Settings by section, such as `web={"public_url": "https://login.example.org"}`.

        Raises:
            Misconfigured: A setting is unknown or unsafe.
        """
        folder = Path(data).absolute()
        return cls(load(folder, overrides), folder, clock=clock, post=post, console=console)

    async def open(self, *, work: bool = True) -> None:
        """Bring the database up to date, load the keys, and begin to listen and to work.

        Args:
            work: Whether this process runs queued jobs and the schedule.

        Raises:
            DatabaseUnavailable: It cannot be reached.
            Misconfigured: The root secret is not this database's.
        """
        if self._is_open:
            return
        self.breaches.open()
        await migrate(self.database_url)
        await self.database.driver.open()
        self._is_open = True  # from here on there is something to close
        try:
            self.hasher.open()
            await self.keys.open(HOUSE)
            await self.signals.start()
            await self.blocks.load()
            await self.providers.reload()
            if work:
                await self.presence.beat()
                await self.outbox.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Finish what is under way and let go of everything."""
        if not self._is_open:
            return
        self._is_open = False
        self.feed.end()
        await self.sockets.close()
        await self.outbox.stop()
        with contextlib.suppress(Unavailable):  # whoever cannot say goodbye is missed after a while
            await self.presence.leave()
            await self.api_key_guard.settle()
        await self.csp_reports.close()
        await self.signals.stop()
        await self.hasher.close()
        self.breaches.close()
        if closing := getattr(self.limiter, "close", None):
            await closing()
        await self.database.driver.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def app(self) -> App:
        """The ASGI application of this house: API and pages."""
        return self._door()[0]

    async def load(self) -> None:
        """Load what is behind the fast lane now, and not with the first request for it."""
        await self._door()[1].load()

    def _door(self) -> tuple[App, Breadth]:
        if self._doors is None:
            from ostiary.server import open_door  # noqa: PLC0415 - the web framework, for who serves

            self._doors = open_door(self)
        return self._doors

    async def is_ready(self) -> bool:
        """Return whether this process could answer a request safely now."""
        if not self._is_open:
            return False
        with contextlib.suppress(Unavailable, TimeoutError):
            await asyncio.wait_for(self.signals.refresh(), 2)
            return self._is_open
        return False
