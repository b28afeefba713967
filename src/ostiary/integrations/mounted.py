"""A house in an application, as its requests and its sockets find it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ostiary.integrations.house import House

log = logging.getLogger(__name__)

NOT_OPEN = (
    "Ostiary is not open: the application's lifespan did not run. Servers run it unless told otherwise; in tests "
    "write `with TestClient(app) as client`, or `async with house` around a client that runs no lifespan."
)


@dataclass(slots=True)
class Mounted:
    """A house in an application.

    Attributes:
        redirect_to_sign_in: Whether the application has pages: browsers stay signed in there as on the
            house's own, and are sent to the sign-in page instead of a 401.
        is_open: Whether the house may be asked.
    """

    house: House
    redirect_to_sign_in: bool = False
    is_open: bool = False

    async def require_open(self) -> None:
        """See that the house is open, by the lifespan or by somebody else.

        Raises:
            Exception: The reception's own refusal; the log says what to do.
        """
        if self.is_open:
            return
        self.is_open = await self.house.is_ready()
        if not self.is_open:
            log.error(NOT_OPEN)
            raise self.house.reception.unavailable()
