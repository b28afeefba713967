"""What a house says to its database, for tests of what its time can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ostiary.wiring import Ostiary


def statements(house: Ostiary, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Watch every statement that the house sends to its database."""
    said: list[str] = []
    driver = house.database.driver

    def watch(act: Callable[..., Any]) -> Callable[..., Any]:
        def watched(compiled: Any, *more: Any) -> Any:  # noqa: ANN401 - passed through
            said.append(compiled.sql)
            return act(compiled, *more)

        return watched

    begin = driver.transaction

    def transaction() -> Any:  # noqa: ANN401 - the driver's own
        begun = begin()
        return Watched(begun, watch)

    for name in ("fetch", "execute"):
        monkeypatch.setattr(driver, name, watch(getattr(driver, name)), raising=True)
    monkeypatch.setattr(driver, "transaction", transaction)
    return said


class Watched:
    """A transaction whose statements are noted on their way."""

    def __init__(self, begun: Any, watch: Callable[..., Any]) -> None:  # noqa: ANN401
        self._begun, self.fetch, self.execute = begun, watch(begun.fetch), watch(begun.execute)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._begun, name)
